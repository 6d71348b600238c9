import { idFault, openIds } from '../engine/comparisons/ids.ts'
import { type BatchFaults, readComparisons } from '../engine/comparisons/read.ts'
import { Problem, type RequestError } from '../engine/problem.ts'
import { invalidRows, MAX_BAD_ROWS, type RowError } from './problem.ts'

/** Comparisons that have been read and checked, ready to be stored: ids as indices into the names met. */
export type Rows = {
  length: number
  groups: string[]
  items: string[]
  annotators: string[]
  /** Indices into `groups`, −1 where the row has none. */
  group: Int32Array
  winner: Int32Array
  loser: Int32Array
  /** As for groups. */
  annotator: Int32Array
  tie: Uint8Array | null
  preference: Float64Array | null
  count: Float64Array | null
  weight: Float64Array | null
  /** 1 where the winner was shown first, −1 where the loser was, 0 where that is not known. */
  first: Int8Array | null
  /** Microseconds since 1970; null where the row has no timestamp. */
  at: (number | null)[] | null
  context: (string | null)[] | null
  /** One a covariate of the dataset; null where no row has it. */
  covariates: ((string | null)[] | null)[]
  covariateNames: readonly string[]
}

/**
 * Reads the `comparisons` of a batch, as rows or columns. They are what a request to the engine has, except that a group
 * may be missing, that covariates may be there, and that feature differences are not stored.
 *
 * @throws StoreProblem `invalid-rows` with the first bad rows; Problem `invalid-request` where it is no table at all
 */
export function readBatch(source: unknown, covariateNames: readonly string[]): Rows {
  const faults: RequestError[] = []
  const batch: BatchFaults = { perMember: MAX_BAD_ROWS, list: faults }
  const { members, covariates } = takeOut(source, covariateNames, batch)
  const [groups, items, annotators] = [openIds(), openIds(), openIds()]
  try {
    const { group, winner, loser, tie, preference, count, weight, first, annotator } = readComparisons(
      members,
      groups,
      items,
      { positions: 'optional', annotators, annotatorRequired: false, group: 'optional', batch },
    )
    if (faults.length > 0) throw rowProblem(faults, source)
    const times = columnOf(members, 'timestamp')
    return {
      length: group.length,
      groups: groups.names,
      items: items.names,
      annotators: annotators.names,
      group,
      winner,
      loser,
      annotator: annotator as Int32Array,
      tie,
      preference,
      count,
      weight,
      first,
      at: times === null ? null : times.map((time) => (time === null ? null : microseconds(time))),
      context: columnOf(members, 'context'),
      covariates,
      covariateNames,
    }
  } catch (error) {
    if (error instanceof Problem && faults.length > 0) throw rowProblem(faults, source)
    throw error
  }
}

/** Separates the covariates from the members that every comparison has. */
function takeOut(source: unknown, names: readonly string[], batch: BatchFaults) {
  const covariates: ((string | null)[] | null)[] = names.map(() => null)
  if (typeof source !== 'object' || source === null) return { members: source, covariates }
  const byRow = Array.isArray(source)
  const check = (values: unknown[], name: string) =>
    values.map((value, k) => {
      if (value === undefined || value === null) return null
      const fault = idFault(value)
      if (fault !== null) {
        const path = byRow ? [k, name] : [name, k]
        batch.list.push({ pointer: `/comparisons/${path.join('/')}`, detail: fault })
      }
      return value as string
    })
  if (!byRow) {
    const members: Record<string, unknown> = { ...source }
    names.forEach((name, k) => {
      const column = members[name]
      if (!Array.isArray(column)) return
      covariates[k] = check(column, name)
      delete members[name]
    })
    return { members, covariates }
  }
  if (names.length === 0) return { members: source, covariates }
  const has = (row: unknown, name: string) =>
    typeof row === 'object' && row !== null && Object.hasOwn(row, name)
  names.forEach((name, k) => {
    if (!source.some((row) => has(row, name))) return
    covariates[k] = check(
      source.map((row) => (has(row, name) ? row[name] : null)),
      name,
    )
  })
  const members = source.map((row) => {
    if (!names.some((name) => has(row, name))) return row
    const rest = { ...row }
    for (const name of names) delete rest[name]
    return rest
  })
  return { members, covariates }
}

/** A column of texts, null where rows have none; null where no row has one. */
function columnOf(members: unknown, name: string): (string | null)[] | null {
  if (!Array.isArray(members)) {
    const column = (members as Record<string, (string | null)[] | undefined>)[name]
    return column ?? null
  }
  if (!members.some((row) => row[name] !== undefined)) return null
  return members.map((row) => row[name] ?? null)
}

/** An RFC 3339 time that has been checked, as microseconds since 1970; a leap second is the second after the one before. */
export function microseconds(time: string): number {
  const text = time.toUpperCase()
  const leap = text.slice(17, 19) === '60'
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? ''
  const whole = `${text.slice(0, 17)}${leap ? '59' : text.slice(17, 19)}${text.slice(19).replace(/^\.\d+/, '')}`
  return Date.parse(whole) * 1000 + (leap ? 1_000_000 : 0) + Number(fraction.padEnd(6, '0').slice(0, 6))
}

/** The first bad rows of a batch, in their order. */
function rowProblem(faults: readonly RequestError[], source: unknown) {
  const byRow = Array.isArray(source)
  const errors = faults.map(({ pointer, detail }): RowError => {
    const [, , a, b] = pointer.split('/')
    const [row, member] = byRow ? [a, b ?? null] : [b, a]
    const name = member?.replaceAll('~1', '/').replaceAll('~0', '~') ?? null
    return { pointer, detail, row: Number(row) + 1, member: name }
  })
  errors.sort((a, b) => a.row - b.row)
  const rows = [...new Set(errors.map(({ row }) => row))]
  const last = rows[MAX_BAD_ROWS - 1] ?? Number.POSITIVE_INFINITY
  return invalidRows(
    errors.filter(({ row }) => row <= last),
    rows.length < MAX_BAD_ROWS,
  )
}
