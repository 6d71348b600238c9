/**
 * The Gibbs policy p_i ∝ π_i e^{v_i/β}: what a pipeline arrives at that trains with reward v and KL coefficient β.
 *
 * @param values v; length n
 * @param policy length n, overwritten by p
 * @param mass what the reference sums to, and then the policy: the weight of its context
 * @returns β log Σ_i (π_i/mass) e^{v_i/β}, the value of the best policy, KL term included
 */
export function gibbsPolicy(
  values: Float64Array,
  reference: Float64Array,
  temperature: number,
  policy: Float64Array,
  mass = 1,
): number {
  const n = values.length
  let top = Number.NEGATIVE_INFINITY
  for (let i = 0; i < n; i++) if (values[i] > top) top = values[i]
  // Σ π (e^d − 1) keeps its digits where every exponent is close to 0, Σ π e^d where the best item has little of π.
  let excess = 0
  for (let i = 0; i < n; i++) {
    const d = (values[i] - top) / temperature
    excess += reference[i] * Math.expm1(d)
    policy[i] = reference[i] * Math.exp(d)
  }
  let sum = 0
  for (let i = 0; i < n; i++) sum += policy[i]
  for (let i = 0; i < n; i++) policy[i] *= mass / sum
  return top + temperature * (excess > -0.5 * mass ? Math.log1p(excess / mass) : Math.log(sum / mass))
}

/** KL(p‖π) = Σ_i (p_i log(p_i/π_i) − p_i + π_i), with 0·log 0 = 0: so written no term is negative, and none cancels. */
export function divergence(policy: Float64Array, reference: Float64Array): number {
  let sum = 0
  for (let i = 0; i < policy.length; i++) {
    const excess = policy[i] - reference[i]
    const d = excess / reference[i]
    if (policy[i] === 0) sum += reference[i]
    else if (Math.abs(d) < 1e-3) sum += excess * d * (1 / 2 - d * (1 / 6 - d * (1 / 12 - d / 20)))
    else sum += policy[i] * Math.log(policy[i] / reference[i]) - excess
  }
  return sum
}
