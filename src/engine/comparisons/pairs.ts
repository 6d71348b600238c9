import type { Comparisons } from './read.ts'
import { copiesOf, labelOf, massOf } from './rows.ts'

/**
 * The sufficient statistics of one group: how often each pair of its items was compared, and with what outcome.
 *
 * Items are numbered 0 … m−1 within the group. Entries are sorted by (i, j, first), and i < j. There is one entry for
 * each pair, or where positions count one for each pair and each order in which it was shown.
 */
export type PairCounts = {
  /** The group's items, ascending, as indices into the items of the request; length m. */
  items: Int32Array
  /** The entry k compares local items i[k] < j[k]; this and the next arrays have one value an entry. */
  i: Int32Array
  j: Int32Array
  /** 1 where i was shown first, −1 where j was, 0 where that is not known; null where positions do not count. */
  first: Int8Array | null
  /** Weighted number of times that i was preferred, soft labels included. */
  wins: Float64Array
  /** Weighted number of times that j was preferred. */
  losses: Float64Array
  /** Weighted number of ties. */
  ties: Float64Array
  /** How many comparisons there were: the sum of the counts, weights left aside. */
  comparisons: number
  /** How many different pairs of items were compared. */
  pairs: number
}

/**
 * Reduces comparisons to pair counts, group by group; every pair is summed in the order of its rows.
 *
 * Where there are about as many rows as pairs of items, or more, they are summed into tables of items × items;
 * else into buckets, whose cost is linear in the rows however many items there are.
 */
export function countPairs(comparisons: Comparisons, groupCount: number, itemCount: number): PairCounts[] {
  const cells = groupCount * itemCount * itemCount
  const dense = cells <= 4 * comparisons.group.length && comparisons.first === null
  const count = dense ? countInTables : countInBuckets
  return count(comparisons, groupCount, itemCount)
}

/** Whether every row is one win or one tie, and no more. */
function isWhole({ preference, count, weight }: Comparisons): boolean {
  return preference === null && count === null && weight === null
}

/** One table for the wins of each group, and one for its ties: n × n, row-major. */
function countInTables(rows: Comparisons, groupCount: number, n: number): PairCounts[] {
  const { group, winner, loser, tie } = rows
  const size = n * n
  const whole = isWhole(rows)
  const newTables = () => (whole ? new Int32Array(groupCount * size) : new Float64Array(groupCount * size))
  // won[(g·n + i)·n + j]: how often group g preferred i to j; tied[…], for i < j, how often it did not care.
  const won = newTables()
  const tied = tie === null ? null : newTables()
  const comparisons = new Float64Array(groupCount)
  for (let r = 0; r < group.length && whole; r++) {
    const tables = tied !== null && tie !== null && tie[r] === 1 ? tied : won
    const turned = tables === tied && winner[r] > loser[r]
    tables[(group[r] * n + (turned ? loser[r] : winner[r])) * n + (turned ? winner[r] : loser[r])]++
  }
  for (let r = 0; r < group.length && !whole; r++) {
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
    return whole ? listed : { ...listed, comparisons: counted }
  })
}

/** The pairs of a group's tables, in order; as many comparisons as the tables sum to. */
function listPairs(
  won: Int32Array | Float64Array,
  tied: Int32Array | Float64Array | null,
  n: number,
): PairCounts {
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
    first: null,
    comparisons,
    pairs,
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
  const { group, winner, loser, first } = comparisons
  const rows = group.length
  const orders = first === null ? 1 : 3
  const plain = comparisons.tie === null && isWhole(comparisons)

  // start[g·n + i] … start[g·n + i + 1] will delimit the rows of group g whose lower item is i.
  const start = new Int32Array(groupCount * itemCount + 1)
  for (let r = 0; r < rows; r++) {
    const low = Math.min(winner[r], loser[r])
    start[group[r] * itemCount + low + 1]++
  }
  for (let b = 0; b < groupCount * itemCount; b++) start[b + 1] += start[b]
  const next = start.slice(0, groupCount * itemCount)
  // What the sums need of a row travels with it, so that they read memory in order: 2·slot + (lower won), where the
  // slot is the higher item, or three times it plus 0, 1 or 2 for the order in which the pair was shown.
  const outcome = new Int32Array(rows)
  const origin = new Int32Array(plain ? 0 : rows)
  for (let r = 0; r < rows; r++) {
    const lowWon = winner[r] < loser[r]
    const at = next[group[r] * itemCount + (lowWon ? winner[r] : loser[r])]++
    const high = lowWon ? loser[r] : winner[r]
    const slot = first === null ? high : 3 * high + 1 + (lowWon ? first[r] : -first[r])
    outcome[at] = 2 * slot + (lowWon ? 1 : 0)
    if (!plain) origin[at] = r
  }

  const slots = orders * itemCount
  const scratch: Row = {
    orders,
    wins: new Float64Array(slots),
    losses: new Float64Array(slots),
    ties: new Float64Array(slots),
    seen: new Uint8Array(slots),
    listed: new Int32Array(slots),
  }
  const sorted: Sorted = { outcome, origin: plain ? null : origin, rows: comparisons }
  return Array.from({ length: groupCount }, (_, g) =>
    countGroup(sorted, start.subarray(g * itemCount, (g + 1) * itemCount + 1), itemCount, scratch),
  )
}

/** Rows in the order of their buckets; origin is null where a row has no more to it than its outcome. */
type Sorted = { outcome: Int32Array; origin: Int32Array | null; rows: Comparisons }

/** The sums of one bucket, indexed by slot. */
type Row = {
  /** Slots an item: 3 where positions count, else 1. */
  orders: 1 | 3
  wins: Float64Array
  losses: Float64Array
  ties: Float64Array
  /** 1 where the bucket has a row of the slot. */
  seen: Uint8Array
  /** The slots of the bucket, ascending, once {@link listSeen} has listed them. */
  listed: Int32Array
}

function countGroup(sorted: Sorted, start: Int32Array, itemCount: number, row: Row): PairCounts {
  const { orders, wins, losses, ties, seen } = row
  const present = new Uint8Array(itemCount)
  let table = newTable(Math.min(1024, sorted.outcome.length))
  let comparisons = 0
  let entries = 0
  let pairs = 0

  for (let low = 0; low < itemCount; low++) {
    if (start[low] === start[low + 1]) continue
    comparisons += sumBucket(sorted, start[low], start[low + 1], row)
    present[low] = 1
    const found = listSeen(sorted.outcome, start[low], start[low + 1], orders * (low + 1), row)
    if (entries + found > table.i.length) table = grown(table, Math.max(2 * table.i.length, entries + found))
    let last = -1
    for (let k = 0; k < found; k++) {
      const slot = row.listed[k]
      const high = orders === 1 ? slot : Math.floor(slot / 3)
      present[high] = 1
      table.i[entries] = low
      table.j[entries] = high
      table.first[entries] = orders === 1 ? 0 : (slot % 3) - 1
      table.wins[entries] = wins[slot]
      table.losses[entries] = losses[slot]
      table.ties[entries] = ties[slot]
      entries++
      if (high !== last) pairs++
      last = high
      wins[slot] = losses[slot] = ties[slot] = seen[slot] = 0
    }
  }
  const items = numberLocally(table.i, table.j, entries, present)
  const { first, ...rest } = resized(table, entries)
  return { items, comparisons, pairs, ...rest, first: orders === 1 ? null : first }
}

/** Adds the rows of one bucket to the scratch row; returns how many comparisons they stand for. */
function sumBucket({ outcome, origin, rows }: Sorted, from: number, to: number, row: Row): number {
  const { wins, losses, ties, seen } = row
  if (origin === null) {
    for (let at = from; at < to; at++) {
      const slot = outcome[at] >> 1
      if ((outcome[at] & 1) === 1) wins[slot]++
      else losses[slot]++
      seen[slot] = 1
    }
    return to - from
  }
  const { tie } = rows
  let comparisons = 0
  for (let at = from; at < to; at++) {
    const slot = outcome[at] >> 1
    const r = origin[at]
    const mass = massOf(rows, r)
    comparisons += copiesOf(rows, r)
    seen[slot] = 1
    if (tie !== null && tie[r] === 1) {
      ties[slot] += mass
      continue
    }
    const label = labelOf(rows, r)
    const toLow = (outcome[at] & 1) === 1 ? label : 1 - label
    wins[slot] += mass * toLow
    losses[slot] += mass * (1 - toLow)
  }
  return comparisons
}

/** Lists the slots of a bucket in order: by scanning them all where the bucket is full, else by sorting. */
function listSeen(
  outcome: Int32Array,
  from: number,
  to: number,
  lowest: number,
  { seen, listed }: Row,
): number {
  let found = 0
  if (8 * (to - from) > seen.length - lowest) {
    for (let slot = lowest; slot < seen.length; slot++) if (seen[slot] === 1) listed[found++] = slot
    return found
  }
  for (let at = from; at < to; at++) {
    const slot = outcome[at] >> 1
    if (seen[slot] === 1) listed[found++] = slot
    seen[slot] = 2
  }
  listed.subarray(0, found).sort()
  return found
}

type Table = Pick<PairCounts, 'i' | 'j' | 'wins' | 'losses' | 'ties'> & { first: Int8Array }

function newTable(size: number): Table {
  return {
    i: new Int32Array(size),
    j: new Int32Array(size),
    first: new Int8Array(size),
    wins: new Float64Array(size),
    losses: new Float64Array(size),
    ties: new Float64Array(size),
  }
}

function grown(table: Table, size: number): Table {
  const larger = newTable(size)
  larger.i.set(table.i)
  larger.j.set(table.j)
  larger.first.set(table.first)
  larger.wins.set(table.wins)
  larger.losses.set(table.losses)
  larger.ties.set(table.ties)
  return larger
}

function resized({ i, j, first, wins, losses, ties }: Table, size: number): Table {
  return {
    i: i.slice(0, size),
    j: j.slice(0, size),
    first: first.slice(0, size),
    wins: wins.slice(0, size),
    losses: losses.slice(0, size),
    ties: ties.slice(0, size),
  }
}
