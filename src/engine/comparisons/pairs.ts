import type { Comparisons } from './read.ts'

/**
 * The sufficient statistics of one group: how often each pair of its items was compared, and with what outcome.
 *
 * Items are numbered 0 … m−1 within the group. Pairs are sorted by (i, j), and i < j.
 */
export type PairCounts = {
  /** The group's items, ascending, as indices into the items of the request; length m. */
  items: Int32Array
  /** The pair k compares local items i[k] < j[k]; these five arrays have the length of the number of pairs. */
  i: Int32Array
  j: Int32Array
  /** Weighted number of times that i was preferred, soft labels included. */
  wins: Float64Array
  /** Weighted number of times that j was preferred. */
  losses: Float64Array
  /** Weighted number of ties. */
  ties: Float64Array
  /** How many comparisons there were: the sum of the counts, weights left aside. */
  comparisons: number
}

/**
 * Reduces comparisons to pair counts, group by group.
 *
 * Rows are bucketed by (group, lower item) with one counting sort, and each bucket is summed into a dense row of
 * scratch: linear in the rows, and every pair is summed in the order of its rows.
 */
export function countPairs(comparisons: Comparisons, groupCount: number, itemCount: number): PairCounts[] {
  const { group, winner, loser } = comparisons
  const rows = group.length

  // start[g·n + i] … start[g·n + i + 1] will delimit the rows of group g whose lower item is i.
  const start = new Int32Array(groupCount * itemCount + 1)
  for (let r = 0; r < rows; r++) start[group[r] * itemCount + Math.min(winner[r], loser[r]) + 1]++
  for (let b = 0; b < groupCount * itemCount; b++) start[b + 1] += start[b]
  const next = start.slice(0, groupCount * itemCount)
  const order = new Int32Array(rows)
  for (let r = 0; r < rows; r++) order[next[group[r] * itemCount + Math.min(winner[r], loser[r])]++] = r

  const scratch = {
    wins: new Float64Array(itemCount),
    losses: new Float64Array(itemCount),
    ties: new Float64Array(itemCount),
    seen: new Uint8Array(itemCount),
  }
  return Array.from({ length: groupCount }, (_, g) =>
    countGroup(
      comparisons,
      order,
      start.subarray(g * itemCount, (g + 1) * itemCount + 1),
      itemCount,
      scratch,
    ),
  )
}

type Scratch = { wins: Float64Array; losses: Float64Array; ties: Float64Array; seen: Uint8Array }

function countGroup(
  { winner, loser, tie, preference, count, weight }: Comparisons,
  order: Int32Array,
  start: Int32Array,
  itemCount: number,
  scratch: Scratch,
): PairCounts {
  const rows = start[itemCount] - start[0]
  const { wins, losses, ties, seen } = scratch
  const i = new Int32Array(rows)
  const j = new Int32Array(rows)
  const pairWins = new Float64Array(rows)
  const pairLosses = new Float64Array(rows)
  const pairTies = new Float64Array(rows)
  const present = new Uint8Array(itemCount)
  let comparisons = 0
  let pairs = 0

  for (let low = 0; low < itemCount; low++) {
    let largest = -1
    let smallest = itemCount
    let touched = 0
    for (let at = start[low]; at < start[low + 1]; at++) {
      const r = order[at]
      const lowWon = winner[r] === low
      const high = lowWon ? loser[r] : winner[r]
      const copies = count === null ? 1 : count[r]
      const mass = weight === null ? copies : copies * weight[r]
      comparisons += copies
      if (tie !== null && tie[r] === 1) ties[high] += mass
      else {
        const label = preference === null || Number.isNaN(preference[r]) ? 1 : preference[r]
        const toLow = lowWon ? label : 1 - label
        wins[high] += mass * toLow
        losses[high] += mass * (1 - toLow)
      }
      if (seen[high] === 0) {
        seen[high] = 1
        touched++
        if (high > largest) largest = high
        if (high < smallest) smallest = high
      }
    }
    if (touched === 0) continue
    present[low] = 1
    for (let high = smallest; high <= largest; high++) {
      if (seen[high] === 0) continue
      present[high] = 1
      i[pairs] = low
      j[pairs] = high
      pairWins[pairs] = wins[high]
      pairLosses[pairs] = losses[high]
      pairTies[pairs] = ties[high]
      pairs++
      wins[high] = losses[high] = ties[high] = seen[high] = 0
    }
  }

  const local = new Int32Array(itemCount)
  let m = 0
  for (let k = 0; k < itemCount; k++) if (present[k] === 1) local[k] = m++
  const items = new Int32Array(m)
  for (let k = 0; k < itemCount; k++) if (present[k] === 1) items[local[k]] = k
  for (let k = 0; k < pairs; k++) {
    i[k] = local[i[k]]
    j[k] = local[j[k]]
  }
  return {
    items,
    i: i.slice(0, pairs),
    j: j.slice(0, pairs),
    wins: pairWins.slice(0, pairs),
    losses: pairLosses.slice(0, pairs),
    ties: pairTies.slice(0, pairs),
    comparisons,
  }
}
