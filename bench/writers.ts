import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startPostgres } from '../test/helpers/postgres.ts'
import { quantile } from './measure.ts'
import { figure } from './report.ts'
import { startService } from './server.ts'

/**
 * Small writers: batches of five comparisons in JSON a second, each durable when it is acknowledged, on either store.
 *
 * Run by hand: `node bench/writers.ts [writers]`, 128 if not said. Each writer has a connection that stays open, all of
 * them in a process of their own, and sends its next batch when the last one is acknowledged.
 */

const writers = Number(process.argv[2] ?? 128)
const ROUNDS = 5
const SECONDS = 4
const AIM = 1000

const folder = mkdtempSync(join(tmpdir(), 'commonweal-bench-'))
const ends: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })]
const comparisons = Array.from({ length: 5 }, (_, k) => ({
  group: `group${k % 10}`,
  winner: `item${k * 37}`,
  loser: `item${k * 37 + 1}`,
  annotator: `annotator${k}`,
}))
const file = join(folder, 'batch.json')
writeFileSync(file, JSON.stringify({ comparisons }))

const autocannon = fileURLToPath(import.meta.resolve('autocannon'))

/** Sends batches for a while; how many were acknowledged, and in how many seconds. */
async function load(url: string): Promise<{ batches: number; seconds: number }> {
  const options = [
    '--json',
    '--method',
    'POST',
    '--headers',
    'Content-Type=application/json',
    '--input',
    file,
  ]
  const size = ['--connections', String(writers), '--duration', String(SECONDS)]
  const { stdout } = await promisify(execFile)(process.execPath, [autocannon, ...options, ...size, url])
  const result = JSON.parse(stdout)
  if (result.non2xx + result.errors > 0)
    throw new Error(`${result.non2xx + result.errors} batches to ${url} failed`)
  return { batches: result['2xx'], seconds: result.duration }
}

const postgres = await startPostgres({ teardown: (end) => ends.push(end) })
const stores: { name: string; env: Record<string, string> }[] = [
  { name: 'embedded', env: { DATA_DIR: join(folder, 'data') } },
  { name: 'PostgreSQL', env: { DATABASE_URL: await postgres.database() } },
]
const print = (line: string) => process.stdout.write(`${line}\n`)
print(
  `${writers} writers of batches of ${comparisons.length}, ${ROUNDS} times ${SECONDS} seconds after one to warm up\n`,
)
print(`| store | batches/s (median) | min – max | at least ${figure(AIM)} |`)
print('| --- | --- | --- | --- |')
try {
  for (const { name, env } of stores) {
    const service = await startService(env)
    try {
      const made = await fetch(`${service.url}/datasets`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: '{"id":"d"}',
      })
      if (made.status !== 201) throw new Error(await made.text())
      const url = `${service.url}/datasets/d/comparisons`
      const runs = [await load(url)]
      for (let round = 0; round < ROUNDS; round++) runs.push(await load(url))
      const acknowledged = runs.reduce((sum, { batches }) => sum + batches, 0)
      const { batches } = (await (await fetch(`${service.url}/datasets/d`)).json()) as { batches: number }
      if (batches < acknowledged) throw new Error(`${acknowledged} batches acknowledged, ${batches} stored`)
      const rates = runs.slice(1).map((run) => run.batches / run.seconds)
      rates.sort((a, b) => a - b)
      const median = quantile(rates, 0.5)
      const range = `${figure(rates[0])} – ${figure(rates[ROUNDS - 1])}`
      print(`| ${[name, figure(median), range, median >= AIM ? 'met' : 'missed'].join(' | ')} |`)
    } finally {
      await service.stop()
    }
  }
} finally {
  for (const end of ends.toReversed()) await end()
}
