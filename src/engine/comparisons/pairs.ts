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
 * Reduces comparisons to pair counts, group by group; every pair is summed in the order of its rows.
 *
 * Where there are about as many rows as pairs of items, or more, they are summed into tables of items × items;
 * else into buckets, whose cost is linear in the rows however many items there are.
 */
export function countPairs(comparisons: Comparisons, groupCount: number, itemCount: number): PairCounts[] {
  const cells = groupCount * itemCount * itemCount
  const count = cells <= 4 * comparisons.group.length ? countInTables : countInBuckets
  return count(comparisons, groupCount, itemCount)
}

/** Whether every row is one win, and no more. */
function isPlain({ tie, preference, count, weight }: Comparisons): boolean {
  return tie === null && preference === null && count === null && weight === null
}

/** How many comparisons row r stands for. */
function copiesOf({ count }: Comparisons, r: number): number {
  return count === null ? 1 : count[r]
}

/** How much row r adds to the sums. */
function massOf(rows: Comparisons, r: number): number {
  return rows.weight === null ? copiesOf(rows, r) : copiesOf(rows, r) * rows.weight[r]
}

/** How far row r is a win of its winner. */
function labelOf({ preference }: Comparisons, r: number): number {
  return preference === null || Number.isNaN(preference[r]) ? 1 : preference[r]
}

/** One table for the wins of each group, and one for its ties: n × n, row-major. */
function countInTables(rows: Comparisons, groupCount: number, n: number): PairCounts[] {
  const { group, winner, loser, tie } = rows
  const size = n * n
  const plain = isPlain(rows)
  // won[(g·n + i)·n + j]: how often group g preferred i to j; tied[…], for i < j, how often it did not care.
  const won = plain ? new Int32Array(groupCount * size) : new Float64Array(groupCount * size)
  const tied = tie === null ? null : new Float64Array(groupCount * size)
  const comparisons = new Float64Array(groupCount)
  if (plain) {
    for (let r = 0; r < group.length; r++) won[(group[r] * n + winner[r]) * n + loser[r]]++
  }
  for (let r = 0; r < group.length && !plain; r++) {
    const forth = (group[r] * n + winner[r]) * n + loser[r]
    const back = (group[r] * n + loser[r]) * n + winner[r]
    const mass = massOf(rows, r)
    comparisons[group[r]] += copiesOf(rows, r)
    if (tied !== null && tie?.[r] === 1) tied[Math.min(forth, back)] += mass
    else {
      const label = labelOf(rows, r)
      won[forth] += mass * label
      won[back] += mass * (1 - label)
    }
  }
  return Array.from(comparisons, (counted, g) => {
    const from = g * size
    const listed = listPairs(won.subarray(from, from + size), tied?.subarray(from, from + size) ?? null, n)
    return plain ? listed : { ...listed, comparisons: counted }
  })
}

/** The pairs of a group's tables, in order; as many comparisons as the tables sum to. */
function listPairs(won: Int32Array | Float64Array, tied: Float64Array | null, n: number): PairCounts {
  const { i, j, wins, losses, ties } = newTable((n * (n - 1)) / 2)
  const present = new Uint8Array(n)
  let comparisons = 0
  let pairs = 0
  for (let low = 0; low < n; low++) {
    for (let high = low + 1; high < n; high++) {
      const win = won[low * n + high]
      const loss = won[high * n + low]
      const draw = tied === null ? 0 : tied[low * n + high]
      if (win + loss + draw === 0) continue
      i[pairs] = low
      j[pairs] = high
      wins[pairs] = win
      losses[pairs] = loss
      if (draw > 0) ties[pairs] = draw
      comparisons += win + loss + draw
      present[low] = present[high] = 1
      pairs++
    }
  }
  const items = numberLocally(i, j, pairs, present)
  const listed = <T extends Int32Array | Float64Array>(column: T) => column.subarray(0, pairs) as T
  return {
    items,
    i: listed(i),
    j: listed(j),
    wins: listed(wins),
    losses: listed(losses),
    ties: listed(ties),
    comparisons,
  }
}

/**
 * Numbers the items of a group's pairs 0 … m − 1, in place.
 *
 * @param present 1 for the items that the group compared
 * @returns these items, ascending
 */
function numberLocally(i: Int32Array, j: Int32Array, pairs: number, present: Uint8Array): Int32Array {
  const local = new Int32Array(present.length)
  let m = 0
  for (let k = 0; k < present.length; k++) if (present[k] === 1) local[k] = m++
  if (m < present.length) {
    for (let k = 0; k < pairs; k++) {
      i[k] = local[i[k]]
      j[k] = local[j[k]]
    }
  }
  const items = new Int32Array(m)
  for (let k = 0; k < present.length; k++) if (present[k] === 1) items[local[k]] = k
  return items
}

/** Buckets rows by (group, lower item) with one counting sort, and sums each bucket into a dense row of scratch. */
function countInBuckets(comparisons: Comparisons, groupCount: number, itemCount: number): PairCounts[] {
  const { group, winner, loser } = comparisons
  const rows = group.length
  const plain = isPlain(comparisons)

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
  let table = newTable(Math.min(1024, sorted.outcome.length))
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
  return { items: numberLocally(table.i, table.j, pairs, present), comparisons, ...resized(table, pairs) }
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
  const { tie } = rows
  let comparisons = 0
  for (let at = from; at < to; at++) {
    const high = outcome[at] >> 1
    const r = origin[at]
    const mass = massOf(rows, r)
    comparisons += copiesOf(rows, r)
    seen[high] = 1
    if (tie !== null && tie[r] === 1) {
      ties[high] += mass
      continue
    }
    const label = labelOf(rows, r)
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
