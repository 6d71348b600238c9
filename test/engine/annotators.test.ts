import fc from 'fast-check'
import t from 'tap'
import type { AggregateRequest, CompareRequest, OptimumResult } from '../../schemas/aggregate.ts'
import type { FitRequest, FitResponse } from '../../schemas/fit.ts'
import { aggregate, compare } from '../../src/engine/aggregate.ts'
import { climb } from '../../src/engine/annotators/climb.ts'
import { discover } from '../../src/engine/annotators/discover.ts'
import {
  type Annotated,
  annotated,
  countsOf,
  expectation,
  groupPosterior,
  type Mixture,
  maximisation,
} from '../../src/engine/annotators/mixture.ts'
import { openIds } from '../../src/engine/comparisons/ids.ts'
import { judgementsOf, placeRows } from '../../src/engine/comparisons/judgements.ts'
import { countPairs } from '../../src/engine/comparisons/pairs.ts'
import { readComparisons } from '../../src/engine/comparisons/read.ts'
import { fit } from '../../src/engine/fit.ts'
import { andersonPoint } from '../../src/engine/numeric/anderson.ts'
import { normal, type Random, seededRandom } from '../../src/engine/numeric/random.ts'
import { Problem } from '../../src/engine/problem.ts'
import { priorTo } from '../../src/engine/rewards/fit-group.ts'
import { maximise } from '../../src/engine/rewards/maximise.ts'
import type { OutcomeModel } from '../../src/engine/rewards/model.ts'
import { pairLikelihood } from '../../src/engine/rewards/pair-likelihood.ts'
import { reliabilityLikelihood } from '../../src/engine/rewards/reliability-likelihood.ts'
import { reliabilityNodes } from '../../src/engine/rewards/reliability-nodes.ts'
import { inverse, item, largest, type Prior } from '../helpers/fit.ts'
import { distance } from '../helpers/problems.ts'

/** A comparison by somebody, as the tests write it. */
type Row = {
  group?: string
  annotator: string
  winner: string
  loser: string
  tie?: boolean
  preference?: number
  count?: number
  weight?: number
  first?: string
}

function logSigmoid(d: number): number {
  return d >= 0 ? -Math.log1p(Math.exp(-d)) : d - Math.log1p(Math.exp(d))
}
const sigmoid = (d: number) => Math.exp(logSigmoid(d))

/** What a row says: how much it counts, and how much of it for its winner. */
function said({ tie, preference, count = 1, weight = 1 }: Row): { mass: number; share: number } {
  return { mass: count * weight, share: tie === true ? 0.5 : (preference ?? 1) }
}

function logPrior(theta: ArrayLike<number>, prior: Prior): number {
  return Array.from(theta).reduce((sum, x) => {
    if (prior.kind === 'gaussian') return sum - x ** 2 / (2 * prior.standardDeviation ** 2)
    return prior.kind === 'pseudo-item' ? sum + prior.strength * (logSigmoid(x) + logSigmoid(-x)) : sum
  }, 0)
}

const BELIEFS = { alpha: 10, beta: 1 }

/** Reliabilities η and 1 − η, and what the prior makes of them: so close to each other that sums are integrals. */
function grid({ alpha, beta }: typeof BELIEFS) {
  return Array.from({ length: 2001 }, (_, n) => {
    const x = (n - 1000) / 20
    return { yes: sigmoid(x), no: sigmoid(-x), log: alpha * logSigmoid(x) + beta * logSigmoid(-x) }
  })
}

function logSum(logs: readonly number[]): number {
  const top = logs.reduce((a, b) => Math.max(a, b))
  return top + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - top), 0))
}

/** The log-posterior of rewards, row by row and over all reliabilities; and the mean reliability of each annotator. */
function crowdPosterior(
  rows: readonly Row[],
  items: readonly string[],
  annotators: readonly string[],
  theta: ArrayLike<number>,
  beliefs = BELIEFS,
  prior: Prior = { kind: 'none' },
): { value: number; reliabilities: number[] } {
  const points = grid(beliefs)
  const nothing = logSum(points.map(({ log }) => log))
  let value = logPrior(theta, prior)
  const reliabilities = annotators.map((id) => {
    const own = rows
      .filter(({ annotator }) => annotator === id)
      .map((row) => {
        const d = theta[items.indexOf(row.winner)] - theta[items.indexOf(row.loser)]
        return { ...said(row), up: sigmoid(d), down: sigmoid(-d) }
      })
    const logs = points.map(({ yes, no, log }) => {
      let sum = log
      for (const { mass, share, up, down } of own) {
        if (share > 0) sum += mass * share * Math.log(yes * up + no * down)
        if (share < 1) sum += mass * (1 - share) * Math.log(yes * down + no * up)
      }
      return sum
    })
    const all = logSum(logs)
    value += all - nothing
    return logs.reduce((mean, log, n) => mean + Math.exp(log - all) * points[n].yes, 0)
  })
  return { value, reliabilities }
}

/** Rows of one group as the engine reads them. */
function read(rows: readonly Row[], positions = false) {
  const groups = openIds()
  const items = openIds()
  const annotators = openIds()
  const comparisons = readComparisons(
    rows.map((row) => ({ group: 'all', ...row })),
    groups,
    items,
    {
      positions: positions ? 'required' : 'aside',
      annotators,
      annotatorRequired: true,
      group: 'required',
      batch: null,
    },
  )
  const counts = countPairs(comparisons, 1, items.names.length)
  const judgements = judgementsOf(comparisons, placeRows(comparisons, counts), 1)[0]
  return { counts: counts[0], judgements, items: items.names, annotators: annotators.names }
}

/** Rows with every way to say how a comparison ended, by a few annotators; a cycle connects the items. */
function judgedRows(most = 5, judges = 4): fc.Arbitrary<Row[]> {
  return fc.integer({ min: 2, max: most }).chain((m) =>
    fc
      .array(
        fc.record({
          a: fc.nat(m - 1),
          step: fc.integer({ min: 1, max: m - 1 }),
          annotator: fc.nat(judges - 1),
          outcome: fc.constantFrom('win', 'tie', 'label'),
          label: fc.integer({ min: 0, max: 20 }),
          count: fc.integer({ min: 1, max: 9 }),
          weight: fc.integer({ min: 1, max: 16 }),
          order: fc.nat(2),
        }),
        { minLength: 4, maxLength: 30 },
      )
      .map((drawn) => [
        ...Array.from({ length: m }, (_, k) => ({
          annotator: `judge ${k % judges}`,
          winner: item(k),
          loser: item((k + 1) % m),
        })),
        ...drawn.map(({ a, step, annotator, outcome, label, count, weight, order }) => {
          const [winner, loser] = [item(a), item((a + step) % m)]
          return {
            annotator: `judge ${annotator}`,
            winner,
            loser,
            count,
            weight: weight / 8,
            ...(outcome === 'tie' ? { tie: true } : outcome === 'label' ? { preference: label / 20 } : {}),
            ...(order === 0 ? {} : { first: order === 1 ? winner : loser }),
          }
        }),
      ]),
  )
}

const drawnPoint = fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 16, maxLength: 16 })
const beliefs = fc.constantFrom(BELIEFS, { alpha: 2, beta: 1 }, { alpha: 3, beta: 2 }, { alpha: 9, beta: 4 })
const priors = fc.constantFrom<Prior>(
  { kind: 'none' },
  { kind: 'gaussian', standardDeviation: 1.5 },
  { kind: 'pseudo-item', strength: 0.5 },
)

/** The slope of a function in one coordinate, by central differences. */
function slope(value: (x: Float64Array) => number, at: Float64Array, k: number, h = 1e-5): number {
  const moved = (by: number) => at.map((x, v) => (v === k ? x + by : x))
  return (value(moved(h)) - value(moved(-h))) / (2 * h)
}

t.test('with reliability the log-posterior is that of its definition, over all reliabilities', async () => {
  fc.assert(
    fc.property(judgedRows(), beliefs, priors, drawnPoint, (rows, belief, prior, draw) => {
      const { counts, judgements, items, annotators } = read(rows)
      const theta = Float64Array.from(items, (_, k) => draw[k] / 150)
      const likelihood = reliabilityLikelihood(counts, judgements, belief)
      const posterior = priorTo(likelihood, prior, null)
      const expected = crowdPosterior(rows, items, annotators, theta, belief, prior)
      posterior.linearise(theta)
      return (
        Math.abs(posterior.value(theta) - expected.value) <= 1e-10 * Math.abs(expected.value) &&
        distance(likelihood.reliabilities, expected.reliabilities) <= 1e-9
      )
    }),
    { seed: 11, numRuns: 100 },
  )
})

t.test('integrals over reliabilities are right for one judgement and for millions of them', async (t) => {
  for (const count of [1, 30, 1000, 1e6]) {
    for (const [wins, losses] of [
      [1, 0],
      [0.9, 0.1],
      [0.3, 0.7],
      [0, 1],
    ]) {
      const beliefs = { alpha: 3, beta: 1 }
      const judged = {
        offsets: Int32Array.of(0, 1),
        entry: Int32Array.of(0),
        wins: Float64Array.of(count * wins),
        losses: Float64Array.of(count * losses),
        up: Float64Array.of(1),
        down: Float64Array.of(0),
      }
      // Where d is infinite P is η, and the integral is B(α + w, β + l).
      const { log, weights, slips } = reliabilityNodes(judged, 0, beliefs)
      const [a, b] = [beliefs.alpha + count * wins, beliefs.beta + count * losses]
      const mean = slips.reduce((sum, slip, n) => sum + weights[n] * slip, 0)
      t.ok(Math.abs(mean / (b / (a + b)) - 1) < 1e-9, `mean of ${wins} × ${count}, ${mean}`)
      const off = log - (logGamma(a) + logGamma(b) - logGamma(a + b))
      t.ok(Math.abs(off) < 1e-10 * (1 + Math.abs(log)), `integral of ${wins} × ${count}, off by ${off}`)
    }
  }
})

/** log Γ(x), by recurrence to where Stirling's series is exact. */
function logGamma(x: number): number {
  let shift = 0
  let at = x
  for (; at < 30; at++) shift += Math.log(at)
  const series = 1 / (12 * at) - 1 / (360 * at ** 3) + 1 / (1260 * at ** 5) - 1 / (1680 * at ** 7)
  return (at - 0.5) * Math.log(at) - at + Math.log(2 * Math.PI) / 2 + series - shift
}

t.test('its gradient and its curvature are its slopes, by central differences', async () => {
  fc.assert(
    fc.property(judgedRows(), beliefs, priors, drawnPoint, (rows, belief, prior, draw) => {
      const { counts, judgements, items } = read(rows)
      const posterior = priorTo(reliabilityLikelihood(counts, judgements, belief), prior, null)
      const m = items.length
      const theta = Float64Array.from(items, (_, k) => draw[k] / 400)
      const gradientAt = (at: Float64Array) => {
        posterior.linearise(at)
        return posterior.gradient.slice()
      }
      const gradient = gradientAt(theta)
      const half = new Float64Array(m * m)
      posterior.addCurvature(half, m)
      const diagonal = posterior.diagonal.slice()
      const x = Float64Array.from(items, (_, k) => draw[k + 8] / 1000)
      const image = new Float64Array(m)
      posterior.multiply(x, image)
      const curvature = (v: number, u: number) => half[Math.max(v, u) * m + Math.min(v, u)]
      const misses: number[] = []
      for (let k = 0; k < m; k++) {
        misses.push(gradient[k] - slope((at) => posterior.value(at), theta, k))
        misses.push(diagonal[k] - curvature(k, k))
        misses.push(image[k] - x.reduce((sum, value, v) => sum + value * curvature(k, v), 0))
        for (let v = 0; v < m; v++) misses.push(curvature(v, k) + slope((at) => gradientAt(at)[v], theta, k))
      }
      return largest(misses) <= 1e-7 * (largest(posterior.totals) + 10)
    }),
    { seed: 12, numRuns: 100 },
  )
})

t.test('fitting what was meant, in expectation, never lowers the log-posterior', async () => {
  fc.assert(
    fc.property(judgedRows(), beliefs, priors, drawnPoint, (rows, belief, prior, draw) => {
      const { counts, judgements, items } = read(rows)
      const pairs = reliabilityLikelihood(counts, judgements, belief)
      const posterior = priorTo(pairs, prior, null)
      const theta = Float64Array.from(items, (_, k) => draw[k] / 400)
      const before = posterior.value(theta)
      const meant = pairs.meant(theta, null)
      const next = maximise(priorTo(pairLikelihood(meant, pairs.model), prior, null), false, theta)
      return next !== null && posterior.value(next.at) >= before - 1e-10 * Math.abs(before)
    }),
    { seed: 13, numRuns: 200 },
  )
})

/** Rows of a design in which annotator a answers the pairs that `choices` draws, each as its reliability has it. */
function crowd(
  random: Random,
  theta: readonly number[],
  reliabilities: readonly number[],
  each: number,
): Row[] {
  return reliabilities.flatMap((eta, a) =>
    Array.from({ length: each }, () => {
      const i = Math.floor(random() * theta.length)
      const j = (i + 1 + Math.floor(random() * (theta.length - 1))) % theta.length
      const wins = random() < sigmoid(theta[i] - theta[j])
      const [winner, loser] = wins === random() < eta ? [i, j] : [j, i]
      return { group: 'all', annotator: judge(a), winner: item(winner), loser: item(loser) }
    }),
  )
}

function judge(a: number): string {
  return `judge ${String(a).padStart(3, '0')}`
}

async function fitted(
  comparisons: readonly Row[],
  model: FitRequest['model'],
  rest: Partial<FitRequest> = {},
) {
  return fit({ comparisons, model, ...rest } as FitRequest)
}

function onlyGroup({ groups }: FitResponse) {
  return groups[0]
}

/** Centred, as rewards are. */
function centred(values: ArrayLike<number>): number[] {
  const list = Array.from(values)
  const mean = list.reduce((a, b) => a + b, 0) / list.length
  return list.map((value) => value - mean)
}

function rootMeanSquare(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Math.sqrt(Array.from(a).reduce((sum, x, k) => sum + (x - b[k]) ** 2, 0) / a.length)
}

const RELIABLE = { reliability: {} }

t.test('the answer is a point where no reward can be moved for the better', async (t) => {
  for (const seed of [1, 2, 3]) {
    const rows = crowd(seededRandom(seed), [-1, -0.5, 0, 0.3, 1.2], [0.95, 0.9, 0.85, 0.6, 0.2, 0.97], 60)
    const { rewards, annotators = {}, reliability, fit: summary } = onlyGroup(await fitted(rows, RELIABLE))
    const items = Object.keys(rewards)
    const judges = Object.keys(annotators)
    t.equal(judges.length, 6)
    const at = Float64Array.from(items, (id) => rewards[id])
    const counted = tallied(rows)
    const posterior = (x: ArrayLike<number>) => crowdPosterior(counted, items, judges, x)
    const slopes = items.map((_, k) => slope((x) => posterior(x).value, at, k))
    t.ok(largest(slopes) < 1e-5, `slopes are zero, ${largest(slopes)}`)
    const expected = posterior(at)
    t.ok(Math.abs((reliability?.logPosterior ?? 0) - expected.value) < 1e-8)
    t.ok(Math.abs(summary.logLikelihood - expected.value) < 1e-8)
    t.ok(
      distance(
        judges.map((id) => annotators[id].reliability),
        expected.reliabilities,
      ) < 1e-8,
    )
    t.ok((reliability?.gradientNorm ?? 1) <= 1e-8)
    t.equal(reliability?.localOptimum, true)
  }
})

t.test('standard errors are those of the curvature over all reliabilities', async (t) => {
  const rows = crowd(seededRandom(4), [-1, -0.5, 0.2, 1.2], [0.95, 0.9, 0.7, 0.6, 1, 1, 1], 60)
  for (const prior of [{ kind: 'gaussian', standardDeviation: 2 }, { kind: 'none' }] as const) {
    const group = onlyGroup(await fitted(rows, { ...RELIABLE, prior }))
    const items = Object.keys(group.rewards)
    const judges = Object.keys(group.annotators ?? {})
    // Under either prior the rewards have mean zero at the maximum.
    const at = items.map((id) => group.rewards[id])
    const counted = tallied(rows)
    const curvature = curvatureOf((x) => crowdPosterior(counted, items, judges, x, BELIEFS, prior).value, at)
    // A constant costs nothing without a prior: what it is made to cost does not bear on centred rewards.
    const covariance = gauged(inverse(curvature.map((row) => row.map((value) => value + 1))))
    for (const [k, id] of items.entries()) {
      const off = Math.abs((group.standardErrors?.[id] ?? 0) / Math.sqrt(covariance[k][k]) - 1)
      t.ok(off < 1e-5, `${prior.kind}: the error of ${id} within 1e-5, ${off}`)
    }
    t.equal(group.covariance, 'posterior')
  }
})

t.test(
  '95% intervals hold the truth 95 times in a hundred; where all count the same they do not',
  async (t) => {
    const theta = [-1, -0.4, 0, 0.5, 0.9]
    const random = seededRandom(5)
    const hits = { reliable: 0, plain: 0 }
    const sets = 250
    for (let set = 0; set < sets; set++) {
      // The largest of ten numbers drawn from U(0, 1) is drawn from Beta(10, 1).
      const reliabilities = Array.from({ length: 20 }, () => Math.max(...Array.from({ length: 10 }, random)))
      const rows = crowd(random, theta, reliabilities, 40)
      for (const [kind, model] of [
        ['reliable', { reliability: { starts: 1 } }],
        ['plain', {}],
      ] as const) {
        const { rewards, standardErrors } = onlyGroup(await fitted(rows, model))
        theta.forEach((value, k) => {
          if (Math.abs(rewards[item(k)] - value) < 1.96 * (standardErrors?.[item(k)] ?? 0)) hits[kind]++
        })
      }
    }
    const coverage = hits.reliable / (sets * theta.length)
    t.ok(coverage > 0.93 && coverage < 0.97, `coverage ${coverage}`)
    t.ok(hits.plain / (sets * theta.length) < 0.8, `and ${hits.plain / (sets * theta.length)}`)
  },
)

/** Minus the second derivatives of a function, by central differences. */
function curvatureOf(value: (x: readonly number[]) => number, at: readonly number[], h = 1e-4): number[][] {
  const moved = (a: number, x: number, b: number, y: number) =>
    value(at.map((v, k) => v + (k === a ? x : 0) + (k === b ? y : 0)))
  return at.map((_, a) =>
    at.map(
      (_, b) =>
        -(moved(a, h, b, h) - moved(a, h, b, -h) - moved(a, -h, b, h) + moved(a, -h, b, -h)) / (4 * h * h),
    ),
  )
}

/** C·V·C with C = I − 11ᵀ/m. */
function gauged(matrix: number[][]): number[][] {
  const means = matrix.map((row) => row.reduce((a, b) => a + b, 0) / row.length)
  const mean = means.reduce((a, b) => a + b, 0) / means.length
  return matrix.map((row, i) => row.map((value, j) => value - means[i] - means[j] + mean))
}

t.test(
  'spammers and contrarians are found, and rewards are nearer to the truth than where all count the same',
  async (t) => {
    const reliabilities = [...Array(14).fill(0.95), ...Array(6).fill(0.5), ...Array(5).fill(0.1)]
    const theta = centred([-2, -1.2, -0.7, -0.2, 0.1, 0.5, 1, 1.8])
    for (const seed of [21, 22, 23]) {
      const rows = crowd(seededRandom(seed), theta, reliabilities, 400)
      const group = onlyGroup(await fitted(rows, RELIABLE))
      const found = Object.values(group.annotators ?? {}).map(({ reliability }) => reliability)
      t.equal(found.length, reliabilities.length)
      const off = found.map((eta, a) => eta - reliabilities[a])
      t.ok(largest(off) < 0.12, `reliabilities are near, ${largest(off)}`)
      t.ok(Math.min(...found.slice(0, 14)) > 0.75, 'those who mean what they say')
      t.ok(Math.max(...found.slice(14, 20)) < 0.75 && Math.min(...found.slice(14, 20)) > 0.25, 'spammers')
      t.ok(Math.max(...found.slice(20)) < 0.25, 'contrarians')
      const plain = onlyGroup(await fitted(rows, {}))
      const near = rootMeanSquare(Object.values(group.rewards), theta)
      const far = rootMeanSquare(Object.values(plain.rewards), theta)
      t.ok(near < far / 3, `${near} against ${far}`)
      t.ok((group.reliability?.startsAgreeing ?? 0) >= 2)
      t.ok(Object.values(group.annotators ?? {}).every(({ comparisons }) => comparisons === 400))
    }
  },
)

t.test('no point that a search in all directions finds is better than the answer', async (t) => {
  const rows = crowd(seededRandom(31), [-0.8, 0, 0.9], [0.9, 0.4, 0.8], 25)
  const prior: Prior = { kind: 'gaussian', standardDeviation: 1 }
  const group = onlyGroup(await fitted(rows, { reliability: { alpha: 3, beta: 2 }, prior }))
  const items = Object.keys(group.rewards)
  const judges = Object.keys(group.annotators ?? {})
  const counted = tallied(rows)
  const value = (x: readonly number[]) =>
    crowdPosterior(counted, items, judges, x, { alpha: 3, beta: 2 }, prior).value
  const best = compassSearch(value, 3, seededRandom(32), 2)
  const answer = group.reliability?.logPosterior as number
  t.ok(Math.abs(answer - best.value) < 1e-7, `${answer} against ${best.value}`)
  t.ok(distance(Object.values(group.rewards), centred(best.at)) < 1e-3)
})

/** Rows that say the same, as one that is counted. */
function tallied(rows: readonly Row[]): Row[] {
  const tally = new Map<string, Row>()
  for (const row of rows) {
    const key = JSON.stringify([row.annotator, row.winner, row.loser])
    tally.set(key, { ...row, count: (tally.get(key)?.count ?? 0) + 1 })
  }
  return [...tally.values()]
}

/** The best of several searches that go along one coordinate after the other, by ever shorter steps. */
function compassSearch(
  value: (x: readonly number[]) => number,
  size: number,
  random: Random,
  searches: number,
): { value: number; at: number[] } {
  let best = { value: Number.NEGATIVE_INFINITY, at: [] as number[] }
  for (let search = 0; search < searches; search++) {
    let at = Array.from({ length: size }, () => 2 * normal(random))
    let here = value(at)
    // Directions at random besides the axes, lest a narrow ridge stop it.
    for (let step = 1; step > 1e-6; ) {
      let moved = false
      for (let k = 0; k < 4 * size; k++) {
        const way = at.map((_, v) => (k < 2 * size ? (v === k % size ? 1 : 0) : normal(random)))
        const sign = k % 2 === 0 ? step : -step
        const trial = at.map((x, v) => x + sign * way[v])
        const there = value(trial)
        if (there > here) {
          at = trial
          here = there
          moved = true
        }
      }
      if (!moved) step /= 2
    }
    if (here > best.value) best = { value: here, at }
  }
  return best
}

t.test('turning every comparison round turns the rewards round and no reliability', async (t) => {
  const rows = crowd(seededRandom(41), [-1, 0, 0.4, 0.9], [0.9, 0.95, 0.5, 0.1, 0.92], 70)
  const turned = rows.map((row) => ({ ...row, winner: row.loser, loser: row.winner }))
  const one = onlyGroup(await fitted(rows, RELIABLE))
  const other = onlyGroup(await fitted(turned, RELIABLE))
  t.ok(
    distance(
      Object.values(one.rewards),
      Object.values(other.rewards).map((x) => -x),
    ) < 1e-9,
  )
  const reliabilities = ({ annotators }: typeof one) =>
    Object.values(annotators ?? {}).map(({ reliability }) => reliability)
  t.ok(distance(reliabilities(one), reliabilities(other)) < 1e-9)
})

t.test('a prior that trusts everybody gives the fit where all count the same', async (t) => {
  const rows = crowd(seededRandom(42), [-1, 0, 0.4, 0.9], [0.9, 0.8, 0.9], 70)
  const plain = Object.values(onlyGroup(await fitted(rows, {})).rewards)
  const off = []
  for (const alpha of [1e4, 1e6]) {
    const { rewards, annotators = {} } = onlyGroup(await fitted(rows, { reliability: { alpha } }))
    t.ok(Object.values(annotators).every(({ reliability }) => Math.abs(reliability - 1) < 3 / alpha))
    off.push(distance(Object.values(rewards), plain))
  }
  t.ok(off[1] < 1e-4, `rewards within 1e-4, ${off[1]}`)
  t.ok(Math.abs(off[0] / off[1] / 100 - 1) < 0.05, `and a hundredfold as near at a hundredfold trust, ${off}`)
})

t.test('an annotator has a reliability for each group that it judged in', async (t) => {
  const random = seededRandom(43)
  const rows = [
    ...crowd(random, [-1, 0, 1], [0.95, 0.9, 0.95, 0.9], 300),
    ...crowd(random, [-1, 0, 1], [0.1, 0.9, 0.95, 0.9], 300).map((row) => ({ ...row, group: 'other' })),
  ]
  const [all, other] = (await fitted(rows, RELIABLE)).groups
  t.ok((all.annotators?.[judge(0)].reliability ?? 0) > 0.75)
  t.ok((other.annotators?.[judge(0)].reliability ?? 1) < 0.3)
})

t.test('rows that are counted and rows one by one, in any order, have the same answer', async (t) => {
  const rows = crowd(seededRandom(44), [-1, 0, 0.4], [0.9, 0.4, 0.8], 30)
  const counted = [...rows].reverse().map((row) => ({ ...row, count: 3 }))
  const repeated = [...rows, ...rows, ...rows]
  const one = onlyGroup(await fitted(counted, RELIABLE))
  const other = onlyGroup(await fitted(repeated, RELIABLE))
  t.ok(distance(Object.values(one.rewards), Object.values(other.rewards)) < 1e-9)
  t.ok(distance(Object.values(one.standardErrors ?? {}), Object.values(other.standardErrors ?? {})) < 1e-9)
  t.same(one.annotators?.[judge(1)].comparisons, 90)
  t.same(other.annotators?.[judge(1)].comparisons, 90)
})

t.test('rewards linear in features have reliabilities too', async (t) => {
  const random = seededRandom(45)
  const features = Array.from({ length: 12 }, () => [normal(random), normal(random)])
  const theta = features.map(([x, y]) => 1.2 * x - 0.7 * y)
  const rows = crowd(random, theta, [0.95, 0.9, 0.5, 0.1, 0.95, 0.9], 600)
  const items = features.map((own, k) => ({ id: item(k), features: own }))
  const model = { ...RELIABLE, prior: { kind: 'gaussian', standardDeviation: 5 } } as const
  const group = onlyGroup(await fitted(rows, model, { items }))
  const [x, y] = group.rewardWeights ?? []
  const [ex, ey] = group.rewardWeightErrors ?? []
  t.ok(Math.abs(x - 1.2) < 4 * ex && Math.abs(y + 0.7) < 4 * ey && ex < 0.2, `${x} ± ${ex}, ${y} ± ${ey}`)
  t.ok((group.annotators?.[judge(3)].reliability ?? 1) < 0.25)
})

async function refusal(asked: Promise<unknown>) {
  try {
    await asked
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
  throw new Error('it was answered')
}

async function pointers(asked: Promise<unknown>): Promise<string[]> {
  const { kind, errors } = await refusal(asked)
  return kind === 'invalid-request' ? errors.map(({ pointer }) => pointer) : [kind]
}

t.test(
  'where what speaks against a ranking passes for slips, there is no finite estimate without a prior',
  async (t) => {
    // Neighbours are told apart better than items far from each other: what goes wrong are slips, and not close calls.
    const pairs = [0, 1, 2, 3].flatMap((i) => [0, 1, 2, 3].filter((j) => j > i).map((j) => [i, j]))
    const rows = pairs.flatMap(([i, j]) =>
      Array.from({ length: 4 }, (_, a) => [
        { annotator: judge(a), winner: item(j), loser: item(i), count: j === i + 1 ? 19 : 16 },
        { annotator: judge(a), winner: item(i), loser: item(j), count: j === i + 1 ? 1 : 4 },
      ]).flat(),
    )
    const comparisons = rows.map((row) => ({ group: 'all', ...row }))
    const problem = await refusal(fitted(comparisons, RELIABLE))
    t.equal(problem.kind, 'no-finite-estimate')
    const [{ direction }] = problem.evidence.groups as { direction: { rewards: Record<string, number> } }[]
    const ways = Object.values(direction.rewards)
    t.ok(
      ways.every((way, k) => k === 0 || way > ways[k - 1]),
      `the direction moves items apart, ${ways}`,
    )
    const answer = onlyGroup(
      await fitted(comparisons, { ...RELIABLE, prior: { kind: 'gaussian', standardDeviation: 2 } }),
    )
    t.ok(
      Object.values(answer.annotators ?? {}).every(({ reliability }) => Math.abs(reliability - 0.88) < 0.03),
    )
  },
)

t.test(
  'a model or comparisons that have no place for reliabilities are refused, with a pointer',
  async (t) => {
    const rows = crowd(seededRandom(46), [-1, 0, 1], [0.9, 0.9], 30)
    const ask = (model: object) =>
      pointers(fitted(rows, { reliability: {}, ...model } as FitRequest['model']))
    t.same(await ask({ prior: { kind: 'firth' } }), ['/model/prior'])
    t.same(await ask({ prior: { kind: 'pooled' } }), ['/model/prior'])
    t.same(await ask({ ties: 'davidson', positionEffect: true }), ['/model/ties', '/model/positionEffect'])
    t.same(await ask({ standardErrors: 'sandwich' }), ['/model/standardErrors'])
    t.same(await ask({ standardErrors: 'clustered' }), ['/model/standardErrors'])
    t.same(await ask({ reliability: { alpha: 2, beta: 2 } }), ['/model/reliability/alpha'])
    const many = Array.from({ length: 1001 }, (_, k) => ({
      group: 'all',
      annotator: judge(0),
      winner: item(k),
      loser: item((k + 1) % 1001),
    }))
    t.same(await pointers(fitted(many, RELIABLE)), ['/model/reliability'])
    const { annotator: _, ...anonymous } = rows[5]
    t.same(await pointers(fitted(rows.with(5, anonymous as Row), RELIABLE)), ['/comparisons/5/annotator'])
  },
)

const PLAIN: OutcomeModel = { ties: 'half-win', positionEffect: false }
const models = fc.constantFrom<OutcomeModel>(
  PLAIN,
  { ties: 'davidson', positionEffect: false },
  { ties: 'half-win', positionEffect: true },
  { ties: 'davidson', positionEffect: true },
)

/** Rows as a mixture takes them. */
function toMix(rows: readonly Row[], model = PLAIN, prior: Prior = { kind: 'none' }) {
  const { counts, judgements, items, annotators } = read(rows, model.positionEffect)
  return { data: annotated(counts, judgements, null, model, prior), items, annotators }
}

/** The log-probability of one row under one group's parameters: rewards, then γ and log ν where the model has them. */
function logRow(
  row: Row,
  items: readonly string[],
  { ties, positionEffect }: OutcomeModel,
  psi: Float64Array,
) {
  const { mass, share } = said(row)
  const order = row.first === undefined ? 0 : row.first === row.winner ? 1 : -1
  const gamma = positionEffect ? psi[items.length] : 0
  const d = psi[items.indexOf(row.winner)] - psi[items.indexOf(row.loser)] + gamma * order
  if (ties === 'half-win') return mass * (share * logSigmoid(d) + (1 - share) * logSigmoid(-d))
  const nu = Math.exp(psi[psi.length - 1])
  const z = Math.exp(d / 2) + Math.exp(-d / 2) + nu
  if (row.tie === true) return mass * Math.log(nu / z)
  return mass * (share * (d / 2 - Math.log(z)) + (1 - share) * (-d / 2 - Math.log(z)))
}

/** The log-posterior of a mixture, row by row. */
function mixturePosterior(
  rows: readonly Row[],
  items: readonly string[],
  annotators: readonly string[],
  { shares, parameters }: Mixture,
  model = PLAIN,
  prior: Prior = { kind: 'none' },
): number {
  let sum = 0
  for (const psi of parameters) sum += logPrior(psi.subarray(0, items.length), prior)
  for (const id of annotators) {
    const own = rows.filter(({ annotator }) => annotator === id)
    const logs = parameters.map(
      (psi, c) => Math.log(shares[c]) + own.reduce((log, row) => log + logRow(row, items, model, psi), 0),
    )
    const top = Math.max(...logs)
    sum += top + Math.log(logs.reduce((all, log) => all + Math.exp(log - top), 0))
  }
  return sum
}

/** A mixture of so many groups at a point that was drawn. */
function mixtureAt({ pairs }: Annotated, groups: number, draw: readonly number[]): Mixture {
  const masses = Array.from({ length: groups }, (_, c) => 2 + draw[c] / 1000)
  const all = masses.reduce((a, b) => a + b, 0)
  return {
    shares: Float64Array.from(masses, (mass) => mass / all),
    parameters: masses.map((_, c) =>
      Float64Array.from({ length: pairs.size }, (_, v) => draw[(3 * c + v) % 16] / 500),
    ),
  }
}

t.test('the log-posterior of a mixture is that of its definition, row by row', async () => {
  fc.assert(
    fc.property(
      judgedRows(),
      models,
      priors,
      fc.integer({ min: 1, max: 3 }),
      drawnPoint,
      (rows, model, prior, k, draw) => {
        const { data, items, annotators } = toMix(rows, model, prior)
        const mixture = mixtureAt(data, k, draw)
        const { logPosterior, logLikelihood, responsibilities } = expectation(data, mixture)
        const expected = mixturePosterior(rows, items, annotators, mixture, model, prior)
        const alone = mixturePosterior(rows, items, annotators, mixture, model)
        const sums = annotators.map((_, a) =>
          responsibilities.subarray(a * k, (a + 1) * k).reduce((sum, share) => sum + share, 0),
        )
        return (
          Math.abs(logPosterior - expected) <= 1e-11 * Math.abs(expected) &&
          Math.abs(logLikelihood - alone) <= 1e-11 * Math.abs(expected) &&
          sums.every((sum) => Math.abs(sum - 1) < 1e-12)
        )
      },
    ),
    { seed: 51, numRuns: 300 },
  )
})

t.test(
  'its slopes are those of the fits to what annotators say, each as far as it is of the group',
  async () => {
    fc.assert(
      fc.property(judgedRows(4), models, priors, drawnPoint, (rows, model, prior, draw) => {
        const { data, items, annotators } = toMix(rows, model, prior)
        const mixture = mixtureAt(data, 2, draw)
        const { responsibilities } = expectation(data, mixture)
        const value = (other: Mixture) => mixturePosterior(rows, items, annotators, other, model, prior)
        const misses: number[] = []
        let norm = 0
        for (const c of [0, 1]) {
          const posterior = groupPosterior(data, countsOf(data, responsibilities, c))
          posterior.linearise(mixture.parameters[c])
          const moved = (psi: Float64Array) =>
            value({ ...mixture, parameters: mixture.parameters.map((own, b) => (b === c ? psi : own)) })
          for (let v = 0; v < data.pairs.size; v++) {
            const rise = slope(moved, mixture.parameters[c], v)
            misses.push(posterior.gradient[v] - rise)
            norm = Math.max(norm, Math.abs(rise) / (mixture.shares[c] * data.totals[v]))
          }
        }
        // A share that grows as the other shrinks: A (r_1/π_1 − r_2/π_2), with r the mean responsibilities.
        const shares = (x: Float64Array) => value({ ...mixture, shares: Float64Array.of(x[0], 1 - x[0]) })
        const mean = [0, 1].map((c) =>
          annotators.reduce((sum, _, a) => sum + responsibilities[2 * a + c] / annotators.length, 0),
        )
        const [one, two] = mean.map((r, c) => r / mixture.shares[c])
        misses.push(annotators.length * (one - two) - slope(shares, mixture.shares, 0))
        norm = Math.max(norm, Math.abs(one - 1), Math.abs(two - 1))
        const size = largest(data.totals) + 10
        const found = maximisation(data, responsibilities, mixture)
        return (
          largest(misses) <= 1e-7 * size &&
          (found === null || Math.abs(found.gradientNorm - norm) <= 1e-6 * size)
        )
      }),
      { seed: 52, numRuns: 100 },
    )
  },
)

/** Rows by annotators of several groups, each of which has rewards of its own. */
function society(
  random: Random,
  groups: readonly { theta: readonly number[]; annotators: number }[],
  each: number,
) {
  const truth: number[] = []
  const rows: Row[] = []
  for (const [c, { theta, annotators }] of groups.entries()) {
    for (let k = 0; k < annotators; k++) {
      const id = judge(truth.length)
      truth.push(c)
      rows.push(...crowd(random, theta, [1], each).map(({ group: _, ...row }) => ({ ...row, annotator: id })))
    }
  }
  return { rows, truth }
}

const TASTES = [
  { theta: centred([-1.5, -0.9, -0.3, 0.2, 0.8, 1.5]), annotators: 30 },
  { theta: centred([1.2, 0.8, 0.1, -0.4, -0.6, -1.4]), annotators: 18 },
  { theta: centred([0.5, -1.3, 1.6, -1.1, 0.9, -0.2]), annotators: 9 },
]

t.test('a climb goes up and up, to where every slope is zero', async (t) => {
  const { rows } = society(seededRandom(53), TASTES, 12)
  for (const prior of [{ kind: 'none' }, { kind: 'gaussian', standardDeviation: 1 }] as const) {
    const { data, items, annotators } = toMix(rows, PLAIN, prior)
    const random = seededRandom(54)
    const draw = Array.from({ length: 16 }, () => 100 * normal(random))
    const start = mixtureAt(data, 3, draw)
    const heights = Array.from(
      { length: 60 },
      (_, limit) => climb(data, start, limit).expectation.logPosterior,
    )
    const steps = heights.slice(1).map((height, k) => height - heights[k])
    t.ok(Math.min(...steps) >= -1e-9, `never down, ${Math.min(...steps)}`)
    t.ok(heights[59] > heights[0] + 20, `and far up, from ${heights[0]} to ${heights[59]}`)
    const { mixture, state, gradientNorm } = climb(data, start, 1000)
    t.equal(state, 'arrived')
    t.ok(gradientNorm <= 1e-8)
    const value = (other: Mixture) => mixturePosterior(rows, items, annotators, other, PLAIN, prior)
    const slopes = [0, 1, 2].flatMap((c) =>
      items.map((_, v) =>
        slope(
          (psi) =>
            value({ ...mixture, parameters: mixture.parameters.map((own, b) => (b === c ? psi : own)) }),
          mixture.parameters[c],
          v,
        ),
      ),
    )
    t.ok(largest(slopes) < 1e-5, `slopes are zero, ${largest(slopes)}`)
  }
})

/** How far two partitions agree beyond chance: 1 where they are the same (Hubert & Arabie, J. Classif. 2, 1985). */
function adjustedRand(one: readonly number[], other: readonly number[]): number {
  const pairs = (n: number) => (n * (n - 1)) / 2
  const counted = (keys: readonly string[]) => {
    const counts = new Map<string, number>()
    for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
    return [...counts.values()].reduce((sum, n) => sum + pairs(n), 0)
  }
  const both = counted(one.map((c, k) => `${c} ${other[k]}`))
  const a = counted(one.map(String))
  const b = counted(other.map(String))
  const chance = (a * b) / pairs(one.length)
  return (both - chance) / ((a + b) / 2 - chance)
}

type Discovery = NonNullable<FitResponse['discovery']>

/** The likeliest group of every annotator. */
function partition({ annotators }: Discovery): number[] {
  return Object.values(annotators).map((shares) => {
    const all = Object.values(shares)
    return all.indexOf(Math.max(...all))
  })
}

t.test(
  'groups that nobody named are discovered: how many, who is of which, and what they want',
  async (t) => {
    for (const [seed, model] of [
      [61, {}],
      [62, { prior: { kind: 'gaussian', standardDeviation: 2 } }],
      [63, { prior: { kind: 'pseudo-item', strength: 0.5 } }],
    ] as const) {
      const { rows, truth } = society(seededRandom(seed), TASTES, 40)
      const request = { comparisons: rows, groups: { discover: {} }, model, welfare: { function: 'nash' } }
      const answer = (await aggregate(request as AggregateRequest)) as OptimumResult
      const discovery = answer.discovery as Discovery
      t.equal(discovery.groups, 3)
      t.same(
        answer.groups.map(({ id }) => id),
        ['discovered-1', 'discovered-2', 'discovered-3'],
      )
      const agreement = adjustedRand(partition(discovery), truth)
      t.ok(agreement > 0.95, `adjusted Rand index ${agreement}`)
      t.ok(
        distance(
          answer.groups.map(({ population }) => population),
          TASTES.map(({ annotators }) => annotators / 57),
        ) < 0.03,
        'shares',
      )
      for (const [c, { theta }] of TASTES.entries()) {
        const off = rootMeanSquare(Object.values(answer.groups[c].rewards), theta)
        t.ok(off < 0.3, `rewards of group ${c} are off by ${off}`)
      }
      t.equal(discovery.bic.length, 6)
      for (const { groups, parameters, logLikelihood, bic, gradientNorm } of discovery.bic) {
        t.equal(parameters, groups * 5 + groups - 1)
        t.ok(Math.abs((bic ?? 0) - (parameters * Math.log(57) - 2 * (logLikelihood ?? 0))) < 1e-9)
        t.ok((gradientNorm ?? 1) <= 1e-8, `${groups} groups are certified, ${gradientNorm}`)
      }
      t.equal(
        Math.min(...discovery.bic.map(({ bic }) => bic ?? Number.POSITIVE_INFINITY)),
        discovery.bic[2].bic,
      )
      t.equal(discovery.localOptimum, true)
      t.ok(discovery.startsAgreeing >= 2 && discovery.startsAgreeing <= discovery.followed)
    }
  },
)

t.test('no mixture that a search in all directions finds is better than the discovered one', async (t) => {
  const groups = [
    { theta: [-1.5, 0, 1.5], annotators: 4 },
    { theta: [1.5, -0.5, -1], annotators: 3 },
  ]
  const { rows } = society(seededRandom(71), groups, 14)
  const prior: Prior = { kind: 'gaussian', standardDeviation: 1 }
  const { data, items, annotators } = toMix(rows, PLAIN, prior)
  const found = discover(data, { max: 2, starts: 10 }, 0)
  const value = (x: readonly number[]) =>
    mixturePosterior(
      rows,
      items,
      annotators,
      {
        shares: Float64Array.of(sigmoid(x[6]), sigmoid(-x[6])),
        parameters: [Float64Array.from(x.slice(0, 3)), Float64Array.from(x.slice(3, 6))],
      },
      PLAIN,
      prior,
    )
  const best = compassSearch(value, 7, seededRandom(72), 12)
  const answer = found?.candidates[1].found?.logPosterior as number
  t.ok(Math.abs(answer - best.value) < 1e-6, `${answer} against ${best.value}`)
})

t.test('annotators who judge alike are one group, however many are looked for', async (t) => {
  const { rows } = society(seededRandom(73), [{ theta: [-1, -0.3, 0.2, 1.1], annotators: 40 }], 20)
  const answer = await fit({ comparisons: rows, groups: { discover: { max: 4 } } } as FitRequest)
  t.equal(answer.discovery?.groups, 1)
  t.equal(answer.discovery?.bic.length, 4)
  const plain = onlyGroup(
    await fitted(
      rows.map((row) => ({ ...row, group: 'all' })),
      {},
    ),
  )
  const { id: _, ...group } = answer.groups[0]
  const { id: __, ...expected } = plain
  t.ok(distance(Object.values(group.rewards), Object.values(expected.rewards)) < 1e-12)
  t.same(
    { ...group, rewards: {}, fit: {} },
    { ...expected, rewards: {}, fit: {} },
    'and their fit is the plain one',
  )
})

t.test(
  'more groups than there are annotators are not looked for, and groups without annotators are dropped',
  async (t) => {
    const alike: Row[] = [0, 1, 2].flatMap((a) => [
      { annotator: judge(a), winner: 'x', loser: 'y', count: 3 },
      { annotator: judge(a), winner: 'y', loser: 'x', count: 2 },
    ])
    const { data } = toMix(alike, PLAIN, { kind: 'gaussian', standardDeviation: 1 })
    const found = discover(data, { max: 5, starts: 4 }, 0)
    t.equal(found?.candidates.length, 3)
    t.equal(found?.mixture.shares.length, 1)
    const [one, two, three] = (found?.candidates ?? []).map(
      (candidate) => candidate.found?.logLikelihood as number,
    )
    t.ok(Math.abs(two - one) < 1e-6 && Math.abs(three - one) < 1e-6, 'copies of one group explain no more')

    // A group that starts with no annotator to speak of, and with rewards that fit nobody.
    const far = Float64Array.of(-9, 9)
    const start = { shares: Float64Array.of(1 - 1e-9, 1e-9), parameters: [new Float64Array(2), far] }
    const { mixture, state } = climb(data, start, 1000)
    t.equal(state, 'arrived')
    t.equal(mixture.shares.length, 1)
  },
)

t.test(
  'a discovered group is the fit of all comparisons, each weighing as its annotator is of the group',
  async (t) => {
    const { rows } = society(seededRandom(74), TASTES, 25)
    for (const model of [
      {},
      { standardErrors: 'clustered' },
      { ties: 'davidson', prior: { kind: 'gaussian', standardDeviation: 1 } },
    ] as FitRequest['model'][]) {
      const said = rows.map((row, k) => (k % 5 === 0 ? { ...row, tie: true } : row))
      const answer = await fit({ comparisons: said, groups: { discover: { max: 2 } }, model } as FitRequest)
      const shares = answer.discovery?.annotators ?? {}
      t.equal(answer.groups.length, 2)
      for (const { id, ...group } of answer.groups) {
        const weighted = said.map((row) => ({
          ...row,
          group: id,
          weight: Math.max(1e-12, shares[row.annotator][id]),
        }))
        const expected = onlyGroup(await fitted(weighted, model))
        t.ok(distance(Object.values(group.rewards), Object.values(expected.rewards)) < 1e-9, `${id}: rewards`)
        const errors = [group, expected].map(({ standardErrors }) => Object.values(standardErrors ?? {}))
        t.equal(errors[0].length, 6)
        t.ok(distance(errors[0], errors[1]) < 1e-9, `${id}: standard errors`)
        t.equal(group.covariance, expected.covariance)
      }
      const heard = answer.groups.reduce((sum, group) => sum + group.fit.comparisons, 0)
      t.ok(Math.abs(heard - rows.length) < 1e-6, 'every comparison is heard once in all')
    }
  },
)

t.test('with ties, positions and features groups are discovered too', async (t) => {
  const random = seededRandom(75)
  const features = Array.from({ length: 10 }, () => [normal(random), normal(random)])
  const tastes = [
    { theta: features.map(([x, y]) => 1.5 * x - y), annotators: 20 },
    { theta: features.map(([x, y]) => 1.2 * y - 0.5 * x), annotators: 12 },
  ]
  const { rows, truth } = society(random, tastes, 30)
  const comparisons = rows.map((row, k) => ({
    ...row,
    first: k % 2 === 0 ? row.winner : row.loser,
    ...(k % 7 === 0 ? { tie: true } : {}),
  }))
  const answer = await fit({
    comparisons,
    items: features.map((own, k) => ({ id: item(k), features: own })),
    groups: { discover: { max: 3 } },
    model: { ties: 'davidson', positionEffect: true },
  } as FitRequest)
  t.equal(answer.discovery?.groups, 2)
  t.equal(adjustedRand(partition(answer.discovery as Discovery), truth), 1)
  // Two reward weights, the position and the ties of each group, and the share of the first.
  t.equal(answer.discovery?.bic[1].parameters, 9)
  for (const { rewardWeights, parameters } of answer.groups) {
    t.equal(rewardWeights?.length, 2)
    t.same(Object.keys(parameters), ['position', 'tie'])
  }
  const [[x], [, y]] = answer.groups.map(({ rewardWeights }) => rewardWeights as number[])
  t.ok(x > 0.8 && y > 0.6, `each wants what it wants, ${x}, ${y}`)
})

t.test(
  'what no annotator of a group compared is unseen by the group, whose fit is that of its annotators',
  async (t) => {
    const sure = (annotator: string, winner: string, loser: string) => [
      { annotator, winner, loser, count: 3000 },
      { annotator, winner: loser, loser: winner, count: 400 },
    ]
    // The first two alone compare the first item.
    const rows: Row[] = [0, 1, 2, 3].flatMap((a) =>
      a < 2
        ? [...sure(judge(a), 'x', 'y'), ...sure(judge(a), 'y', 'first')]
        : [...sure(judge(a), 'y', 'x'), ...sure(judge(a), 'y', 'z').slice(a - 2)],
    )
    for (const standardErrors of ['fisher', 'clustered'] as const) {
      const model = { prior: { kind: 'gaussian', standardDeviation: 1 }, standardErrors } as const
      const { groups, discovery } = await fit({
        comparisons: rows,
        groups: { discover: { max: 2 } },
        model,
      } as FitRequest)
      t.equal(groups.length, 2)
      for (const { id, ...group } of groups) {
        const own = rows.filter(({ annotator }) => discovery?.annotators[annotator][id] === 1)
        t.ok(own.length > 0 && own.length < rows.length, 'nobody is in doubt')
        t.same(group.unseenItems, own[0].annotator === judge(0) ? ['z'] : ['first'])
        const expected = onlyGroup(
          await fitted(
            own.map((row) => ({ ...row, group: id })),
            model,
          ),
        )
        t.same(Object.keys(group.rewards), Object.keys(expected.rewards))
        t.ok(distance(Object.values(group.rewards), Object.values(expected.rewards)) < 1e-9)
        t.ok(
          distance(Object.values(group.standardErrors ?? {}), Object.values(expected.standardErrors ?? {})) <
            1e-9,
        )
        t.equal(group.fit.pairs, expected.fit.pairs)
      }
    }
  },
)

t.test('the same seed gives the same answer, and another the same maximum where starts agree', async (t) => {
  const { rows } = society(seededRandom(76), TASTES, 25)
  const ask = (seed: number) =>
    fit({ comparisons: rows, groups: { discover: { max: 3, starts: 6 } }, seed } as FitRequest)
  const one = await ask(7)
  t.strictSame(await ask(7), one)
  const other = await ask(8)
  t.ok((one.discovery?.startsAgreeing ?? 0) > 1)
  t.ok(
    one.groups.every(
      ({ rewards }, g) => distance(Object.values(rewards), Object.values(other.groups[g].rewards)) < 1e-5,
    ),
  )
  const crowded = crowd(seededRandom(77), [-1, 0, 0.4, 0.9], [0.9, 0.4, 0.8, 0.95], 50)
  const again = (seed: number) => fitted(crowded, RELIABLE, { seed })
  t.strictSame(await again(3), await again(3))
})

t.test('several welfare functions are optimised over the same discovered groups', async (t) => {
  const { rows } = society(seededRandom(78), TASTES, 25)
  const request = {
    comparisons: rows,
    groups: { discover: { max: 3 } },
    welfare: [{ function: 'nash' }, { function: 'pareto-front' }],
  }
  const { results, discovery } = await compare(request as CompareRequest)
  t.equal(discovery?.groups, 3)
  for (const { groups } of results) {
    t.same(
      groups.map(({ id }) => id),
      ['discovered-1', 'discovered-2', 'discovered-3'],
    )
    const shares = groups.map(({ population }) => population)
    t.ok(Math.abs(shares.reduce((a, b) => a + b, 0) - 1) < 1e-12)
    t.ok(shares[0] > shares[1] && shares[1] > shares[2])
  }
  t.ok((results[0] as OptimumResult).certificate.relativeGap <= 1e-8)
})

t.test(
  'groups of which one has no finite estimate are not chosen, and one of all is refused as ever',
  async (t) => {
    // Two camps whose members never contradict each other.
    const camps: Row[] = [0, 1, 2, 3, 4, 5].map((a) => ({
      annotator: judge(a),
      winner: a < 3 ? 'x' : 'y',
      loser: a < 3 ? 'y' : 'x',
      count: 10,
    }))
    const ask = (comparisons: Row[], model: FitRequest['model'] = {}) =>
      fit({ comparisons, groups: { discover: { max: 2 } }, model } as FitRequest)
    const { discovery } = await ask(camps)
    t.equal(discovery?.groups, 1)
    t.same(
      [discovery?.bic[1].logLikelihood, discovery?.bic[1].bic, discovery?.bic[1].gradientNorm],
      [null, null, null],
    )
    t.equal((await ask(camps, { prior: { kind: 'gaussian', standardDeviation: 2 } })).discovery?.groups, 2)

    const problem = await refusal(ask(camps.slice(0, 3)))
    t.equal(problem.kind, 'no-finite-estimate')
    t.same((problem.evidence.groups as { id: string }[])[0].id, 'discovered-1')
  },
)

t.test('requests that groups cannot be discovered for are refused, with a pointer', async (t) => {
  const { rows } = society(seededRandom(79), TASTES, 6)
  const ask = (rest: object) =>
    pointers(fit({ comparisons: rows, groups: { discover: {} }, ...rest } as unknown as FitRequest))
  t.same(await ask({ model: { prior: { kind: 'firth' } } }), ['/model/prior'])
  t.same(await ask({ model: { prior: { kind: 'pooled' } } }), ['/model/prior'])
  t.same(await ask({ model: { standardErrors: 'sandwich', reliability: {} } }), ['/model/standardErrors'])
  t.same(await ask({ model: { reliability: {} } }), ['/model/reliability'])
  const { annotator: _, ...anonymous } = rows[4]
  t.same(await ask({ comparisons: rows.with(4, anonymous as Row) }), ['/comparisons/4/annotator'])
  t.same(await ask({ comparisons: rows.with(4, { ...rows[4], group: 'here' }) }), ['/comparisons/4/group'])
  t.same(await ask({ comparisons: undefined, rankings: [{ annotator: 'a', ranking: ['x', 'y'] }] }), [
    '/groups',
  ])
  const rewards = {
    rewards: { all: { x: 1, y: 2 } },
    groups: { discover: {} },
    welfare: { function: 'nash' },
  }
  t.same(await pointers(aggregate(rewards as unknown as AggregateRequest)), ['/groups'])
})

t.test(
  'an iteration that is linear is followed to its end by as many steps as it has dimensions',
  async (t) => {
    const map = (x: Float64Array) =>
      Float64Array.of(1 + 0.9 * x[0] + 0.1 * x[1], 2 - 0.3 * x[0] + 0.5 * x[1] + 0.2 * x[2], 0.8 * x[2] - 1)
    let at = new Float64Array(3)
    const steps = []
    for (let k = 0; k < 4; k++) {
      const image = map(at)
      steps.push({ image, move: image.map((value, v) => value - at[v]) })
      at = image
    }
    const end = andersonPoint(steps) as Float64Array
    t.ok(distance(map(end), end) < 1e-6, `${distance(map(end), end)}`)
    t.equal(andersonPoint([steps[0], steps[0]]), null)
  },
)
