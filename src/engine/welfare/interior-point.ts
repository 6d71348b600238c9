import { topsOf } from './contexts.ts'
import {
  advance,
  type Iterate,
  newIterate,
  newVariables,
  products,
  type ScaledProblem,
  stepLength,
  type Variables,
} from './iterate.ts'
import type { Link } from './link.ts'
import { evaluate, factorise, newSystem, solve } from './newton.ts'
import { utilitiesOf, valuesOf } from './table.ts'

/** Where to start: a policy p > 0, and log(p/π) to more digits than p has; length n. */
export type Start = { policy: Float64Array; tilt: Float64Array }

/** Receives every iterate, and the sum of its complementary products; answers true when it is good enough. */
export type Judge = (iterate: Iterate, gap: number) => boolean

const MAX_ITERATIONS = 200
/** Products whose sum is below this are rounding. */
const NOTHING = 1e-25
/** What holds a variable least is no weaker than this part of the mean product. */
const CENTRED = 1e-4
const SHORTEST_STEP = 1e-6

/**
 * Finds p and λ̂ at which W(x(p)) − β̂ KL(p‖π) is largest, for β̂ ≥ 0, by a primal–dual interior point (Mehrotra's
 * predictor–corrector):
 *
 *   x = Ûp,   Σp = w_q and z = ν_q − Ûᵀλ̂ + β̂ log(p/π) in context q,   λ̂ ∈ ∂W(x) up to t (and k) as the {@link Link} has it,
 *   p∘z = μ,   t∘λ̂ or t∘x = μ,   w·k = μ,   μ → 0.
 *
 * All but the last line holds at the start, where the sum of the products therefore is the duality gap; and from there
 * on a step is cut until it nearly holds again. So nothing comes to rest elsewhere than at the optimum.
 *
 * p, z, t, ν are eliminated, so that the Newton system is G × G: an iteration costs O(nG²).
 *
 * @param start at which every utility is positive, if W needs that
 * @returns the number of iterations
 */
export function followCentralPath(problem: ScaledProblem, link: Link, start: Start, judge: Judge): number {
  let iterate = startAt(problem, link, start)
  let trial = newIterate(problem)
  let spare = newIterate(problem)
  const predictor = newVariables(problem)
  const move = newVariables(problem)
  const system = newSystem(problem)
  evaluate(problem, link, iterate)
  for (let iteration = 1; iteration <= MAX_ITERATIONS; iteration++) {
    const { sum, mean } = products(link, iterate)
    if (!(sum > NOTHING) || !factorise(problem, iterate, system)) return iteration
    solve(problem, link, iterate, system, { policy: 0, link: 0, after: null }, predictor)
    const reach = stepLength(problem, link, iterate, predictor, 0.99)
    advance(problem, iterate, predictor, reach, trial)
    const ratio = Math.max(0, products(link, trial).sum / sum)
    evaluate(problem, link, trial)
    // Products below what the curves of the equations undo in the same step would be out of reach.
    const aim = mean * Math.min(1, Math.max(ratio ** 3, trial.equations.misfit / sum))
    const after = { move: predictor, part: reach }
    solve(problem, link, iterate, system, { policy: aim, link: aim, after }, move)
    let step = trySteps(problem, link, iterate, move, aim, trial)
    if (step < 0.1) {
      // The prediction was of no use here: move to the centre, if that leads further.
      const centre = 0.9 * mean
      solve(problem, link, iterate, system, { policy: centre, link: centre, after: null }, move)
      const sideStep = trySteps(problem, link, iterate, move, centre, spare)
      if (sideStep > step) {
        ;[trial, spare] = [spare, trial]
        step = sideStep
      }
    }
    if (step === 0) return iteration
    ;[iterate, trial] = [trial, iterate]
    if (judge(iterate, products(link, iterate).sum)) return iteration
  }
  return MAX_ITERATIONS
}

/**
 * Steps from an iterate to `trial`, as far as all equations nearly hold, the products fall, and no variable is left to
 * its bound before the others.
 *
 * @param aim what the move makes of the products
 * @returns the step taken, 0 if none can be
 */
function trySteps(
  problem: ScaledProblem,
  link: Link,
  at: Iterate,
  move: Variables,
  aim: number,
  trial: Iterate,
): number {
  const before = products(link, at)
  const fall = 1 - aim / before.mean
  const centred = Math.min(CENTRED, leastHold(problem, link, at) / before.mean)
  const longest = stepLength(problem, link, at, move, Math.max(0.9, 1 - before.mean))
  for (let step = longest; step > SHORTEST_STEP; step *= 0.8) {
    advance(problem, at, move, step, trial)
    evaluate(problem, link, trial)
    const { sum, mean } = products(link, trial)
    if (
      trial.equations.misfit <= sum &&
      sum <= (1 - 0.1 * step * fall) * before.sum &&
      leastHold(problem, link, trial) >= centred * mean
    )
      return step
  }
  return 0
}

/**
 * How firmly what holds a variable least does so: the least v²·(curvature in v), which is the product that belongs to v,
 * and more where entropy or welfare curve by themselves.
 */
function leastHold({ temperature }: ScaledProblem, link: Link, at: Iterate): number {
  const owner = at[link.pairedTo]
  const { curvature } = at.equations.linear
  let least = link.bounded ? at.welfare * at.slack : Number.POSITIVE_INFINITY
  for (let g = 0; g < owner.length; g++) least = Math.min(least, owner[g] ** 2 * curvature[g])
  for (let i = 0; i < at.policy.length; i++) {
    const hold = at.policy[i] * (temperature + at.costs[i])
    if (hold < least) least = hold
  }
  return least
}

/** The iterate at a policy, with products as alike as they can be: the {@link Link} says what its own are. */
function startAt(problem: ScaledProblem, link: Link, { policy, tilt }: Start): Iterate {
  const { groups, items, temperature, contexts } = problem
  const { starts, weights } = contexts
  const x = new Float64Array(groups)
  utilitiesOf(problem, policy, x)
  const entropy = tilt.map((value) => (temperature > 0 ? temperature * value : 0))
  const costs = new Float64Array(items)
  const count = groups + items
  let least = Math.max(0, dot(policy, entropy)) / count
  for (let last = false; ; last = true) {
    const { product, ...linked } = link.start(x, least)
    valuesOf(problem, linked.weights, costs)
    for (let i = 0; i < items; i++) costs[i] = costs[i] - entropy[i]
    const tops = topsOf(contexts, costs)
    let mean = 0
    for (let q = 0; q < tops.length; q++) {
      for (let i = starts[q]; i < starts[q + 1]; i++) {
        costs[i] = tops[q] - costs[i]
        mean += (policy[i] * costs[i]) / count
      }
    }
    if (mean > 100 * product && !last) {
      // The items' products are far larger than the groups', which can only follow them.
      least = mean
      continue
    }
    const level = tops.map((top, q) => {
      const rise = (product * (starts[q + 1] - starts[q])) / weights[q]
      for (let i = starts[q]; i < starts[q + 1]; i++) costs[i] += rise
      return top + rise
    })
    const variables = { ...linked, utilities: x, policy: policy.slice(), costs, level }
    return { ...newIterate(problem, variables), tilt: tilt.slice() }
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k]
  return sum
}
