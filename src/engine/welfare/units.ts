import type { Optimum, WelfareProblem } from './problem.ts'
import { utilitiesOf } from './table.ts'

/** The problem in which every group's utilities are counted in a unit of its own; those in units of ∞ are nothing. */
export function inUnits(problem: WelfareProblem, units: Float64Array): WelfareProblem {
  const { groups, items } = problem
  const utilities = problem.utilities.slice()
  for (let g = 0; g < groups; g++) {
    for (let at = g * items; at < (g + 1) * items; at++) utilities[at] /= units[g]
  }
  return { ...problem, utilities }
}

/** The optimum in the given units that one in other units stands for: Σ_g λ̂_g·(x_g/unit_g) = Σ_g λ_g·x_g. */
export function outOfUnits(problem: WelfareProblem, units: Float64Array, optimum: Optimum): Optimum {
  const utilities = new Float64Array(problem.groups)
  utilitiesOf(problem, optimum.policy, utilities)
  return { ...optimum, utilities, weights: optimum.weights.map((weight, g) => weight / units[g]) }
}
