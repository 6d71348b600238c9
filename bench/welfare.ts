import type { Welfare } from '../schemas/welfare.ts'
import { NO_GUARDRAILS, oneContext, type WelfareProblem } from '../src/engine/welfare/problem.ts'
import { type Rule, ruleOf } from '../src/engine/welfare/rule.ts'
import { knownFamilies } from '../test/helpers/known.ts'
import { type Definition, definitionOf } from '../test/helpers/welfare-functions.ts'
import { randomUtilities } from './data.ts'
import { measure, type Timing } from './measure.ts'
import type { Peers } from './peers.ts'
import { figure, milliseconds, type Section, scientific, type Target, target } from './report.ts'

/** One member of each family, by its request, and how many times faster than cvxpy it should be. */
const MEMBERS: { welfare: Definition['welfare']; faster: number }[] = [
  { welfare: { function: 'nash' }, faster: 10 },
  { welfare: { function: 'maximin' }, faster: 10 },
  { welfare: { function: 'power-mean', exponent: -1 }, faster: 10 },
  { welfare: { function: 'power-mean', exponent: 0.5 }, faster: 10 },
  { welfare: { function: 'kolm-pollak', kappa: 2 }, faster: 10 },
  // Those that may need linear programs: no slower.
  { welfare: { function: 'generalised-gini', parameter: 2 }, faster: 1 },
  { welfare: { function: 'cvar', alpha: 0.3 }, faster: 1 },
  { welfare: { function: 'leximin' }, faster: 1 },
  { welfare: { function: 'kalai-smorodinsky' }, faster: 1 },
  { welfare: { function: 'custom', expression: 'sum(n .* log(x))' }, faster: 1 },
  { welfare: { function: 'utilitarian' }, faster: 1 },
  { welfare: { function: 'relative-utilitarian' }, faster: 1 },
]
/** Seconds that a peer may take. */
const LIMIT = 20

/** What cvxpy answers, with the solver that it chose and the time that the solver reports, in milliseconds. */
type Answer = { policy: number[]; solver: string; solverTime: number | null }

/** Every welfare function at temperature 0, over a thousand alternatives beside cvxpy, and over five thousand alone. */
export async function welfareOptima(peers: Peers): Promise<Section[]> {
  return [await besideCvxpy(peers), await large()]
}

async function besideCvxpy(peers: Peers): Promise<Section> {
  const problem = problemOf(10, 1000)
  const rows: string[][] = []
  const targets: Target[] = []
  for (const { welfare, faster } of members()) {
    const { timing, policy, gap } = await solve(welfare, problem)
    rows.push([
      nameOf(welfare),
      'Commonweal',
      milliseconds(timing.median),
      milliseconds(timing.first),
      '–',
      '–',
      scientific(gap),
    ])
    const { groups, items, utilities } = problem
    const asked = { welfare, groups, items, utilities: Array.from(utilities), limit: LIMIT }
    for (const run of peers === null ? [] : await peers<Answer>('welfare', asked)) {
      if ('failure' in run) {
        rows.push([nameOf(welfare), run.peer, '–', '–', '–', '–', run.failure])
        continue
      }
      const { solver, solverTime } = run.answer
      const short = welfareAt(welfare, problem, policy) - welfareAt(welfare, problem, run.answer.policy)
      const ratio = run.timing.median / timing.median
      rows.push([
        nameOf(welfare),
        run.peer,
        milliseconds(run.timing.median),
        milliseconds(run.timing.first),
        `${figure(ratio)} ×`,
        solverTime === null ? solver : `${milliseconds(solverTime)} (${solver})`,
        scientific(short / Math.abs(welfareAt(welfare, problem, policy))),
      ])
      const aim = `${nameOf(welfare)}: at least ${faster} times as fast as ${run.peer}`
      targets.push(target(aim, ratio, 'at least', faster, ' times as fast'))
    }
  }
  if (targets.length === 0)
    targets.push({ aim: 'faster than cvxpy', measured: 'no such peer in this run', met: null })
  return {
    title: 'Welfare: 1,000 alternatives × 10 groups',
    about:
      'Utilities uniform on [0, 1), equal populations, temperature 0. cvxpy is timed at its defaults, as most users call it (the ' +
      'problem built for each solution) and with what it keeps between solutions of one problem; "solver" is the part that its ' +
      'solver reports. The last column is, for us, the certified relative duality gap, and for cvxpy by how much the welfare ' +
      'of its policy is below that of ours, relatively.',
    header: ['', '', 'median', 'first', 'of ours', 'solver', 'gap'],
    rows,
    targets,
  }
}

async function large(): Promise<Section> {
  const problem = problemOf(50, 5000)
  const rows: string[][] = []
  const targets: Target[] = []
  for (const { welfare, faster } of members()) {
    const { timing, gap } = await solve(welfare, problem)
    rows.push([nameOf(welfare), milliseconds(timing.median), milliseconds(timing.first), scientific(gap)])
    if (faster < 10) continue
    const aim = `${nameOf(welfare)}: under a second`
    targets.push(target(aim, timing.median / 1000, 'at most', 1, ' s'))
  }
  return {
    title: 'Welfare: 5,000 alternatives × 50 groups',
    about: 'The same, ours alone.',
    header: ['', 'median', 'first', 'relative gap'],
    rows,
    targets,
  }
}

/** Those that requests can name. */
function members() {
  const { known } = knownFamilies()
  return MEMBERS.filter(({ welfare }) => known.includes(welfare.function))
}

function nameOf({ function: name, ...parameters }: Definition['welfare']): string {
  return [name, ...Object.values(parameters).map(String)].join(' ')
}

function problemOf(groups: number, items: number): WelfareProblem {
  return {
    groups,
    items,
    utilities: randomUtilities(groups, items, 1),
    population: new Float64Array(groups).fill(1 / groups),
    reference: new Float64Array(items).fill(1 / items),
    temperature: 0,
    contexts: oneContext(items),
    guardrails: NO_GUARDRAILS,
  }
}

async function solve(
  welfare: Definition['welfare'],
  problem: WelfareProblem,
): Promise<{ timing: Timing; policy: ArrayLike<number>; gap: number }> {
  const names = Array.from({ length: problem.groups }, (_, g) => `group ${g}`)
  const ruleFor: (welfare: Welfare, groups: readonly string[]) => Rule | null = ruleOf
  const rule = ruleFor(welfare as Welfare, names) as Rule
  const timing = await measure(() => rule(problem))
  const { policy, certificate } = await rule(problem)
  return { timing, policy, gap: certificate.relativeGap }
}

/** W at a policy, rounded onto the simplex. */
function welfareAt(
  welfare: Definition['welfare'],
  problem: WelfareProblem,
  policy: ArrayLike<number>,
): number {
  const { groups, items, utilities, population } = problem
  const kept = Array.from(policy, (share) => Math.max(0, share))
  const sum = kept.reduce((total, share) => total + share, 0)
  const rows = Array.from({ length: groups }, (_, g) => utilities.subarray(g * items, (g + 1) * items))
  const x = rows.map((row) => row.reduce((total, value, i) => total + (value * kept[i]) / sum, 0))
  const highest = rows.map((row) => row.reduce((a, b) => Math.max(a, b)))
  const lowest = rows.map((row) => row.reduce((a, b) => Math.min(a, b)))
  const ranges = highest.map((value, g) => value - lowest[g])
  const facts = { population: Array.from(population), ranges, bests: highest, reaches: ranges }
  return definitionOf(welfare).value(x, facts)
}
