import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { startPostgres } from '../test/helpers/postgres.ts'

/** A PostgreSQL server with one empty database, with the settings that it comes with. */
export async function startDatabase(): Promise<{ url: string; stop(): Promise<void> }> {
  const ends: (() => unknown)[] = []
  const server = await startPostgres({ teardown: (end) => void ends.push(end as () => unknown) })
  const url = await server.database()
  return {
    url,
    async stop() {
      for (const end of ends) await end()
    },
  }
}

/** Asks the server itself. */
export async function ask(url: string, sql: string): Promise<Record<string, unknown>[]> {
  return connected(url, async (client) => (await client.query(sql)).rows)
}

/** How long PostgreSQL alone takes to copy comparisons into a table of texts, in milliseconds. */
export async function copyCsv(url: string, path: string): Promise<number> {
  return connected(url, async (client) => {
    await client.query('CREATE TABLE own ("group" TEXT, winner TEXT, loser TEXT, annotator TEXT)')
    const since = performance.now()
    await pipeline(createReadStream(path), client.query(copyFrom('COPY own FROM STDIN (FORMAT csv, HEADER)')))
    const took = performance.now() - since
    await client.query('DROP TABLE own')
    return took
  })
}

async function connected<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
