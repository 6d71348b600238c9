import type { Link } from './link.ts'

/**
 * The link of the welfare functions whose dual set is smooth, M_q(λ̂/n̂; n̂) ≥ 1 with 0 ≤ q ≤ 1: the power means of
 * exponent ρ = q/(q − 1) ≤ 0, and at q = 1 the maximin, whose set is the plane Σ_g a_g λ̂_g = 1.
 *
 * With e = 1 − q and a_g = n̂_g^e, the set is h(λ̂) = (Σ_g a_g λ̂_g^q − 1)/q ≥ 0 (Nash: Σ_g n̂_g log(λ̂_g/n̂_g) ≥ 0),
 * and the utilities that are counted at welfare w are y = w ∇h(λ̂), y_g = w a_g λ̂_g^{−e}.
 *
 * @param q the exponent conjugate to ρ
 * @param logShares log n̂_g; not read at q = 1
 * @param logSlopes log a_g
 */
export function weightsLink(q: number, logShares: Float64Array, logSlopes: Float64Array): Link {
  const e = 1 - q
  const linear = q === 1
  const shares = logShares.map(Math.exp)
  const weights = startWeights(q, logSlopes)
  const heightOf = (weights: Float64Array) => {
    let height = linear ? -1 : 0
    for (let g = 0; g < weights.length; g++) {
      const log = Math.log(weights[g])
      if (linear) height += Math.exp(logSlopes[g]) * weights[g]
      // Near Nash the powers are close to 1, and only their differences from it matter.
      else if (q === 0) height += shares[g] * (log - logShares[g])
      else if (q < 0.1) height += (shares[g] * Math.expm1(q * (log - logShares[g]))) / q
      else height += (Math.exp(logSlopes[g] + q * log) - shares[g]) / q
    }
    return height
  }
  return {
    pairedTo: 'weights',
    signed: linear,
    bounded: !linear,
    start: {
      weights,
      counted: weights.map((weight, g) => Math.exp(logSlopes[g] - e * Math.log(weight))),
      slack: linear ? 0 : heightOf(weights),
    },
    linearise(at, out) {
      const { weights, counted, partner, welfare, slack } = at
      out.bend = linear ? 0 : slack / welfare
      out.offset = slack - heightOf(weights)
      out.misfit = Math.abs(welfare * out.offset)
      for (let g = 0; g < weights.length; g++) {
        const slope = Math.exp(logSlopes[g] - e * Math.log(weights[g]))
        out.taken[g] = counted[g] + partner[g]
        out.target[g] = welfare * slope - counted[g]
        out.pull[g] = 1
        // λ̂_g^e y_g = const is followed from farther off than y_g = const/λ̂_g^e: hence y and not w a_g λ̂_g^{−e}.
        out.give[g] = (e * counted[g] + partner[g]) / weights[g]
        out.along[g] = slope
        out.slopes[g] = 0
        out.misfit += Math.abs(weights[g] * out.target[g])
      }
    },
  }
}

/** λ̂ ∝ a, just inside the dual set, near whose boundary the optimum lies. */
function startWeights(q: number, logSlopes: Float64Array): Float64Array {
  if (q === 0) return logSlopes.map((log) => 1.1 * Math.exp(log))
  const sum = logSlopes.reduce((total, log) => total + Math.exp((1 + q) * log), 0)
  const size = (q < 1 ? 1.1 : 1) * sum ** (-1 / q)
  return logSlopes.map((log) => size * Math.exp(log))
}
