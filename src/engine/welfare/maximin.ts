import type { WelfareFunction } from './problem.ts'

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
  dualSet(_population, scale) {
    // Every group at the minimum w has the scaled utility w / scale_g, and the weights sum to 1.
    const slopes = scale.map((value) => 1 / value)
    let sum = 0
    for (const slope of slopes) sum += slope
    return {
      equality: true,
      start: { weights: slopes.map(() => 1 / sum), counted: slopes, slack: 0 },
      relate(weights, _counted, welfare, relation) {
        relation.h = -1
        for (let g = 0; g < slopes.length; g++) {
          relation.h += slopes[g] * weights[g]
          relation.gradient[g] = slopes[g]
          relation.along[g] = slopes[g]
          relation.target[g] = slopes[g] * welfare
          relation.give[g] = 0
        }
      },
    }
  },
}
