import { logMean } from './mean.ts'
import type { WelfareFunction } from './problem.ts'
import { utilitiesLink } from './utilities-link.ts'
import { weightsLink } from './weights-link.ts'

/** Exponents nearer to 0 than this make no difference that a double could hold. */
const NASH = 1e-15

/**
 * W = M_ρ(x) = (Σ_g n_g x_g^ρ)^{1/ρ} for ρ < 1, and the geometric mean ∏ x_g^{n_g} (Nash) at ρ = 0.
 *
 * Its dual set is Λ = {λ ≥ 0 : M_q(λ/n; n) ≥ 1} with the conjugate exponent q = ρ/(ρ − 1), by the reverse Hölder
 * inequality λ·x ≥ M_q(λ/n)·M_ρ(x); Nash has q = 0.
 */
export function powerMean(given: number): WelfareFunction {
  const exponent = Math.abs(given) < NASH ? 0 : given
  const q = exponent / (exponent - 1)
  return {
    value: (x, population) => mean(exponent, x, population),
    project(weights, population) {
      for (let g = 0; g < weights.length; g++) weights[g] = Math.max(0, weights[g])
      const ratio = weights.map((weight, g) => weight / population[g])
      const size = mean(q, ratio, population)
      if (size < 1) for (let g = 0; g < weights.length; g++) weights[g] /= size
    },
    needsGains: true,
    // Where n (x/W)^ρ, the group's part in Σ_g λ_g x_g = W, is lost in rounding.
    weightlessFrom: (welfare, population) =>
      exponent < 0 ? welfare * (1e-15 / population) ** (1 / exponent) : Number.POSITIVE_INFINITY,
    link(population, scale) {
      // In scaled units the problem is the same with the population n̂_g = n_g scale_g^ρ, which sums to 1 again.
      const logShares = population.map((n, g) => Math.log(n) + exponent * Math.log(scale[g]))
      if (exponent > 0) return utilitiesLink(exponent, logShares)
      const logSlopes = logShares.map((share) => share / (1 - exponent))
      return weightsLink(q, logShares, logSlopes)
    },
  }
}

/** M_r(x; n), for x ≥ 0. */
function mean(exponent: number, x: Float64Array, population: Float64Array): number {
  const logs = x.map((value) => Math.log(Math.max(0, value)))
  return Math.exp(logMean(exponent, logs, population.map(Math.log)))
}
