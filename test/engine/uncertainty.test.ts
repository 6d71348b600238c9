import fc from 'fast-check'
import t from 'tap'
import type { FitRequest } from '../../schemas/fit.ts'
import type { Model } from '../../schemas/model.ts'
import { fit } from '../../src/engine/fit.ts'
import { choleskySemidefinite } from '../../src/engine/numeric/cholesky.ts'
import { normal, type Random, seededRandom } from '../../src/engine/numeric/random.ts'
import { readPreferences } from '../../src/engine/preferences.ts'
import type { Problem } from '../../src/engine/problem.ts'
import type { RewardCovariance } from '../../src/engine/rewards/contrasts.ts'
import type { Covariance } from '../../src/engine/rewards/covariance.ts'
import { fitBradleyTerry } from '../../src/engine/rewards/fit-group.ts'
import { quasiVariances } from '../../src/engine/rewards/quasi-variances.ts'
import { rankIntervals } from '../../src/engine/rewards/ranks.ts'
import { type FittedGroup, groupCovariance, rewardsOf } from '../../src/engine/rewards/rewards.ts'
import { engineModel, modelSettings, needsOf } from '../../src/engine/settings.ts'
import {
  connectedRows,
  covarianceAt,
  inverse,
  item,
  largest,
  pairCounts,
  priors,
  type Row,
  won,
} from '../helpers/fit.ts'

type Request = Omit<FitRequest, 'comparisons'> & { comparisons: unknown }

async function fitted(request: Request) {
  const { groups } = await fit(request as FitRequest)
  return groups[0]
}

/** The covariance of the first group's parameters. */
async function covarianceOf(request: { comparisons: unknown; items?: FitRequest['items']; model: Model }) {
  const settings = modelSettings(request.model)
  const preferences = readPreferences(request, needsOf(settings))
  const [group] = await rewardsOf(preferences, engineModel(settings), 0)
  return groupCovariance(group.fitted as FittedGroup, engineModel(settings), 0) as Covariance
}

/** All contrasts of the items, as a request asks for them. */
function allContrasts(items: readonly string[]) {
  return items.flatMap((a, i) => items.slice(0, i).map((b) => ({ item: a, against: b })))
}

/** What a refusal points at. */
async function pointersOf(request: Request): Promise<string[]> {
  try {
    await fit(request as FitRequest)
    return []
  } catch (error) {
    return (error as Problem).errors.map(({ pointer }) => pointer)
  }
}

const logistic = (d: number) => 1 / (1 + Math.exp(-d))

type Judged = Row & { annotator: string }

/** V S V, with S the squares of the scores of single comparisons, or of their sums by annotator, row by row. */
function sandwichAt(theta: readonly number[], rows: readonly Judged[], items: string[], clustered: boolean) {
  const m = items.length
  const bread = covarianceAt(theta, pairCounts(rows).counts, { kind: 'none' })
  const scores = new Map<string, number[]>()
  rows.forEach(({ winner, loser, tie, preference, count = 1, weight = 1, annotator }, r) => {
    const [i, j] = [items.indexOf(winner), items.indexOf(loser)]
    const residual = weight * ((tie === true ? 0.5 : (preference ?? 1)) - logistic(theta[i] - theta[j]))
    const key = clustered ? annotator : String(r)
    const score = scores.get(key) ?? new Array<number>(m).fill(0)
    scores.set(key, score)
    // So many independent comparisons have so many times the square; those of one annotator are added up first.
    const size = clustered ? count : Math.sqrt(count)
    score[i] += size * residual
    score[j] -= size * residual
  })
  const meat = Array.from({ length: m }, () => new Array<number>(m).fill(0))
  for (const score of scores.values())
    for (let a = 0; a < m; a++) for (let b = 0; b < m; b++) meat[a][b] += score[a] * score[b]
  const times = (x: number[][], y: number[][]) =>
    x.map((row) => row.map((_, b) => row.reduce((sum, value, k) => sum + value * y[k][b], 0)))
  return times(times(bread, meat), bread)
}

t.test('a contrast has the variance V_ii + V_jj − 2V_ij, under every prior', async () => {
  await fc.assert(
    fc.asyncProperty(connectedRows(), priors, async (rows, prior) => {
      const { counts, items } = pairCounts(rows)
      const { at } = fitBradleyTerry(counts, prior)
      const covariance = covarianceAt(at, counts, prior)
      const { contrasts } = await fitted({
        comparisons: rows,
        model: { prior },
        contrasts: allContrasts(items),
      })
      const errors = (contrasts ?? []).flatMap(({ item, against, difference, standardError }) => {
        const [i, j] = [items.indexOf(item), items.indexOf(against)]
        const variance = covariance[i][i] + covariance[j][j] - 2 * covariance[i][j]
        return [(standardError ?? 0) ** 2 / variance - 1, (difference ?? 0) - (at[i] - at[j])]
      })
      return largest(errors) <= 1e-8
    }),
    { seed: 11, numRuns: 150 },
  )
})

t.test('with the sandwich it is that of V S V, by comparison or by annotator', async () => {
  await fc.assert(
    fc.asyncProperty(connectedRows(), fc.boolean(), async (drawn, clustered) => {
      const rows = drawn.map((row, r): Judged => ({ ...row, annotator: `judge ${r % 5}` }))
      const { items } = pairCounts(rows)
      const { contrasts, rewards } = await fitted({
        comparisons: rows,
        model: { standardErrors: clustered ? 'clustered' : 'sandwich' },
        contrasts: allContrasts(items),
      })
      const theta = items.map((name) => rewards[name])
      const covariance = sandwichAt(theta, rows, items, clustered)
      const errors = (contrasts ?? []).map(({ item, against, standardError }) => {
        const [i, j] = [items.indexOf(item), items.indexOf(against)]
        const variance = covariance[i][i] + covariance[j][j] - 2 * covariance[i][j]
        // Relative to the errors of the two items: clusters can cancel in a difference.
        return ((standardError ?? 0) ** 2 - variance) / (covariance[i][i] + covariance[j][j])
      })
      return largest(errors) <= 1e-8
    }),
    { seed: 12, numRuns: 150 },
  )
})

t.test('sixty against forty: a count is evidence, a weight is not', async (t) => {
  const contrast = async (member: 'count' | 'weight', standardErrors: 'fisher' | 'sandwich') => {
    const comparisons = [
      { group: 'all', winner: 'a', loser: 'b', [member]: 60 },
      { group: 'all', winner: 'b', loser: 'a', [member]: 40 },
    ]
    const contrasts = [{ item: 'a', against: 'b' }]
    const group = await fitted({ comparisons, model: { standardErrors }, contrasts })
    return group.contrasts?.[0].standardError?.toFixed(6)
  }
  // √(1/60 + 1/40), and √2 where each row is one observation, however heavy.
  t.equal(await contrast('count', 'fisher'), Math.sqrt(1 / 60 + 1 / 40).toFixed(6))
  t.equal(await contrast('count', 'sandwich'), Math.sqrt(1 / 60 + 1 / 40).toFixed(6))
  t.equal(await contrast('weight', 'sandwich'), Math.SQRT2.toFixed(6))
})

t.test('contrasts are exact beyond the items whose standard errors are', async (t) => {
  // In a star the way from leaf to leaf is two edges: their resistances add up, 1/(n·p·q) each.
  const leaves = 2100
  const comparisons = Array.from({ length: leaves }, (_, k) => [
    won('hub', item(k), 3 + (k % 5)),
    won(item(k), 'hub', 2 + (k % 3)),
  ]).flat()
  const resistance = (k: number) => 1 / (3 + (k % 5)) + 1 / (2 + (k % 3))
  const pairs = [
    [0, 1],
    [7, 2099],
    [44, 1234],
  ]
  const group = await fitted({
    comparisons,
    contrasts: pairs.map(([a, b]) => ({ item: item(a), against: item(b) })),
  })
  t.ok(group.standardErrorAccuracy > 0, 'the others are simulated')
  pairs.forEach(([a, b], k) => {
    const variance = (group.contrasts?.[k].standardError ?? 0) ** 2
    t.ok(Math.abs(variance / (resistance(a) + resistance(b)) - 1) < 1e-8)
  })
})

t.test('an item that a group never compared has no contrasts there, and no rank', async (t) => {
  const request = {
    comparisons: [won('a', 'b', 3), won('b', 'a', 2)],
    items: [{ id: 'a' }, { id: 'b' }, { id: 'c' }],
    contrasts: [
      { item: 'a', against: 'c' },
      { item: 'a', against: 'b' },
    ],
    quasiVariances: true,
    ranks: {},
  }
  const group = await fitted(request)
  t.strictSame(group.contrasts?.[0], { item: 'a', against: 'c', difference: null, standardError: null })
  t.ok(Math.abs((group.contrasts?.[1].standardError ?? 0) - Math.sqrt(1 / 3 + 1 / 2)) < 1e-12)
  t.strictSame(Object.keys(group.ranks ?? {}), ['a', 'b'])
  t.strictSame(Object.keys(group.quasiStandardErrors ?? {}), ['a', 'b'])
  const pooled = await fitted({
    ...request,
    model: { prior: { kind: 'pooled', standardDeviation: 1, populationDeviation: 1 } },
  })
  t.ok((pooled.contrasts?.[0].standardError ?? 0) > 0, 'pooled, it has what the population has')
})

t.test('with one feature a contrast has as many errors of the weight as the items are apart', async (t) => {
  const group = await fitted({
    comparisons: [won('a', 'b', 3), won('b', 'a', 2), won('b', 'c', 4), won('c', 'b', 3)],
    items: [
      { id: 'a', features: [2] },
      { id: 'b', features: [0.5] },
      { id: 'c', features: [-1] },
      { id: 'like c', features: [-1] },
    ],
    contrasts: [
      { item: 'a', against: 'c' },
      { item: 'like c', against: 'b' },
      { item: 'c', against: 'like c' },
    ],
    quasiVariances: true,
    ranks: {},
  })
  const error = group.rewardWeightErrors?.[0] as number
  const errors = group.contrasts?.map(({ standardError }) => standardError as number) ?? []
  t.ok(largest([errors[0] - 3 * error, errors[1] - 1.5 * error, errors[2]]) < 1e-12)
  t.equal(group.quasiVariances, null, 'a difference that is certainly zero has no logarithm')
  t.strictSame(group.ranks?.c, group.ranks?.['like c'])
})

t.test('feature differences that rows bring along say nothing of the items that they name', async (t) => {
  const rows = [0.5, -1, 0.3, 0.4, -1, -0.7].map((x, k) => ({
    ...won('abc'[k % 3], 'abc'[(k + 1) % 3]),
    featureDifference: [x, x * x - 0.3],
  }))
  const group = await fitted({
    comparisons: rows,
    model: { prior: { kind: 'gaussian', standardDeviation: 2 } },
    contrasts: [{ item: 'a', against: 'b' }],
  })
  t.strictSame(Object.keys(group.rewards), [])
  t.strictSame(Object.keys(group.standardErrors ?? {}), [])
  t.equal(group.contrasts?.[0].difference, null)
  const items = ['a', 'b', 'c'].map((id, k) => ({ id, features: [k, k % 2, 1] }))
  t.strictSame(await pointersOf({ comparisons: rows, items }), ['/items/0/features'])
})

/** Requests of every kind whose covariance is a matrix. */
function kindsOfCovariance() {
  const random = seededRandom(5)
  const items = ['a', 'b', 'c', 'd', 'e']
  const comparisons = Array.from({ length: 90 }, (_, k) => {
    const a = k % 5
    const b = (a + 1 + Math.floor(random() * 4)) % 5
    const [winner, loser] = random() < 0.5 ? [items[a], items[b]] : [items[b], items[a]]
    return {
      group: 'all',
      winner,
      loser,
      tie: random() < 0.2,
      first: random() < 0.5 ? winner : loser,
      annotator: `judge ${Math.floor(random() * 12)}`,
      weight: 0.5 + random(),
    }
  })
  const features = items.map((id, k) => ({ id, features: [k, (k * k) % 3] }))
  const errors = ['fisher', 'sandwich', 'clustered'] as const
  return errors.flatMap((standardErrors) =>
    ([undefined, features] as const).flatMap((declared) =>
      (['half-win', 'davidson'] as const).map((ties) => ({
        comparisons,
        items: declared,
        model: { standardErrors, ties, positionEffect: ties === 'davidson' },
      })),
    ),
  )
}

/** A vector of small whole numbers; those of `rewards` rewards sum to zero where they have a gauge. */
function contrastVector(random: Random, size: number, rewards: number, gauged: boolean): Float64Array {
  const c = Float64Array.from({ length: size }, (_, a) => a + 1 + Math.floor(random() * 4))
  if (gauged) c[0] -= c.subarray(0, rewards).reduce((a, b) => a + b)
  return c
}

t.test('the covariance as a matrix, as a product and as a source of draws is the same', async (t) => {
  const random = seededRandom(6)
  const draws = 4000
  for (const request of kindsOfCovariance()) {
    const covariance = await covarianceOf(request)
    const matrix = covariance.matrix() as Float64Array
    const size = Math.sqrt(matrix.length)
    const rewards = request.items === undefined ? 5 : 2
    const c = contrastVector(random, size, rewards, request.items === undefined)
    const image = covariance.times(c)
    const byMatrix = c.map((_, a) => c.reduce((sum, value, b) => sum + matrix[a * size + b] * value, 0))
    const variance = c.reduce((sum, value, a) => sum + value * image[a], 0)
    const name = `${request.model.standardErrors}, ${request.model.ties}, ${rewards} rewards`
    t.ok(largest(byMatrix.map((value, a) => value - image[a])) < 1e-10 * largest(image), name)
    const variances = covariance.variances()
    t.ok(
      largest(variances.map((value, a) => value - matrix[a * size + a])) < 1e-10 * largest(variances),
      name,
    )
    let squares = 0
    for (let d = 0; d < draws; d++) {
      const z = covariance.draw(random)
      squares += c.reduce((sum, value, a) => sum + value * z[a], 0) ** 2 / draws
    }
    // Four standard errors of a mean of 4,000 squares.
    t.ok(Math.abs(squares / variance - 1) < 4 * Math.sqrt(2 / draws), `${name}: draws`)
  }
})

t.test('a semidefinite matrix is factorised, whatever its rank', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 0, max: 8 }), fc.nat(), (n, rank, seed) => {
      const random = seededRandom(seed)
      const rows = Array.from({ length: n }, () => Array.from({ length: rank }, () => normal(random)))
      const product = Float64Array.from({ length: n * n }, (_, k) =>
        rows[Math.floor(k / n)].reduce((sum, value, r) => sum + value * rows[k % n][r], 0),
      )
      const root = product.slice()
      choleskySemidefinite(root, n)
      const errors = Array.from(product, (value, k) => {
        const [i, j] = [Math.floor(k / n), k % n]
        let sum = 0
        for (let r = 0; r <= Math.min(i, j); r++) sum += root[i * n + r] * root[j * n + r]
        return value - sum
      })
      return largest(errors) <= 1e-10 * Math.max(1, largest(product))
    }),
    { seed: 13, numRuns: 300 },
  )
})

/** Stigler, Statistical Science 9 (1994): a journal beats another as often as the other cites it. */
const CITATIONS = [
  ['Biometrika', 'Comm. Statist.', 730, 33],
  ['Biometrika', 'JASA', 498, 320],
  ['Biometrika', 'JRSS-B', 221, 284],
  ['Comm. Statist.', 'JASA', 68, 813],
  ['Comm. Statist.', 'JRSS-B', 17, 276],
  ['JASA', 'JRSS-B', 142, 325],
] as const
const JOURNALS = ['Biometrika', 'Comm. Statist.', 'JASA', 'JRSS-B']

/** Pairs of m items, each once. */
function pairsOf(m: number): [number, number][] {
  return Array.from({ length: m }, (_, i) =>
    Array.from({ length: i }, (_, j): [number, number] => [j, i]),
  ).flat()
}

/** The covariance of so many rewards, from independent draws of normal vectors. */
function randomCovariance(m: number, seed: number): RewardCovariance {
  const random = seededRandom(seed)
  const factor = Array.from({ length: m * (m + 2) }, () => normal(random))
  const values = new Float64Array(m * m)
  for (let a = 0; a < m; a++)
    for (let b = 0; b < m; b++)
      for (let k = 0; k < m + 2; k++) values[a * m + b] += factor[a * (m + 2) + k] * factor[b * (m + 2) + k]
  return { values, size: m, rewards: m }
}

function varianceOf({ values, size }: RewardCovariance, i: number, j: number): number {
  return values[i * size + i] + values[j * size + j] - 2 * values[i * size + j]
}

function logErrors(q: ArrayLike<number>, covariance: RewardCovariance): number {
  return pairsOf(q.length).reduce(
    (sum, [i, j]) => sum + Math.log((q[i] + q[j]) / varianceOf(covariance, i, j)) ** 2,
    0,
  )
}

t.test(
  'the citations have the published quasi-standard errors, as far as those have converged',
  async (t) => {
    const comparisons = CITATIONS.flatMap(([a, b, wins, losses]) => [won(a, b, wins), won(b, a, losses)])
    const group = await fitted({ comparisons, quasiVariances: true, contrasts: allContrasts(JOURNALS) })
    const variance = new Map(
      group.contrasts?.map(({ item, against, standardError }) => [
        [item, against].sort().join(),
        (standardError as number) ** 2,
      ]),
    )
    const v = pairsOf(4).map(([i, j]) => variance.get([JOURNALS[i], JOURNALS[j]].sort().join()) as number)

    // R's glm, which published numbers come from, takes four steps of Gauss and Newton from q_i + q_j = v_ij.
    let sums = v
    let q: number[] = []
    for (let step = 0; step < 4; step++) {
      const weights = sums.map((sum) => 1 / (sum * sum))
      const target = sums.map((sum, k) => sum + sum * Math.log(v[k] / sum))
      q = weightedSums(weights, target)
      sums = pairsOf(4).map(([i, j]) => q[i] + q[j])
    }
    const published = ['0.042120976752', '0.092235958319', '0.042845878833', '0.058515942089']
    const roots = q.map(Math.sqrt)
    // What is published was computed from standard errors with an error of 1e-10 of their own.
    roots.forEach((root, k) => {
      t.ok(Math.abs(root - Number(published[k])) < 2e-10, `${JOURNALS[k]} as published`)
    })
    // Eight steps more bring them to rest.
    for (let step = 0; step < 8; step++) {
      const weights = sums.map((sum) => 1 / (sum * sum))
      q = weightedSums(
        weights,
        sums.map((sum, k) => sum + sum * Math.log(v[k] / sum)),
      )
      sums = pairsOf(4).map(([i, j]) => q[i] + q[j])
    }
    JOURNALS.forEach((name, k) => {
      const own = group.quasiStandardErrors?.[name] as number
      t.ok(Math.abs(own - Math.sqrt(q[k])) < 1e-13, `${name} where the iteration ends`)
      t.ok(Math.abs(own - Number(published[k])) < 1e-8)
    })
  },
)

/** The q that minimise Σ w_ij (q_i + q_j − target_ij)² over four items. */
function weightedSums(weights: readonly number[], target: readonly number[]): number[] {
  const matrix = Array.from({ length: 4 }, () => [0, 0, 0, 0])
  const right = [0, 0, 0, 0]
  pairsOf(4).forEach(([i, j], k) => {
    for (const a of [i, j]) {
      right[a] += weights[k] * target[k]
      for (const b of [i, j]) matrix[a][b] += weights[k]
    }
  })
  return inverse(matrix).map((row) => row.reduce((sum, value, b) => sum + value * right[b], 0))
}

t.test('quasi-variances of three items are exact, and of two half each', async (t) => {
  const three = randomCovariance(3, 1)
  const v = (i: number, j: number) => varianceOf(three, i, j)
  const found = quasiVariances(three)
  const expected = [
    (v(0, 1) + v(0, 2) - v(1, 2)) / 2,
    (v(0, 1) + v(1, 2) - v(0, 2)) / 2,
    (v(0, 2) + v(1, 2) - v(0, 1)) / 2,
  ]
  t.ok(largest(expected.map((q, k) => q - (found?.values[k] ?? Number.NaN))) < 1e-12)
  t.ok((found?.relativeError ?? 1) < 1e-12)
  const two = randomCovariance(2, 2)
  t.strictSame(Array.from(quasiVariances(two)?.values ?? []), [
    varianceOf(two, 0, 1) / 2,
    varianceOf(two, 0, 1) / 2,
  ])
})

t.test('no other quasi-variances nearby have smaller log errors, and none far off', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 4, max: 9 }), fc.nat(), (m, seed) => {
      const covariance = randomCovariance(m, seed)
      const found = quasiVariances(covariance)
      if (found === null) return false
      const least = logErrors(found.values, covariance)
      const random = seededRandom(seed + 1)
      for (let trial = 0; trial < 60; trial++) {
        const size = 10 ** -(trial % 6)
        const other = found.values.map((q) => Math.abs(q) * Math.exp(size * normal(random)))
        if (logErrors(other, covariance) < least - 1e-12) return false
      }
      const errors = pairsOf(m).map(
        ([i, j]) => Math.sqrt((found.values[i] + found.values[j]) / varianceOf(covariance, i, j)) - 1,
      )
      return Math.abs(largest(errors) - found.relativeError) < 1e-12
    }),
    { seed: 14, numRuns: 200 },
  )
})

t.test('a negative quasi-variance has no standard error, and still serves in sums', async (t) => {
  // On a line the ends are as far from the middle, each, as half the way from end to end: q = 2, −1, 2 errors squared.
  const group = await fitted({
    comparisons: [won('a', 'b', 3), won('b', 'a', 2), won('b', 'c', 4), won('c', 'b', 3)],
    items: [-1, 0, 1].map((x, k) => ({ id: 'abc'[k], features: [x] })),
    quasiVariances: true,
    contrasts: allContrasts(['a', 'b', 'c']),
  })
  const values = group.quasiVariances as Record<string, number>
  const square = (group.rewardWeightErrors?.[0] ?? 0) ** 2
  t.ok(largest([values.a - 2 * square, values.b + square, values.c - 2 * square]) < 1e-12)
  t.equal(group.quasiStandardErrors?.b, null)
  t.ok(Math.abs((group.quasiStandardErrors?.a ?? 0) - Math.sqrt(values.a)) < 1e-15)
  for (const { item, against, standardError } of group.contrasts ?? [])
    t.ok(Math.abs(Math.sqrt(values[item] + values[against]) - (standardError ?? 0)) < 1e-10)
})

/** Two rewards that differ by z, whose difference has standard error 1. */
function ranksAt(z: number) {
  const random = seededRandom(1)
  const covariance = { values: Float64Array.of(0.5, 0, 0, 0.5), size: 2, rewards: 2 }
  const draw = () => Float64Array.of(normal(random) * Math.SQRT1_2, normal(random) * Math.SQRT1_2)
  return rankIntervals(Float64Array.of(z, 0), covariance, draw, { level: 0.95, draws: 10_000 })
}

t.test('two items are told apart at 1.96 standard errors, and the first at 1.645', async (t) => {
  const bounds = (z: number) => {
    const { rank, low, high, first } = ranksAt(z)
    return [rank, low, high, first].map((list) => Array.from(list))
  }
  const open = [
    [1, 2],
    [1, 1],
    [2, 2],
  ]
  t.strictSame(bounds(1.55), [...open, [0, 1]])
  t.strictSame(bounds(1.75), [...open, [0]])
  t.strictSame(bounds(1.87), [...open, [0]])
  t.strictSame(bounds(2.05), [[1, 2], [1, 2], [1, 2], [0]])
})

t.test('ranks are those of comparing all pairs in all draws', async () => {
  const [level, draws] = [0.9, 150]
  const quantile = (values: number[]) => values.sort((a, b) => a - b)[Math.ceil(level * (draws + 1)) - 1]
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 7 }), fc.nat(), (m, seed) => {
      const covariance = randomCovariance(m, seed)
      // Errors of very different sizes.
      for (let a = 0; a < m; a++) for (let b = 0; b < m; b++) covariance.values[a * m + b] *= 2 ** (a + b)
      const random = seededRandom(seed)
      const list = Array.from({ length: draws }, () =>
        Float64Array.from({ length: m }, (_, a) => 2 ** a * normal(random)),
      )
      const rewards = Float64Array.from({ length: m }, () => 2 ** m * normal(random))
      const error = (i: number, j: number) => Math.sqrt(varianceOf(covariance, i, j))
      const others = (i: number) => Array.from(rewards.keys()).filter((j) => j !== i)
      const ahead = (z: Float64Array, i: number) =>
        Math.max(0, ...others(i).map((j) => (z[j] - z[i]) / error(i, j)))
      const all = quantile(list.map((z) => Math.max(...Array.from(z, (_, i) => ahead(z, i)))))
      const expected = Array.from(rewards, (reward, i) => {
        const own = quantile(list.map((z) => ahead(z, i)))
        const better = others(i).filter((j) => rewards[j] - reward > all * error(i, j)).length
        const worse = others(i).filter((j) => reward - rewards[j] > all * error(i, j)).length
        const first = others(i).every((j) => rewards[j] - reward <= own * error(i, j))
        return [1 + others(i).filter((j) => rewards[j] > reward).length, 1 + better, m - worse, first]
      })
      let next = 0
      const found = rankIntervals(rewards, covariance, () => list[next++], { level, draws })
      return expected.every(
        ([rank, low, high, first], i) =>
          rank === found.rank[i] &&
          low === found.low[i] &&
          high === found.high[i] &&
          first === found.first.includes(i),
      )
    }),
    { seed: 15, numRuns: 200 },
  )
})

t.test('nothing is certain of a lead whose error the data do not tell', async (t) => {
  const covariance = { values: new Float64Array(4), size: 2, rewards: 2 }
  const draw = () => new Float64Array(2)
  const { low, high, first } = rankIntervals(Float64Array.of(1, 0), covariance, draw, {
    level: 0.95,
    draws: 1000,
  })
  t.strictSame(
    [Array.from(low), Array.from(high), first],
    [
      [1, 1],
      [2, 2],
      [0, 1],
    ],
  )
})

t.test('items that are all the same are all tied, and the same seed gives the same ranks', async (t) => {
  const cycle = ['a', 'b', 'c', 'd'].map((name, k, all) => [
    won(name, all[(k + 1) % 4], 5),
    won(all[(k + 1) % 4], name, 5),
  ])
  const group = await fitted({ comparisons: cycle.flat(), ranks: {} })
  t.strictSame(Object.values(group.ranks ?? {}), new Array(4).fill({ rank: 1, low: 1, high: 4 }))
  t.strictSame(group.tiedForFirst, ['a', 'b', 'c', 'd'])
  t.equal(group.ranksLevel, 0.95)

  const comparisons = [...cycle.flat(), won('a', 'c', 9), won('b', 'd', 7), won('c', 'd', 4)]
  const request = { comparisons, ranks: { level: 0.8, draws: 1000 }, seed: 7 }
  t.strictSame(await fit(request as unknown as FitRequest), await fit(request as unknown as FitRequest))
  const { settings } = await fit(request as unknown as FitRequest)
  t.strictSame([settings.ranks, settings.seed], [{ level: 0.8, draws: 1000 }, 7])
})

/** Comparisons of every pair, so many times each. */
function simulated(theta: readonly number[], times: number, random: Random): Row[] {
  return pairsOf(theta.length).flatMap(([i, j]) => {
    let wins = 0
    for (let k = 0; k < times; k++) if (random() < logistic(theta[i] - theta[j])) wins++
    return [won(item(i), item(j), wins), won(item(j), item(i), times - wins)].filter(
      ({ count = 0 }) => count > 0,
    )
  })
}

t.test(
  'ninety-five of a hundred times all true ranks are in their intervals, and the first among those tied',
  async (t) => {
    const theta = [0.9, 0.4, 0.4, 0, -0.5]
    const better = theta.map((value) => theta.filter((other) => other > value).length)
    const worse = theta.map((value) => theta.filter((other) => other < value).length)
    const random = seededRandom(2024)
    const sets = 400
    let covered = 0
    let found = 0
    let width = 0
    for (let s = 0; s < sets; s++) {
      const group = await fitted({
        comparisons: simulated(theta, 40, random),
        ranks: { draws: 1000 },
        seed: s,
      })
      const ranks = theta.map((_, i) => group.ranks?.[item(i)] as { low: number; high: number })
      if (ranks.every(({ low, high }, i) => low <= 1 + better[i] && high >= theta.length - worse[i]))
        covered++
      if (group.tiedForFirst?.includes(item(0))) found++
      for (const { low, high } of ranks) width += (high - low) / (theta.length * sets)
    }
    t.ok(covered / sets >= 0.93, `ranks: ${covered / sets}`)
    t.ok(found / sets >= 0.93, `first: ${found / sets}`)
    t.ok(width < 2.5, `and they say something: ${width.toFixed(2)} ranks wide of 4`)
  },
)

t.test('of equal items some pair is told apart five times in a hundred, no more and no less', async (t) => {
  const random = seededRandom(77)
  const sets = 500
  let wrong = 0
  for (let s = 0; s < sets; s++) {
    const group = await fitted({
      comparisons: simulated([0, 0, 0, 0, 0], 60, random),
      ranks: { draws: 1000 },
      seed: s,
    })
    if (Object.values(group.ranks ?? {}).some(({ low, high }) => low > 1 || high < 5)) wrong++
  }
  // Four standard errors of a share of 5% in 500.
  t.ok(Math.abs(wrong / sets - 0.05) < 4 * Math.sqrt((0.05 * 0.95) / sets), `${wrong / sets}`)
})

t.test('requests that cannot be answered are refused where they are wrong', async (t) => {
  const comparisons = [won('a', 'b', 3), won('b', 'a', 2)]
  t.strictSame(
    await pointersOf({
      comparisons,
      contrasts: [
        { item: 'a', against: 'b' },
        { item: 'x', against: 'b' },
        { item: 'a', against: '__proto__' },
        { item: 'a', against: 'a' },
      ],
    }),
    ['/contrasts/1/item', '/contrasts/2/against', '/contrasts/3/against'],
  )
  const byOne = comparisons.map((row) => ({ ...row, annotator: 'only one' }))
  const clustered = { standardErrors: 'clustered' } as const
  t.strictSame(await pointersOf({ comparisons: byOne, model: clustered }), ['/model/standardErrors'])
  const byTwo = [...byOne, { ...won('a', 'b'), annotator: 'another' }]
  t.strictSame(await pointersOf({ comparisons: byTwo, model: clustered }), [])
  const star = (leaves: number) =>
    Array.from({ length: leaves }, (_, k) => [won('hub', item(k)), won(item(k), 'hub')]).flat()
  t.strictSame(await pointersOf({ comparisons: star(300), quasiVariances: true }), ['/quasiVariances'])
  t.strictSame(await pointersOf({ comparisons: star(1000), ranks: {} }), ['/ranks'])
  t.strictSame(await pointersOf({ comparisons: star(299), quasiVariances: true }), [])
})
