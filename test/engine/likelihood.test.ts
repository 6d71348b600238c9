import fc from 'fast-check'
import t from 'tap'
import type { OptimumResult } from '../../schemas/aggregate.ts'
import { aggregate } from '../../src/engine/aggregate.ts'
import type { PairCounts } from '../../src/engine/comparisons/pairs.ts'
import { fitBradleyTerry, posteriorOf } from '../../src/engine/rewards/fit-group.ts'
import { pairLikelihood } from '../../src/engine/rewards/pair-likelihood.ts'
import {
  connectedRows,
  correctionAt,
  informationAt,
  item,
  largest,
  type Prior,
  pairCounts,
  priors,
  type Row,
  scoreAt,
  won,
} from '../helpers/fit.ts'

/** log σ(d), for any d. */
function logSigmoid(d: number): number {
  return d >= 0 ? -Math.log1p(Math.exp(-d)) : d - Math.log1p(Math.exp(d))
}

/** The log-posterior, row by row: what a tie, a soft label, a count and a weight are defined to mean. */
function logPosterior(rows: Row[], items: string[], theta: ArrayLike<number>, prior: Prior): number {
  let sum = 0
  for (const { winner, loser, tie, preference, count = 1, weight = 1 } of rows) {
    const d = theta[items.indexOf(winner)] - theta[items.indexOf(loser)]
    const label = tie === true ? 0.5 : (preference ?? 1)
    sum += count * weight * (label * logSigmoid(d) + (1 - label) * logSigmoid(-d))
  }
  for (let k = 0; k < theta.length; k++) {
    if (prior.kind === 'gaussian') sum -= theta[k] ** 2 / (2 * prior.standardDeviation ** 2)
    if (prior.kind === 'pseudo-item') sum += prior.strength * (logSigmoid(theta[k]) + logSigmoid(-theta[k]))
  }
  return sum
}

const PLAIN = { ties: 'half-win', positionEffect: false } as const

function slope(theta: Float64Array, counts: PairCounts, prior: Prior) {
  const { posterior } = posteriorOf(counts, PLAIN, prior, null)
  posterior.linearise(theta)
  const m = posterior.size
  const half = new Float64Array(m * m)
  posterior.addCurvature(half, m)
  const curvature = Array.from({ length: m }, (_, i) =>
    Array.from({ length: m }, (_, j) => half[Math.max(i, j) * m + Math.min(i, j)]),
  )
  return { gradient: posterior.gradient, curvature, totals: posterior.totals }
}

function moved(theta: Float64Array, k: number, by: number): Float64Array {
  const copy = theta.slice()
  copy[k] += by
  return copy
}

/** Rewards around zero; rewards spread until their exponentials nearly overflow; and beyond, where they would. */
const spreads = fc.constantFrom(1, 8, 290, 320, 700)
const points = fc.tuple(
  spreads,
  fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 7, maxLength: 7 }),
)

t.test('the log-likelihood is what its definition, row by row, says', async () => {
  fc.assert(
    fc.property(connectedRows(), priors, points, (rows, prior, [spread, draw]) => {
      const { counts, items } = pairCounts(rows)
      const theta = Float64Array.from(items, (_, k) => (draw[k] * spread) / 1000)
      const value = posteriorOf(counts, PLAIN, prior, null).posterior.value(theta)
      const expected = logPosterior(rows, items, theta, prior)
      return Math.abs(value - expected) <= 1e-12 * Math.abs(expected)
    }),
    { seed: 1, numRuns: 500 },
  )
})

t.test('the gradient is the slope of the log-posterior, by central differences', async () => {
  const h = 1e-4
  fc.assert(
    fc.property(connectedRows(), priors, points, (rows, prior, [spread, draw]) => {
      const { counts, items } = pairCounts(rows)
      const theta = Float64Array.from(items, (_, k) => (draw[k] * spread) / 1000)
      const { gradient, totals } = slope(theta, counts, prior)
      const scale = largest(totals) * Math.max(1, spread)
      const errors = items.map((_, k) => {
        const rise =
          logPosterior(rows, items, moved(theta, k, h), prior) -
          logPosterior(rows, items, moved(theta, k, -h), prior)
        return gradient[k] - rise / (2 * h)
      })
      return largest(errors) <= 1e-8 * scale
    }),
    { seed: 2, numRuns: 500 },
  )
})

t.test('the Hessian is the slope of the gradient, by central differences', async () => {
  const h = 1e-4
  fc.assert(
    fc.property(connectedRows(), priors, points, (rows, prior, [spread, draw]) => {
      const { counts, items } = pairCounts(rows)
      const theta = Float64Array.from(items, (_, k) => (draw[k] * spread) / 1000)
      const { curvature, totals } = slope(theta, counts, prior)
      const scale = largest(totals) + 100
      const errors = items.flatMap((_, k) => {
        const above = slope(moved(theta, k, h), counts, prior).gradient
        const below = slope(moved(theta, k, -h), counts, prior).gradient
        return items.map((_, i) => curvature[i][k] + (above[i] - below[i]) / (2 * h))
      })
      return largest(errors) <= 1e-8 * scale
    }),
    { seed: 3, numRuns: 300 },
  )
})

t.test('gradient and Hessian agree with their formulas to rounding, near and far', async () => {
  fc.assert(
    fc.property(connectedRows(), priors, points, (rows, prior, [spread, draw]) => {
      const { counts, items } = pairCounts(rows)
      const theta = Float64Array.from(items, (_, k) => (draw[k] * spread) / 1000)
      const { gradient, curvature, totals } = slope(theta, counts, prior)
      const scale = largest(totals) + largest(theta) * 100
      const score = scoreAt(theta, counts, prior)
      const information = informationAt(theta, counts, prior).flat()
      return (
        largest(score.map((value, k) => value - gradient[k])) <= 1e-13 * scale &&
        largest(information.map((value, k) => value - curvature.flat()[k])) <= 1e-13 * scale
      )
    }),
    { seed: 4, numRuns: 300 },
  )
})

t.test(
  'rewards beyond the range of the exponential keep the curvature of the pairs that are close',
  async (t) => {
    const rows = [won('a', 'b', 3), won('b', 'c', 2), won('c', 'd', 4), won('d', 'c', 4)]
    const { counts } = pairCounts(rows)
    const theta = Float64Array.of(-650, 0, 700, 701)
    const { gradient, curvature } = slope(theta, counts, { kind: 'none' })
    const p = 1 / (1 + Math.E)
    t.ok(Math.abs(curvature[2][3] + 8 * p * (1 - p)) < 1e-15)
    t.ok(Math.abs(gradient[3] - (4 - 8 * (1 - p))) < 1e-14)
    t.equal(gradient[0], 3, 'a certain loss that was a win pulls with its full count')
    t.equal(curvature[0][1], -3 * Math.exp(-650))
  },
)

t.test('the log-likelihood of thousands of even games is as many times log 2', async (t) => {
  const rows = Array.from({ length: 70 }, (_, i) =>
    Array.from({ length: i }, (_, j) => won(item(i), item(j), 1 + ((i + j) % 2))),
  ).flat()
  const games = rows.reduce((sum, { count = 1 }) => sum + count, 0)
  const value = pairLikelihood(pairCounts(rows).counts, PLAIN).value(new Float64Array(70))
  t.ok(Math.abs(value / (games * Math.log(2)) + 1) < 1e-14)
})

t.test('the log-likelihood of impossible outcomes is finite', async (t) => {
  const { counts } = pairCounts([won('a', 'b', 3), won('b', 'a', 5)])
  const { value } = pairLikelihood(counts, PLAIN)
  t.equal(value(Float64Array.of(1e4, 0)), -5e4)
  t.equal(value(Float64Array.of(0, 1e4)), -3e4)
  const certain = pairLikelihood(pairCounts([won('a', 'b', 3)]).counts, PLAIN)
  t.equal(certain.value(Float64Array.of(1e4, 0)), -0)
  t.equal(certain.value(Float64Array.of(40, 0)), -3 * Math.exp(-40), 'small losses keep their digits')
})

t.test(
  'the fit finds the maximum however lopsided the counts, also where a full first step would overshoot',
  async () => {
    const counts = fc.constantFrom(1, 2, 30, 300)
    fc.assert(
      fc.property(
        fc.array(fc.tuple(counts, counts), { minLength: 2, maxLength: 6 }),
        fc.constantFrom<Prior>(
          { kind: 'none' },
          { kind: 'gaussian', standardDeviation: 0.01 },
          { kind: 'gaussian', standardDeviation: 100 },
          { kind: 'pseudo-item', strength: 0.001 },
          { kind: 'pseudo-item', strength: 1000 },
        ),
        (edges, prior) => {
          const m = edges.length
          const rows = edges.flatMap(([wins, losses], k) => [
            won(item(k), item((k + 1) % m), wins),
            won(item((k + 1) % m), item(k), losses),
          ])
          const { counts, items } = pairCounts(rows)
          const found = fitBradleyTerry(counts, prior)
          const theta = found.rewards.map((value) => value - found.unseenReward)
          const posterior = (at: Float64Array) => logPosterior(rows, items, at, prior)
          const top = posterior(theta)
          const nowhereBetter = theta.every((_, k) =>
            [-1, -0.01, 0.01, 1].every((by) => posterior(moved(theta, k, by)) <= top + 1e-13 * Math.abs(top)),
          )
          return nowhereBetter && largest(correctionAt(theta, counts, prior)) < 2e-10
        },
      ),
      { seed: 5, numRuns: 300 },
    )
  },
)

t.test('on a path of lopsided counts every edge is its own log-odds, up to a billion to one', async () => {
  const counts = fc.constantFrom(1, 1000, 1_000_000_000)
  fc.assert(
    fc.property(fc.array(fc.tuple(counts, counts), { minLength: 1, maxLength: 40 }), (edges) => {
      const rows = edges.flatMap(([wins, losses], k) => [
        won(item(k), item(k + 1), wins),
        won(item(k + 1), item(k), losses),
      ])
      const { rewards } = fitBradleyTerry(pairCounts(rows).counts, { kind: 'none' })
      const errors = edges.map(([wins, losses], k) => rewards[k] - rewards[k + 1] - Math.log(wins / losses))
      return largest(errors) < 1e-11
    }),
    { seed: 8, numRuns: 200 },
  )
})

t.test('a count is as many rows, and a tie is half a win to each side', async () => {
  fc.assert(
    fc.property(connectedRows(), priors, (rows, prior) => {
      const spelled = rows.flatMap(({ count = 1, ...row }) => Array.from({ length: count }, () => row))
      const halves = rows.flatMap(({ tie, ...row }) =>
        tie === true
          ? [
              { ...row, weight: (row.weight ?? 1) / 2 },
              { ...row, winner: row.loser, loser: row.winner, weight: (row.weight ?? 1) / 2 },
            ]
          : [row],
      )
      const whole = fitBradleyTerry(pairCounts(rows).counts, prior)
      return [spelled, halves].every((other) => {
        const { rewards, logLikelihood } = fitBradleyTerry(pairCounts(other).counts, prior)
        return (
          largest(rewards.map((value, k) => value - whole.rewards[k])) < 1e-11 &&
          Math.abs(logLikelihood - whole.logLikelihood) < 1e-10 * Math.abs(whole.logLikelihood)
        )
      })
    }),
    { seed: 6, numRuns: 100 },
  )
})

t.test(
  'as a prior weakens the estimate tends to the one without, at the rate of its precision',
  async (t) => {
    const { counts } = pairCounts([
      won('a', 'b', 7),
      won('b', 'a', 2),
      won('b', 'c', 5),
      won('c', 'a', 1),
      won('c', 'b', 1),
    ])
    const free = fitBradleyTerry(counts, { kind: 'none' }).rewards
    const distanceTo = (prior: Prior) =>
      largest(fitBradleyTerry(counts, prior).rewards.map((value, k) => value - free[k]))
    for (const [strong, weak] of [
      [
        distanceTo({ kind: 'gaussian', standardDeviation: 30 }),
        distanceTo({ kind: 'gaussian', standardDeviation: 300 }),
      ],
      [
        distanceTo({ kind: 'pseudo-item', strength: 1e-2 }),
        distanceTo({ kind: 'pseudo-item', strength: 1e-4 }),
      ],
    ]) {
      t.ok(strong > 1e-5, 'the stronger prior is felt')
      t.ok(
        strong / weak > 95 && strong / weak < 105,
        `a hundredth of the precision has a hundredth of the effect: ${strong / weak}`,
      )
    }
    t.ok(distanceTo({ kind: 'gaussian', standardDeviation: 1e6 }) < 1e-10)
    t.ok(distanceTo({ kind: 'pseudo-item', strength: 1e-6 }) < 1e-5)
  },
)

t.test('a gaussian prior has the variance that it says', async (t) => {
  // One win against none: the maximum solves 1 − σ(2θ) = θ/s², here with s = 2.
  const { rewards } = fitBradleyTerry(pairCounts([won('a', 'b')]).counts, {
    kind: 'gaussian',
    standardDeviation: 2,
  })
  const [theta] = rewards
  t.ok(Math.abs(1 / (1 + Math.exp(2 * theta)) - theta / 4) < 1e-12)
})

t.test('a pseudo-item is a phantom that every item beat and lost to so many times', async () => {
  fc.assert(
    fc.property(connectedRows(), fc.integer({ min: 1, max: 40 }), (rows, eighths) => {
      const strength = eighths / 8
      const { counts, items } = pairCounts(rows)
      const found = fitBradleyTerry(counts, { kind: 'pseudo-item', strength })
      const phantom = items.flatMap((name) => [
        { ...won(name, 'phantom'), weight: strength },
        { ...won('phantom', name), weight: strength },
      ])
      const haunted = pairCounts([...rows, ...phantom])
      const { rewards } = fitBradleyTerry(haunted.counts, { kind: 'none' })
      const at = (name: string) => rewards[haunted.items.indexOf(name)]
      const mean = items.reduce((sum, name) => sum + at(name), 0) / items.length
      return (
        largest(items.map((name, k) => found.rewards[k] - (at(name) - mean))) < 1e-11 &&
        Math.abs(found.unseenReward - (at('phantom') - mean)) < 1e-11
      )
    }),
    { seed: 7, numRuns: 200 },
  )
})

t.test(
  'an item that a group never compared has the prior’s reward, and without a prior the mean',
  async (t) => {
    const comparisons = [won('a', 'b', 9), won('b', 'a'), won('b', 'c', 2), won('c', 'b', 2)]
    const items = ['a', 'b', 'c', 'never'].map((id) => ({ id }))
    const rewardsUnder = async (prior: Prior) => {
      const request = { comparisons, items, model: { prior }, welfare: { function: 'utilitarian' } as const }
      const { groups } = (await aggregate(request)) as OptimumResult
      t.same(groups[0].unseenItems, ['never'])
      return groups[0].rewards
    }
    t.equal((await rewardsUnder({ kind: 'none' })).never, 0)
    t.ok(Math.abs((await rewardsUnder({ kind: 'gaussian', standardDeviation: 1 })).never) < 1e-12)

    const rewards = await rewardsUnder({ kind: 'pseudo-item', strength: 2 })
    const phantom = ['a', 'b', 'c'].flatMap((name) => [won(name, 'z', 2), won('z', name, 2)])
    const { rewards: haunted } = fitBradleyTerry(pairCounts([...comparisons, ...phantom]).counts, {
      kind: 'none',
    })
    t.ok(Math.abs(rewards.a + rewards.b + rewards.c) < 1e-12, 'the compared items have mean zero')
    t.ok(Math.abs(rewards.never) > 1e-3, 'and the phantom is not at their mean')
    t.ok(Math.abs(rewards.never - rewards.a - (haunted[3] - haunted[0])) < 1e-11)
  },
)
