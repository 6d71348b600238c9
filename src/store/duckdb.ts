import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { DuckDBConnection, DuckDBInstance, DuckDBType, DuckDBValue } from '@duckdb/node-api'
import type { Column, Parameter, Row } from './database.ts'
import { StoreProblem } from './problem.ts'
import { literal } from './upload/sql.ts'

/** DuckDB, opened so that statements reach no file but those in one folder. */
export type Opened = {
  instance: DuckDBInstance
  /** Where uploads are put. */
  spoolDirectory: string
  close(): Promise<void>
}

/**
 * Opens a database.
 *
 * @param directory where `commonweal.duckdb` is; null for one in memory that is gone when it closes
 * @param memory the most bytes that DuckDB may use, above which it writes to disk
 * @throws Error that says what is in the way
 */
export async function openDuckDb(directory: string | null, memory: number): Promise<Opened> {
  // Loaded only when a store is opened: it is a native library of some size.
  const { DuckDBInstance } = await import('@duckdb/node-api')
  const temporary = directory === null ? await mkdtemp(join(tmpdir(), 'commonweal-')) : null
  const home = directory ?? (temporary as string)
  const spoolDirectory = join(home, 'uploads')
  await mkdir(spoolDirectory, { recursive: true })
  const path = directory === null ? ':memory:' : join(directory, 'commonweal.duckdb')
  let instance: DuckDBInstance
  try {
    instance = await DuckDBInstance.create(path)
  } catch (error) {
    throw openingError(path, error as Error)
  }
  // Only now is it sure that nobody else is reading them.
  for (const left of await readdir(spoolDirectory))
    await rm(join(spoolDirectory, left), { recursive: true, force: true })
  const connection = await instance.connect()
  const settings = [
    `SET memory_limit = '${Math.floor(memory / 1024)}KiB'`,
    `SET temp_directory = ${literal(join(spoolDirectory, 'spill'))}`,
    // How many rows a file has is not known beforehand, and the guess makes it the side that is held in memory. Joins are
    // written with the small side last, and stay so.
    "SET disabled_optimizers = 'join_order,build_side_probe_side'",
    'SET autoinstall_known_extensions = false',
    'SET autoload_known_extensions = false',
    `SET allowed_directories = [${literal(`${spoolDirectory}/`)}]`,
    'SET enable_external_access = false',
    'SET lock_configuration = true',
  ]
  for (const setting of settings) await connection.run(setting)
  connection.closeSync()
  return {
    instance,
    spoolDirectory,
    async close() {
      instance.closeSync()
      if (temporary !== null) await rm(temporary, { recursive: true, force: true })
    },
  }
}

function openingError(path: string, error: Error): Error {
  const holder = /\(PID (\d+)\)/.exec(error.message)?.[1]
  if (/Could not set lock|Conflicting lock/.test(error.message)) {
    const who = holder === undefined ? 'another process' : `another process (${holder})`
    return new Error(
      `the store ${path} is in use by ${who}. Only one process can have it: stop the other one, give this one a DATA_DIR of ` +
        'its own, or have both share PostgreSQL by DATABASE_URL.',
    )
  }
  return new Error(`the store ${path} cannot be opened: ${error.message}`)
}

/** The refusal that a full disk or memory amounts to; null for any other error. */
export function outOfSpace(error: unknown): StoreProblem | null {
  const message = (error as Error).message ?? ''
  if (/No space left|Disk quota exceeded/i.test(message))
    return new StoreProblem('out-of-space', 'There is no room on the disk.')
  if (/Out of Memory|failed to allocate|could not allocate/i.test(message))
    return new StoreProblem('out-of-space', 'The store has not enough memory for this (STORE_MEMORY).')
  return null
}

/** Runs a statement; resolves with its rows. */
export async function runRows(
  connection: DuckDBConnection,
  sql: string,
  parameters: readonly Parameter[] = [],
): Promise<Row[]> {
  const { values, types } = await bound(parameters)
  const result = await connection.runAndReadAll(sql, values, types)
  return result.getRowObjectsJS().map((row) => {
    const plain: Row = {}
    for (const [name, value] of Object.entries(row))
      plain[name] = (typeof value === 'bigint' ? Number(value) : value) as Row[string]
    return plain
  })
}

async function bound(
  parameters: readonly Parameter[],
): Promise<{ values: DuckDBValue[]; types: DuckDBType[] }> {
  const { BOOLEAN, DOUBLE, LIST, listValue, VARCHAR } = await import('@duckdb/node-api')
  const values: DuckDBValue[] = []
  const types: DuckDBType[] = []
  for (const parameter of parameters) {
    if (Array.isArray(parameter)) {
      values.push(listValue(parameter))
      types.push(LIST(VARCHAR))
    } else {
      values.push(parameter as DuckDBValue)
      types.push(typeof parameter === 'number' ? DOUBLE : typeof parameter === 'boolean' ? BOOLEAN : VARCHAR)
    }
  }
  return { values, types }
}

/** The rows of a query of numbers, column by column, in memory that threads can share. */
export async function runNumbers(
  connection: DuckDBConnection,
  sql: string,
  parameters: readonly Parameter[],
  types: readonly ('int' | 'float')[],
): Promise<(Int32Array | Float64Array)[]> {
  const { values, types: boundTypes } = await bound(parameters)
  const result = await connection.stream(sql, values, boundTypes)
  const columns = growingColumns(types)
  while (true) {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) return columns.done()
    const count = chunk.rowCount
    columns.add(
      count,
      types.map(
        (_, c) => (chunk.getColumnVector(c) as unknown as { items: Int32Array | Float64Array }).items,
      ),
    )
  }
}

/** Columns of numbers that grow as chunks of them come. */
export function growingColumns(types: readonly ('int' | 'float')[]) {
  let size = 4096
  let length = 0
  const make = (type: 'int' | 'float', entries: number) =>
    type === 'int'
      ? new Int32Array(new SharedArrayBuffer(4 * entries))
      : new Float64Array(new SharedArrayBuffer(8 * entries))
  let columns = types.map((type) => make(type, size))
  return {
    /** Appends the first `count` entries of each column. */
    add(count: number, values: readonly ArrayLike<number>[]) {
      if (length + count > size) {
        size = Math.max(2 * size, length + count)
        columns = columns.map((old, c) => {
          const larger = make(types[c], size)
          larger.set(old.subarray(0, length))
          return larger
        })
      }
      columns.forEach((column, c) => {
        const given = values[c]
        if (ArrayBuffer.isView(given))
          column.set((given as Int32Array | Float64Array).subarray(0, count), length)
        else for (let k = 0; k < count; k++) column[length + k] = given[k]
      })
      length += count
    },
    done: () => columns.map((column) => column.subarray(0, length)),
  }
}

/** DuckDB's vectors hold so many rows. */
const CHUNK_ROWS = 2048

/** Appends rows to a table within the connection's transaction. */
export async function appendRows(
  connection: DuckDBConnection,
  table: string,
  columns: readonly Column[],
): Promise<void> {
  const { DuckDBDataChunk } = await import('@duckdb/node-api')
  const described = await connection.runAndReadAll(`SELECT * FROM ${table} LIMIT 0`)
  const names = described.columnNames()
  const types = described.columnTypes()
  const length = columns[0].values.length
  const appender = await connection.createAppender(table)
  for (let from = 0; from < length; from += CHUNK_ROWS) {
    const count = Math.min(CHUNK_ROWS, length - from)
    const chunk = DuckDBDataChunk.create(types, count)
    names.forEach((name, c) => {
      const column = columns.find((one) => one.name === name)
      const wide = types[c].toString() === 'BIGINT'
      const values = new Array<DuckDBValue>(count)
      for (let k = 0; k < count; k++) {
        const value = column === undefined ? null : (column.values[from + k] ?? null)
        values[k] = wide && typeof value === 'number' ? BigInt(value) : value
      }
      chunk.setColumnValues(c, values)
    })
    appender.appendDataChunk(chunk)
    // A large batch takes its time: let others have their turn.
    if (from % (16 * CHUNK_ROWS) === 15 * CHUNK_ROWS) await setImmediate()
  }
  appender.closeSync()
}
