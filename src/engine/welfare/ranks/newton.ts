import { choleskySolve } from '../../numeric/cholesky.ts'
import { ridgeFactor } from '../ridge.ts'
import { utilitiesOf, valuesOf } from '../table.ts'
import type { Levels } from './levels.ts'
import type { Point, RankProblem } from './point.ts'

/** A reduced cost that a step has left within this factor of what it is defined to be becomes that. */
const NEAR = 10
/** How often a solution is corrected by what it leaves of the equations. */
const CORRECTIONS = 2

/** What the equations come to at a point. */
export type Equations = {
  /** λ, then μ; length G + K. */
  weights: Float64Array
  /** x, then the slacks of the policy; length G + K. */
  utilities: Float64Array
  /** What z is by its definition; length n. */
  costs: Float64Array
  /** log(p/π); length n, of no meaning at temperature 0. */
  tilt: Float64Array
  /** What it costs, in welfare, that z is not what it is defined to be. */
  misfit: number
  /** The same where no probability counts for more than it did before the step that led here. */
  oldMisfit: number
}

export function newEquations({ groups, items }: RankProblem): Equations {
  return {
    weights: new Float64Array(groups),
    utilities: new Float64Array(groups),
    costs: new Float64Array(items),
    tilt: new Float64Array(items),
    misfit: 0,
    oldMisfit: 0,
  }
}

/**
 * Evaluates the equations at a point; reduced costs that are near enough to their definition become it.
 *
 * @param before the policy from which a step led to the point
 */
export function evaluate(
  problem: RankProblem,
  levels: Levels,
  at: Point,
  out: Equations,
  before = at.policy,
): void {
  const { people, population, reference, temperature, contexts } = problem
  const { weights, utilities, costs, tilt } = out
  const count = levels.shares.length
  for (let g = 0; g < people; g++) {
    let sum = levels.mean * population[g]
    for (let k = 0; k < count; k++) sum += at.parts[k * people + g]
    weights[g] = sum
  }
  weights.set(at.prices, people)
  utilitiesOf(problem, at.policy, utilities)
  valuesOf(problem, weights, costs)
  let misfit = 0
  let oldMisfit = 0
  for (let q = 0; q < contexts.weights.length; q++) {
    for (let i = contexts.starts[q]; i < contexts.starts[q + 1]; i++) {
      costs[i] = at.costLevels[q] - costs[i]
      if (temperature === 0) continue
      const share = at.policy[i]
      tilt[i] = logRatio(share, reference[i])
      costs[i] += temperature * tilt[i]
      if (costs[i] * NEAR > at.costs[i] && costs[i] < at.costs[i] * NEAR) at.costs[i] = costs[i]
      const off = (costs[i] - at.costs[i]) ** 2 / (temperature + at.costs[i])
      misfit += share * off
      oldMisfit += Math.min(share, before[i]) * off
    }
  }
  out.misfit = misfit
  out.oldMisfit = oldMisfit
}

/** log(p/π), to the last digit where the two are alike. */
function logRatio(share: number, reference: number): number {
  const change = (share - reference) / reference
  return Math.abs(change) < 0.5 ? Math.log1p(change) : Math.log(share / reference)
}

/** The Newton system at a point, reduced to weights, prices and levels, and factorised. */
export type System = {
  /** D_i = p_i/(β + z_i), its sum in each context, the means of the table under D, and the table less those. */
  mass: Float64Array
  massSums: Float64Array
  means: Float64Array
  centred: Float64Array
  /** 1/(t/λ^k + s/rests), and its part of the sum over the levels; K × G. */
  stiff: Float64Array
  shares: Float64Array
  /** M = Σ D (a − ā)(a − ā)ᵀ + give, and the factor of M + γ 11ᵀ in the groups. */
  matrix: Float64Array
  factor: Float64Array
  gamma: number
  /** M⁻¹ shares, K × rows; what ties levels to each other, and the factor of their own system; K × K. */
  solved: Float64Array
  ties: Float64Array
  schur: Float64Array
}

export function newSystem({ groups, people, items, contexts }: RankProblem, count: number): System {
  const contextCount = contexts.weights.length
  return {
    mass: new Float64Array(items),
    massSums: new Float64Array(contextCount),
    means: new Float64Array(groups * contextCount),
    centred: new Float64Array(groups * items),
    stiff: new Float64Array(count * people),
    shares: new Float64Array(count * people),
    matrix: new Float64Array(groups * groups),
    factor: new Float64Array(groups * groups),
    gamma: 0,
    solved: new Float64Array(count * groups),
    ties: new Float64Array(count * count),
    schur: new Float64Array(count * count),
  }
}

/**
 * Builds and factorises the system at a point. With dλ^k_g = stiff_kg (dw_k + h_kg − dx_g), all but dλ, dμ and dw are
 * eliminated:
 *
 *   M dω − shares·dw = right,   sharesᵀ dλ + ties·dw = needed,
 *
 * where `ties` is the Laplacian of a graph between the levels, so that the sum of the second equations has no dw: a
 * multiple of it keeps M from being singular.
 *
 * @returns whether it could be done
 */
export function factorise(problem: RankProblem, at: Point, system: System): boolean {
  const { groups, people, items, temperature, contexts } = problem
  const { mass, stiff, shares, matrix, factor, solved, ties, schur } = system
  for (let i = 0; i < items; i++) mass[i] = at.policy[i] / (temperature + at.costs[i])
  curvature(problem, contexts.starts, system)

  const count = stiff.length / people
  let inverse = 0
  for (let g = 0; g < people; g++) {
    let sum = 0
    for (let e = g; e < stiff.length; e += people) {
      stiff[e] = 1 / (at.above[e] / at.parts[e] + at.below[e] / at.rests[e])
      sum += stiff[e]
    }
    for (let e = g; e < stiff.length; e += people) shares[e] = stiff[e] / sum
    matrix[g * groups + g] += 1 / sum
    inverse += 1 / matrix[g * groups + g]
  }
  for (let r = people; r < groups; r++)
    matrix[r * groups + r] += at.slacks[r - people] / at.prices[r - people]
  factor.set(matrix)
  // No more than the entries of groups whose weights can still move, which may be far smaller than those of others.
  system.gamma = 1 / inverse
  for (let g = 0; g < people; g++) {
    for (let h = 0; h <= g; h++) factor[g * groups + h] += system.gamma
  }
  if (!ridgeFactor(factor, groups)) return false

  ties.fill(0)
  for (let k = 0; k < count; k++) {
    for (let l = 0; l < k; l++) {
      let tie = 0
      for (let g = 0; g < people; g++) tie += stiff[k * people + g] * shares[l * people + g]
      ties[k * count + l] = ties[l * count + k] = -tie
      ties[k * count + k] += tie
      ties[l * count + l] += tie
    }
  }
  schur.set(ties)
  for (let k = 0; k < count; k++) {
    const column = solved.subarray(k * groups, (k + 1) * groups)
    column.fill(0)
    column.set(shares.subarray(k * people, (k + 1) * people))
    choleskySolve(factor, groups, column)
    for (let l = 0; l <= k; l++) {
      let sum = 0
      for (let g = 0; g < people; g++) sum += shares[l * people + g] * column[g]
      schur[k * count + l] += sum
    }
  }
  return ridgeFactor(schur, count)
}

/** M without what the groups give: the table centred in every context, and its covariance under D. */
function curvature({ groups, items, utilities: a }: RankProblem, starts: Int32Array, system: System): void {
  const { mass, massSums, means, centred, matrix } = system
  const count = massSums.length
  for (let q = 0; q < count; q++) {
    massSums[q] = 0
    for (let i = starts[q]; i < starts[q + 1]; i++) massSums[q] += mass[i]
  }
  const weighted = new Float64Array(items)
  for (let r = 0; r < groups; r++) {
    const row = r * items
    for (let q = 0; q < count; q++) {
      let sum = 0
      for (let i = starts[q]; i < starts[q + 1]; i++) sum += a[row + i] * mass[i]
      const mean = sum / massSums[q]
      means[r * count + q] = mean
      for (let i = starts[q]; i < starts[q + 1]; i++) {
        centred[row + i] = a[row + i] - mean
        weighted[i] = centred[row + i] * mass[i]
      }
    }
    for (let c = 0; c <= r; c++) {
      const other = c * items
      let sum = 0
      for (let i = 0; i < items; i++) sum += weighted[i] * centred[other + i]
      matrix[r * groups + c] = sum
    }
  }
}

/**
 * Solves for the move that makes all products `aim`, from the point at which the system was factorised.
 *
 * @param before a move whose second-order effect on the products is made up for, as long as it was taken
 */
export function solve(
  problem: RankProblem,
  levels: Levels,
  at: Point,
  equations: Equations,
  system: System,
  aim: number,
  before: Point | null,
  move: Point,
): void {
  const { groups, people, items, contexts } = problem
  const { starts } = contexts
  const { mass, massSums, means, centred, stiff, shares } = system
  const count = levels.shares.length
  const contextCount = massSums.length
  // What a partner has to be for its product to be right, as long as the other stays.
  const demand = (value: number, first: number | undefined, other: number | undefined) => {
    const product = before === null ? aim : aim - (first as number) * (other as number)
    return product === 0 ? 0 : product / value
  }

  const forced = new Float64Array(items)
  const missing = new Float64Array(contextCount)
  const rise = new Float64Array(contextCount)
  for (let q = 0; q < contextCount; q++) {
    let sum = 0
    let forcedMass = 0
    for (let i = starts[q]; i < starts[q + 1]; i++) {
      move.costs[i] = demand(at.policy[i], before?.policy[i], before?.costs[i])
      forced[i] = move.costs[i] - equations.costs[i]
      forcedMass += mass[i] * forced[i]
      sum += at.policy[i]
    }
    missing[q] = contexts.weights[q] - sum
    rise[q] = (forcedMass - missing[q]) / massSums[q]
  }

  const right = new Float64Array(groups)
  for (let r = 0; r < groups; r++) {
    const row = r * items
    let drift = 0
    for (let i = 0; i < items; i++) drift += centred[row + i] * mass[i] * forced[i]
    for (let q = 0; q < contextCount; q++) drift += means[r * contextCount + q] * missing[q]
    right[r] = -drift
  }
  const pulls = new Float64Array(count * people)
  const pull = new Float64Array(people)
  for (let k = 0; k < count; k++) {
    for (let g = 0; g < people; g++) {
      const e = k * people + g
      move.above[e] = demand(at.parts[e], before?.parts[e], before?.above[e])
      move.below[e] = demand(at.rests[e], before?.rests[e], before?.below[e])
      pulls[e] = at.levels[k] - equations.utilities[g] + move.above[e] - move.below[e]
      pull[g] += shares[e] * pulls[e]
    }
  }
  const needed = new Float64Array(count)
  let total = 0
  for (let k = 0; k < count; k++) {
    let lacking = levels.shares[k]
    for (let g = 0; g < people; g++) {
      const e = k * people + g
      lacking -= at.parts[e]
      needed[k] -= stiff[e] * (pulls[e] - pull[g])
    }
    needed[k] += lacking
    total += lacking
  }
  for (let g = 0; g < people; g++) right[g] += pull[g]
  for (let k = 0; k < groups - people; k++) {
    move.slacks[k] = demand(at.prices[k], before?.prices[k], before?.slacks[k])
    right[people + k] += move.slacks[k] - equations.utilities[people + k]
  }

  const weights = solveReduced(problem, system, right, needed, total, move.levels)

  // Written with the differences between levels, so that what all have in common cannot cancel.
  for (let g = 0; g < people; g++) {
    let lift = 0
    for (let k = 0; k < count; k++) lift += shares[k * people + g] * move.levels[k]
    for (let k = 0; k < count; k++) {
      const e = k * people + g
      const change = shares[e] * weights[g] + stiff[e] * (move.levels[k] - lift + (pulls[e] - pull[g]))
      move.parts[e] = change
      move.rests[e] = -change
      move.above[e] -= at.above[e] * (1 + change / at.parts[e])
      move.below[e] -= at.below[e] * (1 - change / at.rests[e])
    }
  }
  for (let k = 0; k < groups - people; k++) {
    move.prices[k] = weights[people + k]
    move.slacks[k] -= at.slacks[k] * (1 + move.prices[k] / at.prices[k])
  }

  // dp_i = D_i (a_i·dω − dν_q + forced_i), with dν_q such that Σp becomes w_q; ā·dω is part of dν_q.
  valuesOf({ groups, items, utilities: centred }, weights, move.policy)
  for (let q = 0; q < contextCount; q++) {
    let level = rise[q]
    for (let r = 0; r < groups; r++) level += means[r * contextCount + q] * weights[r]
    move.costLevels[q] = level
    for (let i = starts[q]; i < starts[q + 1]; i++) {
      move.policy[i] = mass[i] * (move.policy[i] - rise[q] + forced[i])
      move.costs[i] -= at.costs[i] * (1 + move.policy[i] / at.policy[i])
    }
  }
}

/**
 * Solves the reduced system for dω and dw, and corrects the solution by what it leaves of the equations: near the optimum
 * levels are tied so firmly that rounding would otherwise tell.
 *
 * @param total Σ_k needed_k without what cancels in it
 * @param changes overwritten by dw
 * @returns dω
 */
function solveReduced(
  { groups, people }: RankProblem,
  { shares, matrix, factor, gamma, solved, ties, schur }: System,
  right: Float64Array,
  needed: Float64Array,
  total: number,
  changes: Float64Array,
): Float64Array {
  const count = needed.length
  const weights = new Float64Array(groups)
  const rest = new Float64Array(groups)
  const lack = new Float64Array(count)
  changes.fill(0)
  for (let pass = 0; pass <= CORRECTIONS; pass++) {
    let common = total
    for (let g = 0; g < people; g++) common -= weights[g]
    for (let r = 0; r < groups; r++) {
      let sum = right[r]
      for (let c = 0; c < groups; c++)
        sum -= (c <= r ? matrix[r * groups + c] : matrix[c * groups + r]) * weights[c]
      if (r < people) {
        for (let k = 0; k < count; k++) sum += shares[k * people + r] * changes[k]
        sum += gamma * common
      }
      rest[r] = sum
    }
    for (let k = 0; k < count; k++) {
      let sum = needed[k]
      for (let g = 0; g < people; g++) sum -= shares[k * people + g] * weights[g]
      for (let l = 0; l < count; l++) if (l !== k) sum += ties[k * count + l] * (changes[k] - changes[l])
      lack[k] = sum
    }
    choleskySolve(factor, groups, rest)
    for (let k = 0; k < count; k++) {
      for (let g = 0; g < people; g++) lack[k] -= shares[k * people + g] * rest[g]
    }
    choleskySolve(schur, count, lack)
    for (let k = 0; k < count; k++) {
      changes[k] += lack[k]
      for (let r = 0; r < groups; r++) rest[r] += solved[k * groups + r] * lack[k]
    }
    for (let r = 0; r < groups; r++) weights[r] += rest[r]
  }
  return weights
}
