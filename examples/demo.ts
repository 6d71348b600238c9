import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { CompareResponse, FrontItem, FrontResult, OptimumResult } from '../schemas/aggregate.ts'

/**
 * Starts the real service on a free port, posts examples/cems.json to it over HTTP for several welfare functions, and
 * prints what they choose, at which weights, and who gives up how much.
 */

const write = (line = '') => process.stdout.write(`${line}\n`)

const service = spawn(process.execPath, [new URL('../src/server.ts', import.meta.url).pathname], {
  env: { ...process.env, PORT: '0', HOST: '127.0.0.1', LOG_LEVEL: 'info' },
  stdio: ['ignore', 'pipe', 'inherit'],
})
try {
  const address = await listening()
  const body = JSON.parse(readFileSync(new URL('cems.json', import.meta.url), 'utf8'))
  const functions = ['utilitarian', 'nash', 'maximin', 'pareto-front']
  const response = await fetch(`${address}/compare`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ ...body, welfare: functions.map((name) => ({ function: name })) }),
  })
  if (!response.ok) throw new Error(`the service answered ${response.status}: ${await response.text()}`)
  const { results } = (await response.json()) as CompareResponse
  const front = results.find((result) => result.function === 'pareto-front') as FrontResult
  tell(
    results.filter((result): result is OptimumResult => result.function !== 'pareto-front'),
    front,
  )
} finally {
  service.kill('SIGTERM')
}

/** The address at which the service says that it listens. */
async function listening(): Promise<string> {
  for await (const line of createInterface({ input: service.stdout })) {
    const found = /Server listening at (http:\/\/[^"]+)/.exec(line)
    if (found) {
      service.stdout.resume()
      return found[1]
    }
  }
  throw new Error('the service ended before it listened')
}

function tell(optima: OptimumResult[], front: FrontResult): void {
  const { groups } = front
  const comparisons = groups.reduce((sum, { fit }) => sum + (fit?.comparisons ?? 0), 0)
  write(`303 students in Vienna compared six universities to visit, two at a time: ${comparisons} answers.`)
  write('The groups are the languages they speak well, besides English and German.')

  title('What each group wants (0: its worst university, 1: its best)')
  const schools = optima[0].ranking.map(({ item }) => item)
  table(
    ['', ...schools],
    groups.map(({ id, utilities }) => [id, ...schools.map((item) => fixed(utilities[item]))]),
  )

  title('What each welfare function chooses')
  table(
    ['', 'choice', ...groups.map(({ id }) => `weight: ${id}`)],
    optima.map(({ function: name, policy, weights }) => [
      name,
      lottery(policy),
      ...groups.map(({ id }) => fixed(weights[id])),
    ]),
  )
  write(
    'A lottery is read as shares: of places, of answers, of training signal. The weights are what to train with.',
  )

  title('Ranking by aggregated reward')
  table(
    ['', ...optima[0].ranking.map((_, k) => `${k + 1}.`)],
    optima.map(({ function: name, ranking }) => [
      name,
      ...ranking.map(({ item, rank }, k) => (rank === k + 1 ? item : `= ${item}`)),
    ]),
  )

  title('What each group gets, and gives up against its best')
  table(
    ['', ...optima.map(({ function: name }) => name)],
    groups.map(({ id }, g) => [
      id,
      ...optima.map((optimum) => `${fixed(optimum.groups[g].utility)} (−${fixed(optimum.groups[g].regret)})`),
    ]),
  )

  const [reference, , maximin] = optima
  title('From utilitarian to maximin: who gains, who pays')
  table(
    ['', 'change'],
    groups.map(({ id }, g) => [id, signed(maximin.groups[g].utility - reference.groups[g].utility)]),
  )

  title('The Pareto front: what no other university beats for all groups')
  table(
    ['', 'best at these weights', 'share of all weights'],
    (front.front as FrontItem[]).map(({ item, weights, share, shareError }) => [
      item,
      weights === null ? 'none' : groups.map(({ id }) => `${id} ${fixed(weights[id])}`).join(', '),
      `${fixed(share)}${shareError > 0 ? ` ± ${fixed(shareError, 3)}` : ''}`,
    ]),
  )
  write(
    `Beaten for every group: ${front.dominated.map(({ item, by }) => `${item} (by ${by.join(', ')})`).join('; ')}.`,
  )

  title('How sure: the largest relative duality gap, recomputed from the answer')
  table(
    ['', 'relative gap', 'only optimum'],
    optima.map(({ function: name, certificate }) => [
      name,
      certificate.relativeGap.toExponential(1),
      certificate.unique ? 'yes' : 'no',
    ]),
  )
}

function title(text: string): void {
  write(`\n${text}\n`)
}

/** Prints rows under a header, in columns as wide as their widest cell. */
function table(header: string[], rows: string[][]): void {
  const all = [header, ...rows]
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column].length)))
  for (const row of all)
    write(`  ${row.map((cell, column) => cell.padEnd(widths[column])).join('  ')}`.trimEnd())
}

function lottery(policy: Record<string, number>): string {
  return Object.entries(policy)
    .filter(([, share]) => share > 5e-4)
    .sort(([, a], [, b]) => b - a)
    .map(([item, share]) => (share > 0.9995 ? item : `${item} ${(100 * share).toFixed(1)}%`))
    .join(', ')
}

function fixed(value: number, digits = 2): string {
  return value.toFixed(digits).replace(/^-(0\.0*)$/, '$1')
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`
}
