import { planeLink } from './plane-link.ts'
import type { WelfareFunction } from './problem.ts'

/** W = min_g x_g. Λ is the simplex: weights that sum to 1, positive only for groups at the minimum. */
export const maximin = {
  value(x: Float64Array) {
    let least = Number.POSITIVE_INFINITY
    for (const value of x) least = Math.min(least, value)
    return least
  },
  project(weights: Float64Array) {
    let sum = 0
    for (let g = 0; g < weights.length; g++) {
      weights[g] = Math.max(0, weights[g])
      sum += weights[g]
    }
    for (let g = 0; g < weights.length; g++) weights[g] /= sum
  },
  needsGains: false,
  weightlessFrom: (welfare: number) => welfare,
  // Every group at the minimum w has the scaled utility w / scale_g.
  link: (population: Float64Array, scale: Float64Array) =>
    planeLink(
      scale.map((size) => 1 / size),
      0,
      population,
    ),
} satisfies WelfareFunction
