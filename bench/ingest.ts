import { createReadStream } from 'node:fs'
import { type ComparisonFile, createTableAs } from './comparison-files.ts'
import { send } from './http.ts'
import { median } from './measure.ts'
import { copyCsv } from './postgres.ts'
import { figure, milliseconds, type Section, type Target, target } from './report.ts'
import { startService } from './server.ts'

const MEBIBYTE = 2 ** 20

/** A store, how the service is told to use it, and which dataset of it holds the comparisons when they are ingested. */
export type StoreUnderTest = { name: string; env: Record<string, string>; dataset: string }

/**
 * What it takes to send a file to the embedded store over HTTP, beside DuckDB's own CREATE TABLE AS from the same file. The
 * last file stays.
 */
export async function ingestEmbedded(
  store: StoreUnderTest,
  files: ComparisonFile[],
  comparisons: number,
  { folder, memory, rounds }: { folder: string; memory: number; rounds: number },
): Promise<Section> {
  const rows: string[][] = []
  const targets: Target[] = []
  for (const file of files) {
    const own: number[] = []
    const ours: number[] = []
    const service = await startService(store.env)
    for (let round = 1; round <= rounds; round++) {
      own.push(await createTableAs(folder, file, memory))
      const dataset = file === files.at(-1) && round === rounds ? store.dataset : 'tried'
      ours.push(await upload(service.url, dataset, file))
      if (dataset === 'tried') await send('DELETE', `${service.url}/datasets/tried`)
    }
    const peak = service.peakMemory()
    await service.stop()
    const [alone, whole] = [own, ours].map(median)
    rows.push([
      file.type,
      `${figure(file.bytes / MEBIBYTE)} MiB`,
      milliseconds(alone),
      milliseconds(whole),
      `${figure(whole / alone)} ×`,
      rate(comparisons, whole),
      peak === null ? 'not known here' : `${figure(peak / MEBIBYTE)} MiB`,
    ])
    targets.push(
      target(`${file.type}: at most 1.5 times CREATE TABLE AS`, whole / alone, 'at most', 1.5, ' times'),
    )
    if (peak !== null) {
      const aim = `${file.type}: resident memory under 1 GiB and what DuckDB may use`
      targets.push(target(aim, peak / MEBIBYTE, 'at most', 1024 + memory / MEBIBYTE, ' MiB'))
    }
  }
  return {
    title: `Ingest into the ${store.name} store`,
    about:
      `From the first byte of a file sent over the loopback to the 201, which says that it is on the disk; medians of ${rounds}, ` +
      "in turn with DuckDB's CREATE TABLE AS from the same file, by a process that does nothing else, into a file on the same " +
      `disk. Both have ${figure(memory / MEBIBYTE)} MiB for DuckDB. Memory is the most that was ever resident in the ` +
      'process of the service, started anew for each type of file.',
    header: ['', 'size', 'CREATE TABLE AS', 'ingest', 'ratio', 'rows/s', 'peak memory'],
    rows,
    // They are about ten million.
    targets: comparisons >= 1e7 ? targets : [],
  }
}

/** What it takes to send a file over HTTP into PostgreSQL, beside a plain COPY of the CSV. The last file stays. */
export async function ingestPostgres(
  store: StoreUnderTest,
  files: ComparisonFile[],
  comparisons: number,
): Promise<Section> {
  const csv = files.find(({ type }) => type === 'csv') as ComparisonFile
  const copy = await copyCsv(store.env.DATABASE_URL, csv.path)
  const rows = [['plain COPY of the CSV', milliseconds(copy), '', rate(comparisons, copy), '']]
  for (const file of files) {
    const service = await startService(store.env)
    const dataset = file === files.at(-1) ? store.dataset : 'tried'
    const ours = await upload(service.url, dataset, file)
    if (dataset === 'tried') await send('DELETE', `${service.url}/datasets/tried`)
    const peak = service.peakMemory()
    await service.stop()
    rows.push([
      file.type,
      milliseconds(ours),
      `${figure(ours / copy)} ×`,
      rate(comparisons, ours),
      peak === null ? 'not known here' : `${figure(peak / MEBIBYTE)} MiB`,
    ])
  }
  return {
    title: `Ingest into ${store.name}`,
    about:
      "The same files, once each, with the server's own settings. Beside it PostgreSQL's COPY of the CSV into a table of four " +
      'texts, which checks nothing and knows no ids. Memory is that of the service.',
    header: ['', 'took', 'ratio', 'rows/s', 'peak memory'],
    rows,
    targets: [],
  }
}

/** Makes a dataset of a file; resolves with the milliseconds that the upload took. */
async function upload(url: string, dataset: string, { path, media, bytes }: ComparisonFile): Promise<number> {
  await send('POST', `${url}/datasets`, { id: dataset })
  const headers = { 'Content-Type': media, 'Content-Length': String(bytes) }
  const since = performance.now()
  await send('POST', `${url}/datasets/${dataset}/comparisons`, createReadStream(path), headers)
  return performance.now() - since
}

const rate = (comparisons: number, ms: number) => figure((1000 * comparisons) / ms)
