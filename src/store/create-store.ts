import { writeRows } from './append.ts'
import { headOf, listBatches, rememberedBatches } from './batches.ts'
import { CountsCache } from './cache.ts'
import { claimsIn } from './claims.ts'
import { countStored, type Span } from './counts.ts'
import type { Database } from './database.ts'
import { extentOf, findDataset, listDatasets, makeDataset, removeDataset } from './datasets.ts'
import { eraseAnnotator, eraseBatch } from './erasure.ts'
import { exportRows } from './export.ts'
import { ingestFile } from './ingest.ts'
import type { Rows } from './rows.ts'
import { stateOf } from './state.ts'
import type { Batch, Identity, Store } from './store.ts'
import { accessTo, tablesOf } from './tables.ts'
import { Groups, Turns } from './turns.ts'
import { createWeightStore } from './weights.ts'

/**
 * The store, written once over either database.
 *
 * `datasets` and `batches` tell what there is; each dataset has a table `rows_<key>` of its comparisons and a table
 * `names_<key>` of the ids in them, which rows have as integers.
 */
export function createStore(database: Database, uploadLimit: number): Store {
  const turns = new Turns<number>()
  const { reading, writing, forget } = accessTo(database, turns)
  const { reader, spoolDirectory } = database
  const claim = claimsIn(database)
  const cache = new CountsCache()
  const weights = createWeightStore(database, tablesOf, writing)

  /** Small batches that wait together are written together. */
  const appending = new Groups<string, { rows: Rows; identity: Identity }, Batch>((id, items) =>
    writing(id, async (statements, tables) =>
      writeRows(statements, tables, await headOf(statements, tables.key), items),
    ),
  )
  // Many small writers ask at once. Those who ask while a question is on its way share the next one, so that each hears of
  // what was there when it asked.
  const covariates = new Groups<string, null, readonly string[]>((id, items) =>
    reading(id, async (_, { covariates }) => items.map(() => covariates)),
  )
  const remembered = new Groups<string, string, { batch: Batch; digest: string } | null>((id, keys) =>
    reading(id, (statements, tables) => rememberedBatches(statements, tables, keys)),
  )

  return {
    kind: database.kind,
    spoolDirectory,
    weights,

    create: (id, description, covariates) =>
      turns.take(0, () =>
        database.transaction(async (statements) => {
          await statements.lock(0)
          return makeDataset(statements, database.kind === 'postgresql', id, description, covariates)
        }),
      ),
    list: (after, limit) => database.snapshot((statements) => listDatasets(statements, after, limit)),
    find: (id) => database.snapshot((statements) => findDataset(statements, id)),
    covariates: (id) => covariates.add(id, null),
    extent: (dataset) => reading(dataset, extentOf),
    async remove(id) {
      const key = await writing(id, async (statements, { key }) => {
        await removeDataset(statements, key)
        return key
      })
      forget(id)
      cache.forget(key)
      weights.forget()
    },

    claim: (dataset, key) => claim(JSON.stringify([dataset, key])),
    remembered: (dataset, key) => remembered.add(dataset, key),
    append: (dataset, rows, identity) => appending.add(dataset, { rows, identity }),
    ingest: (dataset, { path }, type, layout, identity) =>
      ingestFile(reader, writing, dataset, { path, type, layout, limit: uploadLimit }, identity),
    batches: (dataset, after, limit) =>
      reading(dataset, (statements, tables) => listBatches(statements, tables, after, limit)),

    eraseBatch: (dataset, batch) =>
      writing(dataset, (statements, tables) => eraseBatch(statements, tables, batch)),
    eraseAnnotator: (dataset, annotator) =>
      writing(dataset, (statements, tables) => eraseAnnotator(statements, tables, annotator)),

    export: (dataset, format) => exportRows(database, reading, dataset, format),
    counts: (query) =>
      reading(query.dataset, async (statements, tables) => {
        const seen = await stateOf(statements, tables.key, query)
        const count = (span: Span) => countStored(statements, tables, query, span, seen.fingerprint)
        return cache.read(tables.key, query, seen, count, seen.fingerprint)
      }),
    state: (query) => reading(query.dataset, (statements, { key }) => stateOf(statements, key, query)),

    close: () => database.close(),
  }
}
