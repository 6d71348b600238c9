import type { WelfareFunction } from './problem.ts'

/**
 * W = M_ρ(x) = (Σ_g n_g x_g^ρ)^{1/ρ} for ρ < 1, and the geometric mean ∏ x_g^{n_g} (Nash) at ρ = 0.
 *
 * Its dual set is Λ = {λ ≥ 0 : M_q(λ/n; n) ≥ 1} with the conjugate exponent q = ρ/(ρ − 1), by the reverse Hölder
 * inequality λ·x ≥ M_q(λ/n)·M_ρ(x); Nash has q = 0. The solver works with h(λ) = log M_q(λ/n; n), which is
 * (1 − ρ) log(w/M_ρ(y)) where λ_g = n_g (y_g/w)^{ρ−1}.
 */
export function powerMean(exponent: number): WelfareFunction {
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
    dualSet(population, scale) {
      // In scaled units the problem is the same with the population n̂_g = n_g scale_g^ρ, which sums to 1 again.
      const logShares = population.map((n, g) => Math.log(n) + exponent * Math.log(scale[g]))
      const stiffness = 1 - exponent
      const own = new Float64Array(scale.length)
      const logDual = (weights: Float64Array) =>
        logMean(q, logShares, (g) => Math.log(weights[g]) - logShares[g], own)
      // Inside Λ̂ and near its boundary, where the optimum lies; the floor keeps away from λ̂_g = 0.
      const weights = logShares.map((share) => 1.1 * Math.max(Math.exp(share), 1e-4 / logShares.length))
      const counted = weights.map((weight, g) => Math.exp((logShares[g] - Math.log(weight)) / stiffness))
      return {
        equality: false,
        start: { weights, counted, slack: logDual(weights) },
        relate(weights, counted, welfare, relation) {
          // Of the two means in h, M_q of the weights is the milder for ρ ≤ 0, M_ρ of the utilities above.
          relation.h =
            exponent > 0
              ? stiffness *
                (Math.log(welfare) - logMean(exponent, logShares, (g) => Math.log(counted[g]), own))
              : logDual(weights)
          for (let g = 0; g < weights.length; g++) {
            // λ̂_g y_g^{1−ρ} = n̂_g w^{1−ρ}, solved for whichever of the two the exponent binds more tightly.
            const ratio = logShares[g] - Math.log(weights[g]) + stiffness * Math.log(welfare / counted[g])
            const shift = exponent > 0 ? Math.expm1(ratio) / stiffness : Math.expm1(ratio / stiffness)
            if (exponent > 0) relation.h -= stiffness * own[g] * shift
            relation.target[g] = counted[g] * (1 + shift)
            relation.give[g] = counted[g] / (weights[g] * stiffness)
            relation.along[g] = counted[g] / welfare
            relation.gradient[g] = own[g] / weights[g]
          }
        },
      }
    },
  }
}

/** M_ρ(x; n). */
function mean(exponent: number, x: Float64Array, population: Float64Array): number {
  const logShares = population.map((n) => Math.log(n))
  return Math.exp(
    logMean(exponent, logShares, (g) => Math.log(Math.max(0, x[g])), new Float64Array(x.length)),
  )
}

/**
 * log M_r of values given by their logarithms, weighted by n, which is given by its logarithm too; the largest term
 * is taken out, so that no power over- or underflows. Fills shares with n_g e^{r·log} normalised to sum 1.
 */
function logMean(
  exponent: number,
  logPopulation: Float64Array,
  log: (g: number) => number,
  shares: Float64Array,
): number {
  const groups = logPopulation.length
  if (exponent === 0) {
    let sum = 0
    for (let g = 0; g < groups; g++) {
      shares[g] = Math.exp(logPopulation[g])
      if (shares[g] > 0) sum += shares[g] * log(g)
    }
    return sum
  }
  let top = Number.NEGATIVE_INFINITY
  for (let g = 0; g < groups; g++) {
    shares[g] = logPopulation[g] + exponent * log(g)
    if (shares[g] > top) top = shares[g]
  }
  // A zero under a negative exponent makes the mean zero; zeros everywhere under a positive one do too.
  if (!Number.isFinite(top)) return Number.NEGATIVE_INFINITY
  let sum = 0
  for (let g = 0; g < groups; g++) {
    shares[g] = Math.exp(shares[g] - top)
    sum += shares[g]
  }
  for (let g = 0; g < groups; g++) shares[g] /= sum
  return (top + Math.log(sum)) / exponent
}
