import { Problem } from '../problem.ts'
import { type Certified, certify, errorOf } from './certificate.ts'
import { gibbsInContexts, normalisedIn } from './contexts.ts'
import { leastDivergence } from './least-divergence.ts'
import { maximin } from './maximin.ts'
import type { Optimum, WelfareFunction, WelfareProblem } from './problem.ts'
import { type Found, searchAmongAll } from './search.ts'
import { valuesOf } from './table.ts'
import { hasManyItems, searchAmongFew } from './working-set.ts'

/** A certificate above this is no answer. */
const ERROR_LIMIT = 1e-8
/** Items whose aggregated reward is within this of the best, in units of its range, tie for it. */
const TIE = 1e-10

/**
 * Maximises W(x(p)) − β KL(p‖π) over policies p that meet all guardrails.
 *
 * At β > 0 the policy returned is the Gibbs policy of the weights and prices returned, as far as double precision resolves
 * it. At β = 0 it is, among the optimal ones, the one of least divergence from the reference.
 *
 * @throws NoGains where W needs gains that no policy gives to every group
 * @throws NoRoom where no policy meets all guardrails with room to spare
 * @throws Problem `not-converged` where the certified relative gap stays above 1e-8
 */
export function optimise(problem: WelfareProblem, welfareFunction: WelfareFunction): Optimum {
  const { link, search } = welfareFunction
  if (link === null && search === undefined) {
    const plain = problem.guardrails.limits.length === 0
    return plain ? closedForm(problem, welfareFunction) : asOneGroup(problem, welfareFunction)
  }
  const found = link === null ? search?.(problem) : searchByLink(problem, welfareFunction, link)
  if (!found || !(errorOf(found.certified) <= ERROR_LIMIT)) throw notConverged(found?.certified ?? null)
  const { certified, iterations, tied } = found
  if (problem.temperature > 0) return toOptimum(certified, { iterations, unique: true, supportOnly: !tied })

  const nearest = leastDivergence(problem, welfareFunction, certified)
  return toOptimum(nearest.certified, { iterations, unique: nearest.unique, supportOnly: true })
}

/** The optimum where a link describes W: among few of many items, if that can be. */
function searchByLink(
  problem: WelfareProblem,
  welfareFunction: WelfareFunction,
  link: NonNullable<WelfareFunction['link']>,
): Found | null {
  const few = hasManyItems(problem) ? searchAmongFew(problem, welfareFunction, link) : null
  return few !== null && errorOf(few.certified) <= ERROR_LIMIT
    ? few
    : searchAmongAll(problem, welfareFunction, link)
}

function toOptimum(
  { weights, prices, policy, utilities, welfare, gap, relativeGap }: Certified,
  { iterations, unique, supportOnly }: { iterations: number; unique: boolean; supportOnly: boolean },
): Optimum {
  const certificate = { gap, relativeGap, iterations, unique }
  return { weights, prices, policy, utilities, welfare, supportOnly, certificate }
}

export function notConverged(best: Certified | null): Problem {
  const found =
    best === null
      ? 'No policy could be certified'
      : `The best policy found has a relative duality gap of ${best.relativeGap.toExponential(2)}`
  return new Problem(
    'not-converged',
    `${found}, and an answer needs ${ERROR_LIMIT}: the utilities of the groups, or the temperature, differ by more ` +
      'orders of magnitude than double precision resolves. Choose a scale such as unit-range, or temperature 0.',
    best === null ? {} : { evidence: { relativeGap: best.relativeGap } },
  )
}

/** Weights that are the only ones of their dual set. */
function fixedWeights({ population }: WelfareProblem, welfareFunction: WelfareFunction): Float64Array {
  const weights = population.slice()
  welfareFunction.project(weights, population)
  return weights
}

/** The optimum where the weights are known beforehand: the Gibbs policy, or the items of the largest value. */
function closedForm(problem: WelfareProblem, welfareFunction: WelfareFunction): Optimum {
  const { items, reference, temperature, contexts } = problem
  const weights = fixedWeights(problem, welfareFunction)
  const values = new Float64Array(items)
  valuesOf(problem, weights, values)
  let policy: Float64Array = new Float64Array(items)
  let unique = true
  if (temperature > 0) gibbsInContexts(problem, values, policy)
  else {
    const { starts } = contexts
    for (let q = 0; q + 1 < starts.length; q++) {
      const own = values.subarray(starts[q], starts[q + 1])
      const top = own.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
      const bottom = own.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
      const level = top - TIE * (top - bottom)
      let tied = 0
      for (let i = starts[q]; i < starts[q + 1]; i++) {
        if (values[i] < level) continue
        policy[i] = reference[i]
        tied++
      }
      unique &&= tied === 1
    }
    policy = normalisedIn(contexts, policy)
  }
  const certified = certify(problem, welfareFunction, policy, weights)
  if (!(errorOf(certified) <= ERROR_LIMIT)) throw notConverged(certified)
  return toOptimum(certified, { iterations: 0, unique, supportOnly: temperature === 0 })
}

/** The same within guardrails: that of a single group whose utilities are W's own. */
function asOneGroup(problem: WelfareProblem, welfareFunction: WelfareFunction): Optimum {
  const weights = fixedWeights(problem, welfareFunction)
  const utilities = new Float64Array(problem.items)
  valuesOf(problem, weights, utilities)
  const pooled = { ...problem, groups: 1, utilities, population: Float64Array.of(1) }
  const { policy, prices, supportOnly, certificate } = optimise(pooled, maximin)
  const certified = certify(problem, welfareFunction, policy, weights, prices)
  if (!(errorOf(certified) <= ERROR_LIMIT)) throw notConverged(certified)
  return toOptimum(certified, { ...certificate, supportOnly })
}
