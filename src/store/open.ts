import { createStore } from './create-store.ts'
import type { Database } from './database.ts'
import { openEmbedded } from './embedded.ts'
import { createJobs, type JobLimits, type Jobs } from './jobs.ts'
import { embeddedQueue } from './jobs-embedded.ts'
import type { Store } from './store.ts'

/** Where comparisons are kept, and within what limits. */
export type StoreConfig = {
  dataDirectory: string | null
  databaseUrl: string | null
  uploadLimit: number
  storeMemory: number
}

/**
 * Opens the store: PostgreSQL where there is a DATABASE_URL, else DuckDB in one file.
 *
 * @throws Error that says what is in the way
 */
export async function openStore(config: StoreConfig): Promise<Store> {
  return createStore(await openDatabase(config, () => {}), config.uploadLimit)
}

/**
 * The store, and the jobs that are kept in the same database; closed jobs first.
 *
 * @param warn is told of what is in trouble, and goes on
 */
export async function openStoreAndJobs(
  config: StoreConfig & JobLimits,
  slots: number,
  warn: (error: Error) => void,
): Promise<{ store: Store; jobs: Jobs }> {
  const database = await openDatabase(config, warn)
  try {
    const queue =
      config.databaseUrl === null
        ? embeddedQueue(database, slots)
        : await (await import('./jobs-postgres.ts')).postgresQueue(config.databaseUrl, slots, warn)
    return {
      store: createStore(database, config.uploadLimit),
      jobs: await createJobs(database, queue, config),
    }
  } catch (error) {
    await database.close()
    throw error
  }
}

async function openDatabase(
  { dataDirectory, databaseUrl, storeMemory }: StoreConfig,
  warn: (error: Error) => void,
): Promise<Database> {
  if (databaseUrl === null) return openEmbedded(dataDirectory, storeMemory, warn)
  const { openPostgres } = await import('./postgres.ts')
  return openPostgres(databaseUrl, storeMemory)
}
