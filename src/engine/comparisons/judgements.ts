import type { PairCounts } from './pairs.ts'
import type { Comparisons } from './read.ts'
import { copiesOf, labelOf, massOf } from './rows.ts'

/** Who judged what, in one group: the pair counts of each annotator, as entries of the group's own. */
export type Judgements = {
  /** The annotators that judged in this group, ascending, as indices into those of the request; A of them. */
  annotators: Int32Array
  /** The judgements of annotator a are offsets[a] … offsets[a + 1]; length A + 1. */
  offsets: Int32Array
  /** How many comparisons each made: the sum of the counts, weights left aside; length A. */
  comparisons: Float64Array
  /** Index of the entry of the group's pair counts; ascending for each annotator. */
  entry: Int32Array
  /** Weighted numbers of times that the entry's i was preferred, that j was, and of ties. */
  wins: Float64Array
  losses: Float64Array
  ties: Float64Array
}

/** Where each row went: to which entry of its group's counts, and whether its winner is the entry's i. */
export type Placement = { entry: Int32Array; winnerFirst: Uint8Array }

/** Splits each group's counts by annotator; rows without one are left out. */
export function judgementsOf(comparisons: Comparisons, placement: Placement, groups: number): Judgements[] {
  const { annotator } = comparisons
  const entries = placement.entry
  const rowsOf = rowsByGroup(comparisons, groups)
  return rowsOf.map((own) => {
    const rows = Array.from(own).filter((r) => annotator !== null && annotator[r] >= 0)
    const by = annotator as Int32Array
    rows.sort((a, b) => by[a] - by[b] || entries[a] - entries[b] || a - b)
    const annotators: number[] = []
    const offsets: number[] = []
    const made: number[] = []
    const entry = new Int32Array(rows.length)
    const wins = new Float64Array(rows.length)
    const losses = new Float64Array(rows.length)
    const ties = new Float64Array(rows.length)
    let filled = 0
    rows.forEach((r, k) => {
      const sameAnnotator = k > 0 && by[rows[k - 1]] === by[r]
      if (!sameAnnotator) {
        annotators.push(by[r])
        offsets.push(filled)
        made.push(0)
      }
      made[made.length - 1] += copiesOf(comparisons, r)
      if (!sameAnnotator || entry[filled - 1] !== entries[r]) entry[filled++] = entries[r]
      const { mass, share } = outcomeOf(comparisons, placement, r)
      if (share === null) ties[filled - 1] += mass
      else {
        wins[filled - 1] += mass * share
        losses[filled - 1] += mass * (1 - share)
      }
    })
    offsets.push(filled)
    return {
      annotators: Int32Array.from(annotators),
      offsets: Int32Array.from(offsets),
      comparisons: Float64Array.from(made),
      entry: entry.slice(0, filled),
      wins: wins.slice(0, filled),
      losses: losses.slice(0, filled),
      ties: ties.slice(0, filled),
    }
  })
}

/**
 * Sums over the single comparisons behind each entry of one group, from which the second moments of their scores
 * follow at any estimate. With weight ω, s = y − ½ (y the soft label of i; 0 for a tie) and t = 1 for a tie:
 * Σω², Σω²s, Σω²s² and Σω²t. A count c stands for c comparisons, so that 60 against 40 is the same in two rows as in a
 * hundred; a weight does not.
 */
export type SquaredWeights = {
  all: Float64Array
  side: Float64Array
  sideSquared: Float64Array
  tie: Float64Array
}

/** Sums the squared weights of every group's entries. */
export function squaredWeights(
  comparisons: Comparisons,
  placement: Placement,
  counts: readonly PairCounts[],
): SquaredWeights[] {
  const sums = counts.map(({ i }) => ({
    all: new Float64Array(i.length),
    side: new Float64Array(i.length),
    sideSquared: new Float64Array(i.length),
    tie: new Float64Array(i.length),
  }))
  const { group, weight } = comparisons
  for (let r = 0; r < group.length; r++) {
    const { all, side, sideSquared, tie } = sums[group[r]]
    const k = placement.entry[r]
    const { share } = outcomeOf(comparisons, placement, r)
    const omega = weight === null ? 1 : weight[r]
    const squared = copiesOf(comparisons, r) * omega * omega
    const s = share === null ? 0 : share - 0.5
    all[k] += squared
    side[k] += squared * s
    sideSquared[k] += squared * s * s
    if (share === null) tie[k] += squared
  }
  return sums
}

/** What a row says: how much it counts, and the share of it that goes to the entry's i, or null for a tie. */
function outcomeOf(
  rows: Comparisons,
  { winnerFirst }: Placement,
  r: number,
): { mass: number; share: number | null } {
  const mass = massOf(rows, r)
  if (rows.tie !== null && rows.tie[r] === 1) return { mass, share: null }
  const label = labelOf(rows, r)
  return { mass, share: winnerFirst[r] === 1 ? label : 1 - label }
}

/** Finds, for each row, the entry of its group's pair counts that it was added to. */
export function placeRows(
  { group, winner, loser, first }: Comparisons,
  counts: readonly PairCounts[],
): Placement {
  const tables = counts.map(({ items, i }) => {
    const local = new Map(Array.from(items, (item, k) => [item, k]))
    const offsets = new Int32Array(items.length + 1)
    for (const v of i) offsets[v + 1]++
    for (let v = 0; v < items.length; v++) offsets[v + 1] += offsets[v]
    return { local, offsets }
  })
  const entry = new Int32Array(group.length)
  const winnerFirst = new Uint8Array(group.length)
  for (let r = 0; r < group.length; r++) {
    const { local, offsets } = tables[group[r]]
    const { j, first: order } = counts[group[r]]
    const lowWon = winner[r] < loser[r]
    const low = local.get(lowWon ? winner[r] : loser[r]) as number
    const high = local.get(lowWon ? loser[r] : winner[r]) as number
    const z = first === null ? 0 : lowWon ? first[r] : -first[r]
    let from = offsets[low]
    let to = offsets[low + 1]
    while (to - from > 1) {
      const middle = (from + to) >> 1
      const later = j[middle] - high || (order === null ? 0 : order[middle] - z)
      if (later > 0) to = middle
      else from = middle
    }
    entry[r] = from
    winnerFirst[r] = lowWon ? 1 : 0
  }
  return { entry, winnerFirst }
}

function rowsByGroup({ group }: Comparisons, groups: number): Int32Array[] {
  const sizes = new Int32Array(groups)
  for (const g of group) sizes[g]++
  const rows = Array.from(sizes, (size) => new Int32Array(size))
  const filled = new Int32Array(groups)
  for (let r = 0; r < group.length; r++) rows[group[r]][filled[group[r]]++] = r
  return rows
}
