import { open } from 'node:fs/promises'
import { pointer } from '../../engine/problem.ts'
import type { Reader } from '../database.ts'
import { refusalOf } from '../duckdb.ts'
import { invalidRows, MAX_BAD_ROWS, type RowError, StoreProblem } from '../problem.ts'
import { FORMATS, type Layout, MEMBERS, type Member } from './formats.ts'
import { BAD_ROW, canonical, checked, idFaults, rulesOf } from './rules.ts'
import { identifier, literal } from './sql.ts'

export type FileType = 'ndjson' | 'csv' | 'parquet'

/** A file as relations of the reader, its columns brought to ours. */
export type Reading = {
  /** A query for the rows: members that are there and covariates (`c0`, …), typed; it fails at a row that is wrong. */
  rows: string
  /** The columns of `rows`. */
  columns: string[]
  /** A query for the different ids: `kind` (0 group, 1 item, 2 annotator) and `name`; it fails at a name that is none. */
  names: string
  /** A query for what is wrong: `row`, `member` and `detail`. */
  faults: string
  ignoredColumns: string[]
}

/** Rows whose text is nothing can be very many in a small Parquet file: each counts for at least so many bytes. */
const ROW_BYTES = 16

/**
 * Finds out what columns a file has, and how its rows are read.
 *
 * @param limit the most bytes that an upload may have
 * @throws StoreProblem
 */
export async function openFile(
  reader: Reader,
  path: string,
  type: FileType,
  layout: Layout,
  limit: number,
): Promise<Reading> {
  const types = await columnsOf(reader, path, type, limit)
  const format = FORMATS[layout.format]
  const there = [...types.keys()]
  const source = new Map<string, string>()
  for (const member of MEMBERS) {
    const column = layout.columns[member] ?? format.columns[member] ?? member
    const named = layout.columns[member] !== undefined
    if (types.has(column)) source.set(member, column)
    else if (named) throw noColumn(column, `which is to hold ${member}`, there)
  }
  if (layout.group !== null) source.delete('group')
  if (format.outcomes !== null) {
    source.set('a', format.outcomes.a)
    source.set('b', format.outcomes.b)
    for (const member of ['loser', 'tie', 'preference', 'first'] as const) source.delete(member)
  }
  layout.covariates.forEach((covariate, k) => {
    if (types.has(covariate)) source.set(`c${k}`, covariate)
  })
  const required = format.outcomes === null ? ['winner', 'loser'] : ['a', 'b', 'winner']
  for (const member of required) {
    const column = source.get(member)
    if (column === undefined || !types.has(column)) {
      const missing = column ?? format.columns[member as Member] ?? member
      throw noColumn(missing, `which the format ${layout.format} needs`, there)
    }
  }
  const used = new Set(source.values())
  const others = there.filter((column) => !used.has(column))
  const refused = others.length > 0 && !format.ignoresOthers
  // Of a file with columns each row is as the first; of NDJSON it is told which rows have them, and what else is wrong.
  if (refused && type !== 'ndjson') throw unknownColumns(others)

  const fields = [...source].map(([member, column]) => ({
    member,
    column,
    type: types.get(column) as string,
  }))
  const file = relation(path, type, types, used)
  const members = canonical(fields, layout)
  const rules = rulesOf(members, layout)
  const base = `SELECT ${members.map(({ name, raw }) => `${raw} AS ${identifier(name)}`).join(', ')} FROM ${file}`
  const reading = {
    ...checked(base, members, rules),
    names: namesQuery(
      base,
      members.map(({ name }) => name),
    ),
    faults: faultsQuery(base, rules),
    ignoredColumns: others,
  }
  if (refused)
    throw badRows([...(await faultsIn(reader, reading)), ...(await unknownIn(reader, path, others))])
  return reading
}

/** The faults of a file's first bad rows; empty where there are none. */
export async function faultsIn(reader: Reader, reading: Reading): Promise<RowError[]> {
  return (await reader.run(reading.faults)).map(({ row, member, detail }) =>
    faultAt(Number(row), String(member), String(detail)),
  )
}

/** The members that make no sense, in the first rows of an NDJSON file that have any. */
async function unknownIn(reader: Reader, path: string, others: readonly string[]): Promise<RowError[]> {
  const unknown = `list_filter(json_keys(json), lambda name: name IN (${others.map(literal).join(', ')}))`
  const found = await reader.run(
    `WITH numbered AS (SELECT row_number() OVER () AS row, ${unknown} AS unknown FROM read_ndjson_objects(${literal(path)})), ` +
      `bad AS (SELECT * FROM numbered WHERE len(unknown) > 0 ORDER BY row LIMIT ${MAX_BAD_ROWS}) ` +
      'SELECT row::float8 AS row, unnest(unknown) AS member FROM bad ORDER BY row',
  )
  const detail = 'is neither a member of a comparison nor a covariate of the dataset'
  return found.map(({ row, member }) => faultAt(Number(row), String(member), detail))
}

function faultAt(row: number, member: string, detail: string): RowError {
  return { pointer: pointer(row - 1, member), detail, row, member }
}

/** The refusal of a file for its first bad rows, of which it has some. */
export function badRows(faults: RowError[]): StoreProblem {
  const rows = [...new Set(faults.map(({ row }) => row))].sort((a, b) => a - b)
  const last = rows[MAX_BAD_ROWS - 1] ?? Number.POSITIVE_INFINITY
  const first = faults.filter(({ row }) => row <= last).sort((a, b) => a.row - b.row)
  return invalidRows(first, rows.length < MAX_BAD_ROWS)
}

/** What a failure of the reader says of the file: which lines are at fault where it has lines, and never its path. */
export async function problemOfFile(
  reader: Reader,
  path: string,
  type: FileType,
  error: unknown,
): Promise<Error> {
  const refusal = refusalOf(error)
  if (refusal !== null) return refusal
  const message = (error as Error).message ?? ''
  if (type === 'ndjson') {
    const lines = await linesAtFault(reader, path)
    if (lines.length > 0) return invalidRows(lines, lines.length < MAX_BAD_ROWS)
  }
  const line = /(?:in line|CSV Error on Line:) (\d+)/.exec(message)
  const text = message
    .split('\n')
    .filter((one) => one !== '' && !/^(Try|Possible|LINE|\s|CSV Error)/.test(one))
    .join(' ')
    .replaceAll(/["']?[^\s"']*\/upload-[0-9a-f-]+["']?/g, 'the file')
    .replace(/^[A-Za-z ]+ Error: /, '')
    .trim()
  const detail = `The file cannot be read as ${type}, and nothing of it was stored: ${text}`
  if (line === null) return new StoreProblem('unreadable-file', detail)
  // The first line of CSV names the columns.
  const row = Number(line[1]) - (type === 'csv' ? 1 : 0)
  const fault: RowError = { pointer: `/${row - 1}`, detail: text, row, member: null }
  return new StoreProblem('unreadable-file', detail, [fault])
}

/** The lines of an NDJSON file that are no objects. */
async function linesAtFault(reader: Reader, path: string): Promise<RowError[]> {
  const lines = `read_csv(${literal(path)}, auto_detect = false, header = false, delim = '\u0001', quote = '', escape = '', columns = {'line': 'VARCHAR'})`
  const bad = `SELECT row::float8 AS row, json_valid(line) AS json FROM (SELECT row_number() OVER () AS row, line FROM ${lines})`
  try {
    const found = await reader.run(
      `${bad} WHERE NOT json_valid(line) OR json_type(line) <> 'OBJECT' ORDER BY row LIMIT ${MAX_BAD_ROWS}`,
    )
    return found.map(({ row, json }) => ({
      pointer: `/${Number(row) - 1}`,
      detail: json === true ? 'must be an object' : 'is not JSON',
      row: Number(row),
      member: null,
    }))
  } catch {
    return []
  }
}

/** Whether an error is the reader's own for a row that breaks a rule. */
export function isBadRow(error: unknown): boolean {
  return error instanceof Error && error.message.includes(BAD_ROW)
}

/** The columns of a file and their types. */
async function columnsOf(
  reader: Reader,
  path: string,
  type: FileType,
  limit: number,
): Promise<Map<string, string>> {
  const file = literal(path)
  try {
    if (type === 'ndjson') {
      const keys = await reader.run(
        `SELECT DISTINCT unnest(json_keys(json)) AS key FROM read_ndjson_objects(${file}) ORDER BY key`,
      )
      return new Map(keys.map(({ key }) => [String(key), 'VARCHAR']))
    }
    if (type === 'parquet') {
      const [{ rows }] = await reader.run(
        `SELECT sum(num_rows)::float8 AS rows FROM parquet_file_metadata(${file})`,
      )
      if (Number(rows) * ROW_BYTES > limit) {
        const detail = `The file says that it has ${rows} rows, and ${Math.floor(limit / ROW_BYTES)} are accepted.`
        throw new StoreProblem('upload-too-large', detail)
      }
    }
    if (type === 'csv') return new Map((await headerOf(path)).map((name) => [name, 'VARCHAR']))
    const described = await reader.run(`DESCRIBE SELECT * FROM read_parquet(${file})`)
    return new Map(
      described.map(({ column_name, column_type }) => [String(column_name), String(column_type)]),
    )
  } catch (error) {
    throw error instanceof StoreProblem ? error : await problemOfFile(reader, path, type, error)
  }
}

/** The names in the first line of a CSV file (RFC 4180). */
async function headerOf(path: string): Promise<string[]> {
  const file = await open(path)
  const { buffer, bytesRead } = await file
    .read({ buffer: Buffer.alloc(HEADER_BYTES) })
    .finally(() => file.close())
  const text = buffer.toString('utf8', 0, bytesRead).replace(/^\ufeff/, '')
  const names: string[] = []
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|\r|$)/y
  for (let found = field.exec(text); found !== null; found = field.exec(text)) {
    names.push(found[1]?.replaceAll('""', '"') ?? found[2])
    if (found[3] !== ',') break
  }
  const twice = names.find((name, k) => names.indexOf(name) < k)
  if (names.length === 0 || names.includes('') || twice !== undefined) {
    const fault = twice === undefined ? 'does not name every column' : `names "${twice}" twice`
    throw new StoreProblem('unreadable-file', `The first line of the CSV file ${fault}.`)
  }
  return names
}

/** A first line of CSV is not longer than this. */
const HEADER_BYTES = 65536

const CSV = `header = true, delim = ',', quote = '"', escape = '"'`

/** A file as a relation; of NDJSON only the columns that are used, as text. */
function relation(
  path: string,
  type: FileType,
  types: ReadonlyMap<string, string>,
  used: ReadonlySet<string>,
): string {
  const file = literal(path)
  const texts = (columns: Iterable<string>) =>
    `{${[...columns].map((column) => `${literal(column)}: 'VARCHAR'`).join(', ')}}`
  switch (type) {
    case 'ndjson':
      return `read_json(${file}, format = 'newline_delimited', columns = ${texts(used)})`
    case 'csv':
      return `read_csv(${file}, ${CSV}, auto_detect = false, columns = ${texts(types.keys())})`
    case 'parquet':
      return `read_parquet(${file})`
  }
}

const KINDS = [
  ['group', 0],
  ['winner', 1],
  ['loser', 1],
  ['annotator', 2],
] as const

/** The different ids of a file, in one pass over it. */
function namesQuery(base: string, members: readonly string[]): string {
  const kinds = KINDS.filter(([member]) => members.includes(member))
  const columns = kinds.map(([member]) => identifier(member))
  const kind = `CASE ${kinds.map(([member, code]) => `WHEN ${identifier(member)} IS NOT NULL THEN ${code}`).join(' ')} END`
  const sets = columns.map((column) => `(${column})`).join(', ')
  const name = `coalesce(${columns.join(', ')})`
  const found = `SELECT ${columns.join(', ')} FROM (${base}) GROUP BY GROUPING SETS (${sets})`
  return (
    `SELECT kind, CASE WHEN ${idFaults('name').bad} THEN error('${BAD_ROW}') ELSE name END AS name ` +
    `FROM (SELECT DISTINCT ${kind} AS kind, ${name} AS name FROM (${found})) WHERE name IS NOT NULL`
  )
}

/** The first bad rows, with all that is wrong in each. */
function faultsQuery(base: string, rules: ReturnType<typeof rulesOf>): string {
  const cases = rules.map(
    ({ member, bad, detail }) =>
      `CASE WHEN ${bad} THEN {'member': ${literal(member)}, 'detail': ${detail}} END`,
  )
  return (
    `WITH numbered AS (SELECT row_number() OVER () AS row, * FROM (${base})), ` +
    `faults AS (SELECT row, list_filter([${cases.join(', ')}], lambda x: x IS NOT NULL) AS list FROM numbered), ` +
    `first_bad AS (SELECT row, list FROM faults WHERE len(list) > 0 ORDER BY row LIMIT ${MAX_BAD_ROWS}) ` +
    'SELECT row::float8 AS row, fault.member AS member, fault.detail AS detail ' +
    'FROM (SELECT row, unnest(list) AS fault FROM first_bad) ORDER BY row'
  )
}

function noColumn(column: string, why: string, there: readonly string[]): StoreProblem {
  const columns = there.length === 0 ? 'it has none' : `its columns are ${there.join(', ')}`
  const detail = `The file has no column "${column}", ${why}; ${columns}.`
  return new StoreProblem('invalid-rows', detail)
}

function unknownColumns(columns: readonly string[]): StoreProblem {
  const detail =
    `The columns ${columns.map((column) => `"${column}"`).join(', ')} are no members of a comparison; the members are ` +
    `${MEMBERS.join(', ')}. Name the column of a member in the query (?annotator=worker), declare covariates when the ` +
    'dataset is created, or leave the columns out.'
  return new StoreProblem('invalid-rows', detail)
}
