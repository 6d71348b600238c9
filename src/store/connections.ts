import type { DuckDBConnection } from '@duckdb/node-api'
import { isBroken, type Opened, refusalOf, runTexts } from './duckdb.ts'

/** The connections of all who use a database, which is opened anew where it has broken. */
export type Connections = {
  use<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T>
  /** The texts of a query of one column, for as long as somebody reads them. */
  texts(sql: string): AsyncGenerator<string>
  /** Opens the database anew, as soon as all who use it are done. */
  renew(): void
  close(): Promise<void>
}

/** @param lasting whether what was committed is still there when the database is opened anew */
export function connectionsTo(duck: Opened, lasting: boolean): Connections {
  const idle: DuckDBConnection[] = []
  let users = 0
  let whenUnused: (() => void) | null = null
  let renewal: Promise<void> | null = null

  function renew() {
    if (!lasting) return
    renewal ??= new Promise<void>((unused) => {
      whenUnused = unused
    }).then(() => {
      whenUnused = null
      for (const connection of idle.splice(0)) connection.closeSync()
      // The next connection opens it.
      duck.shut()
      renewal = null
    })
    if (users === 0) whenUnused?.()
  }

  async function take(): Promise<DuckDBConnection> {
    while (renewal !== null) await renewal
    users++
    try {
      return idle.pop() ?? (await duck.connect())
    } catch (error) {
      leave()
      throw refusalOf(error) ?? error
    }
  }

  function leave() {
    users--
    if (users === 0) whenUnused?.()
  }

  function refused(error: unknown): unknown {
    if (isBroken(error)) renew()
    return refusalOf(error) ?? error
  }

  return {
    async use(work) {
      const connection = await take()
      try {
        return await work(connection)
      } catch (error) {
        throw refused(error)
      } finally {
        idle.push(connection)
        leave()
      }
    },
    async *texts(sql) {
      const connection = await take()
      try {
        yield* runTexts(connection, sql)
      } catch (error) {
        throw refused(error)
      } finally {
        // A query that nobody reads to its end is still on it.
        connection.closeSync()
        leave()
      }
    },
    renew,
    async close() {
      for (const connection of idle) connection.closeSync()
      await duck.close()
    },
  }
}
