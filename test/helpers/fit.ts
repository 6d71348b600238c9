import { openIds } from '../../src/engine/comparisons/ids.ts'
import { countPairs, type PairCounts } from '../../src/engine/comparisons/pairs.ts'
import { readComparisons } from '../../src/engine/comparisons/read.ts'

/** Rows or columns of one group, as pair counts, with the names of the items. */
export function pairCounts(comparisons: unknown): { counts: PairCounts; items: string[] } {
  const groups = openIds()
  const items = openIds()
  const read = readComparisons(comparisons, groups, items)
  return { counts: countPairs(read, groups.names.length, items.names.length)[0], items: items.names }
}

/** A row that says that `winner` beat `loser` so many times. */
export function won(winner: string, loser: string, count = 1) {
  return { group: 'all', winner, loser, count }
}
