import { choleskyFactor, choleskySolve } from '../numeric/cholesky.ts'
import type { Iterate, ScaledProblem } from './interior-point.ts'
import { type Linear, type Link, newLinear } from './link.ts'

/** The equations at an iterate, and the matrix of their Newton system reduced to the weights. */
export type System = {
  linear: Linear
  /** x(p) = Ûp. */
  utilities: Float64Array
  policySum: number
  /** What z falls short of its definition. */
  costResidual: Float64Array
  /** How far all equations are from being met, in units of welfare. */
  misfit: number
  /** D_i = p_i/(β̂ + z_i) and its sum. */
  mass: Float64Array
  massSum: number
  /** Mean of û under D, and û minus it: G and G × n. */
  mean: Float64Array
  centred: Float64Array
  /** The factor of K + γ·along·alongᵀ, and γ; G × G. */
  matrix: Float64Array
  gamma: number
  forced: Float64Array
}

/** Room for the system of a problem. */
export function newSystem({ groups, items }: ScaledProblem): System {
  return {
    linear: newLinear(groups),
    utilities: new Float64Array(groups),
    policySum: 0,
    costResidual: new Float64Array(items),
    misfit: 0,
    mass: new Float64Array(items),
    massSum: 0,
    mean: new Float64Array(groups),
    centred: new Float64Array(groups * items),
    matrix: new Float64Array(groups * groups),
    gamma: 0,
    forced: new Float64Array(items),
  }
}

/** v = Ûᵀλ̂. */
export function valuesOf(
  { groups, items }: ScaledProblem,
  utilities: Float64Array,
  weights: Float64Array,
  values: Float64Array,
): void {
  values.fill(0)
  for (let g = 0; g < groups; g++) {
    const weight = weights[g]
    const row = g * items
    for (let i = 0; i < items; i++) values[i] += weight * utilities[row + i]
  }
}

/** Evaluates all equations at an iterate. */
export function evaluate(problem: ScaledProblem, link: Link, at: Iterate, system: System): void {
  const { groups, items, utilities: u, reference, temperature } = problem
  const { linear, costResidual } = system
  link.linearise(at, linear)
  let misfit = linear.misfit

  valuesOf(problem, u, at.weights, costResidual)
  let policySum = 0
  for (let i = 0; i < items; i++) {
    const p = at.policy[i]
    policySum += p
    const entropy = temperature > 0 ? temperature * (Math.log(p / reference[i]) + 1) : 0
    costResidual[i] = at.level - costResidual[i] + entropy - at.costs[i]
    misfit += p * Math.abs(costResidual[i])
  }
  system.policySum = policySum
  misfit += Math.abs(at.level * (policySum - 1))

  for (let g = 0; g < groups; g++) {
    const row = g * items
    let x = 0
    for (let i = 0; i < items; i++) x += u[row + i] * at.policy[i]
    system.utilities[g] = x
    misfit += at.weights[g] * Math.abs(x - linear.taken[g])
  }
  system.misfit = misfit
}

/**
 * Builds and factorises K = Σ_i D_i (û_i − ū)(û_i − ū)ᵀ + diag(give) at the iterate evaluated last.
 *
 * @returns whether K is positive definite
 */
export function factorise(problem: ScaledProblem, at: Iterate, system: System): boolean {
  const { groups, items, utilities: u, temperature } = problem
  const { matrix, linear, mass, mean, centred, forced } = system
  let massSum = 0
  for (let i = 0; i < items; i++) {
    mass[i] = at.policy[i] / (temperature + at.costs[i])
    massSum += mass[i]
  }
  system.massSum = massSum

  let trace = 0
  let length = 0
  for (let g = 0; g < groups; g++) {
    const rowG = g * items
    let weighted = 0
    for (let i = 0; i < items; i++) weighted += u[rowG + i] * mass[i]
    const middle = weighted / massSum
    mean[g] = middle
    for (let i = 0; i < items; i++) {
      centred[rowG + i] = u[rowG + i] - middle
      forced[i] = centred[rowG + i] * mass[i]
    }
    for (let k = 0; k <= g; k++) {
      const rowK = k * items
      let sum = 0
      for (let i = 0; i < items; i++) sum += forced[i] * centred[rowK + i]
      matrix[g * groups + k] = sum
    }
    matrix[g * groups + g] += linear.give[g]
    trace += matrix[g * groups + g]
    length += linear.along[g] ** 2
  }
  // Near the optimum K is all but singular along λ̂, where only the last equation holds it: a multiple of that
  // equation, added to the others, leaves the solution as it is.
  const gamma = Math.min(1 / linear.bend, trace / (groups * length))
  for (let g = 0; g < groups; g++) {
    for (let k = 0; k <= g; k++) matrix[g * groups + k] += gamma * linear.along[g] * linear.along[k]
  }
  system.gamma = gamma
  return factorWithRidge(matrix, groups)
}

/** Factorises a matrix; where rounding has made it singular, with the least multiple of its diagonal that helps. */
function factorWithRidge(matrix: Float64Array, order: number): boolean {
  const original = matrix.slice()
  for (let shift = 0; shift < 1e-4; shift = shift === 0 ? 1e-15 : shift * 10) {
    matrix.set(original)
    for (let g = 0; g < order; g++) matrix[g * order + g] *= 1 + shift
    if (choleskyFactor(matrix, order) < 0) return true
  }
  return false
}

/** A move towards μ = 0, and how much of it stays positive. */
export type Prediction = { move: Iterate; reach: number }

/**
 * Solves for the move towards complementary products of μ.
 *
 * @param predictor the move whose second-order effect is corrected for, or null
 */
export function solve(
  problem: ScaledProblem,
  link: Link,
  at: Iterate,
  system: System,
  mu: number,
  predictor: Prediction | null,
  move: Iterate,
): void {
  const { groups, items } = problem
  const { matrix, linear, mass, massSum, mean, centred, costResidual, forced, gamma } = system
  const { taken, target, pull, give, along, slopes, bend } = linear

  let forcedMass = 0
  for (let i = 0; i < items; i++) {
    const second =
      predictor === null ? 0 : predictor.reach ** 2 * predictor.move.policy[i] * predictor.move.costs[i]
    forced[i] = (mu - second) / at.policy[i] - at.costs[i] - costResidual[i]
    forcedMass += mass[i] * forced[i]
  }
  const missing = 1 - system.policySum

  // move.partner holds c, the change that complementarity asks of the partners where what they belong to stays.
  const left = at[link.pairedTo]
  let slackChange = 0
  if (link.bounded) {
    const second =
      predictor === null ? 0 : predictor.reach ** 2 * predictor.move.welfare * predictor.move.slack
    slackChange = (mu - second) / at.welfare - at.slack
  }
  let needed = linear.offset + slackChange
  const right = move.weights
  const aligned = new Float64Array(groups)
  for (let g = 0; g < groups; g++) {
    const second =
      predictor === null
        ? 0
        : predictor.reach ** 2 * predictor.move[link.pairedTo][g] * predictor.move.partner[g]
    move.partner[g] = (mu - second) / left[g] - at.partner[g]
    const fixed = target[g] + pull[g] * move.partner[g]
    move.counted[g] = fixed
    needed += slopes[g] * fixed
    const row = g * items
    let drift = 0
    for (let i = 0; i < items; i++) drift += centred[row + i] * mass[i] * forced[i]
    right[g] = fixed + taken[g] - system.utilities[g] - drift - mean[g] * missing
    aligned[g] = along[g]
  }
  for (let g = 0; g < groups; g++) right[g] += gamma * needed * along[g]
  choleskySolve(matrix, groups, right)
  choleskySolve(matrix, groups, aligned)
  const rest = 1 - gamma * bend
  let held = bend
  for (let g = 0; g < groups; g++) {
    needed -= along[g] * right[g]
    held += rest * along[g] * aligned[g]
  }
  move.welfare = needed / held
  for (let g = 0; g < groups; g++) right[g] += rest * aligned[g] * move.welfare

  move.slack = link.bounded ? slackChange - (at.slack / at.welfare) * move.welfare : 0
  for (let g = 0; g < groups; g++) {
    const change = move.counted[g] - give[g] * move.weights[g] + along[g] * move.welfare
    if (link.pairedTo === 'weights') {
      move.partner[g] -= (at.partner[g] / at.weights[g]) * move.weights[g]
      move.counted[g] = change - move.partner[g]
    } else {
      move.partner[g] -= (at.partner[g] / at.counted[g]) * change
      move.counted[g] = change
    }
  }

  // dp_i = D_i (û_i·dλ̂ − dν + e_i), with dν such that Σp becomes 1; ū·dλ̂ is part of dν.
  const rise = (forcedMass - missing) / massSum
  valuesOf(problem, centred, move.weights, move.policy)
  let shift = 0
  for (let g = 0; g < groups; g++) shift += mean[g] * move.weights[g]
  move.level = rise + shift
  for (let i = 0; i < items; i++) {
    const change = mass[i] * (move.policy[i] - rise + forced[i])
    const second =
      predictor === null ? 0 : predictor.reach ** 2 * predictor.move.policy[i] * predictor.move.costs[i]
    move.policy[i] = change
    move.costs[i] = (mu - second - at.costs[i] * change) / at.policy[i] - at.costs[i]
  }
}
