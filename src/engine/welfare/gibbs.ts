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
  for (let i = 0; i < n; i++) policy[i] = (policy[i] / sum) * mass
  return top + temperature * (excess > -0.5 * mass ? Math.log1p(excess / mass) : Math.log(sum / mass))
}

/** KL(p‖π) = Σ_i (p_i log(p_i/π_i) − p_i + π_i), with 0·log 0 = 0: so written no term is negative, and none cancels. */
export function divergence(policy: Float64Array, reference: Float64Array): number {
  let sum = 0
  for (let i = 0; i < policy.length; i++) sum += divergenceTerm(policy[i], reference[i])
  return sum
}

function divergenceTerm(p: number, reference: number): number {
  const excess = p - reference
  const d = excess / reference
  if (p === 0) return reference
  if (Math.abs(d) < 1e-3) return excess * d * (1 / 2 - d * (1 / 6 - d * (1 / 12 - d / 20)))
  return p * Math.log(p / reference) - excess
}

/**
 * KL(p‖g) for a Gibbs policy g that may have underflowed where p still holds something.
 *
 * @param gibbs g, as far as a double holds it
 * @param logOf log g_i
 */
export function divergenceFromGibbs(
  policy: Float64Array,
  gibbs: Float64Array,
  logOf: (i: number) => number,
): number {
  let sum = 0
  for (let i = 0; i < policy.length; i++) {
    const lost = policy[i] > 0 && gibbs[i] < 1e-290
    sum += lost
      ? policy[i] * (Math.log(policy[i]) - logOf(i)) - policy[i] + gibbs[i]
      : divergenceTerm(policy[i], gibbs[i])
  }
  return sum
}
