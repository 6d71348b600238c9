import { Problem } from '../problem.ts'
import { type Certified, certify } from './certificate.ts'
import { gibbsPolicy } from './gibbs.ts'
import { copyOf, followCentralPath, type Iterate, polish, type ScaledProblem } from './interior-point.ts'
import { leastDivergence } from './least-divergence.ts'
import { maximin } from './maximin.ts'
import type { Optimum, WelfareFunction, WelfareProblem } from './problem.ts'

/** A certificate above this is no answer. */
const GAP_LIMIT = 1e-8
/** Where the solver stops trying for more digits. */
const GAP_TARGET = 1e-13
const RESIDUAL_LIMIT = 1e-9
/** Beside the largest, a weight this small is what is left of zero. */
const NO_WEIGHT = 1e-16
/** A best attainable worst gain below this, in units of each group's largest utility, is none. */
const GAIN_LIMIT = 1e-12
/** Items whose aggregated reward is within this of the best, in units of its range, tie for it. */
const TIE = 1e-10

/**
 * Maximises W(x(p)) − β KL(p‖π) over policies p.
 *
 * At β > 0 the policy returned is the Gibbs policy of the weights returned. At β = 0 it is, among the optimal ones,
 * the one of least divergence from the reference.
 *
 * @throws Problem `no-acceptable-policy` where W needs gains that no policy gives to every group
 * @throws Problem `not-converged` where the certified relative gap stays above 1e-8
 */
export function optimise(problem: WelfareProblem, welfareFunction: WelfareFunction): Optimum {
  if (welfareFunction.link === null) return closedForm(problem, welfareFunction)
  if (welfareFunction.needsGains) requireGains(problem)

  const { certified, iterations } = search(problem, welfareFunction, welfareFunction.link)
  let best = certified
  let unique = problem.temperature > 0
  if (problem.temperature === 0) {
    const nearest = leastDivergence(problem, best)
    if (nearest !== null) {
      const projected = certify(problem, welfareFunction, nearest.policy, best.weights)
      if (projected.relativeGap <= Math.max(1e-10, 2 * best.relativeGap)) {
        best = projected
        unique = nearest.unique
      }
    }
  }
  if (!(best.relativeGap <= GAP_LIMIT && best.primalResidual <= RESIDUAL_LIMIT)) throw notConverged(best)
  return toOptimum(best, iterations, unique)
}

function toOptimum(best: Certified, iterations: number, unique: boolean): Optimum {
  const { weights, policy, utilities, welfare, gap, relativeGap } = best
  return { weights, policy, utilities, welfare, certificate: { gap, relativeGap, iterations, unique } }
}

function notConverged(best: Certified): Problem {
  return new Problem(
    'not-converged',
    `The best policy found has a relative duality gap of ${best.relativeGap.toExponential(2)}, above the ${GAP_LIMIT} that ` +
      'an answer needs: the utilities of the groups, or the temperature, differ by more orders of magnitude than ' +
      'double precision resolves. Choose a scale such as unit-range, or temperature 0.',
    { evidence: { relativeGap: best.relativeGap } },
  )
}

/** The optimum where the weights are known beforehand: the Gibbs policy, or the items of the largest value. */
function closedForm(problem: WelfareProblem, welfareFunction: WelfareFunction): Optimum {
  const { groups, items, utilities: u, population, reference, temperature } = problem
  const weights = population.slice()
  const values = new Float64Array(items)
  for (let g = 0; g < groups; g++) {
    for (let i = 0; i < items; i++) values[i] += weights[g] * u[g * items + i]
  }
  const policy = new Float64Array(items)
  let unique = true
  if (temperature > 0) gibbsPolicy(values, reference, temperature, policy)
  else {
    const top = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
    const bottom = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
    const level = top - TIE * (top - bottom)
    let sum = 0
    let tied = 0
    for (let i = 0; i < items; i++) {
      if (values[i] < level) continue
      policy[i] = reference[i]
      sum += reference[i]
      tied++
    }
    for (let i = 0; i < items; i++) policy[i] /= sum
    unique = tied === 1
  }
  const certified = certify(problem, welfareFunction, policy, weights)
  if (!(certified.relativeGap <= GAP_LIMIT)) throw notConverged(certified)
  return toOptimum(certified, 0, unique)
}

/** Follows the central path, judging every iterate by its certificate in the problem's own units; keeps the best. */
function search(
  problem: WelfareProblem,
  welfareFunction: WelfareFunction,
  linkOf: NonNullable<WelfareFunction['link']>,
): { certified: Certified; iterations: number } {
  const { groups, population } = problem
  const scale = sizesOf(problem)
  // Welfare in units of what it is when every group gains its whole scale.
  const unit = welfareFunction.value(scale, population)
  const scaled = scaleDown(problem, scale, unit)
  const link = linkOf(
    population,
    scale.map((size) => size / unit),
  )

  let best: Certified | null = null
  let bestIterate: Iterate | null = null
  let stale = 0
  const weights = new Float64Array(groups)
  const judgeBy = (policyOf: (iterate: Iterate) => Float64Array) => (iterate: Iterate) => {
    // Where an indifferent group sets the welfare, the others' weights are exactly zero, and so is the gap's scale.
    const least = welfareFunction.needsGains
      ? 0
      : NO_WEIGHT * iterate.weights.reduce((a, b) => Math.max(a, b))
    for (let g = 0; g < groups; g++) {
      const weight = iterate.weights[g]
      weights[g] = weight <= least ? 0 : (weight * unit) / scale[g]
    }
    const certified = certify(problem, welfareFunction, policyOf(iterate), weights)
    const gap = certified.relativeGap + certified.primalResidual
    if (Number.isFinite(gap) && (best === null || gap < best.relativeGap + best.primalResidual)) {
      best = certified
      bestIterate = copyOf(iterate)
      stale = 0
    } else stale++
    return best !== null && (best.relativeGap + best.primalResidual <= GAP_TARGET || stale > 15)
  }

  let iterations = followCentralPath(
    scaled,
    link,
    judgeBy((iterate) => normalised(iterate.policy)),
  )
  if (problem.temperature > 0 && bestIterate !== null) {
    // The policy that is returned is the one that follows from the weights, so from here on only it counts,
    // unless the temperature is too low for that to be resolved.
    const free: Certified | null = best
    best = null
    stale = 0
    iterations += polish(
      scaled,
      link,
      bestIterate,
      judgeBy((iterate) => iterate.policy.slice()),
    )
    best = better(best, free)
  }
  if (best === null) {
    throw new Problem(
      'not-converged',
      'The solver met numbers beyond double precision. Choose a scale such as unit-range.',
    )
  }
  return { certified: best, iterations }
}

function better(tied: Certified | null, free: Certified | null): Certified | null {
  if (tied === null || free === null) return tied ?? free
  return tied.relativeGap <= Math.max(GAP_LIMIT / 10, free.relativeGap) ? tied : free
}

function normalised(policy: Float64Array): Float64Array {
  let sum = 0
  for (const share of policy) sum += share
  return policy.map((share) => share / sum)
}

/** The size of each group's utilities, max_i |u_gi|; the smallest of the others' for a group that has none. */
function sizesOf({ groups, items, utilities }: WelfareProblem): Float64Array {
  const sizes = new Float64Array(groups)
  for (let g = 0; g < groups; g++) {
    for (let i = 0; i < items; i++) sizes[g] = Math.max(sizes[g], Math.abs(utilities[g * items + i]))
  }
  const least = sizes.reduce((low, size) => (size > 0 ? Math.min(low, size) : low), Number.POSITIVE_INFINITY)
  const smallest = Number.isFinite(least) ? least : 1
  return sizes.map((size) => (size > 0 ? size : smallest))
}

function scaleDown(problem: WelfareProblem, scale: Float64Array, unit: number): ScaledProblem {
  const { groups, items, reference, temperature } = problem
  const utilities = problem.utilities.slice()
  for (let g = 0; g < groups; g++) {
    for (let i = 0; i < items; i++) utilities[g * items + i] /= scale[g]
  }
  return { groups, items, utilities, reference, temperature: temperature / unit }
}

/**
 * Refuses a problem in which no policy gives every group a gain, with weights λ on the simplex that prove it: where
 * max_i Σ_g λ_g u_gi ≤ 0, no lottery can have every x_g > 0.
 */
function requireGains(problem: WelfareProblem): void {
  const { groups, items, utilities: u, reference } = problem
  let everyoneGains = true
  for (let g = 0; g < groups; g++) {
    let x = 0
    let top = Number.NEGATIVE_INFINITY
    for (let i = 0; i < items; i++) {
      x += reference[i] * u[g * items + i]
      top = Math.max(top, u[g * items + i])
    }
    if (top <= 0) {
      const weights = new Float64Array(groups)
      weights[g] = 1
      throw noGains(weights, top)
    }
    if (!(x > 1e-6 * top)) everyoneGains = false
  }
  if (everyoneGains) return

  const sizes = sizesOf(problem)
  const ones = new Float64Array(groups).fill(1)
  const scaled: WelfareProblem = {
    ...scaleDown(problem, sizes, 1),
    population: problem.population,
    temperature: 0,
  }
  const link = maximin.link as NonNullable<WelfareFunction['link']>
  const { certified } = search(scaled, maximin, () => link(ones, ones))
  if (!(certified.relativeGap <= GAP_LIMIT)) throw notConverged(certified)
  if (certified.welfare > GAIN_LIMIT) return
  // λ for the scaled utilities, brought back to the simplex of the given ones.
  const weights = certified.weights.map((weight, g) => weight / sizes[g])
  maximin.project(weights, problem.population)
  let bound = Number.NEGATIVE_INFINITY
  for (let i = 0; i < items; i++) {
    let value = 0
    for (let g = 0; g < groups; g++) value += weights[g] * u[g * items + i]
    bound = Math.max(bound, value)
  }
  throw noGains(weights, bound)
}

/** The evidence in integers; whoever knows the groups' names turns it into a {@link Problem}. */
export class NoGains extends Error {
  /** λ on the simplex; length G. */
  readonly weights: Float64Array
  /** max_i Σ_g λ_g u_gi, at most 0 up to rounding. */
  readonly bound: number

  constructor(weights: Float64Array, bound: number) {
    super('no policy gives every group a gain')
    this.weights = weights
    this.bound = bound
  }
}

function noGains(weights: Float64Array, bound: number): NoGains {
  return new NoGains(weights, bound)
}
