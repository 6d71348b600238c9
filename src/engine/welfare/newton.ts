import { choleskySolve } from '../numeric/cholesky.ts'
import type { Iterate, ScaledProblem, Variables } from './iterate.ts'
import type { Link } from './link.ts'
import { ridgeFactor } from './ridge.ts'
import { utilitiesOf, valuesOf } from './table.ts'

/** A slack that a step has left within this factor of what it is defined to be becomes that. */
const NEAR = 10

/**
 * Evaluates all equations at an iterate: its utilities, what z, t and k are by their definitions, and their
 * linearisation. Those of z, t and k that are near enough become what they are defined to be.
 */
export function evaluate(problem: ScaledProblem, link: Link, at: Iterate): void {
  const { items, temperature, contexts } = problem
  const { costs, partner, missing, linear } = at.equations
  utilitiesOf(problem, at.policy, at.utilities)
  valuesOf(problem, at.weights, costs)
  for (let q = 0; q < missing.length; q++) {
    const level = at.level[q]
    let sum = 0
    for (let i = contexts.starts[q]; i < contexts.starts[q + 1]; i++) {
      sum += at.policy[i]
      costs[i] = level - costs[i] + (temperature > 0 ? temperature * at.tilt[i] : 0)
    }
    missing[q] = contexts.weights[q] - sum
  }
  at.equations.slack = link.define(at, partner)

  // A residual r of an equation that a curvature c holds asks for a change of r/c, which costs r²/c. Straight equations
  // are kept by every step; the residuals of theirs are rounding.
  let misfit = 0
  if (temperature > 0) {
    for (let i = 0; i < items; i++) {
      if (near(costs[i], at.costs[i])) at.costs[i] = costs[i]
      misfit += (at.policy[i] * (costs[i] - at.costs[i]) ** 2) / (temperature + at.costs[i])
    }
  }
  if (link.bounded) {
    if (near(at.equations.slack, at.slack)) at.slack = at.equations.slack
    misfit += Math.abs(at.welfare * (at.equations.slack - at.slack))
  }
  for (let g = 0; g < link.curved; g++) if (near(partner[g], at.partner[g])) at.partner[g] = partner[g]
  link.linearise(at, linear)
  for (let g = 0; g < link.curved; g++) misfit += (partner[g] - at.partner[g]) ** 2 / linear.curvature[g]
  at.equations.misfit = misfit
}

function near(defined: number, slack: number): boolean {
  return defined * NEAR > slack && defined < slack * NEAR
}

/** The matrix of the Newton system at an iterate, reduced to the weights and factorised. */
export type System = {
  /** D_i = p_i/(β̂ + z_i) and its sum in each context: n and Q. */
  mass: Float64Array
  massSums: Float64Array
  /** ū, the mean of û under D in each context, and û − ū: G × Q and G × n. */
  means: Float64Array
  centred: Float64Array
  /** The factor of K + γ·along·alongᵀ, and γ; G × G. */
  matrix: Float64Array
  gamma: number
  /** Room for the right-hand sides: n and G. */
  forced: Float64Array
  aligned: Float64Array
}

/** Room for the system of a problem. */
export function newSystem({ groups, items, contexts }: ScaledProblem): System {
  const count = contexts.weights.length
  return {
    mass: new Float64Array(items),
    massSums: new Float64Array(count),
    means: new Float64Array(groups * count),
    centred: new Float64Array(groups * items),
    matrix: new Float64Array(groups * groups),
    gamma: 0,
    forced: new Float64Array(items),
    aligned: new Float64Array(groups),
  }
}

/**
 * Builds and factorises K = Σ_i D_i (û_i − ū)(û_i − ū)ᵀ + diag(give) at an iterate: the multiplier of each context's sum
 * is eliminated by centring the utilities there.
 *
 * @returns whether K is positive definite
 */
export function factorise(problem: ScaledProblem, at: Iterate, system: System): boolean {
  const { groups, items, utilities: u, temperature, contexts } = problem
  const { starts } = contexts
  const { mass, massSums, means, centred, matrix, forced } = system
  const { give, along, bend } = at.equations.linear
  const count = massSums.length
  for (let q = 0; q < count; q++) {
    let sum = 0
    for (let i = starts[q]; i < starts[q + 1]; i++) {
      mass[i] = at.policy[i] / (temperature + at.costs[i])
      sum += mass[i]
    }
    massSums[q] = sum
  }

  let size = 0
  let length = 0
  for (let g = 0; g < groups; g++) {
    const rowG = g * items
    for (let q = 0; q < count; q++) {
      let weighted = 0
      for (let i = starts[q]; i < starts[q + 1]; i++) weighted += u[rowG + i] * mass[i]
      const middle = weighted / massSums[q]
      means[g * count + q] = middle
      for (let i = starts[q]; i < starts[q + 1]; i++) {
        centred[rowG + i] = u[rowG + i] - middle
        forced[i] = centred[rowG + i] * mass[i]
      }
    }
    for (let k = 0; k <= g; k++) {
      const rowK = k * items
      let sum = 0
      for (let i = 0; i < items; i++) sum += forced[i] * centred[rowK + i]
      matrix[g * groups + k] = sum
    }
    matrix[g * groups + g] += give[g]
    if (along[g] > 0) size += at.weights[g] ** 2 * matrix[g * groups + g]
    length += along[g] * at.weights[g]
  }
  // Near the optimum K is all but singular along λ̂, where only the last equation holds it: a multiple of that
  // equation, added to the others, leaves the solution as it is. One of the size that K has in the rows that λ̂ is made of:
  // those whose weight goes to zero have no bound, and a multiple of their size would drown all others in rounding.
  const gamma = Math.min(1 / bend, size / length ** 2)
  for (let g = 0; g < groups; g++) {
    for (let k = 0; k <= g; k++) matrix[g * groups + k] += gamma * along[g] * along[k]
  }
  system.gamma = gamma
  return ridgeFactor(matrix, groups)
}

/** What the complementary products should become. */
export type Target = {
  /** The products p∘z. */
  policy: number
  /** The products of the link, t∘λ̂ or t∘x, and w·k. */
  link: number
  /** A move whose second-order effect on the products is made up for, and the part of it that counts. */
  after: { move: Variables; part: number } | null
}

/** Solves for the move towards a target, from the iterate at which the system was factorised. */
export function solve(
  problem: ScaledProblem,
  link: Link,
  at: Iterate,
  system: System,
  target: Target,
  move: Variables,
): void {
  const { groups, items } = problem
  const { starts } = problem.contexts
  const { mass, massSums, means, centred, matrix, gamma, forced, aligned } = system
  const { costs, partner, slack, missing, linear } = at.equations
  const count = massSums.length
  const { pull, along, slopes, bend } = linear
  const before = target.after?.move ?? move
  const second = target.after === null ? 0 : target.after.part ** 2
  const owner = at[link.pairedTo]
  // What z, t and k have to be for the products to be right, as long as p, λ̂ or x, and w stay.
  const demand = (aim: number, variable: number, first: number, other: number) => {
    const product = second === 0 ? aim : aim - second * first * other
    return product === 0 ? 0 : product / variable
  }

  for (let i = 0; i < items; i++) {
    move.costs[i] = demand(target.policy, at.policy[i], before.policy[i], before.costs[i])
    forced[i] = move.costs[i] - costs[i]
  }
  move.slack = link.bounded ? demand(target.link, at.welfare, before.welfare, before.slack) : 0
  for (let g = 0; g < groups; g++) {
    move.partner[g] = demand(target.link, owner[g], before[link.pairedTo][g], before.partner[g])
  }

  // K·dλ̂ − along·dw = right and along·dλ̂ + bend·dw = needed.
  const right = move.weights
  let needed = move.slack - slack
  for (let g = 0; g < groups; g++) {
    const pulled = pull[g] * (move.partner[g] - partner[g])
    needed += slopes[g] * pulled
    const row = g * items
    let drift = 0
    for (let i = 0; i < items; i++) drift += centred[row + i] * mass[i] * forced[i]
    for (let q = 0; q < count; q++) drift += means[g * count + q] * missing[q]
    right[g] = pulled - drift
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

  // dp_i = D_i (û_i·dλ̂ − dν_q + forced_i), with dν_q such that Σp becomes w_q; ū·dλ̂ is part of dν_q.
  valuesOf({ groups, items, utilities: centred }, move.weights, move.policy)
  for (let q = 0; q < count; q++) {
    let forcedMass = 0
    for (let i = starts[q]; i < starts[q + 1]; i++) forcedMass += mass[i] * forced[i]
    const rise = (forcedMass - missing[q]) / massSums[q]
    for (let i = starts[q]; i < starts[q + 1]; i++)
      move.policy[i] = mass[i] * (move.policy[i] - rise + forced[i])
    let level = rise
    for (let g = 0; g < groups; g++) level += means[g * count + q] * move.weights[g]
    move.level[q] = level
  }
  // The change that the policy makes, not the one it was meant to make: where utilities are small, rounding tells.
  utilitiesOf(problem, move.policy, move.utilities)

  for (let i = 0; i < items; i++) move.costs[i] -= at.costs[i] * (1 + move.policy[i] / at.policy[i])
  for (let g = 0; g < groups; g++) {
    move.partner[g] -= at.partner[g] * (1 + move[link.pairedTo][g] / owner[g])
  }
  if (link.bounded) move.slack -= at.slack * (1 + move.welfare / at.welfare)
}
