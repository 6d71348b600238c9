import { aggregate } from '../src/engine/aggregate.ts'
import { normal, type Random, seededRandom } from '../src/engine/numeric/random.ts'
import { Problem as Refusal } from '../src/engine/problem.ts'
import {
  type Constraint,
  columnsOf,
  judge,
  type Lottery,
  objectiveAt,
  type Problem,
  readAnswer,
  requestOf,
  utilitiesAt,
} from '../test/helpers/judge.ts'
import { knownFamilies, knownFeatures } from '../test/helpers/known.ts'
import { type Definition, drawMember, FAMILIES } from '../test/helpers/welfare-functions.ts'
import { option } from './option.ts'
import { askInParallel } from './peers.ts'
import { scientific } from './report.ts'

/**
 * How far our welfare optima are from cvxpy's: `npm run bench:agreement -- [--problems N] [--function NAME]`, by default on
 * 1,000 random problems for every welfare function, half of them above temperature 0, and a part of them with contexts and
 * guardrails.
 *
 * Both policies are put into the objective as the definition has it. Fails where the two differ by more than 1e-6, or ours is
 * below the peer's by more than our own gap, or utilities differ where they are unique.
 */

const AGREED = 1e-6
/** What the peer gains by meeting limits, and sums, only about. */
const PEER_SLACK = 1e-7
/** Objectives that are alike to 1e-7 have utilities alike to about the root of it. */
const ALIKE = 1e-3

const problems = Number(option('problems') ?? 1000)
const only = option('function')

type Case = { family: string; problem: Problem; definition: Definition; label: string }
type Ours = { lotteries: Lottery[]; gap: number } | { refusal: string } | { fault: string }
type Theirs = { policy: number[] } | { failure: string }

/** A problem such as people have: utilities of order one, two to six groups, three to thirty items. */
function draw(
  family: string,
  definition: Definition,
  random: Random,
  withs: ReturnType<typeof knownFeatures>,
): Problem {
  const integer = (low: number, high: number) => low + Math.floor(random() * (high - low + 1))
  // The peer goes through all orders of the groups.
  const groupCount = integer(2, family === 'generalised-gini' ? 5 : 6)
  const items = Array.from({ length: integer(3, 30) }, (_, i) => `item ${String(i).padStart(2, '0')}`)
  const gains = definition.needsGains || family === 'kalai-smorodinsky'
  const groups = Array.from({ length: groupCount }, (_, g) => ({
    id: `group ${String(g).padStart(2, '0')}`,
    population: 0.1 + random(),
  }))
  const rewards = Object.fromEntries(
    groups.map(({ id }) => {
      const own = items.map(() => (gains ? random() : normal(random)))
      const least = gains ? Math.min(...own) : 0
      return [id, Object.fromEntries(items.map((item, i) => [item, own[i] - least]))]
    }),
  )
  const parts = items.map(() => 0.2 + random())
  const total = parts.reduce((a, b) => a + b, 0)
  const problem: Problem = {
    rewards,
    groups,
    policy: {
      temperature: random() < 0.5 ? 0 : 10 ** (3 * random() - 2),
      reference: Object.fromEntries(items.map((item, i) => [item, parts[i] / total])),
    },
  }
  if (withs.contexts && family !== 'relative-utilitarian' && random() < 0.25) {
    problem.policy.contexts = Array.from({ length: integer(2, 3) }, (_, q) => {
      const own = items.filter(() => random() < 0.7)
      return { id: `context ${q}`, weight: 0.2 + random(), items: own.length > 2 ? own : items }
    })
  }
  // What policies can give a group within limits is another question.
  if (withs.constraints && definition.usesBests !== true && random() < 0.25)
    problem.constraints = Array.from({ length: integer(1, 2) }, () => limit(problem, items, random))
  return problem
}

function limit({ rewards, groups }: Problem, items: string[], random: Random): Constraint {
  const some = items.filter(() => random() < 0.3)
  const kind = Math.floor(4 * random())
  if (kind === 0) {
    const { id } = groups[Math.floor(groups.length * random())]
    const values = Object.values(rewards[id])
    const mean = values.reduce((a, b) => a + b, 0) / values.length
    return { kind: 'floor', group: id, minimum: mean }
  }
  if (kind === 1)
    return { kind: 'ceiling', costs: Object.fromEntries(items.map((item) => [item, random()])), maximum: 0.4 }
  if (kind === 2) return { kind: 'ban', items: [items[Math.floor(items.length * random())]] }
  return { kind: 'minimum-share', items: some.length > 0 ? some : [items[0]], minimum: 0.2 }
}

async function solve({ problem, definition }: Case): Promise<Ours> {
  try {
    const response = await aggregate(requestOf(problem, definition))
    const verdict = judge(problem, definition, response)
    if ('fault' in verdict) return verdict
    return { lotteries: readAnswer(problem, response).policies, gap: verdict.gap }
  } catch (error) {
    return error instanceof Refusal ? { refusal: error.kind } : { fault: String(error) }
  }
}

type Tally = {
  compared: number
  refused: number
  peerFailed: number
  apart: number
  below: number
  utilities: number
  faults: string[]
}

function newTally(): Tally {
  return { compared: 0, refused: 0, peerFailed: 0, apart: 0, below: 0, utilities: 0, faults: [] }
}

/** Holds our answer against the peer's. */
function compare({ problem, definition, label }: Case, ours: Ours, theirs: Theirs, tally: Tally): void {
  if ('fault' in ours) {
    tally.faults.push(`${label}: ${ours.fault}`)
    return
  }
  if ('refusal' in ours) {
    // Limits that leave nothing to spare are refused, though a solver may still find a policy.
    const agreed = 'failure' in theirs || ours.refusal === 'constraints-conflict'
    if (agreed) tally.refused++
    else tally.faults.push(`${label}: ${ours.refusal}, where the peer has a policy`)
    return
  }
  if ('failure' in theirs) {
    tally.peerFailed++
    if (theirs.failure === 'infeasible') tally.faults.push(`${label}: the peer says infeasible`)
    return
  }
  const peer = columnsOf(problem).lotteries(theirs.policy)
  const own = objectiveAt(problem, definition, ours.lotteries)
  const other = objectiveAt(problem, definition, peer)
  tally.compared++
  const size = Math.max(1, Math.abs(own))
  const apart = Math.abs(own - other) / size
  const below = (other - own) / size
  tally.apart = Math.max(tally.apart, apart)
  tally.below = Math.max(tally.below, below)
  if (!(apart <= AGREED)) tally.faults.push(`${label}: apart by ${apart} (ours ${own})`)
  const slack = problem.constraints === undefined ? 1e-12 : PEER_SLACK
  if (below > ours.gap / size + slack)
    tally.faults.push(`${label}: below the peer by ${below}, gap ${ours.gap}`)
  if (definition.curved !== true && problem.policy.temperature < 0.05) return
  const [x, y] = [ours.lotteries, peer].map((lotteries) => utilitiesAt(problem, lotteries))
  const far = Math.max(...x.map((value, g) => Math.abs(value - y[g])))
  tally.utilities = Math.max(tally.utilities, far)
  if (!(far <= ALIKE)) tally.faults.push(`${label}: utilities apart by ${far}`)
}

const withs = knownFeatures()
const { known, missing } = knownFamilies()
const cases = FAMILIES.flatMap((family, f) => {
  const { name } = family
  if (!known.includes(name) || (only !== undefined && only !== name)) return []
  return Array.from({ length: problems }, (_, k): Case => {
    const random = seededRandom(1000 * f + 7919 * k + 1)
    const definition = drawMember(family, random)
    const problem = draw(name, definition, random, withs)
    return { family: name, problem, definition, label: `${name} ${k} ${JSON.stringify(definition.welfare)}` }
  })
})
const asked = cases.map(({ problem, definition }) => columnsOf(problem).asked(definition))
const answers = askInParallel<Theirs>('agreement.py', asked)
const ours: Ours[] = []
for (const one of cases) ours.push(await solve(one))
const tallies = new Map<string, Tally>()
;(await answers).forEach((theirs, k) => {
  const { family } = cases[k]
  const tally = tallies.get(family) ?? newTally()
  tallies.set(family, tally)
  compare(cases[k], ours[k], theirs, tally)
})

const print = (line: string) => process.stdout.write(`${line}\n`)
print(`${problems} random problems for each welfare function, against cvxpy\n`)
print(
  '| function | compared | both refuse | peer failed | objectives apart | below the peer | utilities apart | faults |',
)
print('| --- | --- | --- | --- | --- | --- | --- | --- |')
for (const [family, { compared, refused, peerFailed, apart, below, utilities, faults }] of tallies) {
  const differences = [apart, below, utilities].map(scientific)
  print(`| ${[family, compared, refused, peerFailed, ...differences, faults.length].join(' | ')} |`)
}
if (missing.length > 0) print(`\nNot in the engine: ${missing.join(', ')}.`)
for (const { faults } of tallies.values()) if (faults.length > 0) print(`\n${faults.slice(0, 5).join('\n')}`)
process.exitCode = [...tallies.values()].some(({ faults }) => faults.length > 0) ? 1 : 0
