import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import { connectionsTo } from './connections.ts'
import type { Database, Parameter, Reader, Row, Statements } from './database.ts'
import { growingColumns, openDuckDb, runRows } from './duckdb.ts'
import { diskFull, StoreProblem } from './problem.ts'
import { schemaSql } from './schema.ts'
import { identifier, literal } from './upload/sql.ts'

/** Serialises what replicas do when they start, and what they do to the list of datasets. */
const LOCK_SPACE = 0x636f6d6d

/**
 * PostgreSQL, shared by any number of replicas. Files are still read and written by an embedded DuckDB; what it makes of
 * them travels by COPY.
 *
 * @param url as libpq has it: postgresql://user:password@host:port/database
 * @param memory the most bytes that the reader of files may use
 */
export async function openPostgres(url: string, memory: number): Promise<Database> {
  const pool = new pg.Pool({ connectionString: url, max: 10, options: '-c search_path=commonweal' })
  // Names that are taken have connections of their own: those who hold one wait for a transaction's.
  const claims = new pg.Pool({ connectionString: url, max: 20 })
  // A connection that breaks while idle is replaced; the next statement says so where none can be had.
  for (const each of [pool, claims]) each.on('error', () => {})
  try {
    await migrate(pool)
  } catch (error) {
    await Promise.all([pool.end(), claims.end()])
    throw new Error(`the store at DATABASE_URL cannot be opened: ${(error as Error).message}`)
  }
  const duck = await openDuckDb(null, memory)
  const { spoolDirectory } = duck
  const connections = connectionsTo(duck, false)
  const reader: Reader = {
    run: (sql) => connections.use((connection) => runRows(connection, sql)),
    texts: connections.texts,
  }

  async function within<T>(begin: string, work: (statements: Statements) => Promise<T>): Promise<T> {
    const client = await connected(pool)
    let broken: Error | undefined
    try {
      await client.query(begin)
      const result = await work(statementsOf(client, reader, spoolDirectory))
      await client.query('COMMIT')
      return result
    } catch (error) {
      await client.query('ROLLBACK').catch((lost) => {
        broken = lost
      })
      throw unavailable(error) ?? error
    } finally {
      client.release(broken)
    }
  }

  return {
    kind: 'postgresql',
    spoolDirectory,
    transaction: (work) => within('BEGIN', work),
    snapshot: (work) => within('BEGIN ISOLATION LEVEL REPEATABLE READ', work),
    async claim(name) {
      // A lock of the session: it goes with the connection where the replica dies.
      const client = await connected(claims)
      const key = createHash('sha256').update(name).digest().readBigInt64BE()
      const { rows } = await client.query('SELECT pg_try_advisory_lock($1::bigint) AS mine', [String(key)])
      if (rows[0].mine !== true) {
        client.release()
        return null
      }
      return async () => {
        await client.query('SELECT pg_advisory_unlock($1::bigint)', [String(key)]).then(
          () => client.release(),
          (error) => client.release(error),
        )
      }
    },
    reader,
    async dump(query, types) {
      const path = join(spoolDirectory, `dump-${randomUUID()}`)
      const client = await connected(pool)
      try {
        const rows = client.query(copyTo(`COPY (${query}) TO STDOUT (FORMAT csv)`))
        await pipeline(rows, createWriteStream(path))
      } finally {
        client.release()
      }
      const columns = Object.entries(types).map(([name, type]) => `${literal(name)}: ${literal(type)}`)
      const csv = `header = false, delim = ',', quote = '"', escape = '"', auto_detect = false`
      return {
        relation: `read_csv(${literal(path)}, ${csv}, columns = {${columns.join(', ')}})`,
        remove: () => rm(path, { force: true }),
      }
    },
    async close() {
      await Promise.all([pool.end(), claims.end()])
      await connections.close()
    },
  }
}

async function connected(pool: pg.Pool): Promise<pg.PoolClient> {
  try {
    const client = await pool.connect()
    // Where a connection breaks, the statement that runs on it, or the next one, says so.
    if (client.listenerCount('error') < 2) client.on('error', () => {})
    return client
  } catch (error) {
    throw unavailable(error) ?? error
  }
}

/** The refusal that a lost or refused connection, or a full disk, amounts to; null for any other error. */
function unavailable(error: unknown): StoreProblem | null {
  const { code = '', message = '' } = (error ?? {}) as { code?: string; message?: string }
  if (code === '53100') return diskFull('The disk of PostgreSQL')
  if (code === '53200')
    return new StoreProblem('out-of-space', 'PostgreSQL has not enough memory for this; nothing was stored.')
  const lost =
    /^(ECONN|EPIPE|ENOENT|ETIMEDOUT|57P0|08|53300)/.test(code) ||
    /Connection terminated|not queryable|timeout exceeded/.test(message)
  return lost ? new StoreProblem('store-unavailable', 'The database does not answer at the moment.') : null
}

/** Makes the tables; replicas that start together take turns. */
async function migrate(pool: pg.Pool): Promise<void> {
  const client = await pool.connect()
  try {
    const { rows } = await client.query('SHOW server_version_num')
    if (Number(rows[0].server_version_num) < 150000) throw new Error('it must be PostgreSQL 15 or newer')
    await client.query('BEGIN')
    await client.query('SELECT pg_advisory_xact_lock($1::int, 0)', [LOCK_SPACE])
    await client.query('CREATE SCHEMA IF NOT EXISTS commonweal')
    for (const sql of schemaSql('TEXT COLLATE "C"')) await client.query(sql)
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  } finally {
    client.release()
  }
}

/** What each step of a count may take in the database's memory before it goes over its disk. */
const COUNTING_MEMORY = '128MB'

function statementsOf(client: pg.PoolClient, reader: Reader, spoolDirectory: string): Statements {
  const run = async (sql: string, parameters: readonly Parameter[] = []): Promise<Row[]> =>
    (await client.query(sql, parameters as unknown[])).rows
  return {
    run,
    async numbers(sql, parameters, types) {
      // The planner may take millions of rows for a handful where a filter or a covariate chooses among them: comparing each
      // with each then takes hours, while hashing costs little even where they are few.
      await run('SET LOCAL enable_nestloop = off')
      await run(`SET LOCAL work_mem = '${COUNTING_MEMORY}'`)
      // COPY takes no parameters, and is the one way to read millions of numbers without making an object of each row.
      const rows = client.query(copyTo(`COPY (${inlined(sql, parameters)}) TO STDOUT (FORMAT binary)`))
      return readBinary(rows, types)
    },
    async insert(table, columns) {
      const types = { int: 'int8', float: 'float8', text: 'text', bool: 'bool' }
      const names = columns.map(({ name }) => identifier(name)).join(', ')
      const lists = columns.map(({ type }, k) => `unnest($${k + 1}::${types[type]}[])`).join(', ')
      await client.query(
        `INSERT INTO ${table} (${names}) SELECT ${lists}`,
        columns.map(({ values }) => Array.from(values)),
      )
    },
    async stage({ rows, columns, names }) {
      const path = join(spoolDirectory, `staged-${randomUUID()}`)
      const copy = async (query: string, table: string, definition: string) => {
        try {
          await reader.run(`COPY (${query}) TO ${literal(path)} (FORMAT csv, HEADER false)`)
          await run(`CREATE TEMP TABLE ${table} (${definition}) ON COMMIT DROP`)
          await pipeline(
            createReadStream(path),
            client.query(copyFrom(`COPY ${table} FROM STDIN (FORMAT csv)`)),
          )
        } finally {
          await rm(path, { force: true })
        }
        await run(`ANALYZE ${table}`)
      }
      await copy(names, 'staged_names', 'kind INT, name TEXT COLLATE "C"')
      await copy(rows, 'staged', columns.map((name) => `${identifier(name)} ${stagedType(name)}`).join(', '))
      return { rows: 'staged', names: 'staged_names' }
    },
    async lock(dataset) {
      await run('SELECT pg_advisory_xact_lock($1::int, $2::int)', [LOCK_SPACE + 1, dataset])
    },
  }
}

function stagedType(member: string): string {
  if (member === 'tie') return 'BOOLEAN'
  if (member === 'first') return 'INT'
  if (member === 'timestamp') return 'BIGINT'
  return ['preference', 'count', 'weight'].includes(member) ? 'FLOAT8' : 'TEXT COLLATE "C"'
}

/** A statement with its parameters written into it. */
function inlined(sql: string, parameters: readonly Parameter[]): string {
  return sql.replaceAll(/\$(\d+)/g, (_, k: string) => {
    const parameter = parameters[Number(k) - 1]
    if (Array.isArray(parameter))
      return `ARRAY[${parameter.map((text) => pg.escapeLiteral(text)).join(', ')}]`
    return typeof parameter === 'string' ? pg.escapeLiteral(parameter) : String(parameter)
  })
}

/** Reads rows of int4 and float8 from PostgreSQL's binary COPY format. */
async function readBinary(
  stream: AsyncIterable<Buffer>,
  types: readonly ('int' | 'float')[],
): Promise<(Int32Array | Float64Array)[]> {
  const columns = growingColumns(types)
  const width = 2 + types.reduce((sum, type) => sum + 4 + (type === 'int' ? 4 : 8), 0)
  const HEADER = 19
  let rest: Buffer = Buffer.alloc(0)
  let started = false
  for await (const chunk of stream) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    if (!started) {
      if (rest.length < HEADER) continue
      rest = rest.subarray(HEADER)
      started = true
    }
    // The end is a row of −1 columns, shorter than any other.
    const count = Math.floor(rest.length / width)
    const values = types.map(() => new Float64Array(count))
    for (let row = 0; row < count; row++) {
      let at = row * width + 2
      for (let c = 0; c < types.length; c++) {
        at += 4
        values[c][row] = types[c] === 'int' ? rest.readInt32BE(at) : rest.readDoubleBE(at)
        at += types[c] === 'int' ? 4 : 8
      }
    }
    columns.add(count, values)
    rest = rest.subarray(count * width)
  }
  return columns.done()
}
