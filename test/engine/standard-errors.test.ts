import fc from 'fast-check'
import t from 'tap'
import type { FitRequest } from '../../schemas/fit.ts'
import { fit } from '../../src/engine/fit.ts'
import { normal, seededRandom } from '../../src/engine/numeric/random.ts'
import { readPreferences } from '../../src/engine/preferences.ts'
import type { Covariance } from '../../src/engine/rewards/covariance.ts'
import type { OutcomeModel } from '../../src/engine/rewards/model.ts'
import { type FittedGroup, groupCovariance, rewardsOf } from '../../src/engine/rewards/rewards.ts'
import { engineModel, modelSettings, needsOf } from '../../src/engine/settings.ts'
import {
  type FullRow,
  inverseInformation,
  LINEAR,
  MODELS,
  requestOf,
  rowTerms,
  type Sample,
  samples,
} from '../helpers/definition.ts'
import { item, largest, type Prior, won } from '../helpers/fit.ts'

type Kind = 'fisher' | 'sandwich' | 'clustered'
const KINDS: Kind[] = ['fisher', 'sandwich', 'clustered']

/** Parameters, and the covariance of the estimate, as the engine gives them. */
async function estimated(sample: Sample, model: OutcomeModel, prior: Prior, standardErrors: Kind) {
  const settings = modelSettings({ ...model, prior, standardErrors })
  const preferences = readPreferences(requestOf(sample), needsOf(settings))
  const [group] = await rewardsOf(preferences, engineModel(settings), 0)
  const fitted = group.fitted as FittedGroup
  return { at: fitted.fit.at, covariance: groupCovariance(fitted, engineModel(settings), 0) as Covariance }
}

/** V, or V S V, from the definition of every row. */
function naive(
  sample: Sample,
  model: OutcomeModel,
  prior: Prior,
  kind: Kind,
  at: ArrayLike<number>,
): number[][] {
  const bread = inverseInformation(sample, model, prior, at)
  if (kind === 'fisher') return bread
  const terms = rowTerms(sample, model, at)
  const scores: number[][] = []
  const byAnnotator = new Map<string, number[]>()
  sample.rows.forEach(({ count = 1, weight = 1, annotator = '' }, r) => {
    // So many comparisons, each with a score of its own.
    scores.push(terms[r].score.map((slope) => Math.sqrt(count) * weight * slope))
    const sum = byAnnotator.get(annotator) ?? terms[r].score.map(() => 0)
    byAnnotator.set(
      annotator,
      sum.map((value, a) => value + count * weight * terms[r].score[a]),
    )
  })
  const used = kind === 'sandwich' ? scores : [...byAnnotator.values()]
  const images = used.map((score) => bread.map((row) => row.reduce((sum, v, a) => sum + v * score[a], 0)))
  return bread.map((_, a) => bread.map((_, b) => images.reduce((sum, image) => sum + image[a] * image[b], 0)))
}

for (const linear of LINEAR) {
  for (const kind of KINDS) {
    t.test(`${kind} covariances are those of a naive sum over rows: ${linear}`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...MODELS),
          fc.constantFrom<Prior>(
            { kind: 'none' },
            { kind: 'gaussian', standardDeviation: 0.8 },
            ...(linear === 'differences' ? [] : [{ kind: 'pseudo-item', strength: 0.7 } as const]),
          ),
          samples(linear),
          async (model, prior, sample) => {
            const { at, covariance } = await estimated(sample, model, prior, kind)
            const expected = naive(sample, model, prior, kind, at)
            const matrix = covariance.matrix() as Float64Array
            const scale = largest(expected.flat())
            const c = Float64Array.from(expected, (_, a) => (a === 0 ? 1 : a === 1 ? -1 : 0))
            const image = covariance.times(c)
            return (
              largest(expected.flat().map((value, k) => value - matrix[k])) < 1e-10 * scale &&
              largest(expected.map((row, a) => row[a] - covariance.variances()[a])) < 1e-10 * scale &&
              largest(expected.map((row, a) => row[0] - row[1] - image[a])) < 1e-10 * scale &&
              covariance.relativeError === 0
            )
          },
        ),
        { seed: 1, numRuns: 50 },
      )
    })
  }
}

t.test('standard errors are answered under the names of what they belong to', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...MODELS),
      fc.constantFrom(...KINDS),
      fc.constantFrom('items' as const, 'features' as const).chain((linear) => samples(linear)),
      async (model, kind, sample) => {
        const request = { ...requestOf(sample), model: { ...model, standardErrors: kind } } as FitRequest
        const [group] = (await fit(request)).groups
        const { at } = await estimated(sample, model, { kind: 'none' }, kind)
        const expected = naive(sample, model, { kind: 'none' }, kind, at)
        const extras = [
          ...(model.positionEffect ? [group.parameterErrors.position] : []),
          ...(model.ties === 'davidson' ? [group.parameterErrors.logTie] : []),
        ]
        const own =
          sample.features === null
            ? Object.values(group.standardErrors as Record<string, number>)
            : (group.rewardWeightErrors as number[])
        // Rewards linear in features, in the gauge where they sum to zero.
        const { features } = sample
        const rewardsRight =
          features === null ||
          Object.entries(group.standardErrors as Record<string, number>).every(([name, error]) => {
            const all = Object.values(features)
            const c = features[name].map(
              (value, f) => value - all.reduce((sum, row) => sum + row[f] / all.length, 0),
            )
            const variance = c.reduce(
              (sum, x, a) => sum + c.reduce((s, y, b) => s + x * y * expected[a][b], 0),
              0,
            )
            return Math.abs(error - Math.sqrt(variance)) < 1e-10
          })
        const found = [...own, ...extras]
        return (
          rewardsRight &&
          group.covariance === kind &&
          found.length === expected.length &&
          largest(expected.map((row, a) => found[a] / Math.sqrt(row[a]) - 1)) < 1e-9
        )
      },
    ),
    { seed: 2, numRuns: 80 },
  )
})

/** Every count as so many rows. */
function spelledOut(sample: Sample): Sample {
  return {
    ...sample,
    rows: sample.rows.flatMap(({ count = 1, ...row }) => Array.from({ length: count }, () => row)),
  }
}

t.test('a count has the errors of as many rows, of every kind', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...MODELS),
      fc.constantFrom(...KINDS),
      fc.constantFrom(...LINEAR).chain((linear) => samples(linear)),
      async (model, kind, sample) => {
        const [counted, spelled] = await Promise.all(
          [sample, spelledOut(sample)].map((one) => estimated(one, model, { kind: 'none' }, kind)),
        )
        const matrices = [counted, spelled].map(({ covariance }) => covariance.matrix() as Float64Array)
        return (
          largest(counted.at.map((value, a) => value - spelled.at[a])) < 1e-11 &&
          largest(matrices[0].map((value, k) => value - matrices[1][k])) < 1e-10 * largest(matrices[0])
        )
      },
    ),
    { seed: 3, numRuns: 60 },
  )
})

t.test('60 against 40 as weights of two rows are two comparisons, and as counts a hundred', async (t) => {
  const errorOf = async (rows: object[], standardErrors: Kind) => {
    const request = { comparisons: rows, model: { standardErrors } } as FitRequest
    const [group] = (await fit(request)).groups
    // Of two rewards that sum to zero the contrast has twice the error of each.
    return 2 * (group.standardErrors as Record<string, number>).a
  }
  const weights = [
    { ...won('a', 'b'), weight: 60, annotator: 'x' },
    { ...won('b', 'a'), weight: 40, annotator: 'y' },
  ]
  const counts = [
    { ...won('a', 'b', 60), annotator: 'x' },
    { ...won('b', 'a', 40), annotator: 'y' },
  ]
  t.equal((await errorOf(weights, 'sandwich')).toFixed(3), '1.414')
  t.equal((await errorOf(counts, 'sandwich')).toFixed(3), '0.204')
  t.equal((await errorOf(weights, 'fisher')).toFixed(3), '0.204', 'the likelihood alone cannot know')
  t.equal((await errorOf(counts, 'fisher')).toFixed(3), '0.204')
  t.equal((await errorOf(counts, 'clustered')).toFixed(3), '1.414', 'two annotators of one mind each')
})

t.test('half-win ties need the sandwich: the binomial error takes a tie for a toss', async (t) => {
  const comparisons = [won('a', 'b', 10), won('b', 'a', 10), { ...won('a', 'b', 80), tie: true }]
  const errorOf = async (standardErrors: Kind) => {
    const [group] = (await fit({ comparisons, model: { standardErrors } } as FitRequest)).groups
    return 2 * (group.standardErrors as Record<string, number>).a
  }
  // Σ (y − ½)² = 20/4 among a hundred, over (100/4)².
  t.ok(Math.abs((await errorOf('sandwich')) - Math.sqrt(5) / 25) < 1e-12)
  t.ok(Math.abs((await errorOf('fisher')) - Math.sqrt(1 / 25)) < 1e-12)
})

t.test('draws have the covariance that is stated, of every kind', async (t) => {
  const cases: { linear: (typeof LINEAR)[number]; kind: Kind; prior: Prior }[] = [
    { linear: 'items', kind: 'fisher', prior: { kind: 'none' } },
    { linear: 'items', kind: 'fisher', prior: { kind: 'gaussian', standardDeviation: 1 } },
    { linear: 'items', kind: 'sandwich', prior: { kind: 'none' } },
    { linear: 'items', kind: 'clustered', prior: { kind: 'pseudo-item', strength: 1 } },
    { linear: 'features', kind: 'fisher', prior: { kind: 'none' } },
    { linear: 'differences', kind: 'sandwich', prior: { kind: 'none' } },
  ]
  for (const { linear, kind, prior } of cases) {
    const [sample] = fc.sample(samples(linear), { seed: 4, numRuns: 1 })
    const { covariance } = await estimated(sample, MODELS[3], prior, kind)
    const matrix = covariance.matrix() as Float64Array
    const p = Math.sqrt(matrix.length)
    const random = seededRandom(9)
    const draws = 10_000
    const sums = new Float64Array(p * p)
    for (let k = 0; k < draws; k++) {
      const drawn = covariance.draw(random)
      for (let a = 0; a < p; a++) for (let b = 0; b < p; b++) sums[a * p + b] += (drawn[a] * drawn[b]) / draws
    }
    const errors = sums.map((sum, k) => {
      const [a, b] = [Math.floor(k / p), k % p]
      const spread = Math.sqrt((matrix[a * p + a] * matrix[b * p + b] + matrix[k] ** 2) / draws)
      return (sum - matrix[k]) / spread
    })
    t.ok(largest(errors) < 4.5, `${linear}, ${kind}, ${prior.kind}: ${largest(errors)} standard errors off`)
  }
})

// Beyond 2,000 parameters variances are simulated. On a tree all of them have a closed form.

type Edge = { a: number; b: number; wins: number; losses: number; ties: number }

/** Two hubs with as many leaves each, joined by one edge. */
function twoHubs(leaves: number, bridge: Omit<Edge, 'a' | 'b'>): Edge[] {
  const random = seededRandom(2)
  const hub = (first: number) =>
    Array.from({ length: leaves }, (_, k): Edge => {
      return { a: first, b: first + 1 + k, wins: 20 + Math.floor(20 * random()), losses: 30, ties: 10 }
    })
  return [...hub(0), ...hub(leaves + 1), { a: 0, b: leaves + 1, ...bridge }]
}

function rowsOf(edges: readonly Edge[]): FullRow[] {
  return edges.flatMap(({ a, b, wins, losses, ties }) => [
    won(item(a), item(b), wins),
    won(item(b), item(a), losses),
    ...(ties > 0 ? [{ ...won(item(a), item(b), ties), tie: true }] : []),
  ])
}

/** The variance of d = log-odds of an edge: by the Fisher information, or the sandwich. */
function edgeVariance({ wins, losses, ties }: Edge, kind: 'fisher' | 'sandwich'): number {
  const n = wins + losses + ties
  const p = (wins + ties / 2) / n
  const information = n * p * (1 - p)
  if (kind === 'fisher') return 1 / information
  return (wins * (1 - p) ** 2 + losses * p ** 2 + ties * (0.5 - p) ** 2) / information ** 2
}

for (const kind of ['fisher', 'sandwich'] as const) {
  t.test(`${kind} errors of 2,400 items are as exact as they say`, async (t) => {
    const leaves = 1199
    const edges = twoHubs(leaves, { wins: 1, losses: 1, ties: 0 })
    const m = 2 * leaves + 2
    const sample: Sample = { rows: rowsOf(edges), linear: 'items', features: null }
    const { covariance } = await estimated(sample, MODELS[0], { kind: 'none' }, kind)
    t.equal(covariance.relativeError, 0.05)
    t.equal(covariance.matrix(), null)

    // θ_i − mean is a sum over edges, each with the share of items on its other side.
    const variances = edges.map((edge) => edgeVariance(edge, kind))
    const bridge = variances[variances.length - 1] / 4
    const leafShares = variances.slice(0, -1).reduce((sum, variance) => sum + variance / m ** 2, 0)
    const exact = (i: number) => {
      const leaf = edges.findIndex(({ b }, k) => b === i && k < edges.length - 1)
      const own = leaf < 0 ? 0 : variances[leaf]
      return bridge + leafShares + own * (1 - 2 / m)
    }
    const found = covariance.variances()
    const ratios = Array.from({ length: m }, (_, i) => Math.sqrt(found[i] / exact(i)) - 1)
    t.ok(largest(ratios) < 4 * covariance.relativeError, `within four of its errors: ${largest(ratios)}`)

    // Contrasts are solved for, not simulated: across the bridge, and along one edge.
    for (const [i, j, along] of [
      [0, leaves + 1, [edges.length - 1]],
      [5, leaves + 9, [4, leaves + 7, edges.length - 1]],
      [0, 7, [6]],
    ] as const) {
      const c = new Float64Array(m)
      c[i] = 1
      c[j] = -1
      const image = covariance.times(c)
      const expected = along.reduce((sum, k) => sum + variances[k], 0)
      t.ok(Math.abs((image[i] - image[j]) / expected - 1) < 1e-8, `${i} against ${j}`)
    }

    const answer = await fit({
      comparisons: sample.rows,
      model: { standardErrors: kind },
      seed: 7,
    } as FitRequest)
    t.equal(answer.groups[0].standardErrorAccuracy, 0.05, 'and the answer says so')
  })
}

t.test('two dense clusters that one pair joins are as uncertain as that pair', async (t) => {
  const random = seededRandom(6)
  const half = 1100
  const rows: FullRow[] = [won(item(3), item(half + 5)), won(item(half + 5), item(3))]
  for (let k = 0; k < 2 * half; k++) {
    const first = k < half ? 0 : half
    for (let game = 0; game < 25; game++) {
      const other = first + Math.floor(half * random())
      if (other === k) continue
      rows.push(won(item(k), item(other)), won(item(other), item(k)))
    }
  }
  const { covariance } = await estimated(
    { rows, linear: 'items', features: null },
    MODELS[0],
    { kind: 'none' },
    'fisher',
  )
  // The bridge has the variance 2, of which a quarter falls to each side; the rest is that of some fifty games.
  const mean = covariance.variances().reduce((sum, variance) => sum + variance / (2 * half), 0)
  t.ok(mean > 0.5 * 0.9 ** 2 && mean < 0.55 * 1.2 ** 2, `the mean variance is ${mean}`)
})

t.test('numbers drawn as normal are', async (t) => {
  const random = seededRandom(8)
  const n = 100_000
  const moments = [0, 0, 0, 0]
  for (let k = 0; k < n; k++) {
    const x = normal(random)
    for (let power = 1; power <= 4; power++) moments[power - 1] += x ** power / n
  }
  const errors = [1, 2, 15, 96].map((variance) => Math.sqrt(variance / n))
  const off = [0, 1, 0, 3].map((moment, k) => Math.abs(moments[k] - moment) / errors[k])
  t.ok(largest(off) < 4, off.join())
})
