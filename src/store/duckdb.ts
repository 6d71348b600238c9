import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { DuckDBConnection, DuckDBInstance, DuckDBType, DuckDBValue } from '@duckdb/node-api'
import type { Column, Parameter, Row } from './database.ts'
import { diskFull, SERVICE_DISK, StoreProblem } from './problem.ts'
import { literal } from './upload/sql.ts'

/** DuckDB, opened so that statements reach no file but those in one folder. */
export type Opened = {
  /** Where uploads are put. */
  spoolDirectory: string
  /** Opens the database where it is not. */
  connect(): Promise<DuckDBConnection>
  /** Closes the database, all of whose connections must be closed, until the next one is wanted. */
  shut(): void
  close(): Promise<void>
}

/** The database's file in a folder. */
export const fileIn = (directory: string) => join(directory, 'commonweal.duckdb')

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
  const path = directory === null ? ':memory:' : fileIn(directory)
  const settings = [
    `SET memory_limit = '${Math.floor(memory / 1024)}KiB'`,
    `SET temp_directory = ${literal(join(spoolDirectory, 'spill'))}`,
    // How many rows a file has is not known beforehand, and the guess makes it the side that is held in memory. Joins are
    // written with the small side last, and stay so.
    "SET disabled_optimizers = 'join_order,build_side_probe_side'",
    // A checkpoint that finds no room breaks the database, so that those who know of the room decide on checkpoints.
    "SET checkpoint_threshold = '1000TB'",
    'PRAGMA disable_checkpoint_on_shutdown',
    'SET autoinstall_known_extensions = false',
    'SET autoload_known_extensions = false',
    `SET allowed_directories = [${literal(`${spoolDirectory}/`)}]`,
    'SET enable_external_access = false',
    'SET lock_configuration = true',
  ]
  async function open(): Promise<DuckDBInstance> {
    const instance = await DuckDBInstance.create(path)
    const connection = await instance.connect()
    for (const setting of settings) await connection.run(setting)
    connection.closeSync()
    return instance
  }
  let instance: DuckDBInstance | null = await open().catch((error) => {
    throw openingError(path, error)
  })
  let opening: Promise<DuckDBInstance> | null = null
  const opened = async () => {
    opening ??= open().finally(() => {
      opening = null
    })
    instance = await opening
    return instance
  }
  const shut = () => {
    instance?.closeSync()
    instance = null
  }
  // Only now is it sure that nobody else is reading them.
  for (const left of await readdir(spoolDirectory))
    await rm(join(spoolDirectory, left), { recursive: true, force: true })
  return {
    spoolDirectory,
    connect: async () => (instance ?? (await opened())).connect(),
    shut,
    async close() {
      shut()
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

/** The refusal that a full disk or memory, or a broken database, amounts to; null for any other error. */
export function refusalOf(error: unknown): StoreProblem | null {
  const message = (error as Error).message ?? ''
  if (isBroken(error))
    return new StoreProblem('store-unavailable', 'The store is being opened anew, after a fault of its disk.')
  if (/No space left|Disk quota exceeded|File too large/i.test(message)) return diskFull(SERVICE_DISK)
  if (/Out of Memory|failed to allocate|could not allocate/i.test(message)) {
    const detail =
      'The store has not enough memory for this, nor the disk room for what does not fit, and nothing was stored: raise ' +
      'STORE_MEMORY, or make room on the disk.'
    return new StoreProblem('out-of-space', detail)
  }
  return null
}

/** Whether the database refuses everything until it is opened anew. */
export function isBroken(error: unknown): boolean {
  return /^FATAL Error|database has been invalidated/.test((error as Error).message ?? '')
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

/** The texts of a query of one column, as they are found. */
export async function* runTexts(connection: DuckDBConnection, sql: string): AsyncGenerator<string> {
  const result = await connection.stream(sql)
  while (true) {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) return
    yield chunk.getColumnValues(0).join('')
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
  try {
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
  } finally {
    // It holds the database open.
    appender.closeSync()
  }
}
