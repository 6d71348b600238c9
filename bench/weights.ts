import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { quantile } from './measure.ts'
import { figure, type Section, target } from './report.ts'
import { startPoll, startService } from './server.ts'

const PATH = '/datasets/d/weights/w'
const ROUNDS = 5
const SECONDS = 3
/** Polls before any are counted, until both servers run compiled code. */
const WARM_UP = 150_000

/** Polls of published weights with If-None-Match a second, against a bare route that compares one tag. */
export async function polling(): Promise<Section> {
  const servers = [
    { name: 'Commonweal, published weights', server: await startService(), rates: [] as number[] },
    { name: 'bare Fastify route', server: await startPoll(), rates: [] as number[] },
  ]
  await publish(servers[0].server.url)
  for (const { server } of servers) await rate(`${server.url}${PATH}`, ['--amount', String(WARM_UP)])
  for (let round = 0; round < ROUNDS; round++) {
    for (const { server, rates } of servers)
      rates.push(await rate(`${server.url}${PATH}`, ['--duration', String(SECONDS)]))
  }
  for (const { server } of servers) await server.stop()
  const medians = servers.map(({ rates }) =>
    quantile(
      rates.toSorted((a, b) => a - b),
      0.5,
    ),
  )
  return {
    title: 'Service: polling published weights',
    about:
      `GET with If-None-Match, answered 304. Ten connections for ${SECONDS} seconds, ${ROUNDS} times in turn, after ` +
      `${figure(WARM_UP)} polls each to warm up; neither server writes a log. The bare route has the same path and headers, and ` +
      'compares the tag with a constant.',
    header: ['', 'requests/s (median)', 'min – max'],
    rows: servers.map(({ name, rates }, k) => [
      name,
      figure(medians[k]),
      `${figure(Math.min(...rates))} – ${figure(Math.max(...rates))}`,
    ]),
    targets: [
      target(
        'at least 70% of the requests per second of the bare route',
        medians[0] / medians[1],
        'at least',
        0.7,
        ' times',
      ),
    ],
  }
}

async function publish(url: string): Promise<void> {
  const send = async (method: string, path: string, body: unknown) => {
    const headers = { 'Content-Type': 'application/json' }
    const answer = await fetch(`${url}${path}`, { method, headers, body: JSON.stringify(body) })
    if (answer.status !== 201) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`)
  }
  const rows = ['g', 'h'].flatMap((group) => [
    { group, winner: 'a', loser: 'b', count: 3 },
    { group, winner: 'b', loser: 'a' },
  ])
  await send('POST', '/datasets', { id: 'd' })
  await send('POST', '/datasets/d/comparisons', { comparisons: rows })
  await send('PUT', PATH, { welfare: { function: 'nash' } })
}

const autocannon = fileURLToPath(import.meta.resolve('autocannon'))

/** Requests a second, all of them answered 304. */
async function rate(url: string, load: string[]): Promise<number> {
  const tag = (await fetch(url)).headers.get('etag')
  const options = ['--json', '--connections', '10', '--headers', `If-None-Match=${tag}`]
  const { stdout } = await promisify(execFile)(process.execPath, [autocannon, ...options, ...load, url])
  const result = JSON.parse(stdout)
  if (result.errors > 0 || result['3xx'] !== result.requests.total)
    throw new Error(`not every poll of ${url} was answered 304`)
  return result.requests.average
}
