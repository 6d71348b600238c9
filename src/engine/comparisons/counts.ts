import type { Beats } from './connectivity.ts'
import type { PairCounts } from './pairs.ts'
import { neighbours, type RankingCounts } from './ranking-counts.ts'

/** What one group said, reduced: comparisons of two, or rankings. */
export type Counts = PairCounts | RankingCounts

/**
 * The same counts with other items as the group's: some that it never compared among them.
 *
 * @param items ascending, as indices into the items of the request
 */
export function overItems(counts: PairCounts, items: ArrayLike<number>): PairCounts
export function overItems(counts: Counts, items: ArrayLike<number>): Counts
export function overItems(counts: Counts, items: ArrayLike<number>): Counts {
  const own = Int32Array.from(items)
  const index = new Map(Array.from(own, (item, k) => [item, k]))
  const placed = counts.items.map((item) => index.get(item) as number)
  if ('order' in counts) return { ...counts, items: own, order: counts.order.map((v) => placed[v]) }
  return { ...counts, items: own, i: counts.i.map((v) => placed[v]), j: counts.j.map((v) => placed[v]) }
}

/** Who beat or tied whom. */
export function beatsOf(counts: Counts): Beats {
  return 'order' in counts ? neighbours(counts) : counts
}
