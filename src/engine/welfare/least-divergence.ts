import type { Certified } from './certificate.ts'
import { entropyProjection } from './entropy-projection.ts'
import { DEPENDENT, lengthOf, meanOf, orthonormal, without } from './orthonormal.ts'
import type { WelfareFunction, WelfareProblem } from './problem.ts'
import { rangesOf, valuesOf } from './table.ts'

/** The optimal policy nearest to the reference, and whether it is the only optimal one. */
export type Nearest = { policy: Float64Array; unique: boolean }

/** Items tie for the best where they are this close, in units of Σ_g λ_g·range_g. */
const TIE = 1e-10
/** And what they fall short by must be this much smaller than their probability. */
const ALIKE = 1e-3
/** A group whose part of Σ_g λ_g·range_g is below this has no weight. */
const WEIGHTLESS = 1e-15
/** A probability below this is what is left of zero. */
const NOTHING = 1e-13
/** A hair, in units of a group's range, by which bounds are kept lest rounding break them. */
const HAIR = 1e-14

/**
 * Among the policies that are optimal at temperature 0, the one of least KL divergence to the reference: the limit of the
 * optimum as β → 0.
 *
 * Every optimal policy holds only items of the supporting face, where v_i = Σ_g λ_g u_gi is largest, and gives every group
 * of positive weight the same utility. A group without weight only needs enough to stay without.
 *
 * @param optimum from the end of a central path, so that p_i·(max v − v_i) is alike for all items
 */
export function leastDivergence(
  problem: WelfareProblem,
  welfareFunction: WelfareFunction,
  optimum: Certified,
): Nearest {
  const { groups, items, utilities: u, population, reference } = problem
  const { weights, welfare, policy } = optimum
  const ranges = rangesOf(problem)
  const scale = weights.reduce((sum, weight, g) => sum + weight * ranges[g], 0)
  const values = new Float64Array(items)
  valuesOf(problem, weights, values)
  const top = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  // The larger of p_i and what the item falls short by tells which of the two is zero; where they are alike, both are.
  const face: number[] = []
  for (let i = 0; i < items; i++)
    if (top - values[i] <= scale * Math.max(TIE, ALIKE * policy[i])) face.push(i)
  const share = normalised(Float64Array.from(face, (i) => policy[i]))
  const prior = normalised(Float64Array.from(face, (i) => reference[i]))
  // Rows are compared where either has items: some that tie for the best may have no share yet.
  const weighting = share.map((p, k) => (p + prior[k]) / 2)
  const centred = (row: Float64Array) => {
    const mean = meanOf(row, share)
    return row.map((value) => value - mean)
  }

  const held: Float64Array[] = []
  const free: { row: Float64Array; room: number }[] = []
  for (let g = 0; g < groups; g++) {
    const row = Float64Array.from(face, (i) => u[g * items + i])
    if (weights[g] * ranges[g] > WEIGHTLESS * scale) held.push(row)
    else {
      const floor = welfareFunction.weightlessFrom(welfare, population[g]) + HAIR * ranges[g]
      free.push({ row, room: Math.max(0, meanOf(row, share) - floor) })
    }
  }
  const basis = orthonormal(held, weighting)
  const bounds: Float64Array[] = []
  for (const { row, room } of free) {
    const rest = without(row, basis, weighting)
    const length = lengthOf(rest, weighting)
    if (length > DEPENDENT * lengthOf(row, weighting))
      bounds.push(centred(rest).map((value) => (value + room) / length))
  }
  const found = entropyProjection([...basis.slice(1).map(centred), ...bounds], basis.length - 1, prior)

  const used = Array.from(found.keys()).filter((k) => found[k] > NOTHING)
  const support = normalised(Float64Array.from(used, (k) => found[k]))
  const nearest = new Float64Array(items)
  used.forEach((k, s) => {
    nearest[face[k]] = support[s]
  })
  // Probabilities that the utilities of the held groups determine are the only ones.
  const columns = held.map((row) => Float64Array.from(used, (k) => row[k]))
  return { policy: nearest, unique: orthonormal(columns, support).length === used.length }
}

function normalised(values: Float64Array): Float64Array {
  let sum = 0
  for (const value of values) sum += value
  return values.map((value) => value / sum)
}
