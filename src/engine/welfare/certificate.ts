import { divergence, gibbsPolicy } from './gibbs.ts'
import type { WelfareFunction, WelfareProblem } from './problem.ts'

/** What a pair of policy and weights proves about each other. */
export type Certified = {
  /** λ, moved into its dual set; length G. */
  weights: Float64Array
  policy: Float64Array
  /** x(p); length G. */
  utilities: Float64Array
  welfare: number
  gap: number
  relativeGap: number
  /** The largest max(0, −x_g) relative to the group's range, where W needs gains; else 0. */
  primalResidual: number
}

/** How far from proven: 0 at an exact optimum. */
export function errorOf({ relativeGap, primalResidual }: Certified): number {
  return relativeGap + primalResidual
}

/**
 * Computes the duality gap of a policy and weights from these numbers alone.
 *
 * With v = Uᵀλ and p_λ the Gibbs policy of v, D(λ) − F(p) is the sum of two terms that cannot be negative: the
 * policy's loss against λ, β KL(p‖p_λ) (at β = 0: max_i v_i − p·v), and the Fenchel–Young loss λ·x − W(x). Written
 * so, no large numbers cancel.
 */
export function certify(
  problem: WelfareProblem,
  welfareFunction: WelfareFunction,
  policy: Float64Array,
  lambda: Float64Array,
): Certified {
  const { groups, items, utilities: u, population, reference, temperature } = problem
  const weights = lambda.slice()
  welfareFunction.project(weights, population)

  const x = new Float64Array(groups)
  const values = new Float64Array(items)
  let spread = 0
  let residual = 0
  for (let g = 0; g < groups; g++) {
    const row = u.subarray(g * items, (g + 1) * items)
    let low = Number.POSITIVE_INFINITY
    let high = Number.NEGATIVE_INFINITY
    for (let i = 0; i < items; i++) {
      x[g] += row[i] * policy[i]
      values[i] += row[i] * weights[g]
      if (row[i] < low) low = row[i]
      if (row[i] > high) high = row[i]
    }
    spread += weights[g] * (high - low)
    if (x[g] < 0) residual = Math.max(residual, high > low ? -x[g] / (high - low) : Number.POSITIVE_INFINITY)
  }

  let support = 0
  for (let g = 0; g < groups; g++) support += weights[g] * x[g]
  const welfare = welfareFunction.value(x, population)
  let gap = Math.max(0, support - welfare)
  let objective = welfare
  if (temperature > 0) {
    gap += Math.max(0, lossAgainst(values, problem, policy))
    objective -= temperature * divergence(policy, reference)
  } else {
    let top = Number.NEGATIVE_INFINITY
    for (const value of values) if (value > top) top = value
    gap += Math.max(0, top - support)
  }
  const size = Math.max(Math.abs(objective), spread)
  return {
    weights,
    policy,
    utilities: x,
    welfare,
    gap,
    relativeGap: gap === 0 ? 0 : gap / size,
    primalResidual: welfareFunction.needsGains ? residual : 0,
  }
}

/** β KL(p‖p_λ), where p_λ may have underflowed to 0 at an item that p still holds. */
function lossAgainst(
  values: Float64Array,
  { reference, temperature }: WelfareProblem,
  policy: Float64Array,
): number {
  const gibbs = new Float64Array(values.length)
  const best = gibbsPolicy(values, reference, temperature, gibbs)
  if (policy.every((share, i) => share === 0 || gibbs[i] > 1e-300))
    return temperature * divergence(policy, gibbs)
  let loss = 0
  for (let i = 0; i < policy.length; i++) {
    if (policy[i] > 0)
      loss += policy[i] * (temperature * Math.log(policy[i] / reference[i]) + best - values[i])
  }
  return loss
}
