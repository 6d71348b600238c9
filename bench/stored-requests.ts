import { GROUPS, ITEMS } from './comparison-files.ts'
import { send } from './http.ts'
import type { StoreUnderTest } from './ingest.ts'
import { measure, median } from './measure.ts'
import { milliseconds, type Section, type Target, target } from './report.ts'
import { startService } from './server.ts'

/** What one request took: the whole of it as its client sees it, and its stages as the service tells them, in milliseconds. */
export type Took = { whole: number; read: number; fit: number; solve: number }

const STAGES = ['read', 'fit', 'solve'] as const
const REPEATS = 5
const BATCH = 1000

/**
 * What answers on stored comparisons take: with nothing in memory, with everything, with another welfare function, and after
 * more comparisons have come.
 *
 * @returns the table, what the first request took and its answer
 */
export async function storedRequests(
  store: StoreUnderTest,
  comparisons: number,
): Promise<{ section: Section; cold: Took; answer: Buffer }> {
  const service = await startService(store.env)
  const ask = async (welfare: object) => {
    const before = await stagesOf(service.url)
    const since = performance.now()
    const { body } = await send('POST', `${service.url}/aggregate`, { dataset: store.dataset, welfare })
    const whole = performance.now() - since
    const after = await stagesOf(service.url)
    return { took: { whole, ...minus(after, before) }, body }
  }
  const nash = { function: 'nash' }
  const { took: cold, body: answer } = await ask(nash)
  const cached = await several(async () => (await ask(nash)).took)
  const maximin = (await ask({ function: 'maximin' })).took
  const kolm = (await ask({ function: 'kolm-pollak', kappa: 1 })).took
  const sent: number[] = []
  const grown = await several(async (round) => {
    const since = performance.now()
    await send('POST', `${service.url}/datasets/${store.dataset}/comparisons`, randomBatch(round))
    sent.push(performance.now() - since)
    return (await ask(nash)).took
  })
  const weights = `${service.url}/datasets/${store.dataset}/weights/w`
  await send('PUT', weights, { welfare: nash })
  const download = await measure(() => send('GET', weights))
  await service.stop()

  const row = (what: string, took: Took) => {
    const rest = took.whole - took.read - took.fit - took.solve
    return [what, ...[took.whole, took.read, took.fit, took.solve, rest].map(milliseconds)]
  }
  const targets: Target[] = [
    target('cold: under 5 s', cold.whole / 1000, 'at most', 5, ' s'),
    target('counts and fits cached: under 300 ms', cached.whole, 'at most', 300, ' ms'),
  ]
  return {
    cold,
    answer,
    section: {
      title: `POST /aggregate on ${comparisons.toLocaleString('en')} stored comparisons: ${store.name}`,
      about:
        `${GROUPS} groups × ${ITEMS.toLocaleString('en')} items, Nash welfare where nothing else is said, from the request to the ` +
        "last byte of the answer. Cold is the first request after a start of the service (the disk's own cache is warm). Cached " +
        `and after a batch are medians of ${REPEATS}. Stages are as the service measures them in its worker; the rest is ` +
        'counting, handing over and writing the answer.',
      header: ['', 'whole', 'read', 'fit', 'solve', 'rest'],
      rows: [
        row('cold', cold),
        row('the same again', cached),
        row('another welfare function: maximin', maximin),
        row('another welfare function: kolm-pollak', kolm),
        row('after a batch of 1,000 comparisons', grown),
        ['sending such a batch', milliseconds(median(sent)), '', '', '', ''],
        ['reading the answer where it is published', milliseconds(download.median), '', '', '', ''],
      ],
      targets: comparisons >= 1e7 ? targets : [],
    },
  }
}

/** Seconds that the service has spent on each stage of aggregations since it started, in milliseconds. */
async function stagesOf(url: string): Promise<Omit<Took, 'whole'>> {
  const metrics = (await send('GET', `${url}/metrics`)).body.toString()
  const sum = (stage: string) => {
    const line = `^commonweal_${stage}_duration_seconds_sum\\{operation="aggregate"\\} (.+)$`
    return 1000 * Number(new RegExp(line, 'm').exec(metrics)?.[1] ?? 0)
  }
  return { read: sum('read'), fit: sum('fit'), solve: sum('solve') }
}

function minus(after: Omit<Took, 'whole'>, before: Omit<Took, 'whole'>): Omit<Took, 'whole'> {
  return {
    read: after.read - before.read,
    fit: after.fit - before.fit,
    solve: after.solve - before.solve,
  }
}

/** The median of several requests, stage by stage. */
async function several(request: (round: number) => Promise<Took>): Promise<Took> {
  const all: Took[] = []
  for (let round = 0; round < REPEATS; round++) all.push(await request(round))
  const of = (part: keyof Took) => median(all.map((took) => took[part]))
  const [read, fit, solve] = STAGES.map(of)
  return { whole: of('whole'), read, fit, solve }
}

/** Comparisons of pairs spread over all groups and items. */
export function randomBatch(seed: number, length = BATCH) {
  const rows = Array.from({ length }, (_, k) => {
    const winner = (k * 37 + seed * 101) % ITEMS
    return {
      group: `group${k % GROUPS}`,
      winner: `item${winner}`,
      loser: `item${(winner + 1 + (k % (ITEMS - 1))) % ITEMS}`,
      annotator: `annotator${k}`,
    }
  })
  return { comparisons: rows }
}
