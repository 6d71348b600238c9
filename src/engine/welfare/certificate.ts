import { contextOfEach, gibbsInContexts, reachOf } from './contexts.ts'
import { divergence, divergenceFromGibbs } from './gibbs.ts'
import { slackRows, valuesAt } from './guardrails.ts'
import type { WelfareFunction, WelfareProblem } from './problem.ts'
import { utilitiesOf } from './table.ts'

/** What a policy, weights and prices prove about each other. */
export type Certified = {
  /** λ, moved into its dual set; length G. */
  weights: Float64Array
  /** μ; length K. */
  prices: Float64Array
  policy: Float64Array
  /** x(p); length G. */
  utilities: Float64Array
  /** τ − Cp; length K. */
  slacks: Float64Array
  welfare: number
  gap: number
  relativeGap: number
  /**
   * The largest max(0, −x_g), where W needs gains, or max(0, −s_k) of a guardrail, relative to how far policies can move
   * it.
   */
  primalResidual: number
}

/** How far from proven: 0 at an exact optimum. */
export function errorOf({ relativeGap, primalResidual }: Certified): number {
  return relativeGap + primalResidual
}

/**
 * Computes the duality gap of a policy, weights and prices from these numbers alone.
 *
 * With v = Uᵀλ − Cᵀμ and p_v the Gibbs policy of v in every context, D(λ, μ) − F(p) is the sum of three terms that cannot
 * be negative: the policy's loss against v, β KL(p‖p_v) (at β = 0: Σ_q Σ_i p_i (max_j v_j − v_i)); the Fenchel–Young loss
 * λ·x − W(x) − W_*(λ); and μ·(τ − Cp), what is paid for limits that are not met. Written so, no large numbers cancel.
 *
 * @param slackTable the guardrails' {@link slackRows}, for callers that have them
 */
export function certify(
  problem: WelfareProblem,
  welfareFunction: WelfareFunction,
  policy: Float64Array,
  lambda: Float64Array,
  mu: Float64Array = new Float64Array(problem.guardrails.limits.length),
  slackTable = slackRows(problem),
): Certified {
  const { groups, items, population, reference, temperature, contexts } = problem
  const weights = lambda.slice()
  welfareFunction.project(weights, population)
  const prices = mu.map((price) => Math.max(0, price))
  const guardrails = { groups: prices.length, items, utilities: slackTable, contexts }

  const x = new Float64Array(groups)
  const slacks = new Float64Array(prices.length)
  utilitiesOf(problem, policy, x)
  utilitiesOf(guardrails, policy, slacks)

  const reach = reachOf(problem)
  let spread = 0
  let residual = 0
  for (let g = 0; g < groups; g++) {
    spread += weights[g] * reach[g]
    if (welfareFunction.needsGains) residual = Math.max(residual, lackOf(x[g], reach[g]))
  }
  const room = reachOf(guardrails)
  for (let k = 0; k < prices.length; k++) residual = Math.max(residual, lackOf(slacks[k], room[k]))

  const welfare = welfareFunction.value(x, population)
  let support = 0
  for (let g = 0; g < groups; g++) support += weights[g] * x[g]
  let gap = Math.max(0, welfareFunction.loss?.(weights, x, population) ?? support - welfare)
  for (let k = 0; k < prices.length; k++) gap += prices[k] * Math.max(0, slacks[k])
  const values = valuesAt(problem, slackTable, weights, prices)
  gap += Math.max(0, lossAgainst(values, problem, policy))
  const objective = temperature > 0 ? welfare - temperature * divergence(policy, reference) : welfare
  const size = Math.max(Math.abs(objective), spread)
  return {
    weights,
    prices,
    policy,
    utilities: x,
    slacks,
    welfare,
    gap,
    relativeGap: gap === 0 ? 0 : gap / size,
    primalResidual: residual,
  }
}

/** How far a value is below 0, relative to how far policies can move it. */
function lackOf(value: number, reach: number): number {
  if (value >= 0) return 0
  return reach > 0 ? -value / reach : Number.POSITIVE_INFINITY
}

/** β KL(p‖p_v); at β = 0 what p misses of the best in each context. */
function lossAgainst(
  values: Float64Array,
  { reference, temperature, contexts }: WelfareProblem,
  policy: Float64Array,
): number {
  if (temperature === 0) {
    const { starts } = contexts
    let loss = 0
    for (let q = 0; q + 1 < starts.length; q++) {
      let top = Number.NEGATIVE_INFINITY
      for (let i = starts[q]; i < starts[q + 1]; i++) if (values[i] > top) top = values[i]
      for (let i = starts[q]; i < starts[q + 1]; i++) if (policy[i] > 0) loss += policy[i] * (top - values[i])
    }
    return loss
  }
  const context = contextOfEach(contexts)
  const gibbs = new Float64Array(values.length)
  const levels = new Float64Array(contexts.weights.length)
  gibbsInContexts({ reference, temperature, contexts }, values, gibbs, levels)
  const logOf = (i: number) => Math.log(reference[i]) + (values[i] - levels[context[i]]) / temperature
  return temperature * divergenceFromGibbs(policy, gibbs, logOf)
}
