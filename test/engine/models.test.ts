import fc from 'fast-check'
import t from 'tap'
import type { FitRequest } from '../../schemas/fit.ts'
import { fit } from '../../src/engine/fit.ts'
import { seededRandom } from '../../src/engine/numeric/random.ts'
import { fitBradleyTerry, posteriorOf } from '../../src/engine/rewards/fit-group.ts'
import { maximiseWithJeffreys } from '../../src/engine/rewards/jeffreys.ts'
import type { Likelihood } from '../../src/engine/rewards/likelihood.ts'
import { maximise } from '../../src/engine/rewards/maximise.ts'
import type { OutcomeModel } from '../../src/engine/rewards/model.ts'
import { factorCurvature, newtonStep, solveFactored } from '../../src/engine/rewards/newton-step.ts'
import {
  type FullRow,
  groupOf,
  halfLogDeterminant,
  LINEAR,
  type Linear,
  MODELS,
  newtonStepAt,
  posteriorAt,
  requestOf,
  type Sample,
  samples,
  shapeOf,
  slopeOf,
} from '../helpers/definition.ts'
import { item, largest, type Prior, pairCounts, randomGames, refusal, won } from '../helpers/fit.ts'

const PRIORS: Prior[] = [
  { kind: 'none' },
  { kind: 'gaussian', standardDeviation: 0.7 },
  { kind: 'pseudo-item', strength: 1.3 },
]

/** Every model with every prior and every kind of rewards; a phantom item has no meaning where there are no items. */
const MATRIX = LINEAR.flatMap((linear) =>
  MODELS.flatMap((model) => PRIORS.map((prior) => ({ linear, model, prior }))),
).filter(({ linear, prior }) => !(linear === 'differences' && prior.kind === 'pseudo-item'))

function nameOf(linear: Linear, { ties, positionEffect }: OutcomeModel, prior: { kind: string }): string {
  return `${linear}, ${ties}${positionEffect ? ', position' : ''}, prior ${prior.kind}`
}

function engineOf(sample: Sample, model: OutcomeModel, prior: Prior | { kind: 'firth' }) {
  const { counts, features } = groupOf(sample, model)
  return posteriorOf(counts, model, prior, features)
}

/** The curvature as a full matrix, and what multiply and the diagonal say of it. */
function curvatureOf(posterior: Likelihood) {
  const p = posterior.size
  const half = new Float64Array(p * p)
  posterior.addCurvature(half, p)
  const matrix = Array.from({ length: p }, (_, a) =>
    Array.from({ length: p }, (_, b) => half[Math.max(a, b) * p + Math.min(a, b)]),
  )
  const products = matrix.map((_, a) => {
    const unit = new Float64Array(p)
    unit[a] = 1
    const out = new Float64Array(p).fill(Number.NaN)
    posterior.multiply(unit, out)
    return Array.from(out)
  })
  return { matrix, products, diagonal: Array.from(posterior.diagonal) }
}

const points = fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 10, maxLength: 10 })
const spreads = fc.constantFrom(0.5, 2, 20)

for (const { linear, model, prior } of MATRIX) {
  t.test(
    `value, gradient and curvature are those of the definition: ${nameOf(linear, model, prior)}`,
    async () => {
      fc.assert(
        fc.property(samples(linear), points, spreads, (sample, draw, spread) => {
          const { posterior } = engineOf(sample, model, prior)
          const at = Float64Array.from({ length: posterior.size }, (_, a) => (draw[a] * spread) / 1000)
          const expected = posteriorAt(sample, model, prior, at)
          posterior.linearise(at)
          const { matrix, products, diagonal } = curvatureOf(posterior)
          const scale = largest(expected.information.flat()) + largest(expected.score) + 100
          const off = (found: ArrayLike<number>, wanted: readonly number[]) =>
            largest(wanted.map((value, k) => value - found[k])) / scale
          return (
            Math.abs(posterior.value(at) - expected.value) <= 1e-12 * (1 + Math.abs(expected.value)) &&
            off(posterior.gradient, expected.score) < 1e-12 &&
            off(matrix.flat(), expected.information.flat()) < 1e-12 &&
            off(products.flat(), expected.information.flat()) < 1e-12 &&
            off(
              diagonal,
              expected.information.map((row, a) => row[a]),
            ) < 1e-12
          )
        }),
        { seed: 1, numRuns: 40 },
      )
    },
  )

  t.test(`the fit meets the score equations of the definition: ${nameOf(linear, model, prior)}`, async () => {
    fc.assert(
      fc.property(samples(linear), (sample) => {
        const { posterior } = engineOf(sample, model, prior)
        const found = maximise(posterior, false)
        if (found === null) return false
        const { score } = posteriorAt(sample, model, prior, found.at)
        return (
          largest(score.map((slope, a) => slope / (posterior.totals[a] || 1))) < 1e-10 &&
          largest(newtonStepAt(sample, model, prior, found.at)) < 1e-10
        )
      }),
      { seed: 2, numRuns: 40 },
    )
  })
}

t.test('the definition’s own score and information are its slopes, by differences', async () => {
  fc.assert(
    fc.property(
      fc
        .constantFrom(...MATRIX)
        .chain(({ linear, model, prior }) =>
          fc.record({ sample: samples(linear), model: fc.constant(model), prior: fc.constant(prior) }),
        ),
      points,
      ({ sample, model, prior }, draw) => {
        const { size } = shapeOf(sample, model)
        const at = Float64Array.from({ length: size }, (_, a) => draw[a] / 500)
        const { score, information } = posteriorAt(sample, model, prior, at)
        const slopes = slopeOf((x) => posteriorAt(sample, model, prior, x).value, at)
        const bends = information.map((_, a) =>
          slopeOf((x) => posteriorAt(sample, model, prior, x).score[a], at),
        )
        const scale = largest(information.flat()) + 100
        return (
          largest(slopes.map((slope, a) => slope - score[a])) < 1e-9 * scale &&
          largest(bends.flatMap((row, a) => row.map((bend, b) => bend + information[a][b]))) < 1e-9 * scale
        )
      },
    ),
    { seed: 3, numRuns: 60 },
  )
})

t.test('what is answered is what was fitted, under the names of the request', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...MODELS).chain((model) => fc.tuple(fc.constant(model), samples('items'))),
      async ([model, sample]) => {
        const { comparisons } = requestOf(sample)
        const [answer] = (await fit({ comparisons, model } as FitRequest)).groups
        const at = [
          ...Object.values(answer.rewards),
          ...(model.positionEffect ? [answer.parameters.position] : []),
          ...(model.ties === 'davidson' ? [Math.log(answer.parameters.tie)] : []),
        ]
        const names = Object.keys(answer.rewards)
        return (
          names.join() === names.toSorted().join() &&
          largest(newtonStepAt(sample, model, { kind: 'none' }, at)) < 1e-10 &&
          Math.abs(answer.fit.logLikelihood / posteriorAt(sample, model, { kind: 'none' }, at).value - 1) <
            1e-12
        )
      },
    ),
    { seed: 4, numRuns: 60 },
  )
})

// Firth.

for (const linear of LINEAR) {
  for (const model of MODELS) {
    const name = nameOf(linear, model, { kind: 'firth' })
    const penalised = (sample: Sample) => (at: ArrayLike<number>) =>
      posteriorAt(sample, model, { kind: 'none' }, at).value + halfLogDeterminant(sample, model, at)

    t.test(`Jeffreys’ prior adds ½ log det of the information, and its slope: ${name}`, async () => {
      fc.assert(
        fc.property(samples(linear, { items: 5, extra: 8 }), points, (sample, draw) => {
          const { posterior } = engineOf(sample, model, { kind: 'firth' })
          const at = Float64Array.from({ length: posterior.size }, (_, a) => draw[a] / 700)
          const value = posterior.value(at)
          posterior.linearise(at)
          const slope = slopeOf(penalised(sample), at)
          const scale = largest(posterior.totals) + 10
          const surrogate = posterior.surrogate?.() as Likelihood
          return (
            Math.abs(value - penalised(sample)(at)) < 1e-11 * Math.abs(value) &&
            largest(slope.map((rise, a) => rise - posterior.gradient[a])) < 1e-9 * scale &&
            largest(posterior.gradient.map((rise, a) => rise - surrogate.gradient[a])) < 1e-13 * scale
          )
        }),
        { seed: 5, numRuns: 25 },
      )
    })

    t.test(`Firth’s estimate is where the penalised likelihood is flat, and highest: ${name}`, async () => {
      fc.assert(
        fc.property(samples(linear, { items: 4, extra: 6 }), (sample) => {
          const { posterior } = engineOf(sample, model, { kind: 'firth' })
          const found = maximiseWithJeffreys(posterior)
          if (found === null) return false
          const f = penalised(sample)
          const top = f(found.at)
          const around = Array.from(found.at, (_, a) =>
            [-0.3, 0.3].map((by) => f(found.at.with(a, found.at[a] + by))),
          )
          const lower = around.every(([left, right]) => left < top && right < top)
          return lower && largest(slopeOf(f, found.at)) < 1e-8 && found.gradientNorm <= 1e-10
        }),
        { seed: 6, numRuns: 20 },
      )
    })
  }
}

t.test(
  'on a tree Firth’s prior adds half a win to each side of every edge, however few games there were',
  async () => {
    const trees = fc.array(fc.record({ parent: fc.nat(), wins: fc.nat(3), losses: fc.nat(3) }), {
      minLength: 1,
      maxLength: 30,
    })
    fc.assert(
      fc.property(trees, (edges) => {
        const games = edges.map(({ parent, wins, losses }, k) => {
          // Every edge was played at least once.
          return {
            upper: item(parent % (k + 1)),
            lower: item(k + 1),
            wins: wins + losses === 0 ? 1 : wins,
            losses,
          }
        })
        const rows = games.flatMap(({ upper, lower, wins, losses }) => [
          ...(wins > 0 ? [won(upper, lower, wins)] : []),
          ...(losses > 0 ? [won(lower, upper, losses)] : []),
        ])
        const { counts, items } = pairCounts(rows)
        const { rewards } = fitBradleyTerry(counts, { kind: 'firth' })
        const at = (name: string) => rewards[items.indexOf(name)]
        const errors = games.map(
          ({ upper, lower, wins, losses }) => at(upper) - at(lower) - Math.log((wins + 0.5) / (losses + 0.5)),
        )
        return largest(errors) < 1e-10
      }),
      { seed: 7, numRuns: 150 },
    )
  },
)

t.test('of two items with ties Firth’s prior adds half of each outcome', async () => {
  fc.assert(
    fc.property(fc.nat(6), fc.nat(6), fc.nat(6), (wins, losses, ties) => {
      fc.pre(wins + losses + ties > 0)
      const outcomes = { i: Int32Array.of(0), j: Int32Array.of(1), first: null, pairs: 1, comparisons: 1 }
      const counts = {
        ...outcomes,
        items: Int32Array.of(0, 1),
        wins: Float64Array.of(wins),
        losses: Float64Array.of(losses),
        ties: Float64Array.of(ties),
      }
      const { at, iterations } = fitBradleyTerry(
        counts,
        { kind: 'firth' },
        { ties: 'davidson', positionEffect: false },
      )
      const d = at[0] - at[1]
      // P(i) : P(j) : P(tie) = e^{d/2} : e^{−d/2} : ν.
      return (
        iterations < 15 &&
        Math.abs(d - Math.log((wins + 0.5) / (losses + 0.5))) < 1e-9 &&
        Math.abs(at[2] - d / 2 - Math.log((ties + 0.5) / (wins + 0.5))) < 1e-9
      )
    }),
    { seed: 8, numRuns: 100 },
  )
})

t.test('where Jeffreys’ prior has several maxima none of them is passed off as the estimate', async (t) => {
  // Almost all are ties, and a fifth item tied one of the others once: the prior draws it as readily up as down.
  const friends = ['a', 'b', 'c', 'd']
  const rows = friends.flatMap((one, k) =>
    friends
      .slice(k + 1)
      .flatMap((other) => [won(one, other), won(other, one), { ...won(one, other, 30), tie: true }]),
  )
  const comparisons = [...rows, { ...won('a', 'e'), tie: true }]
  const model = { ties: 'davidson', prior: { kind: 'firth' } } as const
  const problem = await refusal(fit({ comparisons, model } as FitRequest))
  t.equal(problem.kind, 'not-converged')
  t.match(problem.message, /more than one maximum/)
  const calm = await fit({ comparisons: rows, model } as FitRequest)
  t.ok(calm.groups[0].fit.converged)
})

// The same said in another way.

t.test('features that tell items apart give the rewards of the items', async () => {
  fc.assert(
    fc.property(fc.constantFrom(...MODELS), samples('items'), (model, sample) => {
      const { size, rewards: m } = shapeOf(sample, model)
      // One feature an item, but for the last, whose reward is where the others are counted from.
      const features = Object.fromEntries(
        Array.from({ length: m }, (_, k) => [
          item(k),
          Array.from({ length: m - 1 }, (_, f) => (f === k ? 1 : 0)),
        ]),
      )
      const whole = maximise(engineOf(sample, model, { kind: 'none' }).posterior, false)?.at ?? []
      const linear = maximise(
        engineOf({ ...sample, linear: 'features', features }, model, { kind: 'none' }).posterior,
        false,
      )?.at
      const expected = Array.from(whole, (value, a) => (a < m ? value - whole[m - 1] : value)).toSpliced(
        m - 1,
        1,
      )
      return linear?.length === size - 1 && largest(expected.map((value, a) => value - linear[a])) < 1e-10
    }),
    { seed: 9, numRuns: 40 },
  )
})

t.test('feature differences that rows bring are those of the items that they name', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...MODELS),
      fc.constantFrom('fisher', 'sandwich', 'clustered'),
      samples('features'),
      async (model, standardErrors, sample) => {
        const answers = await Promise.all(
          (['features', 'differences'] as const).map((linear) =>
            fit({ ...requestOf({ ...sample, linear }), model: { ...model, standardErrors } } as FitRequest),
          ),
        )
        const [named, brought] = answers.map(
          ({ groups: [{ rewardWeights, rewardWeightErrors, parameters }] }) => [
            ...(rewardWeights as number[]),
            ...(rewardWeightErrors as number[]),
            ...Object.values(parameters),
          ],
        )
        return largest(named.map((value, k) => value - brought[k])) < 1e-10
      },
    ),
    { seed: 10, numRuns: 60 },
  )
})

t.test('an offset that all items share in a feature costs no digit', async () => {
  fc.assert(
    fc.property(samples('features'), fc.constantFrom(1e6, -1e9, 1e11), (sample, offset) => {
      const { features } = sample as { features: Record<string, number[]> }
      // Whole numbers, so that the sums are exact.
      const whole = Object.fromEntries(
        Object.entries(features).map(([name, values]) => [name, values.map((value) => Math.round(value))]),
      )
      const moved = Object.fromEntries(
        Object.entries(whole).map(([name, values]) => [name, values.map((value) => value + offset)]),
      )
      const [near, far] = [whole, moved].map(
        (features) =>
          maximise(engineOf({ ...sample, features }, MODELS[3], { kind: 'none' }).posterior, false)?.at,
      )
      return (
        near !== undefined && far !== undefined && largest(near.map((value, a) => value - far[a])) < 1e-13
      )
    }),
    { seed: 11, numRuns: 30 },
  )
})

t.test('a wide gaussian prior is none, and a phantom that hardly played neither', async () => {
  fc.assert(
    fc.property(fc.constantFrom(...MODELS), samples('items'), (model, sample) => {
      const [free, wide, faint] = (
        [
          { kind: 'none' },
          { kind: 'gaussian', standardDeviation: 1e5 },
          { kind: 'pseudo-item', strength: 1e-6 },
        ] as Prior[]
      ).map((prior) => maximise(engineOf(sample, model, prior).posterior, false)?.at)
      if (free === undefined || wide === undefined || faint === undefined) return false
      const { rewards } = shapeOf(sample, model)
      const apart = (other: Float64Array) => {
        const shift = other[0] - free[0]
        return largest(other.map((value, a) => value - free[a] - (a < rewards ? shift : 0)))
      }
      return apart(wide) < 1e-8 && apart(faint) < 1e-4
    }),
    { seed: 12, numRuns: 40 },
  )
})

// Beyond 300 parameters Newton's system is solved by conjugate gradients.

/** Games of 320 items in both orders, every seventh of them a tie. */
function largeSample(): Sample {
  const random = seededRandom(3)
  const rows = randomGames(4, 0, 320, 2500).map(
    (row, k): FullRow => ({
      ...row,
      first: random() < 0.6 ? row.winner : row.loser,
      ...(k > 320 && k % 7 === 0 ? { tie: true } : {}),
    }),
  )
  return { rows, linear: 'items', features: null }
}

for (const model of MODELS) {
  for (const prior of PRIORS) {
    t.test(`conjugate gradients and a factorisation agree: ${nameOf('items', model, prior)}`, async (t) => {
      const sample = largeSample()
      const { posterior, likelihood } = engineOf(sample, model, prior)
      t.ok(posterior.size >= 320)
      const random = seededRandom(5)
      const at = Float64Array.from({ length: posterior.size }, () => 2 * random() - 1)
      posterior.linearise(at)
      const byGradients = new Float64Array(posterior.size)
      t.ok(newtonStep(posterior, 1e-13, byGradients))
      const factored = factorCurvature(posterior)
      const direct = posterior.gradient.slice()
      solveFactored(posterior, factored?.factor as Float64Array, direct)
      t.ok(largest(direct.map((step, a) => step - byGradients[a])) < 1e-9 * largest(direct))

      const found = maximise(posterior, false)
      t.ok(found !== null && found.errorEstimate <= 1e-10)
      // Row by row: what was observed equals what was expected.
      const { rewards: m, counts } = likelihood
      const score = new Float64Array(posterior.size)
      const psi = found?.at ?? new Float64Array(posterior.size)
      const eta = model.ties === 'davidson' ? psi[posterior.size - 1] : Number.NEGATIVE_INFINITY
      const index = new Map(Array.from(counts.items, (_, k) => [item(k), k]))
      for (const { winner, loser, first, tie } of sample.rows) {
        const a = index.get(winner) as number
        const b = index.get(loser) as number
        const z = model.positionEffect ? (first === winner ? 1 : -1) : 0
        const d = psi[a] - psi[b] + (z === 0 ? 0 : z * psi[m])
        const total = Math.exp(d / 2) + Math.exp(-d / 2) + Math.exp(eta)
        const expected = (Math.exp(d / 2) - Math.exp(-d / 2)) / total / 2
        const pull = (tie === true ? 0 : 0.5) - expected
        score[a] += pull
        score[b] -= pull
        if (z !== 0) score[m] += z * pull
        if (model.ties === 'davidson')
          score[posterior.size - 1] += (tie === true ? 1 : 0) - Math.exp(eta) / total
      }
      for (let v = 0; v < m; v++) {
        if (prior.kind === 'gaussian') score[v] -= psi[v] / prior.standardDeviation ** 2
        if (prior.kind === 'pseudo-item') score[v] -= prior.strength * Math.tanh(psi[v] / 2)
      }
      t.ok(largest(score) < 1e-10, `the score is ${largest(score)}`)
    })
  }
}
