import type { DuckDBConnection } from '@duckdb/node-api'
import type { Database, Statements } from './database.ts'
import { schemaSql } from './datasets.ts'
import { appendRows, openDuckDb, outOfSpace, runNumbers, runRows } from './duckdb.ts'

/**
 * The embedded database: DuckDB in one file, which one process has to itself.
 *
 * @param directory where the file is; null for a store in memory that is gone when it closes
 * @param memory the most bytes that it may use
 */
export async function openEmbedded(directory: string | null, memory: number): Promise<Database> {
  const { instance, spoolDirectory, close } = await openDuckDb(directory, memory)
  const idle: DuckDBConnection[] = []

  async function connected<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    const connection = idle.pop() ?? (await instance.connect())
    try {
      return await work(connection)
    } finally {
      idle.push(connection)
    }
  }

  const transaction = <T>(work: (statements: Statements) => Promise<T>) =>
    connected(async (connection) => {
      await connection.run('BEGIN')
      try {
        const result = await work(statementsOf(connection))
        await connection.run('COMMIT')
        return result
      } catch (error) {
        // A failed commit has ended the transaction already.
        await connection.run('ROLLBACK').catch(() => {})
        throw outOfSpace(error) ?? error
      }
    })

  await connected(async (connection) => {
    for (const sql of schemaSql('TEXT')) await connection.run(sql)
  })
  return {
    kind: 'embedded',
    spoolDirectory,
    transaction,
    snapshot: transaction,
    claim: async () => async () => {},
    reader: { run: (sql) => connected((connection) => runRows(connection, sql)) },
    dump: async (query) => ({ relation: `(${query})`, remove: async () => {} }),
    async close() {
      for (const connection of idle) connection.closeSync()
      await close()
    },
  }
}

function statementsOf(connection: DuckDBConnection): Statements {
  return {
    run: (sql, parameters) => runRows(connection, sql, parameters),
    numbers: (sql, parameters, types) => runNumbers(connection, sql, parameters, types),
    insert: (table, columns) => appendRows(connection, table, columns),
    async stage({ rows, names }) {
      await connection.run(`CREATE OR REPLACE TEMP TABLE staged_names AS ${names}`)
      return { rows: `(${rows})`, names: 'staged_names' }
    },
    lock: async () => {},
  }
}
