import { choleskySemidefinite } from '../../numeric/cholesky.ts'
import { nearestOnFace } from '../face.ts'
import { meanOf } from '../orthonormal.ts'
import type { WelfareProblem } from '../problem.ts'
import { type Certified, certify, errorOf, type Tangent } from './certificate.ts'
import { type Columns, columnsOf, rowRanges, worthOf } from './columns.ts'
import type { Lifted } from './constraints.ts'
import { backward, backwardAlong, evaluate, forward, newEntries } from './evaluate.ts'
import { branchOf, kinksOf } from './program.ts'

/** It may be so much further from the optimum than the policy that was found. */
const PRICE = 1e-9
/** What items that tie for the best of their context fall short by is smaller than this much of their probability, or where that leads nowhere, than all. */
const ALIKE = [1e-3, 1]
/** Curvature below this part of Σ_g λ_g·range_g is none. */
const STRAIGHT = 1e-10

/**
 * Among the policies that are optimal at temperature 0, the one of least KL divergence to the reference.
 *
 * Every optimal policy holds only items of the supporting face, and U, the smooth function above W whose tangent the
 * certificate is, is straight between any two: so their utilities differ only where U has no curvature and the branches
 * that a kink mixes stay equal.
 *
 * @param optimum from the end of the path; returned itself where rounding hides what ties
 */
export function nearestTo(
  problem: WelfareProblem,
  lifted: Lifted,
  optimum: Certified,
): { certified: Certified; unique: boolean } {
  const columns = columnsOf(problem)
  const { policy, tangent } = optimum
  const values = worthOf(columns, tangent.weights, tangent.prices)
  const scale = scaleOf(tangent, columns)
  const { held, free } = keptBy(problem, lifted, columns, optimum)
  let unique = false
  for (const alike of ALIKE) {
    const nearest = nearestOnFace(problem, { policy, values, scale, alike }, (face: readonly number[]) => ({
      held: held.map((direction) => rowOver(columns, direction, face)),
      free: free.map(({ direction, room }) => ({ row: rowOver(columns, direction, face), room })),
    }))
    const certified = certify(problem, lifted.program, nearest.policy, optimum.tangent)
    unique = nearest.unique
    if (errorOf(certified) <= Math.max(PRICE, errorOf(optimum))) return { certified, unique }
  }
  return { certified: optimum, unique }
}

/** What optimal policies have in common: linear functions of (Up, Cp) that stay, and those that may not fall by more than `room`. */
type Kept = { held: Float64Array[]; free: { direction: Float64Array; room: number }[] }

function keptBy(
  problem: WelfareProblem,
  { program, constraints, branches }: Lifted,
  columns: Columns,
  { tangent: { weights, shares, prices }, utilities, policy }: Certified,
): Kept {
  const { groups } = program
  const { limits, costs } = problem.guardrails
  const ranges = rowRanges(columns)
  const scale = scaleOf({ weights, prices }, columns)
  const kinks = { as: 'mixed', shares } as const
  const values = newEntries(program)
  evaluate(program, utilities, kinks, values)
  const gradientOf = (step: number, entry: number) => {
    const slopes = newEntries(program)
    slopes[step][slopes[step].length === 1 ? 0 : entry] = 1
    const gradient = new Float64Array(groups)
    backward(program, values, kinks, slopes, gradient)
    return { gradient, slopes }
  }
  const wide = (gradient: Float64Array) => {
    const direction = new Float64Array(columns.rows)
    direction.set(gradient)
    return direction
  }
  const held: Float64Array[] = []
  const free: Kept['free'] = []

  // Where U curves: −∇²U = R⁻¹LLᵀR⁻¹ in units of the ranges R, and what is to stay are the columns of R⁻¹L.
  const { slopes } = gradientOf(program.root, 0)
  const curvature = new Float64Array(groups * groups)
  const moves = newEntries(program)
  const bends = newEntries(program)
  const column = new Float64Array(groups)
  for (let k = 0; k < groups; k++) {
    forward(program, values, kinks, k, moves)
    backwardAlong(program, values, kinks, slopes, moves, bends, column)
    for (let g = 0; g < groups; g++) curvature[k * groups + g] = -column[g] * ranges[g] * ranges[k]
    if (!(curvature[k * groups + k] > STRAIGHT * scale)) curvature.fill(0, k * groups, (k + 1) * groups)
  }
  choleskySemidefinite(curvature, groups)
  for (let k = 0; k < groups; k++) {
    if (!(curvature[k * groups + k] > 0)) continue
    const direction = new Float64Array(columns.rows)
    for (let g = k; g < groups; g++) if (ranges[g] > 0) direction[g] = curvature[g * groups + k] / ranges[g]
    held.push(direction)
  }

  // Branches that are mixed stay equal; the others may come as near as their distance.
  for (const kink of kinksOf(program)) {
    const sign = kink.op === 'least' ? 1 : -1
    for (let c = 0; c < kink.cells; c++) {
      const first = kink.branch + c * kink.branches
      const list = Array.from({ length: kink.branches }, (_, b) => {
        const { step, entry } = branchOf(kink, c, b)
        const { gradient } = gradientOf(step, entry)
        const value = values[step][values[step].length === 1 ? 0 : entry]
        return { gradient, value, share: shares[first + b] }
      })
      const main = list.reduce((most, branch) => (branch.share > most.share ? branch : most))
      for (const branch of list) {
        if (branch === main) continue
        const direction = wide(branch.gradient.map((slope, g) => sign * (slope - main.gradient[g])))
        const size = direction.reduce((sum, slope, g) => sum + Math.abs(slope) * ranges[g], 0)
        const room = sign * (branch.value - main.value)
        if (branch.share * size > room) held.push(direction)
        else free.push({ direction, room })
      }
    }
  }
  for (let j = branches; j < constraints.length; j++) {
    const { step, entry } = constraints[j]
    free.push({ direction: wide(gradientOf(step, entry).gradient), room: values[step][entry] })
  }
  limits.forEach((limit, k) => {
    const direction = new Float64Array(columns.rows)
    direction[groups + k] = -1
    const row = costs.subarray(k * problem.items, (k + 1) * problem.items)
    const room = limit - meanOf(row, policy)
    if (prices[k] * ranges[groups + k] * ranges[groups + k] > scale * room) held.push(direction)
    else free.push({ direction, room })
  })
  return { held, free }
}

/** Σ_g λ_g·range_g and the same for prices: what values of items are large or small against. */
function scaleOf({ weights, prices }: Pick<Tangent, 'weights' | 'prices'>, columns: Columns): number {
  const ranges = rowRanges(columns)
  const paid = prices.reduce((sum, price, k) => sum + price * ranges[weights.length + k], 0)
  return weights.reduce((sum, weight, g) => sum + weight * ranges[g], paid)
}

/** The rows over the items of a face that a linear function of (Up, Cp) has. */
function rowOver(
  { entries, items }: Columns,
  direction: Float64Array,
  face: readonly number[],
): Float64Array {
  const row = new Float64Array(face.length)
  direction.forEach((slope, r) => {
    if (slope !== 0) for (let k = 0; k < face.length; k++) row[k] += slope * entries[r * items + face[k]]
  })
  return row
}
