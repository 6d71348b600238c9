import { invalidRequest, MAX_ERRORS, pointer, type RequestError } from '../problem.ts'
import { type Ids, idFault, sortIds } from './ids.ts'
import { countFault, weightFault } from './read.ts'

/** Rankings with ids turned into integers; R of them, which name E items in all. */
export type Rankings = {
  /** Indices into the groups; length R. */
  group: Int32Array
  /** Ranking r is item[offsets[r] … offsets[r + 1]]; length R + 1. */
  offsets: Int32Array
  /** Indices into the items, best first; those that share a place stand side by side, ascending. Length E. */
  item: Int32Array
  /** How many items share the place of each, itself included: 1 but for ties; length E. */
  tied: Uint8Array
  /** How many identical rankings each stands for; null where every one is one. */
  count: Float64Array | null
  /** How much each of them matters; null where every weight is 1. */
  weight: Float64Array | null
  /** Indices into the annotators, −1 where a ranking names none; null where they are not read. */
  annotator: Int32Array | null
}

/** Ties of more items than this have no model. */
export const LARGEST_TIE = 4

const MEMBERS = ['group', 'annotator', 'ranking', 'count', 'weight'] as const
type Row = Record<(typeof MEMBERS)[number], unknown>

/**
 * Reads the `rankings` of a request into integers, and checks them in the same pass.
 *
 * Open sets of ids take every name met and are then sorted; closed sets refuse unknown names.
 *
 * @param judges the annotators, a set to be filled, and whether every ranking must name one; null where they do not count
 * @param ties whether the model knows ties
 * @throws Problem `invalid-request` with up to 20 faults, each with its pointer
 */
export function readRankings(
  source: unknown,
  groups: Ids,
  items: Ids,
  judges: { annotators: Ids; required: boolean } | null,
  ties: boolean,
): Rankings {
  if (!Array.isArray(source) || source.length === 0)
    throw invalidRequest([{ pointer: '/rankings', detail: 'must be an array of rankings, at least one' }])
  const errors: RequestError[] = []
  const fail = (detail: string, ...steps: (string | number)[]) => {
    errors.push({ pointer: pointer('rankings', ...steps), detail })
    if (errors.length === MAX_ERRORS) throw invalidRequest(errors)
  }
  const rows = source.length
  const group = new Int32Array(rows)
  const offsets = new Int32Array(rows + 1)
  const count = new Float64Array(rows).fill(1)
  const weight = new Float64Array(rows).fill(1)
  const annotator = new Int32Array(rows).fill(-1)
  const item: number[] = []
  const tied: number[] = []
  // The ranking in which each item was met last: an item twice in one is found without a set for each.
  const metIn: number[] = []

  const readItem = (value: unknown, size: number, r: number, ...steps: number[]): void => {
    const id = Array.isArray(value)
      ? 'must be the id of an item: a tie holds no further brackets'
      : idOf(value, items, '/items')
    const fault = typeof id === 'string' ? id : metIn[id] === r ? `"${value}" is ranked twice` : null
    if (fault !== null) fail(fault, r, 'ranking', ...steps)
    if (typeof id === 'string') return
    metIn[id] = r
    item.push(id)
    tied.push(size)
  }

  for (let r = 0; r < rows; r++) {
    const row = source[r]
    offsets[r] = item.length
    if (typeof row !== 'object' || row === null || Array.isArray(row)) {
      fail('must be an object', r)
      continue
    }
    for (const member in row) {
      if (!MEMBERS.includes(member as keyof Row))
        fail(`is not a member of a ranking; the members are ${MEMBERS.join(', ')}`, r, member)
      else if (row[member] === null) fail('must not be null; leave the member out instead', r, member)
    }
    const given = row as Row
    const ownGroup = idOf(given.group, groups, '/groups')
    if (typeof ownGroup === 'string') fail(ownGroup, r, 'group')
    else group[r] = ownGroup
    if (judges !== null && (judges.required || given.annotator !== undefined)) {
      const own = idOf(given.annotator, judges.annotators, '')
      if (typeof own === 'string') fail(own, r, 'annotator')
      else annotator[r] = own
    } else if (given.annotator !== undefined) {
      const fault = idFault(given.annotator)
      if (fault !== null) fail(fault, r, 'annotator')
    }
    count[r] = numberOf(given.count, countFault, (fault) => fail(fault, r, 'count'))
    weight[r] = numberOf(given.weight, weightFault, (fault) => fail(fault, r, 'weight'))

    if (!Array.isArray(given.ranking)) {
      fail(given.ranking === undefined ? 'is required' : 'must be an array of items', r, 'ranking')
      continue
    }
    const before = errors.length
    given.ranking.forEach((place, k) => {
      const fault = Array.isArray(place) ? tieFault(place, ties) : null
      if (fault !== null) fail(fault, r, 'ranking', k)
      else if (!Array.isArray(place)) readItem(place, 1, r, k)
      else for (let l = 0; l < place.length; l++) readItem(place[l], place.length, r, k, l)
    })
    const named = item.length - offsets[r]
    if (named < 2 && errors.length === before)
      fail(`must name at least two items, and names ${named === 0 ? 'none' : 'one'}`, r, 'ranking')
  }
  offsets[rows] = item.length
  if (errors.length > 0) throw invalidRequest(errors)

  const read: Rankings = {
    group,
    offsets,
    item: Int32Array.from(item),
    tied: Uint8Array.from(tied),
    count: count.some((value) => value !== 1) ? count : null,
    weight: weight.some((value) => value !== 1) ? weight : null,
    annotator: annotator.some((own) => own >= 0) ? annotator : null,
  }
  if (!groups.closed) renumber(read.group, sortIds(groups))
  if (!items.closed) renumber(read.item, sortIds(items))
  if (judges !== null) renumber(annotator, sortIds(judges.annotators))
  for (let e = 0; e < read.item.length; e += read.tied[e])
    if (read.tied[e] > 1) read.item.subarray(e, e + read.tied[e]).sort()
  return read
}

/** The integer of an id, which an open set takes as it comes; or what is wrong with it. */
function idOf(value: unknown, { index, names, closed }: Ids, declaredIn: string): number | string {
  const known = index.get(value as string)
  if (known !== undefined) return known
  const fault = idFault(value)
  if (fault !== null) return fault
  if (closed) return `"${value}" is not declared in ${declaredIn}`
  index.set(value as string, names.length)
  return names.push(value as string) - 1
}

/** A positive number that is 1 where it is left out. */
function numberOf(
  value: unknown,
  faultOf: (value: number) => string | null,
  fail: (detail: string) => void,
): number {
  if (value === undefined) return 1
  const fault = typeof value === 'number' ? faultOf(value) : 'must be a number'
  if (fault !== null) fail(fault)
  return value as number
}

/** What is wrong with items in brackets, or null where nothing is. */
function tieFault(place: readonly unknown[], ties: boolean): string | null {
  if (!ties)
    return 'is a tie, which has a meaning in rankings only with "ties": "davidson" in /model; set that, or order the items'
  if (place.length === 0) return 'must not be empty'
  if (place.length === 1) return 'holds a single item: write it without brackets'
  if (place.length > LARGEST_TIE)
    return `ties ${place.length} items; at most ${LARGEST_TIE} can share a place`
  return null
}

function renumber(column: Int32Array, renumbered: Int32Array): void {
  for (let k = 0; k < column.length; k++) if (column[k] >= 0) column[k] = renumbered[column[k]]
}
