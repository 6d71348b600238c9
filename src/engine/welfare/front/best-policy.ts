import { gibbsInContexts, topsOf } from '../contexts.ts'
import { divergence } from '../gibbs.ts'
import { optimise } from '../optimise.ts'
import type { WelfareProblem } from '../problem.ts'
import { utilitiesOf, valuesOf } from '../table.ts'
import { utilitarian } from '../utilitarian.ts'

/** The best policy at fixed group weights. */
export type Best = {
  policy: Float64Array
  /** μ, the shadow prices of the guardrails; length K. */
  prices: Float64Array
  /** x(p); length G. */
  utilities: Float64Array
  /** KL(p‖π). */
  divergence: number
  /** x_g(p) − β KL(p‖π): what the group gets net of what straying from the reference costs; length G. */
  net: Float64Array
  /** By how much another policy may be better at these weights: 0, but for the rounding of a solver. */
  excess: number
}

/**
 * The policy that maximises Σ_g λ_g x_g(p) − β KL(p‖π) within the guardrails: what a pipeline arrives at that trains at these
 * weights. Without guardrails it is known in closed form, context by context.
 *
 * @param weights λ ≥ 0 with sum 1; length G
 */
export function bestPolicy(problem: WelfareProblem, weights: Float64Array): Best {
  if (problem.guardrails.limits.length > 0) {
    const { policy, prices, certificate } = optimise({ ...problem, population: weights }, utilitarian)
    return described(problem, policy, { prices, excess: certificate.gap })
  }
  const { items, temperature, contexts } = problem
  const values = new Float64Array(items)
  valuesOf(problem, weights, values)
  const policy = new Float64Array(items)
  if (temperature > 0) gibbsInContexts(problem, values, policy)
  else {
    topsOf(contexts, values).forEach((top, q) => {
      policy[values.indexOf(top, contexts.starts[q])] = contexts.weights[q]
    })
  }
  return described(problem, policy, { prices: new Float64Array(0), excess: 0 })
}

function described(
  problem: WelfareProblem,
  policy: Float64Array,
  { prices, excess }: Pick<Best, 'prices' | 'excess'>,
): Best {
  const { groups, temperature, reference } = problem
  const utilities = new Float64Array(groups)
  utilitiesOf(problem, policy, utilities)
  const strayed = divergence(policy, reference)
  const net = utilities.map((utility) => (temperature > 0 ? utility - temperature * strayed : utility))
  return { policy, prices, utilities, divergence: strayed, net, excess }
}
