import type { AggregateResponse } from '../../schemas/aggregate.ts'
import { aggregate } from '../../src/engine/aggregate.ts'
import { type Random, seededRandom } from '../../src/engine/numeric/random.ts'
import { Problem as Refusal } from '../../src/engine/problem.ts'
import { validate } from '../../src/service/validate.ts'
import { adversarialProblem } from './adversarial.ts'
import { type Constraint, factsOf, judge, type Problem, readAnswer, requestOf } from './judge.ts'
import type { knownFeatures } from './known.ts'
import { tableOf } from './problems.ts'
import { type Definition, drawMember, type Family } from './welfare-functions.ts'

/** Refusals that say that there is no answer, and prove it. */
const PROVEN = ['no-acceptable-policy', 'constraints-conflict']

/**
 * The k-th of the adversary's problems, as a request has it. A part of them has contexts, and a part guardrails, where
 * requests may.
 */
export function adversarialRequest(
  k: number,
  withs: ReturnType<typeof knownFeatures>,
): { problem: Problem; size: number; choices: string } {
  const { problem: given, choices } = adversarialProblem(k)
  const random = seededRandom(0x5eed ^ k)
  // A request has at least two items: one alone is given a twin.
  const alone = given.items === 1
  const doubled = (row: ArrayLike<number>) => (alone ? [row[0], row[0]] : Array.from(row))
  const table = tableOf(given).map(doubled)
  const reference = doubled(given.reference).map((share) => (alone ? share / 2 : share))
  const largest = Math.max(...table.flat().map(Math.abs))
  // A request takes rewards up to 1e12.
  const shrink = largest > 9e11 ? 9e11 / largest : 1
  const items = table[0].map((_, i) => `item ${String(i).padStart(3, '0')}`)
  const named = (values: ArrayLike<number>) => Object.fromEntries(items.map((item, i) => [item, values[i]]))
  const groups = table.map((_, g) => ({
    id: `group ${String(g).padStart(2, '0')}`,
    population: given.population[g],
  }))
  const rewards = Object.fromEntries(
    groups.map(({ id }, g) => [id, named(table[g].map((value) => value * shrink))]),
  )
  const problem: Problem = {
    rewards,
    groups,
    policy: { temperature: given.temperature, reference: named(reference) },
  }
  const more: string[] = []
  if (withs.contexts && random() < 0.3) {
    const count = 2 + Math.floor(3 * random())
    problem.policy.contexts = Array.from({ length: count }, (_, q) => {
      const own = items.filter(() => random() < 0.6)
      return {
        id: `context ${q}`,
        weight: 10 ** (3 * random() - 3),
        items: own.length > 0 ? own : [items[Math.floor(items.length * random())]],
      }
    })
    more.push(`${count} contexts`)
  }
  if (withs.constraints && random() < 0.3) {
    const drawn = Array.from({ length: 1 + Math.floor(3 * random()) }, () =>
      constraint(problem, items, random),
    )
    // Bans that leave a context without items are refused as they are read.
    const banned = new Set(drawn.flatMap((one) => (one.kind === 'ban' ? one.items : [])))
    const contexts = problem.policy.contexts?.map((context) => context.items) ?? [items]
    const tooMuch = contexts.some((own) => own.every((item) => banned.has(item)))
    const kept = drawn.filter(({ kind }) => kind !== 'ban' || !tooMuch)
    if (kept.length > 0) problem.constraints = kept
    more.push(kept.map(({ kind }) => kind).join('+'))
  }
  return { problem, size: largest * shrink, choices: [choices, ...more].join(', ') }
}

function constraint({ rewards, groups }: Problem, items: string[], random: Random): Constraint {
  const some = () => {
    const drawn = items.filter(() => random() < 0.3)
    return drawn.length > 0 ? drawn : [items[0]]
  }
  switch (Math.floor(4 * random())) {
    case 0: {
      const { id } = groups[Math.floor(groups.length * random())]
      const values = Object.values(rewards[id])
      const [low, high] = [Math.min(...values), Math.max(...values)]
      return { kind: 'floor', group: id, minimum: low + 0.7 * random() * (high - low) }
    }
    case 1: {
      const unit = 10 ** (8 * random() - 4)
      const costs = Object.fromEntries(items.map((item) => [item, unit * random()]))
      return { kind: 'ceiling', costs, maximum: unit * (0.2 + 0.6 * random()) }
    }
    case 2:
      return { kind: 'ban', items: some() }
    default:
      return { kind: 'minimum-share', items: some(), minimum: 0.3 * random() || 0.1 }
  }
}

/** Leximin begins with the most for the least: what is wrong where another policy has more, or null. */
async function belowMaximin(problem: Problem, { welfare }: Definition, response: AggregateResponse) {
  if (welfare.function !== 'leximin' || problem.policy.temperature > 0) return null
  const most = await aggregate(requestOf(problem, { welfare: { function: 'maximin' } }))
  const [own, other] = [response, most].map((answer) => readAnswer(problem, answer))
  const size = Math.max(Math.abs(other.welfare), ...factsOf(problem).ranges)
  const least = Math.min(...own.utilities)
  return least >= other.welfare - 1e-8 * size
    ? null
    : { fault: `least ${least}, by maximin ${other.welfare}` }
}

/** What came of a problem: how sure its answer is, why there is none, or what is wrong. */
export type Outcome = { relativeGap: number } | { refusal: string } | { fault: string; refusal?: string }

/** Puts the k-th problem to a member of a family, and judges the answer. */
export async function attempt(
  { problem, size, choices }: ReturnType<typeof adversarialRequest>,
  family: Family,
  seed: number,
): Promise<Outcome> {
  const definition = drawMember(family, seededRandom(seed), size, true)
  const told = (what: string) => `${JSON.stringify(definition.welfare)}: ${what} (${choices})`
  try {
    const request = requestOf(problem, definition)
    validate('aggregate', request)
    const response = await aggregate(request)
    const verdict =
      (await belowMaximin(problem, definition, response)) ?? judge(problem, definition, response)
    return 'fault' in verdict ? { fault: told(verdict.fault) } : verdict
  } catch (error) {
    const refusal = error instanceof Refusal ? error.kind : 'exception'
    return PROVEN.includes(refusal)
      ? { refusal }
      : { refusal, fault: told(`${refusal}: ${(error as Error).message}`) }
  }
}
