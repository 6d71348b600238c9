import { type Certified, certify, errorOf } from './certificate.ts'
import { contextOfEach, normalisedIn, reachOf, topsOf } from './contexts.ts'
import { entropyProjection } from './entropy-projection.ts'
import { slackRows, valuesAt } from './guardrails.ts'
import { centredIn, DEPENDENT, lengthOf, meanOf, orthonormal, without } from './orthonormal.ts'
import type { Contexts, WelfareFunction, WelfareProblem } from './problem.ts'

/** The optimal policy nearest to the reference with its certificate, and whether it is the only optimal one. */
export type Nearest = { certified: Certified; unique: boolean }

/** It may be so much further from the optimum than the policy that was found. */
const PRICE = 1e-9
/** Items tie for the best where they are this close, in units of Σ_g λ_g·range_g. */
const TIE = 1e-10
/** And what they fall short by is smaller than this much of their probability, or where that leads nowhere, than all. */
const ALIKE = [1e-3, 1]
/** A group or guardrail whose part of Σ_g λ_g·range_g is below this has no weight. */
const WEIGHTLESS = 1e-15
/** A probability below this is what is left of zero. */
const NOTHING = 1e-13
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
  const { groups, items, utilities: u, population, reference, contexts, guardrails } = problem
  const { weights, prices, welfare, policy } = optimum
  const slacks = slackRows(problem)
  const reach = reachOf(problem)
  const room = reachOf({ groups: prices.length, items, utilities: slacks, contexts })
  const scale = weights.reduce((sum, weight, g) => sum + weight * reach[g], 0)
  const paid = prices.reduce((sum, price, k) => sum + price * room[k], 0)
  const values = valuesAt(problem, slacks, weights, prices)
  const tops = topsOf(contexts, values)
  const context = contextOfEach(contexts)
  // The larger of p_i and what the item falls short by tells which of the two is zero; where they are alike, both are.
  const face: number[] = []
  for (let i = 0; i < items; i++) {
    const q = context[i]
    const share = policy[i] / contexts.weights[q]
    if (tops[q] - values[i] <= (scale + paid) * Math.max(TIE, alike * share)) face.push(i)
  }
  const blocks = restrictedTo(contexts, face, context)
  const share = normalisedIn(
    blocks,
    Float64Array.from(face, (i) => policy[i]),
  )
  const prior = normalisedIn(
    blocks,
    Float64Array.from(face, (i) => reference[i]),
  )
  // Rows are compared where either has items: some that tie for the best may have no share yet.
  const weighting = share.map((p, k) => (p + prior[k]) / 2)

  const held: Float64Array[] = []
  const free: { row: Float64Array; room: number }[] = []
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
  const basis = orthonormal(held, weighting, blocks)
  const bounds: Float64Array[] = []
  for (const { row, room } of free) {
    const rest = without(row, basis, weighting, blocks)
    const length = lengthOf(rest, weighting)
    if (length > DEPENDENT * lengthOf(row, weighting))
      bounds.push(centredIn(blocks, rest, share).map((value) => (value + room) / length))
  }
  const equations = basis.map((row) => centredIn(blocks, row, share))
  const found = entropyProjection([...equations, ...bounds], equations.length, prior, blocks)

  const used = Array.from(found.keys()).filter((k) => found[k] > NOTHING * contexts.weights[context[face[k]]])
  const usedItems = used.map((k) => face[k])
  const usedBlocks = restrictedTo(contexts, usedItems, context)
  const support = normalisedIn(
    usedBlocks,
    Float64Array.from(used, (k) => found[k]),
  )
  const nearest = new Float64Array(items)
  usedItems.forEach((item, s) => {
    nearest[item] = support[s]
  })
  // Probabilities that the utilities of the held groups determine, and the sums in the contexts, are the only ones.
  const columns = held.map((row) => Float64Array.from(used, (k) => row[k]))
  const determined = orthonormal(columns, support, usedBlocks).length + contexts.weights.length
  return { policy: nearest, unique: determined === used.length }
}

/** The contexts of some of the items, which are in ascending order. */
function restrictedTo(contexts: Contexts, items: readonly number[], context: Int32Array): Contexts {
  const starts = new Int32Array(contexts.starts.length)
  for (const item of items) starts[context[item] + 1]++
  for (let q = 0; q + 1 < starts.length; q++) starts[q + 1] += starts[q]
  return { starts, weights: contexts.weights }
}
