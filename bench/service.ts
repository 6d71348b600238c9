import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { pairRows, randomColumns } from './data.ts'
import { measure, quantile, type Timing } from './measure.ts'
import { figure, milliseconds, type Section, TIMING_HEADER, target, timingCells } from './report.ts'
import { openClient, startEcho, startService } from './server.ts'

const MEBIBYTE = 2 ** 20
const welfare = { function: 'nash' }

/** How long a request of 100,000 comparisons takes its client, against JSON.parse of the same text. */
export async function latency(): Promise<Section> {
  const service = await startService()
  const client = openClient()
  const rows: string[][] = []
  const targets = []
  for (const items of [50, 200]) {
    const body = Buffer.from(JSON.stringify({ comparisons: randomColumns(4, items, 100_000, 1), welfare }))
    const parse = await timeParse(body)
    const whole = await measure(() => client.send(`${service.url}/aggregate`, body))
    const what = `4 groups × ${items} items, ${figure(body.length / MEBIBYTE)} MiB`
    rows.push([`${what}: JSON.parse alone`, ...timingCells(parse)])
    rows.push([`${what}: POST /aggregate`, ...timingCells(whole)])
    const ratio = whole.median / parse.median
    targets.push(
      target(`at most 3 times as long as JSON.parse, ${items} items`, ratio, 'at most', 3, ' times'),
    )
  }
  client.close()
  await service.stop()
  return {
    title: 'Service: 100,000 comparisons in columns',
    about:
      'From the first byte sent to the last byte received, over one connection on the loopback, Nash welfare. JSON.parse is ' +
      'timed on the same text in a process that does nothing else.',
    header: ['', ...TIMING_HEADER],
    rows,
    targets,
  }
}

/** Requests a second, against a route that validates the same body and sends it back. */
export async function throughput(): Promise<Section> {
  const body = JSON.stringify({ comparisons: pairRows(3, 6, 1), welfare })
  const servers = [
    { name: 'Commonweal POST /aggregate', server: await startService(), rates: [] as number[] },
    { name: 'bare Fastify route: validate and echo', server: await startEcho(), rates: [] as number[] },
  ]
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  const file = join(folder, 'body.json')
  writeFileSync(file, body)
  for (const { server } of servers) await rate(server.url, file, 3)
  for (let round = 0; round < 5; round++) {
    for (const { server, rates } of servers) rates.push(await rate(server.url, file, 3))
  }
  for (const { server } of servers) await server.stop()
  rmSync(folder, { recursive: true })

  const [ours, bare] = servers.map(({ rates }) =>
    quantile(
      rates.toSorted((a, b) => a - b),
      0.5,
    ),
  )
  return {
    title: 'Service: 3 groups × 15 pair counts',
    about:
      `A body of ${body.length} bytes with 45 rows, each ten comparisons of two of six items; Nash welfare. Ten connections for ` +
      'three seconds, five times in turn, after one turn to warm up; neither server writes a log. The bare route validates ' +
      "with Fastify's own Ajv and the same schema.",
    header: ['', 'requests/s (median)', 'min – max'],
    rows: servers.map(({ name, rates }) => [
      name,
      figure(
        quantile(
          rates.toSorted((a, b) => a - b),
          0.5,
        ),
      ),
      `${figure(Math.min(...rates))} – ${figure(Math.max(...rates))}`,
    ]),
    targets: [
      target(
        'at least half the requests per second of the bare route',
        ours / bare,
        'at least',
        0.5,
        ' times',
      ),
    ],
  }
}

/** What a million comparisons in one request take in memory, and whether the service answers others meanwhile. */
export async function memory(): Promise<Section> {
  const body = Buffer.from(JSON.stringify({ comparisons: randomColumns(4, 500, 1_000_000, 1), welfare }))
  const service = await startService()
  const client = openClient()
  const watcher = openClient()
  const idle = service.peakMemory()
  const took: number[] = []
  const waits: number[] = []
  for (let request = 0; request < 5; request++) {
    const start = performance.now()
    const answer = client.send(`${service.url}/aggregate`, body)
    let done = false
    answer.finally(() => {
      done = true
    })
    while (!done) {
      const asked = performance.now()
      await watcher.send(`${service.url}/health/live`)
      waits.push(performance.now() - asked)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await answer
    took.push(performance.now() - start)
  }
  const peak = service.peakMemory()
  client.close()
  watcher.close()
  await service.stop()

  took.sort((a, b) => a - b)
  waits.sort((a, b) => a - b)
  const p99 = quantile(waits, 0.99)
  const mebibytes = (bytes: number | null) =>
    bytes === null ? 'not known here' : `${figure(bytes / MEBIBYTE)} MiB`
  return {
    title: 'Service: 1,000,000 comparisons in columns',
    about:
      `A body of ${figure(body.length / MEBIBYTE)} MiB (4 groups × 500 items), sent five times to a service just started; meanwhile ` +
      'GET /health/live every 5 ms over a connection of its own. Memory is the most that was ever resident in the process, ' +
      'worker threads included.',
    header: ['', 'measured'],
    rows: [
      ['the whole request, median', milliseconds(quantile(took, 0.5))],
      ['/health/live meanwhile, median', milliseconds(quantile(waits, 0.5))],
      ['/health/live meanwhile, 99th percentile', milliseconds(p99)],
      ['/health/live meanwhile, longest', milliseconds(waits[waits.length - 1])],
      ['/health/live meanwhile, times asked', figure(waits.length)],
      ['peak memory before the first request', mebibytes(idle)],
      ['peak memory after the last', mebibytes(peak)],
    ],
    targets: [
      peak === null
        ? { aim: 'resident memory under 1 GiB', measured: 'not known here', met: null }
        : target('resident memory under 1 GiB', peak / MEBIBYTE, 'at most', 1024, ' MiB'),
      target('99th percentile of /health/live under 50 ms', p99, 'at most', 50, ' ms'),
    ],
  }
}

/** Times JSON.parse on a text, in a process of its own. */
async function timeParse(body: Buffer): Promise<Timing> {
  const child = spawn(process.execPath, [new URL('parse.ts', import.meta.url).pathname], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.end(body)
  return JSON.parse(await text(child.stdout))
}

const autocannon = fileURLToPath(import.meta.resolve('autocannon'))

/** Requests per second that a server answers, all with 200, for so many seconds. */
async function rate(url: string, file: string, seconds: number): Promise<number> {
  const options = [
    '--json',
    '--method',
    'POST',
    '--headers',
    'Content-Type=application/json',
    '--input',
    file,
  ]
  const load = ['--connections', '10', '--duration', String(seconds)]
  const { stdout } = await promisify(execFile)(process.execPath, [
    autocannon,
    ...options,
    ...load,
    `${url}/aggregate`,
  ])
  const result = JSON.parse(stdout)
  if (result.non2xx + result.errors > 0)
    throw new Error(`${result.non2xx + result.errors} requests to ${url} failed`)
  return result.requests.average
}
