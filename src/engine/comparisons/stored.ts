import { invalidRequest, MAX_ERRORS } from '../problem.ts'
import { type Ids, sortIds } from './ids.ts'
import type { Judgements, SquaredWeights } from './judgements.ts'
import type { PairCounts } from './pairs.ts'

/**
 * Comparisons that a store has reduced already: for each group, pair of items and, where they count, order of showing
 * and annotator, the sums over all comparisons of that kind.
 *
 * Entries are sorted by (group, i, j, first, annotator), and i < j; all arrays have one value an entry.
 */
export type StoredComparisons = {
  /** Ids, sorted as JavaScript sorts strings; some may have no entry. */
  groups: readonly string[]
  items: readonly string[]
  /** Empty where it does not count who judged. */
  annotators: readonly string[]
  /** Indices into `groups`; −1 where a comparison has no group. */
  group: Int32Array
  i: Int32Array
  j: Int32Array
  /** 1 where i was shown first, −1 where j was, 0 where that is not known; null where it does not count. */
  first: Int32Array | null
  /** Indices into `annotators`, −1 where nobody is named; null where it does not count. */
  annotator: Int32Array | null
  /** How many comparisons: the sum of the counts. */
  comparisons: Float64Array
  /** Sums of count × weight, as in pair counts. */
  wins: Float64Array
  losses: Float64Array
  ties: Float64Array
  squares: SquaredWeights | null
  /** Where they come from: told in the answer. */
  source: StoredSource
}

/** What was counted. */
export type StoredSource = {
  dataset: string
  /** The member by which groups were made; null where all are one. */
  groupBy: string | null
  /** Comparisons that the filters let through. */
  comparisons: number
  /** Two answers with the same fingerprint come from the same comparisons, chosen by the same filters. */
  fingerprint: string
}

/** What one group said, as pair counts. */
export type StoredGroup = {
  counts: PairCounts
  judgements: Judgements | null
  squares: SquaredWeights | null
}

/** What a model wants to know of comparisons beyond pair counts. */
type Wanted = {
  positions: boolean
  judgements: boolean | 'where-named'
  squares: boolean
  groupsDiscovered: number | null
}

/**
 * Stored comparisons as pair counts, group by group. Open sets of ids take the names that have an entry; of closed sets all
 * names met must be members.
 *
 * @throws Problem `invalid-request`
 */
export function readStored(
  stored: StoredComparisons,
  groups: Ids,
  items: Ids,
  annotators: Ids,
  wanted: Wanted,
): StoredGroup[] {
  if (stored.group.length === 0)
    throw invalidRequest([{ pointer: '/dataset', detail: 'has no comparisons that the filters let through' }])
  const group =
    wanted.groupsDiscovered === null
      ? placed(groupsOf(stored), stored.groups, groups, 'groups')
      : new Int32Array(stored.group.length)
  const i = placed(stored.i, stored.items, items, 'items', stored.j)
  const j = placed(stored.j, stored.items, items, 'items')
  const annotator = annotatorsOf(stored, annotators, wanted)
  requireFirst(stored, wanted)
  const first = wanted.positions ? stored.first : null
  const entries = atOnce(inOrder({ ...stored, group, i, j, annotator, first }))
  const count = wanted.groupsDiscovered === null ? groups.names.length : 1
  const starts = new Int32Array(count + 1)
  for (const g of entries.group) starts[g + 1]++
  for (let g = 0; g < count; g++) starts[g + 1] += starts[g]
  return Array.from({ length: count }, (_, g) =>
    reduce(entries, starts[g], starts[g + 1], items.names.length, wanted),
  )
}

/** The groups of the entries, all of which must have one. */
function groupsOf({ group, comparisons, source }: StoredComparisons): Int32Array {
  let without = 0
  for (let k = 0; k < group.length; k++) if (group[k] < 0) without += comparisons[k]
  if (without === 0) return group
  const member = source.groupBy ?? 'group'
  const detail = `has ${without} comparisons without ${member}: filter them out, or group by another column`
  throw invalidRequest([{ pointer: '/dataset', detail }])
}

/** Indices into the request's ids instead of the store's. */
function placed(
  own: Int32Array,
  names: readonly string[],
  ids: Ids,
  member: string,
  also: Int32Array = own,
): Int32Array {
  const met = new Uint8Array(names.length)
  for (const k of own) if (k >= 0) met[k] = 1
  if (also !== own) for (const k of also) if (k >= 0) met[k] = 1
  const place = new Int32Array(names.length).fill(-1)
  const unknown: string[] = []
  names.forEach((name, k) => {
    if (met[k] === 0) return
    const known = ids.index.get(name)
    if (known !== undefined) place[k] = known
    else if (ids.closed) unknown.push(name)
    else {
      place[k] = ids.names.length
      ids.index.set(name, place[k])
      ids.names.push(name)
    }
  })
  if (unknown.length > 0) {
    throw invalidRequest(
      unknown.slice(0, MAX_ERRORS).map((name) => ({
        pointer: '/dataset',
        detail: `has "${name}", which is not declared in /${member}; declare it, or filter by ${member}`,
      })),
    )
  }
  // The store's names are sorted, so that an open set that was empty is sorted too.
  if (place.every((at, k) => at === k || met[k] === 0)) return own
  const indices = new Int32Array(own.length)
  for (let k = 0; k < own.length; k++) indices[k] = own[k] < 0 ? -1 : place[own[k]]
  return indices
}

/** The annotators of the entries; null where they do not count, or where they are wanted only where named and nobody is. */
function annotatorsOf(
  { annotator, annotators: names, comparisons }: StoredComparisons,
  annotators: Ids,
  { judgements }: Wanted,
): Int32Array | null {
  if (judgements === false || annotator === null) return null
  let without = 0
  for (let k = 0; k < annotator.length; k++) if (annotator[k] < 0) without += comparisons[k]
  if (judgements === 'where-named') {
    const anybody = annotator.some((a) => a >= 0)
    return anybody ? placed(annotator, names, annotators, 'annotators') : null
  }
  if (without > 0) {
    const detail =
      `has ${without} comparisons without annotator, and the model needs to know who judged: filter by annotators, or ` +
      'choose another model'
    throw invalidRequest([{ pointer: '/dataset', detail }])
  }
  return placed(annotator, names, annotators, 'annotators')
}

function requireFirst({ first }: StoredComparisons, { positions }: Wanted): void {
  if (!positions || first?.some((z) => z !== 0)) return
  const detail = 'is of no use to a position effect: no comparison says which item was shown first'
  throw invalidRequest([{ pointer: '/dataset', detail }])
}

/** The same comparisons, as if one group had made them all. */
export function inOneGroup(stored: StoredComparisons, name: string): StoredComparisons {
  return { ...stored, groups: [name], group: new Int32Array(stored.group.length) }
}

/** Entries to look at, or to copy, before whoever sorts or adds counts may do something else for a moment. */
const STRIDE = 1 << 17
/** The entries without the names. */
type Entries = Omit<StoredComparisons, 'groups' | 'items' | 'annotators' | 'source'>

/**
 * Entries in any order and orientation, sorted by (group, i, j, first, annotator) and with i < j: by counting, from the last
 * key to the first, so that it takes a time in proportion to the entries.
 *
 * @returns steps of some milliseconds, the last of which has the result, in shared memory
 */
export function* inOrder(entries: Entries): Generator<void, Entries> {
  const { group, i, j, first, annotator, squares } = entries
  if (isInOrder(entries)) return entries
  const turned = new Uint8Array(i.length)
  const low = new Int32Array(i.length)
  const high = new Int32Array(i.length)
  const shown = first === null ? null : new Int32Array(i.length)
  for (let k = 0; k < i.length; k++) {
    turned[k] = i[k] > j[k] ? 1 : 0
    low[k] = turned[k] === 1 ? j[k] : i[k]
    high[k] = turned[k] === 1 ? i[k] : j[k]
    if (shown !== null && first !== null) shown[k] = turned[k] === 1 ? -first[k] : first[k]
    if (k % STRIDE === STRIDE - 1) yield
  }
  let order = new Uint32Array(i.length)
  for (let k = 0; k < order.length; k++) order[k] = k
  for (const key of [annotator, shown, high, low, group]) if (key !== null) order = yield* byKey(order, key)

  function* ints(values: Int32Array) {
    const sorted = new Int32Array(new SharedArrayBuffer(4 * order.length))
    for (let k = 0; k < order.length; k++) {
      sorted[k] = values[order[k]]
      if (k % STRIDE === STRIDE - 1) yield
    }
    return sorted
  }
  /** @param other what takes the place of a value where its pair is turned */
  function* floats(values: Float64Array, other: Float64Array, sign = 1) {
    const sorted = new Float64Array(new SharedArrayBuffer(8 * order.length))
    for (let k = 0; k < order.length; k++) {
      sorted[k] = turned[order[k]] === 1 ? sign * other[order[k]] : values[order[k]]
      if (k % STRIDE === STRIDE - 1) yield
    }
    return sorted
  }
  const { comparisons, wins, losses, ties } = entries
  return {
    group: yield* ints(group),
    i: yield* ints(low),
    j: yield* ints(high),
    first: shown === null ? null : yield* ints(shown),
    annotator: annotator === null ? null : yield* ints(annotator),
    comparisons: yield* floats(comparisons, comparisons),
    wins: yield* floats(wins, losses),
    losses: yield* floats(losses, wins),
    ties: yield* floats(ties, ties),
    squares:
      squares === null
        ? null
        : {
            all: yield* floats(squares.all, squares.all),
            side: yield* floats(squares.side, squares.side, -1),
            sideSquared: yield* floats(squares.sideSquared, squares.sideSquared),
            tie: yield* floats(squares.tie, squares.tie),
          },
  }
}

function isInOrder({ group, i, j, first, annotator }: Entries): boolean {
  for (let k = 0; k < i.length; k++) {
    if (i[k] >= j[k]) return false
    if (k === 0) continue
    const rise =
      group[k] - group[k - 1] ||
      i[k] - i[k - 1] ||
      j[k] - j[k - 1] ||
      (first === null ? 0 : first[k] - first[k - 1]) ||
      (annotator === null ? 0 : annotator[k] - annotator[k - 1])
    if (rise < 0) return false
  }
  return true
}

/** An order of entries, sorted further by a key; those of the same key stay as they are. */
function* byKey(order: Uint32Array, key: Int32Array): Generator<void, Uint32Array<ArrayBuffer>> {
  let least = Number.POSITIVE_INFINITY
  let most = Number.NEGATIVE_INFINITY
  for (const value of key) {
    if (value < least) least = value
    if (value > most) most = value
  }
  yield
  // next[v]: where the next entry with the key least + v goes.
  const next = new Uint32Array(Math.max(0, most - least) + 2)
  for (let k = 0; k < key.length; k++) next[key[k] - least + 1]++
  for (let v = 1; v < next.length; v++) next[v] += next[v - 1]
  yield
  const sorted = new Uint32Array(order.length)
  for (let k = 0; k < order.length; k++) {
    sorted[next[key[order[k]] - least]++] = order[k]
    if (k % STRIDE === STRIDE - 1) yield
  }
  return sorted
}

/** All steps of something, one after the other. */
function atOnce<T>(steps: Generator<void, T>): T {
  let step = steps.next()
  while (step.done !== true) step = steps.next()
  return step.value
}

/** The entries from … to of one group: those of one pair (and order of showing) become one entry of its counts. */
function reduce(entries: Entries, from: number, to: number, itemCount: number, wanted: Wanted): StoredGroup {
  const { i, j, first, annotator, comparisons } = entries
  const local = new Int32Array(itemCount).fill(-1)
  for (let k = from; k < to; k++) local[i[k]] = local[j[k]] = 0
  let m = 0
  for (let v = 0; v < itemCount; v++) if (local[v] === 0) local[v] = m++
  const items = new Int32Array(m)
  for (let v = 0; v < itemCount; v++) if (local[v] >= 0) items[local[v]] = v

  // entry[k − from]: where the k-th entry goes.
  const entry = new Int32Array(to - from)
  let count = 0
  let pairs = 0
  for (let k = from; k < to; k++) {
    const samePair = k > from && i[k] === i[k - 1] && j[k] === j[k - 1]
    if (!samePair) pairs++
    if (!samePair || (first !== null && first[k] !== first[k - 1])) count++
    entry[k - from] = count - 1
  }
  const sum = (values: Float64Array): Float64Array => {
    if (count === to - from) return values.slice(from, to)
    const sums = new Float64Array(count)
    for (let k = from; k < to; k++) sums[entry[k - from]] += values[k]
    return sums
  }
  const pick = (value: (k: number) => number): Int32Array => {
    const picked = new Int32Array(count)
    for (let k = from; k < to; k++) picked[entry[k - from]] = value(k)
    return picked
  }
  let total = 0
  for (let k = from; k < to; k++) total += comparisons[k]
  const counts: PairCounts = {
    items,
    i: pick((k) => local[i[k]]),
    j: pick((k) => local[j[k]]),
    first: first === null ? null : Int8Array.from(pick((k) => first[k])),
    wins: sum(entries.wins),
    losses: sum(entries.losses),
    ties: sum(entries.ties),
    comparisons: total,
    pairs,
  }
  const { squares } = entries
  return {
    counts,
    judgements: annotator === null ? null : judgementsOf(entries, annotator, from, entry),
    squares:
      !wanted.squares || squares === null
        ? null
        : {
            all: sum(squares.all),
            side: sum(squares.side),
            sideSquared: sum(squares.sideSquared),
            tie: sum(squares.tie),
          },
  }
}

/** The same entries by annotator; they come sorted by pair, and a stable sort keeps that order for each annotator. */
function judgementsOf(
  { comparisons, wins, losses, ties }: Entries,
  annotator: Int32Array,
  from: number,
  entry: Int32Array,
): Judgements {
  const order = Array.from(entry, (_, k) => from + k)
    .filter((k) => annotator[k] >= 0)
    .sort((a, b) => annotator[a] - annotator[b] || a - b)
  const annotators: number[] = []
  const offsets: number[] = []
  const made: number[] = []
  order.forEach((k, at) => {
    if (at === 0 || annotator[order[at - 1]] !== annotator[k]) {
      annotators.push(annotator[k])
      offsets.push(at)
      made.push(0)
    }
    made[made.length - 1] += comparisons[k]
  })
  const values = (column: Float64Array) => Float64Array.from(order, (k) => column[k])
  return {
    annotators: Int32Array.from(annotators),
    offsets: Int32Array.from([...offsets, order.length]),
    comparisons: Float64Array.from(made),
    entry: Int32Array.from(order, (k) => entry[k - from]),
    wins: values(wins),
    losses: values(losses),
    ties: values(ties),
  }
}

/** Runs of so many entries are copied at once. */
const LONG = 32

/**
 * Adds further counts of the same kind to counts: what new batches bring to counts that are kept.
 *
 * Both are sorted, and stay so where names are added, since those are sorted too. The further counts are few as a rule:
 * each is looked for from where the last one was found, and what lies between two of them is copied at once. Readers may hold
 * the old counts, which stay as they are.
 *
 * @returns steps of some milliseconds, the last of which has the result
 */
export function* addStored(
  old: StoredComparisons,
  more: StoredComparisons,
): Generator<void, StoredComparisons> {
  const groups = union(old.groups, more.groups)
  const items = union(old.items, more.items)
  const annotators = union(old.annotators, more.annotators)
  function* inNames(side: StoredComparisons) {
    const group = renamed(side.group, side.groups, groups)
    yield
    const i = renamed(side.i, side.items, items)
    yield
    const j = renamed(side.j, side.items, items)
    yield
    const annotator = side.annotator === null ? null : renamed(side.annotator, side.annotators, annotators)
    yield
    return { ...side, group, i, j, annotator }
  }
  const a = yield* inNames(old)
  const b = yield* inNames(more)
  const compare = (x: number, y: number) =>
    a.group[x] - b.group[y] ||
    a.i[x] - b.i[y] ||
    a.j[x] - b.j[y] ||
    (a.first === null || b.first === null ? 0 : a.first[x] - b.first[y]) ||
    (a.annotator === null || b.annotator === null ? 0 : a.annotator[x] - b.annotator[y])

  // place[y]: the first old entry that does not come before the y-th further one; same[y]: 1 where that is the very same.
  const place = new Int32Array(b.i.length)
  const same = new Uint8Array(b.i.length)
  let length = a.i.length
  for (let y = 0; y < place.length; y++) {
    place[y] = firstFrom(y === 0 ? 0 : place[y - 1], a.i.length, (x) => compare(x, y) >= 0)
    if (place[y] < a.i.length && compare(place[y], y) === 0) same[y] = 1
    else length++
    if (y % STRIDE === STRIDE - 1) yield
  }
  yield

  function* column<T extends Int32Array | Float64Array>(left: T, right: T, values: T, adds: boolean) {
    let from = 0
    let at = 0
    let since = 0
    for (let y = 0; y <= place.length; y++) {
      const until = y < place.length ? place[y] : left.length
      while (from < until) {
        const next = Math.min(until, from + STRIDE)
        if (next - from >= LONG) values.set(left.subarray(from, next), at)
        else for (let x = from; x < next; x++) values[at + x - from] = left[x]
        at += next - from
        from = next
        if (at - since >= STRIDE) {
          since = at
          yield
        }
      }
      if (y === place.length) break
      values[at++] = same[y] === 0 ? right[y] : adds ? left[from] + right[y] : left[from]
      from += same[y]
    }
    return values
  }
  const ints = (left: Int32Array, right: Int32Array) =>
    column(left, right, new Int32Array(new SharedArrayBuffer(4 * length)), false)
  const sums = (left: Float64Array, right: Float64Array) =>
    column(left, right, new Float64Array(new SharedArrayBuffer(8 * length)), true)
  return {
    groups,
    items,
    annotators,
    group: yield* ints(a.group, b.group),
    i: yield* ints(a.i, b.i),
    j: yield* ints(a.j, b.j),
    first: a.first === null || b.first === null ? null : yield* ints(a.first, b.first),
    annotator: a.annotator === null || b.annotator === null ? null : yield* ints(a.annotator, b.annotator),
    comparisons: yield* sums(a.comparisons, b.comparisons),
    wins: yield* sums(a.wins, b.wins),
    losses: yield* sums(a.losses, b.losses),
    ties: yield* sums(a.ties, b.ties),
    squares:
      a.squares === null || b.squares === null
        ? null
        : {
            all: yield* sums(a.squares.all, b.squares.all),
            side: yield* sums(a.squares.side, b.squares.side),
            sideSquared: yield* sums(a.squares.sideSquared, b.squares.sideSquared),
            tie: yield* sums(a.squares.tie, b.squares.tie),
          },
    source: { ...more.source, comparisons: old.source.comparisons + more.source.comparisons },
  }
}

/** The first index from … to − 1 at which something holds that holds at all later ones; `to` for none. Near `from` it is quick. */
function firstFrom(from: number, to: number, holds: (x: number) => boolean): number {
  let low = from
  let reach = 1
  while (low + reach <= to && !holds(low + reach - 1)) {
    low += reach
    reach *= 2
  }
  let high = Math.min(low + reach - 1, to)
  while (low < high) {
    const middle = (low + high) >>> 1
    if (holds(middle)) high = middle
    else low = middle + 1
  }
  return low
}

/** All of two sorted lists of names, sorted. */
function union(a: readonly string[], b: readonly string[]): readonly string[] {
  const known = new Set(a)
  const added = b.filter((name) => !known.has(name))
  if (added.length === 0) return a
  const ids: Ids = { names: [...a, ...added], index: new Map(), closed: false }
  sortIds(ids)
  return ids.names
}

function renamed(own: Int32Array, names: readonly string[], all: readonly string[]): Int32Array {
  if (names === all) return own
  const index = new Map(all.map((name, k) => [name, k]))
  const place = Int32Array.from(names, (name) => index.get(name) as number)
  const indices = new Int32Array(own.length)
  for (let k = 0; k < own.length; k++) indices[k] = own[k] < 0 ? -1 : place[own[k]]
  return indices
}
