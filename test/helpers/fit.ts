import fc from 'fast-check'
import { openIds } from '../../src/engine/comparisons/ids.ts'
import { countPairs, type PairCounts } from '../../src/engine/comparisons/pairs.ts'
import { readComparisons } from '../../src/engine/comparisons/read.ts'
import { seededRandom } from '../../src/engine/numeric/random.ts'
import { Problem } from '../../src/engine/problem.ts'
import type { Prior as AnyPrior } from '../../src/engine/rewards/model.ts'

/** The priors that stand for themselves, a group at a time. */
export type Prior = Exclude<AnyPrior, { kind: 'firth' | 'pooled' }>

/** A comparison of one group as the tests write it. */
export type Row = {
  group: string
  winner: string
  loser: string
  tie?: boolean
  preference?: number
  count?: number
  weight?: number
}

/** Rows or columns of one group, as pair counts, with the names of the items. */
export function pairCounts(comparisons: unknown): { counts: PairCounts; items: string[] } {
  const groups = openIds()
  const items = openIds()
  const read = readComparisons(comparisons, groups, items)
  return { counts: countPairs(read, groups.names.length, items.names.length)[0], items: items.names }
}

/** A row that says that `winner` beat `loser` so many times. */
export function won(winner: string, loser: string, count = 1): Row {
  return { group: 'all', winner, loser, count }
}

/** The k-th item; names sort as the numbers do. */
export function item(k: number): string {
  return `item ${String(k).padStart(6, '0')}`
}

/** Games between strangers: a cycle through all items, so that the graph is strongly connected, and random games. */
export function randomGames(seed: number, first: number, items: number, games: number): Row[] {
  const random = seededRandom(seed)
  const rows = Array.from({ length: items }, (_, k) => won(item(first + k), item(first + ((k + 1) % items))))
  for (let game = 0; game < games; game++) {
    const a = Math.floor(random() * items)
    const b = (a + 1 + Math.floor(random() * (items - 1))) % items
    // Items with lower numbers win more often.
    const upset = random() < 0.3
    rows.push(a < b !== upset ? won(item(first + a), item(first + b)) : won(item(first + b), item(first + a)))
  }
  return rows
}

/** Rows of one group with every way to say how a comparison ended, on up to `items` items that a cycle connects. */
export function connectedRows(items = 7): fc.Arbitrary<Row[]> {
  return fc.integer({ min: 2, max: items }).chain((m) =>
    fc
      .array(
        fc.record({
          a: fc.nat(m - 1),
          step: fc.integer({ min: 1, max: m - 1 }),
          outcome: fc.constantFrom('win', 'tie', 'label'),
          label: fc.integer({ min: 0, max: 20 }),
          count: fc.integer({ min: 1, max: 40 }),
          weight: fc.integer({ min: 1, max: 40 }),
        }),
        { maxLength: 25 },
      )
      .map((drawn) => [
        ...Array.from({ length: m }, (_, k) => won(item(k), item((k + 1) % m))),
        ...drawn.map(({ a, step, outcome, label, count, weight }) => ({
          ...won(item(a), item((a + step) % m), count),
          weight: weight / 8,
          ...(outcome === 'tie' ? { tie: true } : outcome === 'label' ? { preference: label / 20 } : {}),
        })),
      ]),
  )
}

/** All kinds of priors. */
export const priors: fc.Arbitrary<Prior> = fc.oneof(
  fc.constant<Prior>({ kind: 'none' }),
  fc.integer({ min: 1, max: 60 }).map((s): Prior => ({ kind: 'gaussian', standardDeviation: s / 10 })),
  fc.integer({ min: 1, max: 60 }).map((k): Prior => ({ kind: 'pseudo-item', strength: k / 10 })),
)

function logistic(d: number): number {
  return d > 0 ? 1 / (1 + Math.exp(-d)) : Math.exp(d) / (1 + Math.exp(d))
}

/** The gradient of the log-posterior, written out pair by pair. */
export function scoreAt(theta: ArrayLike<number>, counts: PairCounts, prior: Prior): number[] {
  const score = Array.from(theta, (value) => {
    if (prior.kind === 'gaussian') return -value / prior.standardDeviation ** 2
    return prior.kind === 'pseudo-item' ? prior.strength * (logistic(-value) - logistic(value)) : 0
  })
  counts.i.forEach((i, k) => {
    const j = counts.j[k]
    const d = theta[i] - theta[j]
    const pull =
      (counts.wins[k] + counts.ties[k] / 2) * logistic(-d) -
      (counts.losses[k] + counts.ties[k] / 2) * logistic(d)
    score[i] += pull
    score[j] -= pull
  })
  return score
}

/** Minus the Hessian of the log-posterior, as a full matrix. */
export function informationAt(theta: ArrayLike<number>, counts: PairCounts, prior: Prior): number[][] {
  const m = counts.items.length
  const matrix = Array.from({ length: m }, (_, i) =>
    Array.from({ length: m }, (_, j) => {
      if (i !== j || prior.kind === 'none') return 0
      if (prior.kind === 'gaussian') return 1 / prior.standardDeviation ** 2
      return 2 * prior.strength * logistic(theta[i]) * logistic(-theta[i])
    }),
  )
  counts.i.forEach((i, k) => {
    const j = counts.j[k]
    const d = theta[i] - theta[j]
    const edge = (counts.wins[k] + counts.losses[k] + counts.ties[k]) * logistic(d) * logistic(-d)
    matrix[i][i] += edge
    matrix[j][j] += edge
    matrix[i][j] -= edge
    matrix[j][i] -= edge
  })
  return matrix
}

/** The inverse, by Gauss–Jordan elimination with partial pivoting. */
export function inverse(matrix: number[][]): number[][] {
  const n = matrix.length
  const work = matrix.map((row, i) => [...row, ...Array.from({ length: n }, (_, j) => (i === j ? 1 : 0))])
  for (let c = 0; c < n; c++) {
    let pivot = c
    for (let r = c + 1; r < n; r++) if (Math.abs(work[r][c]) > Math.abs(work[pivot][c])) pivot = r
    ;[work[c], work[pivot]] = [work[pivot], work[c]]
    const top = work[c]
    const by = top[c]
    for (let k = c; k < 2 * n; k++) top[k] /= by
    for (let r = 0; r < n; r++) {
      const factor = work[r][c]
      if (r === c || factor === 0) continue
      for (let k = c; k < 2 * n; k++) work[r][k] -= factor * top[k]
    }
  }
  return work.map((row) => row.slice(n))
}

/** The covariance of the rewards in the gauge where they sum to zero: C·H⁻¹·C, and L⁺ without a prior. */
export function covarianceAt(theta: ArrayLike<number>, counts: PairCounts, prior: Prior): number[][] {
  const m = counts.items.length
  const curvature = informationAt(theta, counts, prior)
  // L + 11ᵀ/m has the same pseudo-inverse on the vectors that sum to zero.
  const regular =
    prior.kind === 'none' ? curvature.map((row) => row.map((value) => value + 1 / m)) : curvature
  const inverted = inverse(regular)
  const means = inverted.map((row) => row.reduce((a, b) => a + b, 0) / m)
  const mean = means.reduce((a, b) => a + b, 0) / m
  return inverted.map((row, i) => row.map((value, j) => value - means[i] - means[j] + mean))
}

/** The Newton step that a point still wants: how far, to first order, it is from the maximum. */
export function correctionAt(theta: ArrayLike<number>, counts: PairCounts, prior: Prior): number[] {
  const m = counts.items.length
  const score = scoreAt(theta, counts, prior)
  const curvature = informationAt(theta, counts, prior)
  const inverted = inverse(
    prior.kind === 'none' ? curvature.map((row) => row.map((value) => value + 1 / m)) : curvature,
  )
  return inverted.map((row) => row.reduce((sum, value, j) => sum + value * score[j], 0))
}

/** The largest size in a list. */
export function largest(values: Iterable<number>): number {
  let size = 0
  for (const value of values) if (!(Math.abs(value) <= size)) size = Math.abs(value)
  return size
}

/** The problem with which something is refused. */
export async function refusal(answer: Promise<unknown>): Promise<Problem> {
  try {
    await answer
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
  throw new Error('there was an answer')
}
