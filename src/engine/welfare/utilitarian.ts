import type { WelfareFunction } from './problem.ts'

/** W = Σ_g n_g x_g. Λ is the single point n: the group weights are the population weights. */
export const utilitarian: WelfareFunction = {
  value(x, population) {
    let sum = 0
    for (let g = 0; g < x.length; g++) sum += population[g] * x[g]
    return sum
  },
  project(weights, population) {
    weights.set(population)
  },
  needsGains: false,
  weightlessFrom: () => Number.POSITIVE_INFINITY,
  link: null,
}
