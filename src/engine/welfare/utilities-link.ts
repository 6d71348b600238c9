import type { Link } from './link.ts'
import { logMean } from './mean.ts'

/**
 * The link of the power means of exponent 0 < ρ < 1, which are smooth where the dual set has corners: the weights are
 * ∂M_ρ/∂x_g = n̂_g (w/x_g)^{1−ρ}, with w = M_ρ(x; n̂).
 *
 * @param logShares log n̂_g
 */
export function utilitiesLink(exponent: number, logShares: Float64Array): Link {
  const e = 1 - exponent
  const groups = logShares.length
  // Of the rows of x only the groups have a part in W.
  const slopesAt = (x: Float64Array) => {
    const logs = logShares.map((_, g) => Math.log(x[g]))
    const logWelfare = logMean(exponent, logs, logShares)
    return {
      welfare: Math.exp(logWelfare),
      slopes: logs.map((log, g) => Math.exp(logShares[g] + e * (logWelfare - log))),
    }
  }
  return {
    pairedTo: 'utilities',
    bounded: false,
    curved: groups,
    start(x, least) {
      const { welfare, slopes } = slopesAt(x)
      const product = Math.max(welfare / groups, least)
      const partner = x.map((value) => product / value)
      return { weights: slopes.map((slope, g) => slope + partner[g]), partner, welfare, slack: 0, product }
    },
    define({ weights, utilities }, partner) {
      const { slopes } = slopesAt(utilities)
      for (let g = 0; g < groups; g++) partner[g] = weights[g] - slopes[g]
      return 0
    },
    linearise({ utilities, partner }, out) {
      const { welfare, slopes } = slopesAt(utilities)
      out.bend = 0
      for (let g = 0; g < groups; g++) {
        const slope = slopes[g]
        const curvature = (e * slope + partner[g]) / utilities[g]
        out.pull[g] = 1 / curvature
        out.give[g] = 1 / curvature
        out.along[g] = (e * slope) / (welfare * curvature)
        out.slopes[g] = (e * slope) / welfare
        out.bend += ((e / welfare) * slope * partner[g]) / (welfare * curvature)
        out.curvature[g] = curvature
      }
    },
  }
}
