import { choleskyInverse } from '../numeric/cholesky.ts'
import type { Likelihood } from './likelihood.ts'
import { factorCurvature } from './newton-step.ts'
import type { PairLikelihood } from './pair-likelihood.ts'

/**
 * Adds ½ log det I(ψ), the logarithm of Jeffreys' prior: the penalty that removes the first-order bias of a canonical
 * exponential family (Firth, Biometrika 80, 1993), and keeps estimates finite on every connected graph.
 *
 * Its gradient is ½ Σ_k tr(C_k ∂I_k/∂ψ), with C_k the covariance of the entry's (d, η) under I⁻¹ and ∂I_k the third
 * central moments of its outcome; for the binary model h_k/2 wins and as many losses are added to entry k, with the
 * leverage h_k = n_k p_k q_k Var(d_k). The curvature stays that of ℓ (Fisher scoring), so steps shrink geometrically.
 *
 * @param base the log-likelihood in ψ, and pairs the same in rewards and extras
 */
export function withJeffreysPrior(base: Likelihood, pairs: PairLikelihood): Likelihood {
  const gradient = new Float64Array(base.size)
  return {
    ...base,
    gradient,
    value(at) {
      base.linearise(at)
      return base.value(at) + halfLogDeterminant(base)
    },
    linearise(at) {
      base.linearise(at)
      gradient.set(base.gradient)
      const covariance = liftedCovariance(base, pairs.size)
      if (covariance === null) {
        // Rounding has made the information singular: no step from here can be trusted.
        gradient.fill(Number.NaN)
        return
      }
      const slope = base.lower(jeffreysSlope(pairs, base.lift(at), covariance))
      for (let a = 0; a < base.size; a++) gradient[a] += slope[a]
    },
  }
}

function halfLogDeterminant(base: Likelihood): number {
  const factored = factorCurvature(base)
  if (factored === null) return Number.NEGATIVE_INFINITY
  let sum = 0
  for (let a = 0; a < factored.order; a++) sum += Math.log(factored.factor[a * factored.order + a])
  return sum
}

/** I⁻¹ in rewards and extras: size × size, row-major; a grounded reward has a row and a column of zeros. */
function liftedCovariance(base: Likelihood, size: number): Float64Array | null {
  const factored = factorCurvature(base)
  if (factored === null) return null
  const { factor, order } = factored
  const inverse = choleskyInverse(factor, order)
  const p = base.size
  const whole = new Float64Array(p * p)
  const ground = base.shiftInvariant ? base.rewards - 1 : p
  for (let a = 0; a < order; a++) {
    for (let b = 0; b < order; b++) {
      whole[(a < ground ? a : a + 1) * p + (b < ground ? b : b + 1)] = inverse[a * order + b]
    }
  }
  if (!base.dense) return whole

  // Both sides of the matrix, one after the other: (lift (lift V)ᵀ)ᵀ.
  const half = new Float64Array(size * p)
  for (let a = 0; a < p; a++) {
    const row = base.lift(whole.slice(a * p, (a + 1) * p))
    for (let b = 0; b < size; b++) half[b * p + a] = row[b]
  }
  const lifted = new Float64Array(size * size)
  for (let b = 0; b < size; b++) lifted.set(base.lift(half.slice(b * p, (b + 1) * p)), b * size)
  return lifted
}

/** ½ Σ_k tr(C_k ∂I_k/∂ψ) in rewards and extras. */
function jeffreysSlope(pairs: PairLikelihood, at: Float64Array, covariance: Float64Array): Float64Array {
  const { counts, size, rewards: m, model } = pairs
  const { i, j, first, wins, losses, ties } = counts
  const davidson = model.ties === 'davidson'
  const gamma = model.positionEffect ? m : -1
  const eta = davidson ? size - 1 : -1
  const slope = new Float64Array(size)
  const v = (a: number, b: number) => covariance[a * size + b]
  for (let k = 0; k < i.length; k++) {
    const a = i[k]
    const b = j[k]
    const z = gamma >= 0 && first !== null ? first[k] : 0
    let dd = v(a, a) + v(b, b) - 2 * v(a, b)
    if (z !== 0) dd += v(gamma, gamma) + 2 * z * (v(a, gamma) - v(b, gamma))
    let dt = 0
    let tt = 0
    if (davidson) {
      dt = v(a, eta) - v(b, eta) + (z !== 0 ? z * v(gamma, eta) : 0)
      tt = v(eta, eta)
    }
    const n = wins[k] + losses[k] + ties[k]
    const moments = thirdMoments(pairs.difference(at, k), davidson ? at[eta] : Number.NEGATIVE_INFINITY)
    const pull = (n / 2) * (dd * moments.ddd + 2 * dt * moments.ddt + tt * moments.dtt)
    slope[a] += pull
    slope[b] -= pull
    if (z !== 0) slope[gamma] += z * pull
    if (davidson) slope[eta] += (n / 2) * (dd * moments.ddt + 2 * dt * moments.dtt + tt * moments.ttt)
  }
  return slope
}

/** Third central moments of (s, t), where s is ½, −½ or 0 and t is 1 for a tie; η = −∞ is the binary model. */
function thirdMoments(d: number, eta: number) {
  const top = Math.max(Math.abs(d) / 2, eta)
  const weights = [Math.exp(d / 2 - top), Math.exp(-d / 2 - top), Math.exp(eta - top)]
  const sum = weights[0] + weights[1] + weights[2]
  const [pi, pj, pt] = weights.map((weight) => weight / sum)
  const mean = (pi - pj) / 2
  const moments = { ddd: 0, ddt: 0, dtt: 0, ttt: 0 }
  for (const [p, s, t] of [
    [pi, 0.5, 0],
    [pj, -0.5, 0],
    [pt, 0, 1],
  ]) {
    const ds = s - mean
    const dt = t - pt
    moments.ddd += p * ds * ds * ds
    moments.ddt += p * ds * ds * dt
    moments.dtt += p * ds * dt * dt
    moments.ttt += p * dt * dt * dt
  }
  return moments
}
