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
}

const MEMBERS = [
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
 * @throws Problem `invalid-request` with up to 20 faults, each with its pointer
 */
export function readComparisons(source: unknown, groups: Ids, items: Ids): Comparisons {
  const faults = new Faults(Array.isArray(source))
  const columns = Array.isArray(source) ? columnsOfRows(source, faults) : columnsOfObject(source)
  const length = columns.group?.length ?? 0
  if (length === 0)
    throw invalidRequest([{ pointer: '/comparisons', detail: 'must hold at least one comparison' }])

  const group = readIds(columns.group, 'group', groups, faults)
  const winner = readIds(columns.winner, 'winner', items, faults)
  const loser = readIds(columns.loser, 'loser', items, faults)
  const tie = readTies(columns.tie, faults)
  const preference = readNumbers(columns.preference, 'preference', preferenceFault, Number.NaN, faults)
  const count = readNumbers(columns.count, 'count', countFault, 1, faults)
  const weight = readNumbers(columns.weight, 'weight', weightFault, 1, faults)
  checkPairs(winner, loser, tie, preference, items, faults)
  checkTexts(columns.annotator, 'annotator', idFault, faults)
  checkTexts(columns.context, 'context', idFault, faults)
  checkTexts(columns.timestamp, 'timestamp', timestampFault, faults)
  checkFirst(columns, faults)
  faults.raise()
  requireTable(groups, items, 'comparisons')

  if (!groups.closed) renumber([group], sortIds(groups))
  if (!items.closed) renumber([winner, loser], sortIds(items))
  return { group, winner, loser, tie, preference, count, weight }
}

/** Gathers faults and stops the reading when there are enough of them. */
class Faults {
  private readonly byRow: boolean
  private readonly errors: RequestError[] = []

  constructor(byRow: boolean) {
    this.byRow = byRow
  }

  add(row: number, member: string, detail: string): void {
    const path = this.byRow ? [row, member] : [member, row]
    this.errors.push({ pointer: pointer('comparisons', ...path), detail })
    if (this.errors.length === MAX_ERRORS) this.raise()
  }

  addRow(row: number, detail: string): void {
    this.errors.push({ pointer: pointer('comparisons', row), detail })
    if (this.errors.length === MAX_ERRORS) this.raise()
  }

  raise(): void {
    if (this.errors.length > 0) throw invalidRequest(this.errors)
  }
}

function columnsOfRows(rows: unknown[], faults: Faults): Columns {
  const columns = {} as Columns
  for (const member of ['group', 'winner', 'loser'] as const) columns[member] = new Array(rows.length)
  for (let k = 0; k < rows.length; k++) {
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
  faults.raise()
  return columns
}

function columnsOfObject(source: unknown): Columns {
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
  for (const member of ['group', 'winner', 'loser'] as const) {
    if (!Object.hasOwn(columns, member))
      errors.push({ pointer: pointer('comparisons', member), detail: 'is required' })
  }
  if (errors.length > 0) throw invalidRequest(errors)
  const length = (columns.group as unknown[]).length
  for (const member of MEMBERS) {
    const column = columns[member]
    if (column !== undefined && column.length !== length) {
      errors.push({
        pointer: pointer('comparisons', member),
        detail: `has ${column.length} entries where group has ${length}; all columns must be of one length`,
      })
    }
  }
  if (errors.length > 0) throw invalidRequest(errors)
  return columns
}

function readIds(values: unknown[] | undefined, member: Member, ids: Ids, faults: Faults): Int32Array {
  const { index, names, closed } = ids
  const column = values as unknown[]
  const result = new Int32Array(column.length)
  for (let k = 0; k < column.length; k++) {
    const name = column[k] as string
    let id = index.get(name)
    if (id === undefined) {
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

function countFault(value: number): string | null {
  return Number.isInteger(value) && value >= 1 && value <= COUNT_LIMIT
    ? null
    : `must be a whole number from 1 to ${COUNT_LIMIT}, and is ${value}`
}

function weightFault(value: number): string | null {
  return value >= WEIGHT_MIN && value <= WEIGHT_LIMIT
    ? null
    : `must be a number from ${WEIGHT_MIN} to ${WEIGHT_LIMIT}, and is ${value}`
}

const TIMESTAMP =
  /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/

function timestampFault(value: unknown): string | null {
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

function checkFirst(columns: Columns, faults: Faults): void {
  const { first, winner, loser } = columns
  if (first === undefined) return
  for (let k = 0; k < first.length; k++) {
    const value = first[k]
    if (value === undefined || value === null) continue
    if (value !== winner?.[k] && value !== loser?.[k]) {
      faults.add(
        k,
        'first',
        'must be the winner or the loser of the same comparison: the item that was shown first',
      )
    }
  }
}

function renumber(columns: Int32Array[], renumbered: Int32Array): void {
  for (const column of columns) {
    for (let k = 0; k < column.length; k++) column[k] = renumbered[column[k]]
  }
}
