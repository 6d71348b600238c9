import { reachOf } from './contexts.ts'
import { optimise } from './optimise.ts'
import type { Optimum, WelfareProblem } from './problem.ts'
import { inUnits, outOfUnits } from './units.ts'
import { utilitarian } from './utilitarian.ts'

/**
 * Relative utilitarianism: W = Σ_g n_g x_g/range_g, with range_g how far policies can move group g, Σ_q w_q (max_i u_gi −
 * min_i u_gi) (Dhillon & Mertens, Econometrica 67, 1999). The weights λ_g = n_g/range_g do not depend on the policy.
 *
 * Items that constraints rule out are no part of the problem and do not count; guardrails, which only keep shares and means
 * in bounds, do not change the range.
 *
 * A group to whom all items are the same wants nothing, and has weight 0; unless they all are so, when the weights are n.
 */
export function relativeUtilitarian(problem: WelfareProblem): Optimum {
  const units = rangeUnits(problem)
  return outOfUnits(problem, units, optimise(inUnits(problem, units), utilitarian))
}

/** range_g; ∞ for a group that no policy moves, and 1 for all where none moves any. */
export function rangeUnits(problem: WelfareProblem): Float64Array {
  const reach = reachOf(problem)
  const none = reach.every((range) => range === 0)
  return reach.map((range) => (none ? 1 : range > 0 ? range : Number.POSITIVE_INFINITY))
}
