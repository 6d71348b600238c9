import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { NAME_KINDS, type Tables } from './counts.ts'
import type { Database, Statements } from './database.ts'
import { StoreProblem } from './problem.ts'
import type { FileFormat } from './store.ts'
import type { Reading } from './tables.ts'
import { identifier, literal } from './upload/sql.ts'

/**
 * All rows of a dataset. They are written to a file, from which a slow client can read them without keeping the database
 * waiting. Where the disk is full, formats that are text are sent as the rows are found.
 */
export async function exportRows(
  database: Database,
  reading: Reading,
  dataset: string,
  format: FileFormat,
): Promise<Readable> {
  const { sql, types, written } = await reading(dataset, exportQuery)
  const dumped = await database.dump(sql, types)
  const query = written(dumped.relation)
  const path = join(database.spoolDirectory, `export-${randomUUID()}`)
  try {
    await database.reader.run(toFile(query, path, format))
  } catch (error) {
    await rm(path, { force: true })
    const text = asText(query, Object.keys(types), format)
    const full = error instanceof StoreProblem && error.kind === 'out-of-space'
    if (!full || text === null) {
      await dumped.remove()
      throw error
    }
    return Readable.from(database.reader.texts(text)).once('close', dumped.remove)
  }
  await dumped.remove()
  return createReadStream(path).once('close', () => rm(path, { force: true }))
}

/** How a dataset is written to a file. */
type Export = {
  /** The rows under the names of a comparison's members, in the database's types. */
  sql: string
  /** The reader's types of the columns. */
  types: Record<string, string>
  /** The query of the reader that writes them as a file has them. */
  written(relation: string): string
}

const TIME = `strftime(make_timestamp("timestamp"), '%Y-%m-%dT%H:%M:%S.%fZ') AS "timestamp"`

/** The query for all rows of a dataset; members that no comparison has are left out. */
async function exportQuery(statements: Statements, { key, covariates }: Tables): Promise<Export> {
  const joins: string[] = []
  /** The name of what a column has the integer of. */
  const name = (column: string, kind: number) => {
    joins.push(
      `LEFT JOIN names_${key} ${column}_n ON ${column}_n.kind = ${kind} AND ${column}_n.code = r.${column}`,
    )
    return `${column}_n.name`
  }
  const [winner, loser] = ['winner', 'loser'].map((column) => name(column, NAME_KINDS.item))
  const members: [member: string, column: string, value: string, type: string][] = [
    ['group', 'grp', name('grp', NAME_KINDS.group), 'VARCHAR'],
    ['winner', 'winner', winner, 'VARCHAR'],
    ['loser', 'loser', loser, 'VARCHAR'],
    ['tie', 'tie', 'coalesce(r.tie, false)', 'BOOLEAN'],
    ['preference', 'preference', 'r.preference', 'DOUBLE'],
    ['count', 'copies', 'r.copies', 'BIGINT'],
    ['weight', 'weight', 'r.weight', 'DOUBLE'],
    ['annotator', 'annotator', name('annotator', NAME_KINDS.annotator), 'VARCHAR'],
    ['first', 'shown', `CASE WHEN r.shown = 1 THEN ${winner} WHEN r.shown = -1 THEN ${loser} END`, 'VARCHAR'],
    ['timestamp', 'made_at', 'r.made_at', 'BIGINT'],
    ['context', 'context', 'r.context', 'VARCHAR'],
    ...covariates.map((covariate, k): [string, string, string, string] => [
      covariate,
      `c${k}`,
      `r.c${k}`,
      'VARCHAR',
    ]),
  ]
  const counted = members.map(([, column], k) => `count(${column}) > 0 AS m${k}`)
  const [there] = await statements.run(`SELECT ${counted.join(', ')} FROM rows_${key}`)
  const chosen = members.filter(
    ([member], k) => there[`m${k}`] === true || member === 'winner' || member === 'loser',
  )
  const sql =
    `SELECT ${chosen.map(([member, , value]) => `${value} AS ${identifier(member)}`).join(', ')} ` +
    `FROM rows_${key} r ${joins.join(' ')}`
  const written = (relation: string) => {
    const columns = chosen.map(([member, column]) =>
      column === 'made_at' ? TIME : column === 'copies' ? `"count"::BIGINT AS "count"` : identifier(member),
    )
    return `SELECT ${columns.join(', ')} FROM ${relation}`
  }
  return { sql, types: Object.fromEntries(chosen.map(([member, , , type]) => [member, type])), written }
}

const FILE_OPTIONS = { ndjson: 'FORMAT json', csv: 'FORMAT csv, HEADER', parquet: 'FORMAT parquet' }

/** The statement of the reader that writes what a query finds to a file. */
function toFile(query: string, path: string, format: FileFormat): string {
  return `COPY (${query}) TO ${literal(path)} (${FILE_OPTIONS[format]})`
}

/** The query of the reader for the same as texts, which need no disk; null where the format is no text. */
function asText(query: string, columns: readonly string[], format: FileFormat): string | null {
  if (format === 'parquet') return null
  if (format === 'ndjson') return `SELECT to_json(line)::VARCHAR || chr(10) FROM (${query}) line`
  const quoted = (text: string) =>
    `CASE WHEN regexp_matches(${text}, '[",\\r\\n]') THEN '"' || replace(${text}, '"', '""') || '"' ELSE ${text} END`
  const header = columns.map((column) => quoted(literal(column))).join(` || ',' || `)
  const values = columns.map((column) => `coalesce(${quoted(`CAST(${identifier(column)} AS VARCHAR)`)}, '')`)
  return `SELECT ${header} || chr(10) UNION ALL SELECT ${values.join(` || ',' || `)} || chr(10) FROM (${query})`
}
