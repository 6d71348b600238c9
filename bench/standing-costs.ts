import { setTimeout } from 'node:timers/promises'
import { send } from './http.ts'
import type { StoreUnderTest } from './ingest.ts'
import { measure } from './measure.ts'
import { ask } from './postgres.ts'
import { figure, milliseconds, type Section } from './report.ts'
import { startService } from './server.ts'

const JOBS = 90
const IDLE_SECONDS = 20

const request = {
  rewards: { east: { a: 4, b: 1 }, west: { a: 0, b: 2 } },
  welfare: { function: 'nash' },
}

/** What it costs to make a request a job, and what a replica costs its database while nobody asks it anything. */
export async function jobsAndIdling(stores: StoreUnderTest[]): Promise<Section> {
  const columns: string[][] = []
  for (const { env } of stores) {
    const service = await startService(env)
    const direct = await measure(() => send('POST', `${service.url}/aggregate`, request))
    const job = await measure(() => asJob(service.url))
    const since = performance.now()
    await Promise.all(Array.from({ length: JOBS }, () => asJob(service.url)))
    const rate = (1000 * JOBS) / (performance.now() - since)
    const idle = env.DATABASE_URL === undefined ? null : await idleCost(env.DATABASE_URL)
    await service.stop()
    columns.push([
      milliseconds(direct.median),
      milliseconds(job.median),
      `${figure(rate)} a second`,
      idle === null ? 'none' : `${figure(idle.transactions)} a second`,
      idle === null ? 'none' : String(idle.connections),
    ])
  }
  const steps = [
    'a small request answered at once',
    'the same as a job: accepted, done, read',
    `${JOBS} such jobs at once`,
    'transactions of a replica that nobody asks',
    'connections that it holds',
  ]
  return {
    title: 'Costs per step: jobs, and standing by',
    about: `A job is followed by its events. Standing by is measured over ${IDLE_SECONDS} seconds.`,
    header: ['', ...stores.map(({ name }) => name)],
    rows: steps.map((step, k) => [step, ...columns.map((column) => column[k])]),
    targets: [],
  }
}

/** Has a request answered as a job. */
async function asJob(url: string): Promise<void> {
  const { headers } = await send('POST', `${url}/aggregate`, request, { Prefer: 'respond-async' })
  // The stream ends with the job.
  await send('GET', `${url}${headers.location}/events`)
  await send('GET', `${url}${headers.location}/result`)
}

async function idleCost(url: string) {
  const read = async () => {
    const [row] = await ask(
      url,
      'SELECT xact_commit + xact_rollback AS done, ' +
        '(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()) AS held ' +
        'FROM pg_stat_database WHERE datname = current_database()',
    )
    return { done: Number(row.done), held: Number(row.held) }
  }
  // What was done just now is told a moment later.
  await setTimeout(2000)
  const before = await read()
  await setTimeout(1000 * IDLE_SECONDS)
  const after = await read()
  return { transactions: (after.done - before.done) / IDLE_SECONDS, connections: after.held }
}
