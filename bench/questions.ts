import type { FitRequest } from '../schemas/fit.ts'
import type { QuestionsRequest } from '../schemas/questions.ts'
import { fit } from '../src/engine/fit.ts'
import { normal, type Random, seededRandom } from '../src/engine/numeric/random.ts'
import { questions } from '../src/engine/questions.ts'

/**
 * How many comparisons `POST /questions` saves against random pairs, on simulated data: `node bench/questions.ts`.
 *
 * True rewards are drawn from N(0, spread²). Every run begins with the same 2 comparisons an item; then as many as there
 * are items are asked at a time, by random pairs or as planned, answered by Bradley–Terry with the true rewards, and all
 * is fitted anew. What random pairs have reached at 24 comparisons an item is the goal.
 */

type Case = { items: number; spread: number; prior: number; runs: number }

/** What a run has reached: the mean squared error of the differences, and whether the best item was found. */
type Reached = { error: number; found: number }

type Way = 'random' | 'variance' | 'winner'

const ROUNDS = 24

const CASES: Case[] = [
  { items: 10, spread: 0.5, prior: 0.5, runs: 200 },
  { items: 10, spread: 1, prior: 1, runs: 200 },
  { items: 10, spread: 3, prior: 3, runs: 200 },
  { items: 10, spread: 0.5, prior: 3, runs: 200 },
  { items: 30, spread: 0.5, prior: 0.5, runs: 60 },
  { items: 30, spread: 1, prior: 1, runs: 60 },
  { items: 30, spread: 3, prior: 3, runs: 60 },
  { items: 100, spread: 1, prior: 1, runs: 15 },
  { items: 100, spread: 3, prior: 3, runs: 15 },
]

function nameOf(k: number): string {
  return `item ${String(k).padStart(3, '0')}`
}

/** Comparisons so far, as counts of who beat whom. */
function newTally(truth: readonly number[], random: Random) {
  const names = truth.map((_, k) => nameOf(k))
  const wins = new Map<string, { group: string; winner: string; loser: string; count: number }>()
  return {
    /** Asks for a comparison, answered with the true chances. */
    ask(a: number, b: number): void {
      const [winner, loser] = random() < 1 / (1 + Math.exp(truth[b] - truth[a])) ? [a, b] : [b, a]
      const key = `${winner} ${loser}`
      const row = wins.get(key)
      if (row === undefined)
        wins.set(key, { group: 'all', winner: names[winner], loser: names[loser], count: 1 })
      else row.count++
    },
    rows: () => [...wins.values()],
  }
}

function randomPair(items: number, random: Random): [number, number] {
  const a = Math.floor(random() * items)
  return [a, (a + 1 + Math.floor(random() * (items - 1))) % items]
}

/** One run: what is reached after 2, 3, … 24 comparisons an item. */
async function run(way: Way, { items, spread, prior }: Case, seed: number): Promise<Reached[]> {
  const random = seededRandom(seed)
  const truth = Array.from({ length: items }, () => spread * normal(random))
  const tally = newTally(truth, random)
  for (let k = 0; k < items; k++) tally.ask(k, (k + 1) % items)
  for (let k = 0; k < items; k++) tally.ask(...randomPair(items, random))
  const declared = truth.map((_, k) => ({ id: nameOf(k) }))
  const model = { prior: { kind: 'gaussian', standardDeviation: prior } }
  const reached: Reached[] = []
  for (let round = 2; ; round++) {
    const request = { comparisons: tally.rows(), items: declared, model }
    const { groups } = await fit(request as unknown as FitRequest)
    reached.push(
      score(
        truth,
        truth.map((_, k) => groups[0].rewards[nameOf(k)]),
      ),
    )
    if (round === ROUNDS) return reached
    if (way === 'random') {
      for (let k = 0; k < items; k++) tally.ask(...randomPair(items, random))
      continue
    }
    const wanted = way === 'winner' ? { welfare: { function: 'utilitarian' } } : {}
    const plan = await questions({ ...request, ...wanted, count: items } as unknown as QuestionsRequest)
    for (const question of plan.questions) {
      const [a, b] = question.items.map((name) => Number(name.slice(5)))
      for (let k = 0; k < question.times; k++) tally.ask(a, b)
    }
  }
}

function score(truth: readonly number[], estimate: readonly number[]): Reached {
  const n = truth.length
  let error = 0
  for (let i = 0; i < n; i++)
    for (let j = 0; j < i; j++)
      error += (estimate[i] - estimate[j] - truth[i] + truth[j]) ** 2 / ((n * (n - 1)) / 2)
  const best = (list: readonly number[]) => list.indexOf(Math.max(...list))
  return { error, found: best(truth) === best(estimate) ? 1 : 0 }
}

/** The mean over all runs, for each number of comparisons an item from 2 to 24. */
async function meanOfRuns(way: Way, which: Case): Promise<Reached[]> {
  const sum = Array.from({ length: ROUNDS - 1 }, () => ({ error: 0, found: 0 }))
  for (let r = 0; r < which.runs; r++) {
    const reached = await run(way, which, 1 + r)
    reached.forEach(({ error, found }, k) => {
      sum[k].error += error / which.runs
      sum[k].found += found / which.runs
    })
  }
  return sum
}

/** Comparisons an item, interpolated, at which a curve passes a goal; null where it never does. */
function passes(curve: readonly number[], goal: number, falling: boolean): number | null {
  const past = (value: number) => (falling ? value <= goal : value >= goal)
  const at = curve.findIndex(past)
  if (at < 0) return null
  if (at === 0) return 2
  return 2 + at - (curve[at] - goal) / (curve[at] - curve[at - 1])
}

function saving(needed: number | null): string {
  return needed === null ? 'more than 24' : `${needed.toFixed(1)} (${percent(1 - needed / ROUNDS)} fewer)`
}

function percent(share: number): string {
  return `${Math.round(100 * share)}%`
}

const header = [
  'items',
  'spread',
  'prior',
  'runs',
  'random at 24: error, best found',
  'ours at 24: error, best found',
  'ours to the same error',
  'ours to the same chance of the best',
]
const lines = [header, header.map(() => '---')]
for (const which of CASES) {
  const random = await meanOfRuns('random', which)
  const variance = await meanOfRuns('variance', which)
  const winner = await meanOfRuns('winner', which)
  const goal = random[random.length - 1]
  lines.push([
    String(which.items),
    String(which.spread),
    String(which.prior),
    String(which.runs),
    `${goal.error.toFixed(3)}, ${percent(goal.found)}`,
    `${variance[variance.length - 1].error.toFixed(3)}, ${percent(winner[winner.length - 1].found)}`,
    saving(
      passes(
        variance.map(({ error }) => error),
        goal.error,
        true,
      ),
    ),
    saving(
      passes(
        winner.map(({ found }) => found),
        goal.found,
        false,
      ),
    ),
  ])
  process.stderr.write(`${lines[lines.length - 1].join(' | ')}\n`)
}
process.stdout.write(`${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`)
