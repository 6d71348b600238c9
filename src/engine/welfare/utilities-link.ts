import type { Link } from './link.ts'

/**
 * The link of the power means of exponent 0 < ρ < 1, which are smooth where the dual set has corners:
 * λ̂ = ∇M_ρ(y) + r with ∂M_ρ/∂y_g = ℓ_g = n̂_g (w/y_g)^{1−ρ} and w = M_ρ(y; n̂).
 *
 * @param logShares log n̂_g
 */
export function utilitiesLink(exponent: number, logShares: Float64Array): Link {
  const e = 1 - exponent
  const groups = logShares.length
  const own = new Float64Array(groups)
  return {
    pairedTo: 'counted',
    signed: false,
    bounded: false,
    start: {
      weights: logShares.map((share) => Math.max(Math.exp(share), 1e-4 / groups)),
      counted: new Float64Array(groups).fill(1),
      slack: 0,
    },
    linearise({ weights, counted, partner }, out) {
      let top = Number.NEGATIVE_INFINITY
      for (let g = 0; g < groups; g++) {
        own[g] = logShares[g] + exponent * Math.log(counted[g])
        if (own[g] > top) top = own[g]
      }
      let sum = 0
      for (let g = 0; g < groups; g++) {
        own[g] = Math.exp(own[g] - top)
        sum += own[g]
      }
      const welfare = Math.exp((top + Math.log(sum)) / exponent)

      out.offset = 0
      out.bend = 0
      out.misfit = 0
      for (let g = 0; g < groups; g++) {
        const y = counted[g]
        const share = own[g] / sum
        const slope = (share * welfare) / y
        const curvature = e * slope + partner[g]
        const missing = slope + partner[g] - weights[g]
        out.taken[g] = y
        out.pull[g] = y / curvature
        out.give[g] = y / curvature
        out.target[g] = (missing * y) / curvature
        out.along[g] = (e * share) / curvature
        out.slopes[g] = (e * slope) / welfare
        out.bend += ((e / welfare) * share * partner[g]) / curvature
        out.misfit += y * Math.abs(missing)
      }
    },
  }
}
