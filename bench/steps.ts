import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Piscina } from 'piscina'
import type { StoredComparisons } from '../src/engine/comparisons/stored.ts'
import { countsWanted } from '../src/service/dataset-source.ts'
import { parseJson } from '../src/service/json.ts'
import { validate } from '../src/service/validate.ts'
import { openStore } from '../src/store/open.ts'
import { readBatch } from '../src/store/rows.ts'
import type { CountsQuery, Store } from '../src/store/store.ts'
import { GROUPS, ITEMS, withDuckDb } from './comparison-files.ts'
import type { StoreUnderTest } from './ingest.ts'
import { measure, median } from './measure.ts'
import { ask } from './postgres.ts'
import { figure, milliseconds, type Section } from './report.ts'
import { randomBatch, type Took } from './stored-requests.ts'

const MEBIBYTE = 2 ** 20
const WRITERS = [1, 16, 128]

/** What the steps that ask a store cost, by name; nothing where a step has another name there. */
export type StoreSteps = { counts: StoredComparisons; costs: Map<string, string> }

/** What each step costs that asks a store, measured on the store itself, without HTTP. */
export async function stepsOfStore(
  { env, dataset }: StoreUnderTest,
  comparisons: number,
  memory: number,
): Promise<StoreSteps> {
  const store = await openStore({
    dataDirectory: env.DATA_DIR ?? null,
    databaseUrl: env.DATABASE_URL ?? null,
    uploadLimit: 16 * 1024 ** 3,
    storeMemory: memory,
  })
  const costs = new Map<string, string>()
  const query: CountsQuery = {
    dataset,
    filters: {},
    groupBy: 'group',
    positions: false,
    annotators: false,
    squares: false,
  }
  const state = await measure(() => store.state(query))
  costs.set('asking what the data are (fingerprint)', milliseconds(state.median))
  const since = performance.now()
  const counts = await store.counts(query)
  const cold = performance.now() - since
  costs.set('counting all comparisons', milliseconds(cold))
  costs.set('… a comparison', `${figure((1e6 * cold) / comparisons)} ns`)
  costs.set('… a pair', `${figure((1e6 * cold) / counts.i.length)} ns`)
  costs.set('counts from memory', milliseconds((await measure(() => store.counts(query))).median))
  const [stored, added]: number[][] = [[], []]
  for (let round = 0; round < 5; round++) {
    const rows = readBatch(randomBatch(100 + round).comparisons, [])
    stored.push(await time(() => store.append(dataset, rows, { key: null, digest: String(round) })))
    added.push(await time(() => store.counts(query)))
  }
  costs.set('storing a batch of 1,000', milliseconds(median(stored)))
  costs.set('counting it and adding it to the counts', milliseconds(median(added)))
  for (const writers of WRITERS) {
    const rate = await batchesPerSecond(store, writers)
    costs.set(`small batches, ${writers} ${writers === 1 ? 'writer' : 'writers'}`, `${figure(rate)} a second`)
  }
  await store.close()
  costs.set('a comparison on the disk', `${figure((await bytesOf(env)) / comparisons)} bytes`)
  return { counts, costs }
}

/** How much of the disk a store takes that has nothing else to keep. */
async function bytesOf({ DATA_DIR, DATABASE_URL }: Record<string, string>): Promise<number> {
  if (DATABASE_URL !== undefined) {
    const [{ bytes }] = await ask(
      DATABASE_URL,
      'SELECT pg_database_size(current_database())::float8 AS bytes',
    )
    return Number(bytes)
  }
  // The file has room that was given back, which does not count.
  const [{ bytes }] = await withDuckDb(join(DATA_DIR, 'commonweal.duckdb'), MEBIBYTE * 256, (run) =>
    run('SELECT (used_blocks * block_size)::DOUBLE AS bytes FROM pragma_database_size()'),
  )
  return Number(bytes)
}

/** Batches of five comparisons a second, from writers who each wait for the answer before they send the next. */
async function batchesPerSecond(store: Store, writers: number): Promise<number> {
  const dataset = `small ${writers}`
  await store.create(dataset, null, [])
  const batches = 20 * writers + 200
  let sent = 0
  const ms = await time(() =>
    Promise.all(
      Array.from({ length: writers }, async () => {
        while (sent++ < batches) {
          const rows = readBatch(randomBatch(sent, 5).comparisons, [])
          await store.append(dataset, rows, { key: null, digest: String(sent) })
        }
      }),
    ),
  )
  await store.remove(dataset)
  return (1000 * batches) / ms
}

/** The steps that ask a store, store beside store. */
export function storeStepsSection(comparisons: number, stores: [name: string, steps: StoreSteps][]): Section {
  const [[, first]] = stores
  return {
    title: 'Costs per step: the stores',
    about:
      `On ${comparisons.toLocaleString('en')} stored comparisons, ${first.counts.i.length.toLocaleString('en')} different pairs of ` +
      'one group each, without HTTP. Small batches are of five comparisons; each writer waits for its answer, and a batch is ' +
      'answered when it is on the disk.',
    header: ['', ...stores.map(([name]) => name)],
    rows: [...first.costs.keys()].map((step) => [
      step,
      ...stores.map(([, { costs }]) => costs.get(step) ?? '–'),
    ]),
    targets: [],
  }
}

/**
 * What the other steps of a request on stored comparisons cost.
 *
 * @param cold what the service told of a request with nothing in memory
 * @param answer its answer
 */
export async function otherSteps(
  counts: StoredComparisons,
  cold: Took,
  answer: Buffer,
  folder: string,
): Promise<Section> {
  const pairs = counts.i.length
  const request = Buffer.from(JSON.stringify({ dataset: 'd', welfare: { function: 'nash' } }))
  const parse = await measure(() => {
    for (let k = 0; k < 1000; k++) {
      const body = parseJson(request)
      validate('aggregate', body)
      countsWanted('aggregate', body)
    }
  })
  const clone = await measure(() => structuredClone(counts))
  const trip = await roundTrip(counts)
  const parsed = JSON.parse(answer.toString())
  const write = await measure(() => new TextEncoder().encode(JSON.stringify(parsed)))
  const bytesPerPair = 3 * 4 + 4 * 8
  const perPair = (ms: number) => `${figure((1e6 * ms) / pairs)} ns a pair`
  return {
    title: 'Costs per step: the rest',
    about:
      `Of a request about ${GROUPS} groups × ${ITEMS.toLocaleString('en')} items and ${pairs.toLocaleString('en')} pairs. Reading, ` +
      'fitting and solving are those of the cold request to the embedded store above.',
    header: ['', 'cost', 'per unit'],
    rows: [
      ['parsing and checking the request', `${figure(parse.median)} µs`, ''],
      ['copying the names of the counts to a worker', milliseconds(clone.median), ''],
      ['a task to a worker and back', milliseconds(trip), ''],
      ['reading counts', milliseconds(cold.read), perPair(cold.read)],
      ['fitting all groups', milliseconds(cold.fit), perPair(cold.fit)],
      ['solving', milliseconds(cold.solve), ''],
      [
        `writing the answer, ${figure(answer.length / 1024)} KiB`,
        milliseconds(write.median),
        `${figure((1e6 * write.median) / answer.length)} ns a byte`,
      ],
      [
        'keeping counts in memory',
        `${figure((bytesPerPair * pairs) / MEBIBYTE)} MiB`,
        `${bytesPerPair} bytes a pair`,
      ],
      ["4 KiB onto the disk for sure (fdatasync, the stores' floor)", milliseconds(syncs(folder)), ''],
    ],
    targets: [],
  }
}

/** A task that is nothing but its way to a thread and back, in milliseconds. */
async function roundTrip(counts: StoredComparisons): Promise<number> {
  const piscina = new Piscina({
    filename: new URL('../src/service/worker.ts', import.meta.url).href,
    maxThreads: 1,
  })
  const empty = Object.fromEntries(
    Object.entries(counts).map(([name, value]) => [
      name,
      ArrayBuffer.isView(value) ? (value as Int32Array).subarray(0, 0) : Array.isArray(value) ? [] : value,
    ]),
  )
  const { median } = await measure(() => piscina.run(empty, { name: 'describe' }))
  await piscina.close()
  return median
}

/** The median time in milliseconds in which the disk says that it has some bytes. */
function syncs(folder: string): number {
  const file = openSync(join(folder, 'sync'), 'w')
  const page = Buffer.alloc(4096, 1)
  const took = Array.from({ length: 200 }, () => {
    const since = performance.now()
    writeSync(file, page)
    fdatasyncSync(file)
    return performance.now() - since
  })
  closeSync(file)
  return median(took)
}

async function time(work: () => Promise<unknown>): Promise<number> {
  const since = performance.now()
  await work()
  return performance.now() - since
}
