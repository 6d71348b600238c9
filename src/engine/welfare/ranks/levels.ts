import type { Curve } from './curve.ts'

/**
 * A curve that is straight between its bends is a mixture of tails, Φ(t) = Σ_k c_k min(t/b_k, 1), and W one of means of
 * the worst-off parts b_k of the population: W(x) = c_0 Σ_g n_g x_g + Σ_k c_k CVaR_{b_k}(x). In weights: λ = c_0 n + Σ_k λ^k
 * with Σ_g λ^k_g = c_k and 0 ≤ λ^k_g ≤ c_k n_g/b_k.
 */
export type Levels = {
  /** c_0. */
  mean: number
  /** c_k > 0; length K. */
  shares: Float64Array
  /** The most that a level gives to a group, K × G, row-major. */
  caps: Float64Array
}

/** A share below this is lost in rounding. */
const NOTHING = 1e-17

/** The levels of Φ made straight between bends b_1 < … < b_K = 1. */
export function levelsOf({ rise }: Curve, bends: Float64Array, population: Float64Array): Levels {
  const slopes = bends.map((bend, k) => {
    const from = k === 0 ? 0 : bends[k - 1]
    return rise(from, bend) / (bend - from)
  })
  let least = 1
  for (const n of population) least = Math.min(least, n)
  const shares: number[] = []
  const parts: number[] = []
  // Levels of parts below the smallest group are all the minimum.
  let minimum = 0
  for (let k = 0; k < bends.length - 1; k++) {
    const share = bends[k] * Math.max(0, slopes[k] - slopes[k + 1])
    if (bends[k] <= least) minimum += share
    else if (share > NOTHING) {
      shares.push(share)
      parts.push(bends[k])
    }
  }
  if (minimum > NOTHING) {
    shares.push(minimum)
    parts.push(0)
  }
  const groups = population.length
  const caps = new Float64Array(shares.length * groups)
  shares.forEach((share, k) => {
    // A cap above the whole share never binds.
    for (let g = 0; g < groups; g++) caps[k * groups + g] = share * Math.min(2, population[g] / parts[k])
  })
  return { mean: slopes[slopes.length - 1], shares: Float64Array.from(shares), caps }
}
