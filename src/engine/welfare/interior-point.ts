import { gibbsPolicy } from './gibbs.ts'
import type { Link } from './link.ts'
import { evaluate, factorise, newSystem, type System, solve, valuesOf } from './newton.ts'

/** A welfare problem in units where every group's utilities have size 1. */
export type ScaledProblem = {
  groups: number
  items: number
  /** û, G × n, row-major. */
  utilities: Float64Array
  reference: Float64Array
  /** β̂ ≥ 0. */
  temperature: number
}

/** A point of the path: strictly positive, and at the optimum when all complementary products have gone to zero. */
export type Iterate = {
  /** λ̂; length G. */
  weights: Float64Array
  /** y: the utilities that the welfare function takes account of; length G. */
  counted: Float64Array
  /** s or r, complementary to the weights or to the utilities (see {@link Link}); length G. */
  partner: Float64Array
  /** p; length n. */
  policy: Float64Array
  /** Reduced costs z_i = ν − û_i·λ̂ + β̂(log(p_i/π_i) + 1); length n. */
  costs: Float64Array
  /** ν, the multiplier of Σp = 1. */
  level: number
  /** w. */
  welfare: number
  /** k, the slack of the inequality whose multiplier is w. */
  slack: number
}

/** Receives every iterate; answers true when it is good enough. */
export type Judge = (iterate: Iterate) => boolean

const MAX_ITERATIONS = 200
/** A step leaves the residual of the equations below this multiple of the complementary products' sum … */
const MISFIT_LIMIT = 10
/** … or below this, which is rounding; */
const ROUNDING = 1e-15
/** and no product below this part of their mean. */
const CENTRED = 1e-4
const SHORTEST_STEP = 1e-9

/**
 * Finds p, λ̂ and y at which W(x(p)) − β̂ KL(p‖π) is largest, for β̂ ≥ 0, by a primal–dual interior point (Mehrotra's
 * predictor–corrector):
 *
 *   Ûp = y + s,   Σp = 1,   z = ν1 − Ûᵀλ̂ + β̂(log(p/π) + 1),   λ̂ ∈ ∂W(y) as the {@link Link} has it,
 *   p∘z = s∘λ̂ = … = μ → 0.
 *
 * p, z, s, y, ν are eliminated, so that the Newton system is G × G: an iteration costs O(nG²). The link's equations
 * are curved, so a step is cut where the residuals would fall behind the products: that they vanish together is what
 * makes the method converge from anywhere.
 *
 * @returns the number of iterations
 */
export function followCentralPath(problem: ScaledProblem, link: Link, judge: Judge): number {
  let iterate = startOf(problem, link)
  let trial = newIterate(problem)
  const system = newSystem(problem)
  const predictor = newIterate(problem)
  const move = newIterate(problem)
  evaluate(problem, link, iterate, system)
  const limit = MISFIT_LIMIT * Math.max(1, system.misfit / products(link, iterate).sum)
  for (let iteration = 1; iteration <= MAX_ITERATIONS; iteration++) {
    const { sum, mean } = products(link, iterate)
    if (!factorise(problem, iterate, system)) return iteration
    solve(problem, link, iterate, system, 0, null, predictor)
    const reach = stepLength(link, iterate, predictor, 1)
    advance(iterate, predictor, reach, trial)
    const ratio = Math.max(0, Math.min(1, products(link, trial).sum / sum))
    solve(problem, link, iterate, system, ratio ** 3 * mean, { move: predictor, reach }, move)
    let step = trySteps(problem, link, iterate, move, trial, system, limit)
    if (step < 0.1) {
      // The prediction was of no use here: move to the centre first.
      evaluate(problem, link, iterate, system)
      solve(problem, link, iterate, system, 0.9 * mean, null, move)
      step = Math.max(step, trySteps(problem, link, iterate, move, trial, system, limit))
    }
    if (!(step > SHORTEST_STEP)) return iteration
    const last = iterate
    iterate = trial
    trial = last
    if (judge(iterate)) return iteration
  }
  return MAX_ITERATIONS
}

/** Steps from an iterate to `trial` as far as the limits allow, and evaluates the equations there. */
function trySteps(
  problem: ScaledProblem,
  link: Link,
  at: Iterate,
  move: Iterate,
  trial: Iterate,
  system: System,
  limit: number,
): number {
  const before = products(link, at)
  const centred = Math.min(CENTRED, before.least / before.mean)
  const { misfit } = system
  let step = stepLength(link, at, move, Math.max(0.9, 1 - before.mean))
  for (; step > SHORTEST_STEP; step *= 0.6) {
    advance(at, move, step, trial)
    evaluate(problem, link, trial, system)
    const { sum, least, mean } = products(link, trial)
    if (
      system.misfit <= Math.max(limit * sum, 0.1 * misfit, ROUNDING * before.count) &&
      least >= centred * mean
    )
      return step
  }
  return 0
}

/**
 * Continues from an iterate with the policy tied to the weights, p = Gibbs(Ûᵀλ̂), for β̂ > 0: the last digits of λ̂,
 * on which a policy that is recomputed from the weights depends 1/β̂ times as strongly.
 *
 * @returns the number of iterations
 */
export function polish(problem: ScaledProblem, link: Link, start: Iterate, judge: Judge): number {
  let iterate = copyOf(start)
  let trial = newIterate(problem)
  const system = newSystem(problem)
  const move = newIterate(problem)
  const values = new Float64Array(problem.items)
  let centre = products(link, iterate).mean
  iterate.costs.fill(0)
  for (let iteration = 1; iteration <= 30; iteration++) {
    valuesOf(problem, problem.utilities, iterate.weights, values)
    iterate.level =
      gibbsPolicy(values, problem.reference, problem.temperature, iterate.policy) - problem.temperature
    if (judge(iterate)) return iteration
    evaluate(problem, link, iterate, system)
    if (!factorise(problem, iterate, system)) return iteration
    centre = Math.max(1e-30, Math.min(centre * 0.01, centre ** 1.5))
    solve(problem, link, iterate, system, centre, null, move)
    move.policy.fill(0)
    move.costs.fill(0)
    const step = stepLength(link, iterate, move, 0.999)
    if (!(step > 0)) return iteration
    advance(iterate, move, step, trial)
    const last = iterate
    iterate = trial
    trial = last
  }
  return 30
}

function newIterate({ groups, items }: ScaledProblem): Iterate {
  return {
    weights: new Float64Array(groups),
    counted: new Float64Array(groups),
    partner: new Float64Array(groups),
    policy: new Float64Array(items),
    costs: new Float64Array(items),
    level: 0,
    welfare: 0,
    slack: 0,
  }
}

/** A copy that later steps leave alone. */
export function copyOf(iterate: Iterate): Iterate {
  return {
    ...iterate,
    weights: iterate.weights.slice(),
    counted: iterate.counted.slice(),
    partner: iterate.partner.slice(),
    policy: iterate.policy.slice(),
    costs: iterate.costs.slice(),
  }
}

/**
 * A start at which the reduced costs are right and positive, and p minimises KL(p‖uniform) + β̂ KL(p‖π): in the middle
 * where the temperature is low, at the reference where it is high.
 */
function startOf(problem: ScaledProblem, link: Link): Iterate {
  const { items, reference, temperature } = problem
  const { weights, counted, slack } = link.start
  const values = new Float64Array(items)
  valuesOf(problem, problem.utilities, weights, values)

  const pull = temperature / (1 + temperature)
  const policy = reference.map((share) => share ** pull)
  let sum = 0
  for (const share of policy) sum += share
  for (let i = 0; i < items; i++) policy[i] /= sum
  const costs = values.map((value, i) =>
    temperature > 0 ? temperature * (Math.log(policy[i] / reference[i]) + 1) - value : -value,
  )
  const level = 1 - costs.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
  for (let i = 0; i < items; i++) costs[i] += level
  const start: Iterate = {
    weights: weights.slice(),
    counted: counted.slice(),
    partner: (link.pairedTo === 'weights' ? weights : counted).map((value) => 1 / (items * value)),
    policy,
    costs,
    level,
    welfare: 1,
    slack,
  }
  if (link.signed) takeWelfareOf(start, problem)
  return start
}

/**
 * Where welfare may have either sign, y = w·(y at welfare 1): the largest w that leaves every group a surplus of 1 or
 * more. From there x = y + s holds at every iterate.
 */
function takeWelfareOf(start: Iterate, { groups, items, utilities: u }: ScaledProblem): void {
  const x = new Float64Array(groups)
  start.welfare = Number.POSITIVE_INFINITY
  for (let g = 0; g < groups; g++) {
    for (let i = 0; i < items; i++) x[g] += u[g * items + i] * start.policy[i]
    start.welfare = Math.min(start.welfare, (x[g] - 1) / start.counted[g])
  }
  for (let g = 0; g < groups; g++) {
    start.counted[g] *= start.welfare
    start.partner[g] = x[g] - start.counted[g]
  }
}

/** The complementary products. */
function products({ pairedTo, bounded }: Link, at: Iterate) {
  const left = at[pairedTo]
  let sum = bounded ? at.welfare * at.slack : 0
  let least = bounded ? sum : Number.POSITIVE_INFINITY
  for (let g = 0; g < left.length; g++) {
    const product = left[g] * at.partner[g]
    sum += product
    if (product < least) least = product
  }
  for (let i = 0; i < at.policy.length; i++) {
    const product = at.policy[i] * at.costs[i]
    sum += product
    if (product < least) least = product
  }
  const count = left.length + at.policy.length + (bounded ? 1 : 0)
  return { sum, least, count, mean: sum / count }
}

/** The longest step up to 1 that keeps everything positive, times `fraction` where a bound is met. */
function stepLength({ signed, bounded }: Link, at: Iterate, move: Iterate, fraction: number): number {
  let step = 1 / fraction
  for (let g = 0; g < at.weights.length; g++) {
    if (!signed && move.counted[g] < 0) step = Math.min(step, -at.counted[g] / move.counted[g])
    if (move.weights[g] < 0) step = Math.min(step, -at.weights[g] / move.weights[g])
    if (move.partner[g] < 0) step = Math.min(step, -at.partner[g] / move.partner[g])
  }
  for (let i = 0; i < at.policy.length; i++) {
    if (move.policy[i] < 0) step = Math.min(step, -at.policy[i] / move.policy[i])
    if (move.costs[i] < 0) step = Math.min(step, -at.costs[i] / move.costs[i])
  }
  if (bounded) {
    if (move.welfare < 0) step = Math.min(step, -at.welfare / move.welfare)
    if (move.slack < 0) step = Math.min(step, -at.slack / move.slack)
  }
  return Math.min(1, step * fraction)
}

/** Writes at + step·move to `to`. */
function advance(at: Iterate, move: Iterate, step: number, to: Iterate): void {
  for (let g = 0; g < at.weights.length; g++) {
    to.weights[g] = at.weights[g] + step * move.weights[g]
    to.counted[g] = at.counted[g] + step * move.counted[g]
    to.partner[g] = at.partner[g] + step * move.partner[g]
  }
  for (let i = 0; i < at.policy.length; i++) {
    to.policy[i] = at.policy[i] + step * move.policy[i]
    to.costs[i] = at.costs[i] + step * move.costs[i]
  }
  to.level = at.level + step * move.level
  to.welfare = at.welfare + step * move.welfare
  to.slack = at.slack + step * move.slack
}
