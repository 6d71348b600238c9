import { connectivity } from './comparisons/connectivity.ts'
import { openIds } from './comparisons/ids.ts'
import { readStored, type StoredComparisons } from './comparisons/stored.ts'

/** What a dataset holds: sizes, and how the items of each group hang together. */
export type Description = {
  items: number
  groups: {
    id: string
    comparisons: number
    items: number
    pairs: number
    components: number
    undefeated: number
    winless: number
  }[]
  /** Comparisons without a group. */
  ungrouped: number
}

/** Describes stored comparisons, by group. */
export function describe(stored: StoredComparisons): Description {
  // Sorted by group, so that those without come first.
  let from = 0
  let ungrouped = 0
  while (from < stored.group.length && stored.group[from] < 0) ungrouped += stored.comparisons[from++]
  const met = new Uint8Array(stored.items.length)
  for (let k = 0; k < stored.i.length; k++) met[stored.i[k]] = met[stored.j[k]] = 1
  const items = met.reduce((sum, one) => sum + one, 0)
  if (from === stored.group.length) return { items, groups: [], ungrouped }
  const rest: StoredComparisons = {
    ...stored,
    group: stored.group.subarray(from),
    i: stored.i.subarray(from),
    j: stored.j.subarray(from),
    comparisons: stored.comparisons.subarray(from),
    wins: stored.wins.subarray(from),
    losses: stored.losses.subarray(from),
    ties: stored.ties.subarray(from),
  }
  const groups = openIds()
  const wanted = { positions: false, judgements: false, squares: false, groupsDiscovered: null }
  const counted = readStored(rest, groups, openIds(), openIds(), wanted)
  return {
    items,
    ungrouped,
    groups: counted.map(({ counts }, g) => {
      const { components, undefeated, winless } = connectivity(counts)
      return {
        id: groups.names[g],
        comparisons: counts.comparisons,
        items: counts.items.length,
        pairs: counts.pairs,
        components: components.length,
        undefeated: undefeated.length,
        winless: winless.length,
      }
    }),
  }
}
