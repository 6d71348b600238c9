import { type Done, inParts, untold } from '../parts.ts'
import { invalidRequest, MAX_ERRORS, pointer, type RequestError } from '../problem.ts'
import { type Ids, idFault, requireTable, sortIds } from './ids.ts'

/** Comparisons with ids turned into integers; one entry a row, all arrays of the same length. */
export type Comparisons = {
  /** Indices into the groups. */
  group: Int32Array
  /** Indices into the items: the one preferred, or merely the first named where the row is a tie or a soft label. */
  winner: Int32Array
  loser: Int32Array
  /** 1 where the row is a tie; null where no row is. */
  tie: Uint8Array | null
  /** Soft label of the winner in [0, 1], NaN where the row has none; null where no row has one. */
  preference: Float64Array | null
  /** How many identical comparisons the row stands for; null where every row is one. */
  count: Float64Array | null
  /** How much each of them matters; null where every weight is 1. */
  weight: Float64Array | null
  /** 1 where the winner was shown first, −1 where the loser was, 0 where that is not known; null where it is not read. */
  first: Int8Array | null
  /** Indices into the annotators, −1 where the row names none; null where they are not read. */
  annotator: Int32Array | null
  /** Features of the winner minus those of the loser: rows × width, row-major; null where rows bring none. */
  differences: Features | null
}

/** Feature vectors, one a row: count × width, row-major. */
export type Features = { width: number; values: Float64Array }

/** What a model wants to know of comparisons beyond who won; the rest is checked and left aside. */
export type Wanted = {
  /** Whether the order in which items were shown counts; where it is required, some row must tell it. */
  positions: 'required' | 'optional' | 'aside'
  /** The annotators, as a set to be filled; null where they do not count. */
  annotators: Ids | null
  /** Whether every row must name its annotator. */
  annotatorRequired: boolean
  /** Whether rows name a group; where groups are to be discovered none does, and all belong to one. */
  group: 'required' | 'optional' | 'discovered'
  /** Where the faults of a batch to be stored are gathered; null where reading ends with those of a request. */
  batch: BatchFaults | null
}

/** The faults of a batch: so many of each member, so that the first bad rows are among them. */
export type BatchFaults = { perMember: number; list: RequestError[] }

/** A model that looks at outcomes alone. */
export const OUTCOMES_ALONE: Wanted = {
  positions: 'aside',
  annotators: null,
  annotatorRequired: false,
  group: 'required',
  batch: null,
}

/** The members that a comparison can have. */
export const MEMBERS = [
  'group',
  'winner',
  'loser',
  'tie',
  'preference',
  'count',
  'weight',
  'annotator',
  'first',
  'timestamp',
  'context',
  'featureDifference',
] as const
type Member = (typeof MEMBERS)[number]
type Columns = Record<Member, unknown[] | undefined>

/** Counts and weights beyond these sizes could not be summed without losing the small ones. */
export const COUNT_LIMIT = 1e12
export const WEIGHT_MIN = 1e-12
export const WEIGHT_LIMIT = 1e12

/**
 * Reads the `comparisons` of a request, as rows or as columns, into integer columns.
 *
 * This is the one place where comparisons are checked: a single pass per member, because a general validator
 * would take several times as long as the fit on a million rows. The published schema says the same.
 *
 * Open sets of ids take every name met and are then sorted; closed sets refuse unknown names.
 *
 * @param done told which part of the rows has been read
 * @throws Problem `invalid-request` with up to 20 faults, each with its pointer
 */
export function readComparisons(
  source: unknown,
  groups: Ids,
  items: Ids,
  wanted: Wanted = OUTCOMES_ALONE,
  done: Done = untold,
): Comparisons {
  // Rows are taken apart; then there is a pass for each of the ids, and one for all else.
  const passes = inParts(5, done)
  const faults = new Faults(Array.isArray(source), wanted.batch)
  const columns = Array.isArray(source)
    ? columnsOfRows(source, faults, passes(0))
    : columnsOfObject(source, wanted)
  const length = lengthOf(columns)
  if (length === 0)
    throw invalidRequest([{ pointer: '/comparisons', detail: 'must hold at least one comparison' }])

  const named = columns.featureDifference === undefined
  const group =
    wanted.group === 'discovered'
      ? readNoGroups(columns.group, length, faults)
      : readIds(columns.group, length, 'group', groups, wanted.group === 'required', faults, passes(1))
  const winner = readIds(columns.winner, length, 'winner', items, named, faults, passes(2))
  const loser = readIds(columns.loser, length, 'loser', items, named, faults, passes(3))
  passes(4)(0)
  const tie = readTies(columns.tie, faults)
  const preference = readNumbers(columns.preference, 'preference', preferenceFault, Number.NaN, faults)
  const count = readNumbers(columns.count, 'count', countFault, 1, faults)
  const weight = readNumbers(columns.weight, 'weight', weightFault, 1, faults)
  checkPairs(winner, loser, tie, preference, items, faults)
  let annotator: Int32Array | null = null
  if (wanted.annotators === null) checkTexts(columns.annotator, 'annotator', idFault, faults)
  else {
    const { annotators, annotatorRequired } = wanted
    annotator = readIds(columns.annotator, length, 'annotator', annotators, annotatorRequired, faults)
  }
  checkTexts(columns.context, 'context', idFault, faults)
  checkTexts(columns.timestamp, 'timestamp', timestampFault, faults)
  const first = readFirst(columns, length, wanted.positions, faults)
  const differences = readDifferences(columns.featureDifference, faults)
  if (wanted.batch !== null && differences !== null)
    faults.add(
      0,
      'featureDifference',
      'cannot be stored: send such comparisons with the request that fits them',
    )
  faults.raise()
  requireTable(groups.names.length, items.names.length, 'comparisons')

  if (!groups.closed) renumber([group], sortIds(groups))
  if (!items.closed) renumber([winner, loser], sortIds(items))
  if (wanted.annotators !== null && annotator !== null) renumber([annotator], sortIds(wanted.annotators))
  return { group, winner, loser, tie, preference, count, weight, first, annotator, differences }
}

/** Gathers faults and stops the reading when there are enough of them. */
class Faults {
  /** Whether all of a batch's rows are looked at, whatever is wrong with some. */
  readonly ofBatch: boolean
  private readonly byRow: boolean
  private readonly errors: RequestError[]
  /** How many faults each member has had; null where the first few of all end the reading. */
  private readonly counts: Map<string, number> | null
  private readonly perMember: number

  constructor(byRow: boolean, batch: BatchFaults | null) {
    this.ofBatch = batch !== null
    this.byRow = byRow
    this.errors = batch?.list ?? []
    this.counts = batch === null ? null : new Map()
    this.perMember = batch?.perMember ?? 0
  }

  add(row: number, member: string, detail: string): void {
    this.push(member, this.byRow ? [row, member] : [member, row], detail)
  }

  addRow(row: number, detail: string): void {
    this.push('', [row], detail)
  }

  private push(member: string, path: (string | number)[], detail: string): void {
    if (this.counts !== null) {
      const before = this.counts.get(member) ?? 0
      this.counts.set(member, before + 1)
      if (before >= this.perMember) return
    }
    this.errors.push({ pointer: pointer('comparisons', ...path), detail })
    if (this.counts === null && this.errors.length === MAX_ERRORS) this.raise()
  }

  raise(): void {
    if (this.errors.length > 0) throw invalidRequest(this.errors)
  }
}

/** After so many rows it is told how many have been read. */
const TOLD_ROWS = 2 ** 16

/** The members that make a comparison, unless a model can do without. */
const ESSENTIAL = ['group', 'winner', 'loser'] as const

function columnsOfRows(rows: unknown[], faults: Faults, done: Done): Columns {
  const columns = {} as Columns
  for (const member of ESSENTIAL) columns[member] = new Array(rows.length)
  for (let k = 0; k < rows.length; k++) {
    if (k % TOLD_ROWS === 0) done(k / rows.length)
    const row = rows[k]
    if (typeof row !== 'object' || row === null || Array.isArray(row)) {
      faults.addRow(k, 'must be an object')
      continue
    }
    for (const member in row) {
      const value = (row as Record<string, unknown>)[member]
      let column = columns[member as Member]
      if (column === undefined || !Array.isArray(column)) {
        if (!MEMBERS.includes(member as Member)) {
          faults.add(k, member, `is not a member of a comparison; the members are ${MEMBERS.join(', ')}`)
          continue
        }
        column = new Array(rows.length)
        columns[member as Member] = column
      }
      if (value === null) faults.add(k, member, 'must not be null; leave the member out instead')
      column[k] = value
    }
  }
  if (!faults.ofBatch) faults.raise()
  return columns
}

function columnsOfObject(source: unknown, wanted: Wanted): Columns {
  if (typeof source !== 'object' || source === null) {
    throw invalidRequest([
      {
        pointer: '/comparisons',
        detail: 'must be an array of rows or an object of columns, all of one length',
      },
    ])
  }
  const columns = source as Columns
  const errors: RequestError[] = []
  for (const member of Object.keys(columns)) {
    if (!MEMBERS.includes(member as Member)) {
      errors.push({
        pointer: pointer('comparisons', member),
        detail: `is not a member of a comparison; the members are ${MEMBERS.join(', ')}`,
      })
    } else if (!Array.isArray(columns[member as Member])) {
      errors.push({ pointer: pointer('comparisons', member), detail: 'must be an array' })
    }
  }
  const unnamed = Object.hasOwn(columns, 'featureDifference')
  for (const member of ESSENTIAL) {
    const needed = member === 'group' ? wanted.group === 'required' : !unnamed
    if (needed && !Object.hasOwn(columns, member))
      errors.push({ pointer: pointer('comparisons', member), detail: 'is required' })
  }
  if (errors.length > 0) throw invalidRequest(errors)
  const reference = MEMBERS.find((member) => columns[member] !== undefined) ?? 'group'
  const length = lengthOf(columns)
  for (const member of MEMBERS) {
    const column = columns[member]
    if (column !== undefined && column.length !== length) {
      errors.push({
        pointer: pointer('comparisons', member),
        detail: `has ${column.length} entries where ${reference} has ${length}; all columns must be of one length`,
      })
    }
  }
  if (errors.length > 0) throw invalidRequest(errors)
  return columns
}

function lengthOf(columns: Columns): number {
  for (const member of MEMBERS) {
    const column = columns[member]
    if (column !== undefined) return column.length
  }
  return 0
}

function readIds(
  column: unknown[] | undefined,
  length: number,
  member: Member,
  ids: Ids,
  required: boolean,
  faults: Faults,
  done: Done = untold,
): Int32Array {
  const result = new Int32Array(length)
  if (column === undefined) {
    if (required) faults.add(0, member, 'is required')
    return result.fill(-1)
  }
  const { index, names, closed } = ids
  for (let k = 0; k < length; k++) {
    if (k % TOLD_ROWS === 0) done(k / length)
    const name = column[k] as string
    let id = index.get(name)
    if (id === undefined && (required || (name !== undefined && name !== null))) {
      const fault = idFault(name)
      if (fault !== null) faults.add(k, member, fault)
      else if (closed)
        faults.add(k, member, `"${name}" is not declared in ${member === 'group' ? '/groups' : '/items'}`)
      else {
        id = names.length
        names.push(name)
        index.set(name, id)
      }
    }
    result[k] = id ?? -1
  }
  return result
}

/** Where groups are to be discovered every row belongs to the one group of all, and names none. */
function readNoGroups(column: unknown[] | undefined, length: number, faults: Faults): Int32Array {
  column?.forEach((name, k) => {
    if (name !== undefined && name !== null)
      faults.add(k, 'group', 'must be left out: groups are to be discovered')
  })
  return new Int32Array(length)
}

function readTies(values: unknown[] | undefined, faults: Faults): Uint8Array | null {
  if (values === undefined) return null
  const result = new Uint8Array(values.length)
  let any = false
  for (let k = 0; k < values.length; k++) {
    const value = values[k]
    if (value === true) {
      result[k] = 1
      any = true
    } else if (value !== false && value !== undefined && value !== null)
      faults.add(k, 'tie', 'must be true or false')
  }
  return any ? result : null
}

function readNumbers(
  values: unknown[] | undefined,
  member: Member,
  fault: (value: number) => string | null,
  absent: number,
  faults: Faults,
): Float64Array | null {
  if (values === undefined) return null
  const result = new Float64Array(values.length)
  let any = false
  for (let k = 0; k < values.length; k++) {
    const value = values[k]
    if (value === undefined || value === null) {
      result[k] = absent
      continue
    }
    const wrong = typeof value === 'number' ? fault(value) : 'must be a number'
    if (wrong !== null) faults.add(k, member, wrong)
    result[k] = value as number
    any ||= value !== absent
  }
  return any ? result : null
}

function preferenceFault(value: number): string | null {
  return value >= 0 && value <= 1 ? null : `must be between 0 and 1, and is ${value}`
}

/** What is wrong with a count, or null where nothing is. */
export function countFault(value: number): string | null {
  return Number.isInteger(value) && value >= 1 && value <= COUNT_LIMIT
    ? null
    : `must be a whole number from 1 to ${COUNT_LIMIT}, and is ${value}`
}

/** What is wrong with a weight, or null where nothing is. */
export function weightFault(value: number): string | null {
  return value >= WEIGHT_MIN && value <= WEIGHT_LIMIT
    ? null
    : `must be a number from ${WEIGHT_MIN} to ${WEIGHT_LIMIT}, and is ${value}`
}

const TIMESTAMP =
  /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/

/** What is wrong with a would-be time (RFC 3339), or null where it is fine. */
export function timestampFault(value: unknown): string | null {
  const found = typeof value === 'string' ? TIMESTAMP.exec(value) : null
  // Date.parse would take the 30th of February for the 2nd of March, and no leap second.
  const right = found !== null && Number(found[3]) <= daysIn(Number(found[1]), Number(found[2]))
  return right ? null : 'must be a date and time as in RFC 3339, for example 2026-01-01T00:00:00Z'
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return [4, 6, 9, 11].includes(month) ? 30 : 31
}

function checkPairs(
  winner: Int32Array,
  loser: Int32Array,
  tie: Uint8Array | null,
  preference: Float64Array | null,
  items: Ids,
  faults: Faults,
): void {
  for (let k = 0; k < winner.length; k++) {
    if (winner[k] === loser[k] && winner[k] >= 0) {
      faults.add(k, 'loser', `must differ from the winner; both are "${items.names[winner[k]]}"`)
    }
  }
  if (tie === null || preference === null) return
  for (let k = 0; k < tie.length; k++) {
    if (tie[k] === 1 && !Number.isNaN(preference[k])) {
      faults.add(k, 'preference', 'cannot be given together with tie: a tie is the preference 0.5')
    }
  }
}

function checkTexts(
  values: unknown[] | undefined,
  member: Member,
  fault: (value: unknown) => string | null,
  faults: Faults,
): void {
  if (values === undefined) return
  const known = new Set<unknown>()
  for (let k = 0; k < values.length; k++) {
    const value = values[k]
    if (value === undefined || value === null || known.has(value)) continue
    const wrong = fault(value)
    if (wrong === null) known.add(value)
    else faults.add(k, member, wrong)
  }
}

/** Checks who was shown first, and where positions count returns it. */
function readFirst(
  columns: Columns,
  length: number,
  wanted: Wanted['positions'],
  faults: Faults,
): Int8Array | null {
  const { first, winner, loser } = columns
  const result = wanted === 'aside' ? null : new Int8Array(length)
  let any = false
  for (let k = 0; k < (first?.length ?? 0); k++) {
    const value = first?.[k]
    if (value === undefined || value === null) continue
    any = true
    if (value === winner?.[k]) {
      if (result !== null) result[k] = 1
    } else if (value === loser?.[k]) {
      if (result !== null) result[k] = -1
    } else {
      faults.add(
        k,
        'first',
        'must be the winner or the loser of the same comparison: the item that was shown first',
      )
    }
  }
  if (wanted === 'required' && !any)
    faults.add(0, 'first', 'is needed by a position effect: no comparison says which item was shown first')
  return result
}

/** Feature differences beyond this size leave too few digits for the others. */
const FEATURE_LIMIT = 1e12

function readDifferences(column: unknown[] | undefined, faults: Faults): Features | null {
  if (column === undefined) return null
  const width = Array.isArray(column[0]) ? column[0].length : 0
  const values = new Float64Array(column.length * width)
  for (let k = 0; k < column.length; k++) {
    const fault = featuresFault(column[k], width)
    if (fault !== null) faults.add(k, 'featureDifference', fault)
    else values.set(column[k] as number[], k * width)
  }
  return { width, values }
}

/** What is wrong with a feature vector that should have `width` entries, or null where it is fine. */
export function featuresFault(value: unknown, width: number): string | null {
  if (value === undefined) return 'is required where others have features'
  if (!Array.isArray(value) || value.length === 0) return 'must be an array of numbers, at least one'
  if (value.length !== width) return `has ${value.length} features where the first has ${width}`
  const wrong = value.findIndex((entry) => !(typeof entry === 'number' && Math.abs(entry) <= FEATURE_LIMIT))
  return wrong < 0
    ? null
    : `must hold numbers between -${FEATURE_LIMIT} and ${FEATURE_LIMIT}; entry ${wrong} is none`
}

function renumber(columns: Int32Array[], renumbered: Int32Array): void {
  for (const column of columns) {
    for (let k = 0; k < column.length; k++) if (column[k] >= 0) column[k] = renumbered[column[k]]
  }
}
