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
  const { group, winner, loser, tie, preference, count, weight } = comparisons
  const rows = group.length
  const plain = tie === null && preference === null && count === null && weight === null

  // start[g·n + i] … start[g·n + i + 1] will delimit the rows of group g whose lower item is i.
  const start = new Int32Array(groupCount * itemCount + 1)
  for (let r = 0; r < rows; r++) {
    const low = Math.min(winner[r], loser[r])
    start[group[r] * itemCount + low + 1]++
  }
  for (let b = 0; b < groupCount * itemCount; b++) start[b + 1] += start[b]
  const next = start.slice(0, groupCount * itemCount)
  // What the sums need of a row travels with it, so that they read memory in order: 2·(higher item) + (lower won).
  const outcome = new Int32Array(rows)
  const origin = new Int32Array(plain ? 0 : rows)
  for (let r = 0; r < rows; r++) {
    const lowWon = winner[r] < loser[r]
    const at = next[group[r] * itemCount + (lowWon ? winner[r] : loser[r])]++
    outcome[at] = lowWon ? 2 * loser[r] + 1 : 2 * winner[r]
    if (!plain) origin[at] = r
  }

  const scratch: Row = {
    wins: new Float64Array(itemCount),
    losses: new Float64Array(itemCount),
    ties: new Float64Array(itemCount),
    seen: new Uint8Array(itemCount),
    listed: new Int32Array(itemCount),
  }
  const sorted: Sorted = { outcome, origin: plain ? null : origin, rows: comparisons }
  return Array.from({ length: groupCount }, (_, g) =>
    countGroup(sorted, start.subarray(g * itemCount, (g + 1) * itemCount + 1), itemCount, scratch),
  )
}

/** Rows in the order of their buckets; origin is null where a row has no more to it than its outcome. */
type Sorted = { outcome: Int32Array; origin: Int32Array | null; rows: Comparisons }

/** The sums of one bucket, indexed by the higher item. */
type Row = {
  wins: Float64Array
  losses: Float64Array
  ties: Float64Array
  /** 1 where the bucket has the pair. */
  seen: Uint8Array
  /** The higher items of the bucket, ascending, once {@link listSeen} has listed them. */
  listed: Int32Array
}

function countGroup(sorted: Sorted, start: Int32Array, itemCount: number, row: Row): PairCounts {
  const { wins, losses, ties, seen } = row
  const present = new Uint8Array(itemCount)
  let table = newTable(1024)
  let comparisons = 0
  let pairs = 0

  for (let low = 0; low < itemCount; low++) {
    if (start[low] === start[low + 1]) continue
    comparisons += sumBucket(sorted, start[low], start[low + 1], row)
    present[low] = 1
    const found = listSeen(sorted.outcome, start[low], start[low + 1], low + 1, row)
    if (pairs + found > table.i.length) table = grown(table, Math.max(2 * table.i.length, pairs + found))
    for (let k = 0; k < found; k++) {
      const high = row.listed[k]
      present[high] = 1
      table.i[pairs] = low
      table.j[pairs] = high
      table.wins[pairs] = wins[high]
      table.losses[pairs] = losses[high]
      table.ties[pairs] = ties[high]
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
    table.i[k] = local[table.i[k]]
    table.j[k] = local[table.j[k]]
  }
  return { items, comparisons, ...resized(table, pairs) }
}

/** Adds the rows of one bucket to the scratch row; returns how many comparisons they stand for. */
function sumBucket({ outcome, origin, rows }: Sorted, from: number, to: number, row: Row): number {
  const { wins, losses, ties, seen } = row
  if (origin === null) {
    for (let at = from; at < to; at++) {
      const high = outcome[at] >> 1
      if ((outcome[at] & 1) === 1) wins[high]++
      else losses[high]++
      seen[high] = 1
    }
    return to - from
  }
  const { tie, preference, count, weight } = rows
  let comparisons = 0
  for (let at = from; at < to; at++) {
    const high = outcome[at] >> 1
    const r = origin[at]
    const copies = count === null ? 1 : count[r]
    const mass = weight === null ? copies : copies * weight[r]
    comparisons += copies
    seen[high] = 1
    if (tie !== null && tie[r] === 1) {
      ties[high] += mass
      continue
    }
    const label = preference === null || Number.isNaN(preference[r]) ? 1 : preference[r]
    const toLow = (outcome[at] & 1) === 1 ? label : 1 - label
    wins[high] += mass * toLow
    losses[high] += mass * (1 - toLow)
  }
  return comparisons
}

/** Lists the higher items of a bucket in order: by scanning them all where the bucket is full, else by sorting. */
function listSeen(
  outcome: Int32Array,
  from: number,
  to: number,
  lowest: number,
  { seen, listed }: Row,
): number {
  let found = 0
  if (8 * (to - from) > seen.length - lowest) {
    for (let high = lowest; high < seen.length; high++) if (seen[high] === 1) listed[found++] = high
    return found
  }
  for (let at = from; at < to; at++) {
    const high = outcome[at] >> 1
    if (seen[high] === 1) listed[found++] = high
    seen[high] = 2
  }
  listed.subarray(0, found).sort()
  return found
}

type Table = Pick<PairCounts, 'i' | 'j' | 'wins' | 'losses' | 'ties'>

function newTable(size: number): Table {
  return {
    i: new Int32Array(size),
    j: new Int32Array(size),
    wins: new Float64Array(size),
    losses: new Float64Array(size),
    ties: new Float64Array(size),
  }
}

function grown(table: Table, size: number): Table {
  const larger = newTable(size)
  larger.i.set(table.i)
  larger.j.set(table.j)
  larger.wins.set(table.wins)
  larger.losses.set(table.losses)
  larger.ties.set(table.ties)
  return larger
}

function resized({ i, j, wins, losses, ties }: Table, size: number): Table {
  return {
    i: i.slice(0, size),
    j: j.slice(0, size),
    wins: wins.slice(0, size),
    losses: losses.slice(0, size),
    ties: ties.slice(0, size),
  }
}
