import type { WelfareFunction } from './problem.ts'
import { weightsLink } from './weights-link.ts'

/** W = min_g x_g. Λ is the simplex: weights that sum to 1, positive only for groups at the minimum. */
export const maximin: WelfareFunction = {
  value(x) {
    let least = Number.POSITIVE_INFINITY
    for (const value of x) least = Math.min(least, value)
    return least
  },
  project(weights) {
    let sum = 0
    for (let g = 0; g < weights.length; g++) {
      weights[g] = Math.max(0, weights[g])
      sum += weights[g]
    }
    for (let g = 0; g < weights.length; g++) weights[g] /= sum
  },
  needsGains: false,
  // Every group at the minimum w has the scaled utility w / scale_g.
  link: (_population, scale) => {
    const logSlopes = scale.map((size) => -Math.log(size))
    return weightsLink(1, logSlopes, logSlopes)
  },
}
