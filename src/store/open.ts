import { createStore } from './datasets.ts'
import { openEmbedded } from './embedded.ts'
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
export async function openStore({
  dataDirectory,
  databaseUrl,
  uploadLimit,
  storeMemory,
}: StoreConfig): Promise<Store> {
  if (databaseUrl === null) return createStore(await openEmbedded(dataDirectory, storeMemory), uploadLimit)
  const { openPostgres } = await import('./postgres.ts')
  return createStore(await openPostgres(databaseUrl, storeMemory), uploadLimit)
}
