import type { Placement } from './judgements.ts'
import type { PairCounts } from './pairs.ts'
import type { Comparisons, Features } from './read.ts'
import { copiesOf, labelOf, massOf } from './rows.ts'

/**
 * Comparisons that bring their own feature differences, one group's: every row is an item whose features are the
 * difference, compared with one last item whose features are zero. So they are pair counts like all others, and rewards
 * linear in features fit them as they are.
 */
export type DifferenceCounts = {
  counts: PairCounts
  /** (rows + 1) × width, stored by feature. */
  features: Features
}

/** Reduces comparisons with feature differences, group by group, and tells where each row went. */
export function countDifferences(
  comparisons: Comparisons,
  groups: number,
): { groups: DifferenceCounts[]; placement: Placement } {
  const { group, tie, first, differences } = comparisons
  const { width, values } = differences as Features
  const rowsOf = Array.from({ length: groups }, () => [] as number[])
  for (let r = 0; r < group.length; r++) rowsOf[group[r]].push(r)
  const placement: Placement = {
    entry: new Int32Array(group.length),
    winnerFirst: new Uint8Array(group.length).fill(1),
  }
  const reduced = rowsOf.map((rows): DifferenceCounts => {
    const n = rows.length
    const counts: PairCounts = {
      items: Int32Array.from({ length: n + 1 }, (_, k) => k),
      i: Int32Array.from(rows, (_, k) => k),
      j: new Int32Array(n).fill(n),
      first: first === null ? null : Int8Array.from(rows, (r) => first[r]),
      wins: new Float64Array(n),
      losses: new Float64Array(n),
      ties: new Float64Array(n),
      comparisons: 0,
      pairs: n,
    }
    const features = { width, values: new Float64Array((n + 1) * width) }
    rows.forEach((r, k) => {
      const mass = massOf(comparisons, r)
      counts.comparisons += copiesOf(comparisons, r)
      placement.entry[r] = k
      for (let f = 0; f < width; f++) features.values[f * (n + 1) + k] = values[r * width + f]
      if (tie !== null && tie[r] === 1) {
        counts.ties[k] = mass
        return
      }
      const label = labelOf(comparisons, r)
      counts.wins[k] = mass * label
      counts.losses[k] = mass * (1 - label)
    })
    return { counts, features }
  })
  return { groups: reduced, placement }
}
