import { certify } from '../src/engine/welfare/certificate.ts'
import { maximin } from '../src/engine/welfare/maximin.ts'
import { optimise } from '../src/engine/welfare/optimise.ts'
import { powerMean } from '../src/engine/welfare/power-mean.ts'
import {
  NO_GUARDRAILS,
  type Optimum,
  oneContext,
  type WelfareFunction,
  type WelfareProblem,
} from '../src/engine/welfare/problem.ts'
import { randomUtilities } from './data.ts'
import { measure } from './measure.ts'
import type { Peers } from './peers.ts'
import {
  milliseconds,
  type Section,
  scientific,
  type Target,
  TIMING_HEADER,
  target,
  timingCells,
} from './report.ts'

const GROUPS = 10
const ITEMS = 1000

/** Nash and maximin over a thousand alternatives, at temperature 0. */
export async function welfareOptima(peers: Peers): Promise<Section[]> {
  const problem: WelfareProblem = {
    groups: GROUPS,
    items: ITEMS,
    utilities: randomUtilities(GROUPS, ITEMS, 1),
    population: new Float64Array(GROUPS).fill(1 / GROUPS),
    reference: new Float64Array(ITEMS).fill(1 / ITEMS),
    temperature: 0,
    contexts: oneContext(ITEMS),
    guardrails: NO_GUARDRAILS,
  }
  return [
    await optimum('nash', powerMean(0), problem, peers),
    await optimum('maximin', maximin, problem, peers),
  ]
}

/** What cvxpy answers, with the solver that it chose and the time that the solver reports, in milliseconds. */
type Answer = { policy: number[]; weights: number[]; solver: string; solverTime: number }

async function optimum(
  name: 'nash' | 'maximin',
  welfareFunction: WelfareFunction,
  problem: WelfareProblem,
  peers: Peers,
): Promise<Section> {
  const timing = await measure(() => optimise(problem, welfareFunction))
  const found: Optimum = optimise(problem, welfareFunction)
  const ours = gapOf(problem, welfareFunction, found.policy, found.weights)
  const rows = [['Commonweal', ...timingCells(timing), '–', scientific(ours)]]

  const { groups, items, utilities, population } = problem
  const request = {
    function: name,
    groups,
    items,
    utilities: Array.from(utilities),
    population: Array.from(population),
    limit: 20,
  }
  const targets: Target[] = []
  for (const run of peers === null ? [] : await peers<Answer>('welfare', request)) {
    if ('failure' in run) {
      rows.push([run.peer, ...timingCells(null), '–', run.failure])
      continue
    }
    const { policy, weights, solver, solverTime } = run.answer
    const gap = gapOf(problem, welfareFunction, Float64Array.from(policy), Float64Array.from(weights))
    rows.push([
      run.peer,
      ...timingCells(run.timing),
      `${milliseconds(solverTime)} (${solver})`,
      scientific(gap),
    ])
    const ratio = run.timing.median / timing.median
    targets.push(target(`at least 10 times faster than ${run.peer}`, ratio, 'at least', 10, ' times faster'))
    const aim = `a gap no larger than that of ${run.peer}`
    targets.push({ aim, measured: `${scientific(ours)} against ${scientific(gap)}`, met: ours <= gap })
  }
  if (targets.length === 0) {
    targets.push({
      aim: 'at least 10 times faster than cvxpy, at no larger a gap',
      measured: 'no such peer in this run',
      met: null,
    })
  }
  return {
    title: `Welfare: ${name}, 1,000 alternatives × 10 groups`,
    about:
      'Utilities uniform on [0, 1), equal populations, temperature 0. The gap is the relative duality gap, computed from policy and ' +
      "weights by one function for everybody; cvxpy's weights are the gradient of Nash welfare at its policy, and its own duals " +
      'for maximin. It is timed as most users call it (the problem built for each ' +
      'solution) and with what it keeps between solutions of one problem; "solver" is the part that its solver reports.',
    header: ['', ...TIMING_HEADER, 'solver', 'relative gap'],
    rows,
    targets,
  }
}

/** The relative duality gap of a policy, rounded onto the simplex, and weights. */
function gapOf(
  problem: WelfareProblem,
  welfareFunction: WelfareFunction,
  raw: Float64Array,
  weights: Float64Array,
): number {
  const kept = raw.map((share) => Math.max(0, share))
  const sum = kept.reduce((total, share) => total + share, 0)
  return certify(
    problem,
    welfareFunction,
    kept.map((share) => share / sum),
    weights,
  ).relativeGap
}
