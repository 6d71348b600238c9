import { divergenceFromGibbs, gibbsPolicy } from './gibbs.ts'
import { planeLink } from './plane-link.ts'
import type { WelfareFunction } from './problem.ts'

/** A weight below this part of its population is nothing to a welfare. */
const NOTHING = 1e-15

/**
 * W = −κ⁻¹ log Σ_g n_g e^{−κ x_g} for κ > 0: the utility that, if all had it, would be as good under a constant absolute
 * aversion κ to inequality. From utilitarian (κ → 0) to maximin (κ → ∞), for utilities of either sign.
 *
 * Its weights λ_g ∝ n_g e^{−κ x_g} sum to 1, and W_*(λ) = −KL(λ‖n)/κ on the simplex. So −W is the value of a Gibbs policy
 * over the groups: at temperature 1/κ, with the population as its reference and the utilities as what it avoids.
 */
export function kolmPollak(kappa: number): WelfareFunction {
  const softest = (x: Float64Array, population: Float64Array, weights: Float64Array) =>
    -gibbsPolicy(
      x.map((value) => -value),
      population,
      1 / kappa,
      weights,
    )
  return {
    value: (x, population) => softest(x, population, new Float64Array(x.length)),
    gradient(x, population) {
      const own = new Float64Array(x.length)
      softest(x, population, own)
      return own
    },
    loss(weights, x, population) {
      const own = new Float64Array(x.length)
      const welfare = softest(x, population, own)
      const logOf = (g: number) => Math.log(population[g]) - kappa * (x[g] - welfare)
      return divergenceFromGibbs(weights, own, logOf) / kappa
    },
    project(weights) {
      let sum = 0
      for (let g = 0; g < weights.length; g++) {
        weights[g] = Math.max(0, weights[g])
        sum += weights[g]
      }
      // Weights that sum to 1 but for rounding stay as they are: those of ∇W then have no loss at all.
      if (Math.abs(sum - 1) <= weights.length * Number.EPSILON) return
      for (let g = 0; g < weights.length; g++) weights[g] /= sum
    },
    needsGains: false,
    // Where n e^{−κ(x − W)} is lost in rounding.
    weightlessFrom: (welfare, population) => welfare + Math.log(population / NOTHING) / kappa,
    link: (population, scale, unit) =>
      planeLink(
        scale.map((size) => 1 / size),
        1 / (kappa * unit),
        population.map(Math.log),
      ),
  }
}
