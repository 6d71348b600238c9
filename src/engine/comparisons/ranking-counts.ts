import type { Beats } from './connectivity.ts'
import type { Rankings } from './rankings.ts'

/**
 * One group's rankings: the different ones, R of them, and how often each was given. They name E items in all.
 *
 * Items are numbered 0 … m−1 within the group.
 */
export type RankingCounts = {
  /** The group's items, ascending, as indices into the items of the request; length m. */
  items: Int32Array
  /** Ranking r is order[offsets[r] … offsets[r + 1]]; length R + 1. */
  offsets: Int32Array
  /** Local items, best first; those that share a place stand side by side, ascending. Length E. */
  order: Int32Array
  /** How many items share the place of each, itself included: 1 but for ties; length E. */
  tied: Uint8Array
  /** Weighted number of times that each ranking was given; length R. */
  mass: Float64Array
  /** How many items share a place somewhere: the sizes that occur, ascending, beginning with 1. */
  sizes: readonly number[]
  /** How many rankings were given: the sum of the counts, weights left aside. */
  comparisons: number
  /** How many different pairs of items stand in one ranking. */
  pairs: number
}

/** Who gave which ranking, in one group. */
export type RankingJudgements = {
  /** The rankings of annotator a are at offsets[a] … offsets[a + 1]. */
  offsets: Int32Array
  /** Index of the ranking in the group's counts. */
  ranking: Int32Array
  /** Its count times its weight. */
  mass: Float64Array
}

/** What one group ranked. */
export type RankedGroup = {
  counts: RankingCounts
  /** Σ count·weight² over the times that each ranking was given: c rankings of one weight ω count c·ω². Length R. */
  squares: Float64Array
  /** By annotator; null where they were not read. */
  judgements: RankingJudgements | null
}

/** Reduces rankings to the different ones of each group. */
export function countRankings(rankings: Rankings, groups: number, items: number): RankedGroup[] {
  const rowsOf = Array.from({ length: groups }, () => [] as number[])
  rankings.group.forEach((g, r) => {
    rowsOf[g].push(r)
  })
  return rowsOf.map((rows) => countGroup(rankings, rows, items))
}

function countGroup(rankings: Rankings, rows: readonly number[], itemCount: number): RankedGroup {
  const { offsets: from, item, tied, count, weight, annotator } = rankings
  const { place, distinct } = mergeIdentical(rankings, rows)
  const local = localItems(rankings, distinct, itemCount)
  const offsets = new Int32Array(distinct.length + 1)
  distinct.forEach((r, k) => {
    offsets[k + 1] = offsets[k] + from[r + 1] - from[r]
  })
  const order = new Int32Array(offsets[distinct.length])
  const size = new Uint8Array(order.length)
  distinct.forEach((r, k) => {
    for (let e = from[r]; e < from[r + 1]; e++) order[offsets[k] + e - from[r]] = local.index[item[e]]
    size.set(tied.subarray(from[r], from[r + 1]), offsets[k])
  })

  const mass = new Float64Array(distinct.length)
  const squares = new Float64Array(distinct.length)
  let comparisons = 0
  const massOf = (r: number) => (count === null ? 1 : count[r]) * (weight === null ? 1 : weight[r])
  rows.forEach((r, k) => {
    comparisons += count === null ? 1 : count[r]
    mass[place[k]] += massOf(r)
    squares[place[k]] += massOf(r) * (weight === null ? 1 : weight[r])
  })
  const counts: RankingCounts = {
    items: local.items,
    offsets,
    order,
    tied: size,
    mass,
    sizes: [1, 2, 3, 4].filter((k) => k === 1 || size.includes(k)),
    comparisons,
    pairs: countPairs(offsets, order, local.items.length),
  }
  const judgements = annotator === null ? null : judgementsOf(annotator, rows, place, massOf)
  return { counts, squares, judgements }
}

/** For each row the different ranking that it is, and for each of those the row in which it was met first. */
function mergeIdentical({ offsets, item, tied }: Rankings, rows: readonly number[]) {
  const place = new Int32Array(rows.length)
  const distinct: number[] = []
  let slots = 2
  while (slots < 2 * rows.length) slots *= 2
  const table = new Int32Array(slots).fill(-1)
  const same = (a: number, b: number): boolean => {
    const length = offsets[a + 1] - offsets[a]
    if (offsets[b + 1] - offsets[b] !== length) return false
    for (let k = 0; k < length; k++) {
      const x = offsets[a] + k
      const y = offsets[b] + k
      if (item[x] !== item[y] || tied[x] !== tied[y]) return false
    }
    return true
  }
  rows.forEach((r, k) => {
    let hash = 0
    for (let e = offsets[r]; e < offsets[r + 1]; e++) {
      hash = Math.imul(hash ^ (8 * item[e] + tied[e]), 0x9e3779b1)
      hash ^= hash >>> 15
    }
    let slot = hash & (slots - 1)
    while (table[slot] >= 0 && !same(distinct[table[slot]], r)) slot = (slot + 1) & (slots - 1)
    if (table[slot] < 0) table[slot] = distinct.push(r) - 1
    place[k] = table[slot]
  })
  return { place, distinct }
}

/** The items that some rankings name: ascending, and the place of each in that list. */
function localItems({ offsets, item }: Rankings, rows: readonly number[], itemCount: number) {
  const index = new Int32Array(itemCount).fill(-1)
  for (const r of rows) for (let e = offsets[r]; e < offsets[r + 1]; e++) index[item[e]] = 0
  let m = 0
  for (let k = 0; k < itemCount; k++) if (index[k] === 0) index[k] = m++
  const items = new Int32Array(m)
  for (let k = 0; k < itemCount; k++) if (index[k] >= 0) items[index[k]] = k
  return { index, items }
}

/** Different pairs of items that stand in one ranking: item by item, so that there is no table of all pairs. */
function countPairs(offsets: Int32Array, order: Int32Array, m: number): number {
  const starts = new Int32Array(m + 1)
  for (const v of order) starts[v + 1]++
  for (let v = 0; v < m; v++) starts[v + 1] += starts[v]
  const next = starts.slice(0, m)
  const rankingsOf = new Int32Array(order.length)
  for (let r = 0; r + 1 < offsets.length; r++)
    for (let e = offsets[r]; e < offsets[r + 1]; e++) rankingsOf[next[order[e]]++] = r
  const metWith = new Int32Array(m).fill(-1)
  let pairs = 0
  for (let v = 0; v < m; v++) {
    let found = 0
    for (let k = starts[v]; k < starts[v + 1] && found < m - 1 - v; k++) {
      const r = rankingsOf[k]
      for (let e = offsets[r]; e < offsets[r + 1]; e++) {
        const u = order[e]
        if (u <= v || metWith[u] === v) continue
        metWith[u] = v
        found++
      }
    }
    pairs += found
  }
  return pairs
}

function judgementsOf(
  annotator: Int32Array,
  rows: readonly number[],
  place: Int32Array,
  massOf: (r: number) => number,
): RankingJudgements {
  const sorted = Array.from(rows.keys())
    .filter((k) => annotator[rows[k]] >= 0)
    .sort((a, b) => annotator[rows[a]] - annotator[rows[b]] || a - b)
  const offsets: number[] = []
  sorted.forEach((k, at) => {
    if (at === 0 || annotator[rows[k]] !== annotator[rows[sorted[at - 1]]]) offsets.push(at)
  })
  return {
    offsets: Int32Array.from([...offsets, sorted.length]),
    ranking: Int32Array.from(sorted, (k) => place[k]),
    mass: Float64Array.from(sorted, (k) => massOf(rows[k])),
  }
}

/**
 * Who stands above whom, by neighbouring places only: every item beats those of the next place, and ties with those of
 * its own. Whoever is above somebody in a ranking is so through a chain of these, so that the graph has the same
 * components as with all pairs.
 */
export function neighbours({ items, offsets, order, tied }: RankingCounts): Beats {
  const i: number[] = []
  const j: number[] = []
  const ties: number[] = []
  for (let r = 0; r + 1 < offsets.length; r++) {
    for (let e = offsets[r]; e < offsets[r + 1]; e += tied[e]) {
      const next = e + tied[e]
      for (let a = e; a < next; a++) {
        if (a + 1 < next) {
          i.push(order[a])
          j.push(order[a + 1])
          ties.push(1)
        }
        if (next === offsets[r + 1]) continue
        for (let b = next; b < next + tied[next]; b++) {
          i.push(order[a])
          j.push(order[b])
          ties.push(0)
        }
      }
    }
  }
  return {
    items,
    i: Int32Array.from(i),
    j: Int32Array.from(j),
    wins: Float64Array.from(ties, (tie) => 1 - tie),
    losses: new Float64Array(i.length),
    ties: Float64Array.from(ties),
  }
}
