import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { CompareResponse, FrontItem, FrontResult, OptimumResult } from '../schemas/aggregate.ts'

/**
 * Starts the real service on a free port, posts examples/cems.json to it over HTTP for several welfare functions, and
 * prints what they choose, at which weights, and who gives up how much.
 */

/** The functions compared, and what each makes as large as it can be. */
const AIMS: Record<string, string> = {
  utilitarian: 'the mean',
  nash: 'the geometric mean',
  maximin: 'the least that any group gets',
}

const write = (line = '') => process.stdout.write(`${line}\n`)

const service = spawn(process.execPath, [fileURLToPath(new URL('../src/server.ts', import.meta.url))], {
  env: { ...process.env, PORT: '0', HOST: '127.0.0.1', LOG_LEVEL: 'info', DATA_DIR: ':memory:' },
  stdio: ['ignore', 'pipe', 'inherit'],
})
try {
  const address = await listening()
  const body = JSON.parse(readFileSync(new URL('cems.json', import.meta.url), 'utf8'))
  const functions = [...Object.keys(AIMS), 'pareto-front']
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
  const names = optima.map(({ function: name }) => name)
  const comparisons = groups.reduce((sum, { fit }) => sum + (fit?.comparisons ?? 0), 0)
  write(`303 students in Vienna compared six universities to visit, two at a time: ${comparisons} answers.`)
  write('The groups are the languages they speak well, besides English and German. All groups count alike.')

  title('What each group wants')
  const schools = optima[0].ranking.map(({ item }) => item)
  table(
    ['', ...schools],
    groups.map(({ id, utilities }) => [id, ...schools.map((item) => fixed(utilities[item]))]),
  )
  note("Utilities, fitted to each group's answers: 0 is the worst university to the group, 1 the best.")

  title('What each welfare function chooses')
  table(
    ['', 'makes largest', 'choice'],
    optima.map(({ function: name, policy }) => [name, AIMS[name], lottery(policy)]),
  )
  note('A lottery is read as shares: of places, of answers, of training signal.')

  title('What each group gets from it (and what it gives up against its best)')
  table(
    ['', ...names, `${names[0]} → ${names[names.length - 1]}`],
    groups.map(({ id }, g) => [
      id,
      ...optima.map(
        (optimum) => `${fixed(optimum.groups[g].utility, 3)} (−${fixed(optimum.groups[g].regret, 3)})`,
      ),
      signed(optima[optima.length - 1].groups[g].utility - optima[0].groups[g].utility),
    ]),
  )
  note('The last column says who gains and who pays when one function is exchanged for the other.')

  title('The group weights that lead there: what to train with')
  table(
    ['', ...names],
    groups.map(({ id }) => [id, ...optima.map(({ weights }) => fixed(weights[id]))]),
  )
  note('Why they differ. Utilitarian: the weight is the share of the population, whatever the group gets.')
  note('Nash: that share divided by what the group gets, so whoever gets less weighs more.')
  note('Maximin: only groups that get least weigh anything, as much as keeps them level.')

  title('Ranking of the universities at these weights')
  table(
    ['', ...optima[0].ranking.map((_, k) => `${k + 1}.`)],
    optima.map(({ function: name, ranking }) => [
      name,
      ...ranking.map(({ item, rank }, k) => (rank === k + 1 ? item : `= ${item}`)),
    ]),
  )
  note('By the weighted sum of the utilities. "=" ties with the one before; a lottery is over such ties.')

  title('The Pareto front: what no other university beats for all groups at once')
  table(
    ['', 'best of all weights', ...groups.map(({ id }) => id)],
    (front.front as FrontItem[]).map(({ item, weights, share, shareError }) => [
      item,
      `${percent(share)}${shareError > 0 ? ` ± ${percent(shareError)}` : ''}`,
      ...groups.map(({ id }) => (weights === null ? 'none' : fixed(weights[id]))),
    ]),
  )
  note('How much of all possible group weights make it the best, and the centre of these weights.')
  note(`Beaten: ${front.dominated.map(({ item, by }) => `${item} (by ${by.join(', ')})`).join('; ')}.`)

  title('The proof: by how much, at most, another policy could do better')
  table(
    ['', 'relative gap', 'only optimum'],
    optima.map(({ function: name, certificate }) => [
      name,
      certificate.relativeGap.toExponential(1),
      certificate.unique ? 'yes' : 'no',
    ]),
  )
  note('Recomputed from the answer; above 1e-8 the service refuses to answer.')
}

function title(text: string): void {
  write(`\n${text}\n`)
}

function note(text: string): void {
  write(`  ${text}`)
}

/** Prints rows under a header, in columns as wide as their widest cell. */
function table(header: string[], rows: string[][]): void {
  const all = [header, ...rows]
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column].length)))
  for (const row of all)
    write(`    ${row.map((cell, column) => cell.padEnd(widths[column])).join('  ')}`.trimEnd())
  write()
}

function lottery(policy: Record<string, number>): string {
  return Object.entries(policy)
    .filter(([, share]) => share > 5e-4)
    .sort(([, a], [, b]) => b - a)
    .map(([item, share]) => (share > 0.9995 ? item : `${item} ${percent(share)}`))
    .join(', ')
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`
}

function fixed(value: number, digits = 2): string {
  return value.toFixed(digits).replace(/^-(0\.0*)$/, '$1')
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`
}
