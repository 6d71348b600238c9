import type { Link } from './link.ts'

/**
 * The link of the welfare functions whose dual set is the plane Σ_g λ_g = 1, with or without an entropy on it: the maximin,
 * and Kolm–Pollak with W_*(λ) = −KL(λ‖n)/κ.
 *
 * In scaled units the plane is Σ_g a_g λ̂_g = 1, and the utilities that count at welfare w are a_g (w − s log(a_g λ̂_g/n_g))
 * with the softness s = 1/κ̂, 0 for the maximin. What a group has beyond them is its surplus: without entropy that of a
 * group above the minimum, with entropy what vanishes as λ̂ becomes exact.
 *
 * @param slopes a_g
 * @param softness s
 * @param logPopulation log n_g; not read at s = 0
 */
export function planeLink(slopes: Float64Array, softness: number, logPopulation: Float64Array): Link {
  const groups = slopes.length
  /** s log(λ_g/n_g) at weights λ_g = a_g λ̂_g. */
  const entropy = (weight: number, g: number) =>
    softness === 0 ? 0 : softness * (Math.log(slopes[g] * weight) - logPopulation[g])
  return {
    pairedTo: 'weights',
    bounded: false,
    curved: softness === 0 ? 0 : groups,
    start,
    define({ weights, utilities, welfare }, partner) {
      let height = -1
      for (let g = 0; g < groups; g++) {
        partner[g] = utilities[g] - slopes[g] * (welfare - entropy(weights[g], g))
        height += slopes[g] * weights[g]
      }
      return height
    },
    linearise({ weights, partner }, out) {
      out.bend = 0
      for (let g = 0; g < groups; g++) {
        out.pull[g] = 1
        out.give[g] = (softness * slopes[g] + partner[g]) / weights[g]
        out.along[g] = slopes[g]
        out.slopes[g] = 0
        out.curvature[g] = out.give[g]
      }
    },
  }

  /** λ̂ ∝ 1/t on the plane, where w is below every x_g/a_g; nearer to n the more the entropy counts. */
  function start(x: Float64Array, product: number) {
    const least = x.reduce((low, value, g) => Math.min(low, value / slopes[g]), Number.POSITIVE_INFINITY)
    const level = least - Math.max(0.1, Math.abs(least) / 2, groups * product)
    const partner = x.map((value, g) => value - level * slopes[g])
    const size = 1 / slopes.reduce((sum, slope, g) => sum + slope / partner[g], 0)
    const weights = partner.map((t) => size / t)
    if (softness === 0) return { weights, partner, welfare: level, slack: 0, product: size }

    const logs = weights.map((weight, g) => Math.log(slopes[g] * weight))
    const mixed = logs.map((log, g) => Math.exp((log + softness * logPopulation[g]) / (1 + softness)))
    const sum = mixed.reduce((a, b) => a + b, 0)
    const softer = mixed.map((weight, g) => weight / (sum * slopes[g]))
    const counted = x.map((value, g) => value / slopes[g] + entropy(softer[g], g))
    const bottom = counted.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
    const welfare = bottom - Math.max(0.1, Math.abs(bottom) / 2, groups * product)
    const surplus = counted.map((value, g) => slopes[g] * (value - welfare))
    const products = surplus.reduce((total, t, g) => total + t * softer[g], 0)
    return { weights: softer, partner: surplus, welfare, slack: 0, product: products / groups }
  }
}
