import { copyFileSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fit } from '../src/engine/fit.ts'
import { openDuckDb } from '../src/store/duckdb.ts'
import { openStore } from '../src/store/open.ts'
import { readBatch } from '../src/store/rows.ts'
import type { CountsQuery, Store } from '../src/store/store.ts'
import { figure } from './report.ts'

/**
 * What the embedded store costs: ingest of large files beside DuckDB's own CREATE TABLE AS from the same file into a file
 * of its own, counting cold and cached, small writers, and memory.
 *
 * Run by hand: `node bench/store.ts [comparisons]`, a million if not said. 10 groups × 1,000 items, 5,000 annotators.
 */

const comparisons = Number(process.argv[2] ?? 1_000_000)
const MEMORY = 1024 ** 3
const folder = mkdtempSync(join(tmpdir(), 'commonweal-bench-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const print = (line: string) => process.stdout.write(`${line}\n`)
const megabytes = (bytes: number) => `${Math.round(bytes / 1024 ** 2)} MiB`

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const since = performance.now()
  const result = await work()
  return { result, ms: performance.now() - since }
}

const own = await openDuckDb(join(folder, 'own'), MEMORY)
const connection = await own.connect()
await connection.run(
  `CREATE TEMP TABLE source AS SELECT 'group' || (i % 10) AS "group", 'item' || (hash(i) % 1000) AS winner, ` +
    `'item' || ((hash(i) % 1000 + 1 + hash(i + 7919) % 999) % 1000) AS loser, 'annotator' || (i % 5000) AS annotator ` +
    `FROM range(${comparisons}) r(i)`,
)
const OPTIONS = { parquet: 'FORMAT parquet', ndjson: 'FORMAT json', csv: 'FORMAT csv, HEADER' }
const READERS = {
  parquet: 'read_parquet',
  ndjson: `read_json_auto`,
  csv: 'read_csv',
}
const types = ['parquet', 'ndjson', 'csv'] as const
const paths = Object.fromEntries(types.map((type) => [type, join(own.spoolDirectory, `upload.${type}`)]))
for (const type of types) await connection.run(`COPY source TO '${paths[type]}' (${OPTIONS[type]})`)
await connection.run('DROP TABLE source')

const store = await openStore({
  dataDirectory: join(folder, 'store'),
  databaseUrl: null,
  uploadLimit: 16 * 1024 ** 3,
  storeMemory: MEMORY,
})
print(`${comparisons.toLocaleString('en')} comparisons\n`)
print('| file | size | CREATE TABLE AS | ingest | ratio | resident at most |')
print('| --- | --- | --- | --- | --- | --- |')
for (const type of types) {
  const create = await timed(() =>
    connection.run(`CREATE OR REPLACE TABLE own_${type} AS SELECT * FROM ${READERS[type]}('${paths[type]}')`),
  )
  const size = statSync(paths[type]).size
  await store.create(type, null, [])
  const path = join(store.spoolDirectory, `upload-${type}`)
  copyFileSync(paths[type], path)
  const watch = watchMemory()
  const ingest = await timed(() =>
    store.ingest(
      type,
      { path, bytes: size, digest: '', remove: async () => {} },
      type,
      { format: 'comparisons', columns: {}, group: null, covariates: [] },
      { key: null, digest: type },
    ),
  )
  print(
    `| ${[type, megabytes(size), `${figure(create.ms)} ms`, `${figure(ingest.ms)} ms`, figure(ingest.ms / create.ms), megabytes(watch())].join(' | ')} |`,
  )
  rmSync(path)
}
connection.closeSync()
await own.close()

const query: CountsQuery = {
  dataset: 'parquet',
  filters: {},
  groupBy: 'group',
  positions: false,
  annotators: false,
  squares: false,
}
const cold = await timed(() => store.counts(query))
const fitted = await timed(() => fit({ dataset: cold.result, model: {} } as never))
const cached = await timed(() => store.counts(query))
await appendRandom(store, 'parquet', 1000)
const updated = await timed(() => store.counts(query))
const again = await timed(() => fit({ dataset: updated.result, model: {} } as never))
print(
  `\ncounts of ${cold.result.i.length.toLocaleString('en')} pairs: cold ${figure(cold.ms)} ms, cached ${figure(cached.ms)} ms, after a batch of 1,000 ${figure(updated.ms)} ms`,
)
print(`fit of them: ${figure(fitted.ms)} ms, again ${figure(again.ms)} ms`)

await store.create('small', null, [])
for (const writers of [1, 16, 128]) {
  const batches = 20 * writers + 200
  let sent = 0
  const { ms } = await timed(() =>
    Promise.all(
      Array.from({ length: writers }, async () => {
        while (sent++ < batches) await appendRandom(store, 'small', 5)
      }),
    ),
  )
  print(`${writers} writers of batches of 5: ${figure((1000 * batches) / ms)} batches a second`)
}
print(`resident at the end ${megabytes(process.memoryUsage().rss)}`)
await store.close()

async function appendRandom(to: Store, dataset: string, count: number) {
  const rows = Array.from({ length: count }, (_, k) => ({
    group: `group${k % 10}`,
    winner: `item${(k * 37) % 1000}`,
    loser: `item${(k * 37 + 1) % 1000}`,
    annotator: `annotator${k}`,
  }))
  await to.append(dataset, readBatch(rows, []), { key: null, digest: String(count) })
}

/** The most that is resident until it is asked for. */
function watchMemory() {
  let most = process.memoryUsage().rss
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss)
  }, 20)
  return () => {
    clearInterval(timer)
    return Math.max(most, process.memoryUsage().rss)
  }
}
