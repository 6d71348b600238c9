import { gibbsPolicy } from './gibbs.ts'
import type { Link } from './link.ts'
import { evaluate, factorise, newSystem, solve, type System, valuesOf } from './newton.ts'

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
  let limit = MISFIT_LIMIT * Math.max(1, system.misfit / products(link, iterate).sum)
  for (let iteration = 1; iteration <= MAX_ITERATIONS; iteration++) {
    const { sum, count } = products(link, iterate)
    const now = sum / count
    if (!factorise(problem, iterate, system)) return iteration
    solve(problem, link, iterate, system, 0, null, predictor)
    advance(iterate, predictor, stepLength(link, iterate, predictor, 1), trial)
    const ratio = Math.max(0, Math.min(1, products(link, trial).sum / sum))
    solve(problem, link, iterate, system, ratio ** 3 * now, predictor, move)
    let step = trySteps(problem, link, iterate, move, trial, system, limit)
    if (step < 0.1) {
      // The prediction was of no use here: move to the centre first.
      evaluate(problem, link, iterate, system)
      solve(problem, link, iterate, system, 0.9 * now, null, move)
      step = Math.max(step, trySteps(problem, link, iterate, move, trial, system, limit))
    }
    if (!(step > 1e-9)) return iteration
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
  let step = stepLength(link, at, move, Math.max(0.9, 1 - before.sum / before.count))
  for (; step > 1e-9; step *= 0.6) {
    advance(at, move, step, trial)
    evaluate(problem, link, trial, system)
    const { sum, least, count } = products(link, trial)
    const size = 1
    if (system.misfit <= Math.max(limit * sum, ROUNDING * count * size) && least >= (CENTRED * sum) / count) break
  }
  return step
}
