import { aggregate } from '../src/engine/aggregate.ts'
import { type Random, seededRandom } from '../src/engine/numeric/random.ts'
import { Problem as Refusal } from '../src/engine/problem.ts'
import { validate } from '../src/service/validate.ts'
import { adversarialProblem } from '../test/helpers/adversarial.ts'
import { tableOf } from '../test/helpers/problems.ts'
import { type Constraint, judge, type Problem, requestOf } from './check.ts'
import { type Definition, drawMember, FAMILIES } from './functions.ts'
import { knownFamilies, knownFeatures } from './known.ts'
import { option } from './option.ts'
import { scientific } from './report.ts'

/**
 * Problems as an adversary would choose them, put to every welfare function: `npm run bench:fuzz -- [--problems N] [--first K]
 * [--function NAME]`. A part of them has contexts, and a part guardrails.
 *
 * Every answer is judged by the definitions in functions.ts. Fails where a relative duality gap is above 1e-8, an answer is
 * wrong in any other way, or there is none without the mathematics' leave.
 */

/** Refusals that say that there is no answer, and prove it. */
const PROVEN = ['no-acceptable-policy', 'constraints-conflict']
const problems = Number(option('problems') ?? 10_000)
const first = Number(option('first') ?? 0)
const only = option('function')

type Tally = {
  answers: number
  worst: number
  worstAt: number | null
  refusals: Map<string, number>
  faults: string[]
  milliseconds: number
}

const withs = knownFeatures()
const { known, missing } = knownFamilies()

/** The k-th problem of the stream. */
function problemAt(k: number): { problem: Problem; size: number; choices: string } {
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

/** Puts one problem to one function; what came of it is written into the tally. */
async function attempt(problem: Problem, definition: Definition, tally: Tally, label: string, k: number) {
  const start = performance.now()
  try {
    const request = requestOf(problem, definition)
    validate('aggregate', request)
    const verdict = judge(problem, definition, await aggregate(request))
    if ('fault' in verdict) tally.faults.push(`${label}: ${verdict.fault}`)
    else {
      tally.answers++
      if (verdict.relativeGap > tally.worst || tally.worstAt === null) {
        tally.worst = verdict.relativeGap
        tally.worstAt = k
      }
    }
  } catch (error) {
    const kind = error instanceof Refusal ? error.kind : 'exception'
    tally.refusals.set(kind, (tally.refusals.get(kind) ?? 0) + 1)
    if (!PROVEN.includes(kind)) tally.faults.push(`${label}: ${kind}: ${(error as Error).message}`)
  }
  tally.milliseconds += performance.now() - start
}

const tallies = new Map<string, Tally>()
for (const name of known) {
  if (only !== undefined && only !== name) continue
  const tally = { answers: 0, worst: 0, worstAt: null, refusals: new Map(), faults: [], milliseconds: 0 }
  tallies.set(name, tally)
}
for (let k = first; k < first + problems; k++) {
  const { problem, size, choices } = problemAt(k)
  for (const [f, family] of FAMILIES.entries()) {
    const tally = tallies.get(family.name)
    if (tally === undefined) continue
    const definition = drawMember(family, seededRandom(1 + f + 100 * k), size, true)
    await attempt(problem, definition, tally, `${k} ${JSON.stringify(definition.welfare)} (${choices})`, k)
  }
}

const print = (line: string) => process.stdout.write(`${line}\n`)
print(`${problems} problems from ${first} on, relative duality gaps recomputed from the answers\n`)
print(
  `| function | answers | worst gap | at | refusals | faults | ms a problem |\n| --- | --- | --- | --- | --- | --- | --- |`,
)
for (const [name, { answers, worst, worstAt, refusals, faults, milliseconds }] of tallies) {
  const kinds = [...refusals].map(([kind, count]) => `${count} ${kind}`).join(', ') || '–'
  print(
    `| ${[name, answers, scientific(worst), worstAt ?? '–', kinds, faults.length, (milliseconds / problems).toFixed(2)].join(' | ')} |`,
  )
}
if (missing.length > 0) print(`\nNot in the engine: ${missing.join(', ')}.`)
for (const [name, { faults }] of tallies) {
  if (faults.length > 0)
    print(
      `\n${name}:\n${faults
        .slice(0, 3)
        .map((fault) => `  ${fault}`)
        .join('\n')}`,
    )
}
process.exitCode = [...tallies.values()].some(({ faults }) => faults.length > 0) ? 1 : 0
