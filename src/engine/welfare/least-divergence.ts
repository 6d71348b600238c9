import { type Certified, certify, errorOf } from './certificate.ts'
import { reachOf } from './contexts.ts'
import { type Bound, nearestOnFace } from './face.ts'
import { slackRows, valuesAt } from './guardrails.ts'
import { meanOf } from './orthonormal.ts'
import type { WelfareFunction, WelfareProblem } from './problem.ts'

/** The optimal policy nearest to the reference with its certificate, and whether it is the only optimal one. */
export type Nearest = { certified: Certified; unique: boolean }

/** It may be so much further from the optimum than the policy that was found. */
const PRICE = 1e-9
/** Items that tie for the best fall short of it by less than this much of their probability, or where that leads nowhere, all. */
const ALIKE = [1e-3, 1]
/** A group or guardrail whose part of Σ_g λ_g·range_g is below this has no weight. */
const WEIGHTLESS = 1e-15
/** A hair, in units of a group's range, by which bounds are kept lest rounding break them. */
const HAIR = 1e-14

/**
 * Among the policies that are optimal at temperature 0, the one of least KL divergence to the reference: the limit of the
 * optimum as β → 0.
 *
 * Every optimal policy holds only items of the supporting face, where v = Uᵀλ − Cᵀμ is largest in their context, gives every
 * group of positive weight the same utility, and leaves a guardrail of positive price no slack. A group without weight only
 * needs enough to stay without, and a guardrail without price must only be met.
 *
 * @param optimum from the end of a central path, so that p_i·(max v − v_i) is alike for all items; returned itself where
 * rounding hides which items tie
 */
export function leastDivergence(
  problem: WelfareProblem,
  welfareFunction: WelfareFunction,
  optimum: Certified,
): Nearest {
  let unique = false
  for (const alike of ALIKE) {
    const nearest = nearestAmong(problem, welfareFunction, optimum, alike)
    const certified = certify(problem, welfareFunction, nearest.policy, optimum.weights, optimum.prices)
    unique = nearest.unique
    if (errorOf(certified) <= Math.max(PRICE, errorOf(optimum))) return { certified, unique }
  }
  return { certified: optimum, unique }
}

/** The same among the policies that hold only items that tie for the best, as far as can be told. */
function nearestAmong(
  problem: WelfareProblem,
  welfareFunction: WelfareFunction,
  optimum: Certified,
  alike: number,
): { policy: Float64Array; unique: boolean } {
  const { groups, items, utilities: u, population, contexts, guardrails } = problem
  const { weights, prices, welfare, policy } = optimum
  const slacks = slackRows(problem)
  const reach = reachOf(problem)
  const room = reachOf({ groups: prices.length, items, utilities: slacks, contexts })
  const scale = weights.reduce((sum, weight, g) => sum + weight * reach[g], 0)
  const paid = prices.reduce((sum, price, k) => sum + price * room[k], 0)
  const values = valuesAt(problem, slacks, weights, prices)
  const end = { policy, values, scale: scale + paid, alike }
  return nearestOnFace(problem, end, (face, share) => {
    const held: Float64Array[] = []
    const free: Bound[] = []
    if (welfareFunction.face !== undefined) {
      const { held: equal, atLeast } = welfareFunction.face(weights, optimum.utilities, population)
      const combined = (combination: Float64Array) =>
        Float64Array.from(face, (i) =>
          combination.reduce((sum, c, g) => (c === 0 ? sum : sum + c * u[g * items + i]), 0),
        )
      held.push(...equal.map(combined))
      for (const combination of atLeast) {
        const row = combined(combination)
        free.push({ row, room: Math.max(0, meanOf(row, share)) })
      }
    } else {
      for (let g = 0; g < groups; g++) {
        const row = Float64Array.from(face, (i) => u[g * items + i])
        if (weights[g] * reach[g] > WEIGHTLESS * scale) held.push(row)
        else {
          const floor = welfareFunction.weightlessFrom(welfare, population[g]) + HAIR * reach[g]
          free.push({ row, room: Math.max(0, meanOf(row, share) - floor) })
        }
      }
    }
    for (let k = 0; k < guardrails.limits.length; k++) {
      const row = Float64Array.from(face, (i) => slacks[k * items + i])
      if (prices[k] * room[k] > WEIGHTLESS * scale) held.push(row)
      else free.push({ row, room: Math.max(0, meanOf(row, share) - HAIR * room[k]) })
    }
    return { held, free }
  })
}
