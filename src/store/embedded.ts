import { statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import type { DuckDBConnection } from '@duckdb/node-api'
import { connectionsTo } from './connections.ts'
import type { Database, Statements } from './database.ts'
import { appendRows, fileIn, isBroken, openDuckDb, runNumbers, runRows } from './duckdb.ts'
import { schemaSql, withoutIndexes } from './schema.ts'

/** From so many bytes on the log is brought into the file. */
const LOG_BYTES = 16 * 1024 ** 2

/**
 * The embedded database: DuckDB in one file, which one process has to itself.
 *
 * What was committed is in a log beside the file until a checkpoint brings it into the file. Where the disk is full a commit
 * fails and leaves no trace, but a checkpoint that fails has DuckDB refuse everything, reading too. So there is a checkpoint
 * only where there is room for it; should it fail all the same, the database is opened anew, which loses nothing.
 *
 * @param directory where the file is; null for a store in memory that is gone when it closes
 * @param memory the most bytes that it may use
 * @param warn is told where it had to be opened anew
 */
export async function openEmbedded(
  directory: string | null,
  memory: number,
  warn: (error: Error) => void,
): Promise<Database> {
  const duck = await openDuckDb(directory, memory)
  const connections = connectionsTo(duck, directory !== null)
  let wait = LOG_BYTES

  /** Brings a log of so many bytes or more into the file, where there is room for it there. */
  async function checkpoint(connection: DuckDBConnection, least: number) {
    if (directory === null) return
    const log = statSync(`${fileIn(directory)}.wal`, { throwIfNoEntry: false })?.size ?? 0
    if (log < least) return
    const { bavail, bsize } = await statfs(directory)
    if (bavail * bsize < log) return
    try {
      await connection.run('CHECKPOINT')
      wait = LOG_BYTES
    } catch (error) {
      // While others write there is none; who writes next tries again.
      if (!isBroken(error)) return
      wait = 2 * log
      connections.renew()
      warn(error as Error)
    }
  }

  await connections.use(async (connection) => {
    for (const sql of withoutIndexes(schemaSql('TEXT'))) await connection.run(sql)
  })
  return {
    kind: 'embedded',
    spoolDirectory: duck.spoolDirectory,
    transaction: (work) =>
      connections.use(async (connection) => {
        const result = await within(connection, work)
        await checkpoint(connection, wait)
        return result
      }),
    snapshot: (work) => connections.use((connection) => within(connection, work)),
    claim: async () => async () => {},
    reader: {
      run: (sql) => connections.use((connection) => runRows(connection, sql)),
      texts: connections.texts,
    },
    dump: async (query) => ({ relation: `(${query})`, remove: async () => {} }),
    async close() {
      await connections.use((connection) => checkpoint(connection, 1))
      await connections.close()
    },
  }
}

async function within<T>(
  connection: DuckDBConnection,
  work: (statements: Statements) => Promise<T>,
): Promise<T> {
  await connection.run('BEGIN')
  try {
    const result = await work(statementsOf(connection))
    await connection.run('COMMIT')
    return result
  } catch (error) {
    // A failed commit has ended the transaction already.
    await connection.run('ROLLBACK').catch(() => {})
    throw error
  }
}

function statementsOf(connection: DuckDBConnection): Statements {
  return {
    run: (sql, parameters) => runRows(connection, sql, parameters),
    numbers: (sql, parameters, types, order) =>
      runNumbers(connection, `${sql} ORDER BY ${order.join(', ')}`, parameters, types),
    insert: (table, columns) => appendRows(connection, table, columns),
    async stage({ rows, names }) {
      await connection.run(`CREATE OR REPLACE TEMP TABLE staged_names AS ${names}`)
      return { rows: `(${rows})`, names: 'staged_names' }
    },
    lock: async () => {},
  }
}
