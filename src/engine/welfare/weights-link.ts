import type { Link } from './link.ts'
import { logMean } from './mean.ts'

/**
 * The link of the welfare functions whose dual set is smooth, M_q(λ̂/n̂; n̂) ≥ 1 with 0 ≤ q < 1: the power means of
 * exponent ρ = q/(q − 1) ≤ 0.
 *
 * With e = 1 − q and a_g = n̂_g^e, the set is h(λ̂) = (Σ_g a_g λ̂_g^q − 1)/q ≥ 0 (Nash: Σ_g n̂_g log(λ̂_g/n̂_g) ≥ 0),
 * and the utilities that count at welfare w are w∂h/∂λ̂_g = w a_g λ̂_g^{−e}.
 *
 * @param q the exponent conjugate to ρ
 * @param logShares log n̂_g
 * @param logSlopes log a_g
 */
export function weightsLink(q: number, logShares: Float64Array, logSlopes: Float64Array): Link {
  const e = 1 - q
  const groups = logSlopes.length
  const slopeAt = (weight: number, g: number) => Math.exp(logSlopes[g] - e * Math.log(weight))
  const heightAt = (weights: Float64Array) => {
    const logSize = logMean(q, logRatios(weights), logShares)
    return q === 0 ? logSize : Math.expm1(q * logSize) / q
  }
  const logRatios = (weights: Float64Array) => logShares.map((share, g) => Math.log(weights[g]) - share)

  return {
    pairedTo: 'weights',
    bounded: true,
    curved: groups,
    start,
    define({ weights, utilities, welfare }, partner) {
      for (let g = 0; g < groups; g++) partner[g] = utilities[g] - welfare * slopeAt(weights[g], g)
      return heightAt(weights)
    },
    linearise({ weights, partner, welfare, slack }, out) {
      out.bend = slack / welfare
      for (let g = 0; g < groups; g++) {
        const slope = slopeAt(weights[g], g)
        out.pull[g] = 1
        out.give[g] = (e * welfare * slope + partner[g]) / weights[g]
        out.along[g] = slope
        out.slopes[g] = 0
        out.curvature[g] = out.give[g]
      }
    },
  }

  /** λ̂ ∝ 1/x at twice the size that the set needs or more, and w such that no more than half of any x_g counts. */
  function start(x: Float64Array, product: number) {
    const inverse = x.map((value) => 1 / value)
    const size = Math.max(2 / Math.exp(logMean(q, logRatios(inverse), logShares)), product)
    const weights = inverse.map((value) => size * value)
    const slope = weights.map(slopeAt)
    const welfare = slope.reduce((low, a, g) => Math.min(low, x[g] / (2 * a)), Number.POSITIVE_INFINITY)
    return {
      weights,
      partner: x.map((value, g) => value - welfare * slope[g]),
      welfare,
      slack: heightAt(weights),
      product: size,
    }
  }
}
