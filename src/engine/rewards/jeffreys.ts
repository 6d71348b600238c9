import type { PairCounts } from '../comparisons/pairs.ts'
import { choleskyInverse } from '../numeric/cholesky.ts'
import { normal, seededRandom } from '../numeric/random.ts'
import { Problem } from '../problem.ts'
import type { Likelihood } from './likelihood.ts'
import { type Maximum, maximise } from './maximise.ts'
import { factorCurvature } from './newton-step.ts'
import { binaryTerms, davidsonTerms, newTerms } from './outcome.ts'
import type { PairLikelihood } from './pair-likelihood.ts'

/**
 * Adds ½ log det I(ψ), the logarithm of Jeffreys' prior: the penalty that removes the first-order bias of a canonical
 * exponential family (Firth, Biometrika 80, 1993), and keeps estimates finite on every connected graph.
 *
 * Its gradient is ½ Σ_k tr(C_k ∂I_k/∂ψ), with C_k the covariance of the entry's (d, η) under I⁻¹ and ∂I_k the third
 * central moments of its outcome. It is the pull of outcomes that were not observed, and the surrogate is the
 * log-likelihood of pair counts with those added: for the binary model h_k/2 wins and as many losses of entry k, with the
 * leverage h_k = n_k p_k q_k Var(d_k). Its steps shrink geometrically. The curvature stays the information I, whose
 * inverse is the covariance of the estimate to first order.
 *
 * @param base the log-likelihood in ψ, and pairs the same in rewards and extras
 * @param likelihoodOf the log-likelihood in ψ of other counts of the same entries
 */
export function withJeffreysPrior(
  base: Likelihood,
  pairs: PairLikelihood,
  likelihoodOf: (counts: PairCounts) => Likelihood,
): Likelihood {
  const gradient = new Float64Array(base.size)
  let surrogate = base
  return {
    ...base,
    gradient,
    surrogate: () => surrogate,
    value(at) {
      base.linearise(at)
      return base.value(at) + halfLogDeterminant(base)
    },
    linearise(at) {
      base.linearise(at)
      const covariance = liftedCovariance(base, pairs.size)
      if (covariance === null) {
        // Rounding has made the information singular: no step from here can be trusted.
        gradient.fill(Number.NaN)
        return
      }
      surrogate = likelihoodOf(augmented(pairs, base.lift(at), covariance))
      surrogate.linearise(at)
      gradient.set(surrogate.gradient)
    },
  }
}

/** How far from 0, in logits, the two searches begin; maxima that are not further apart than SAME are one. */
const ASIDE = 0.5
const SAME = 1e-6

/**
 * Maximises a log-posterior with Jeffreys' prior. It need not be concave: comparisons tell most where two items are
 * close, so an item that lost to a weak one and beat a strong one may be drawn to either; 0 may be a saddle between two
 * maxima, and where almost all comparisons are ties there often are several. So the maximum is looked for from two
 * points, on opposite sides of 0.
 *
 * @returns null where it does not converge
 * @throws Problem `not-converged` where the two lead to different maxima
 */
export function maximiseWithJeffreys(posterior: Likelihood): Maximum | null {
  const random = seededRandom(0)
  const aside = Float64Array.from({ length: posterior.size }, () => ASIDE * normal(random))
  const other = maximise(
    posterior,
    true,
    aside.map((value) => -value),
  )
  const found = maximise(posterior, true, aside)
  if (found === null || other === null) return null
  if (found.at.some((value, a) => !(Math.abs(value - other.at[a]) <= SAME))) {
    throw new Problem(
      'not-converged',
      "With Jeffreys' prior (firth) the posterior of a group has more than one maximum: it has so few comparisons, or so " +
        'many ties, that the prior decides between them. Declare a gaussian or a pseudo-item prior.',
    )
  }
  return found
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

/**
 * Outcomes for each of ½ log det I's degrees of freedom: h_k binary outcomes, of which Jeffreys' prior takes one for a
 * coin, and ¾ h_k with ties, as it takes 3/2 for a die with three sides, which has two.
 */
const BINARY_MASS = 1
const DAVIDSON_MASS = 3 / 4

/** The pair counts with outcomes added that pull as Jeffreys' prior does: ½ Σ_k tr(C_k ∂I_k/∂ψ). */
function augmented(pairs: PairLikelihood, at: Float64Array, covariance: Float64Array): PairCounts {
  const { counts, size, rewards: m, model } = pairs
  const { i, j, first } = counts
  const davidson = model.ties === 'davidson'
  const gamma = model.positionEffect ? m : -1
  const eta = davidson ? size - 1 : -1
  const wins = counts.wins.slice()
  const losses = counts.losses.slice()
  const ties = counts.ties.slice()
  const v = (a: number, b: number) => covariance[a * size + b]
  const terms = newTerms()
  for (let k = 0; k < i.length; k++) {
    const a = i[k]
    const b = j[k]
    const z = gamma >= 0 && first !== null ? first[k] : 0
    let dd = v(a, a) + v(b, b) - 2 * v(a, b)
    if (z !== 0) dd += v(gamma, gamma) + 2 * z * (v(a, gamma) - v(b, gamma))
    const n = counts.wins[k] + counts.losses[k] + counts.ties[k]
    const d = pairs.difference(at, k)
    if (!davidson) {
      binaryTerms(d, 0, n, terms)
      const leverage = terms.edge * dd * BINARY_MASS
      wins[k] += leverage / 2
      losses[k] += leverage / 2
      continue
    }
    const dt = v(a, eta) - v(b, eta) + (z !== 0 ? z * v(gamma, eta) : 0)
    const tt = v(eta, eta)
    davidsonTerms(d, at[eta], 0, n, 0, terms)
    const mass = DAVIDSON_MASS * (dd * terms.edge + 2 * dt * terms.cross + tt * terms.tieEdge)
    const { pi, pj, pt } = chances(d, at[eta])
    const { ddd, ddt, dtt, ttt } = thirdMoments(pi, pj, pt)
    const pull = (n / 2) * (dd * ddd + 2 * dt * ddt + tt * dtt)
    const tiePull = (n / 2) * (dd * ddt + 2 * dt * dtt + tt * ttt)
    // The three counts that sum to the mass and pull so at d and η.
    const tied = mass * pt + tiePull
    const lead = mass * (pi - pj) + 2 * pull
    wins[k] += (mass - tied + lead) / 2
    losses[k] += (mass - tied - lead) / 2
    ties[k] += tied
  }
  return { ...counts, wins, losses, ties }
}

function chances(d: number, eta: number) {
  const top = Math.max(Math.abs(d) / 2, eta)
  const i = Math.exp(d / 2 - top)
  const j = Math.exp(-d / 2 - top)
  const t = Math.exp(eta - top)
  const sum = i + j + t
  return { pi: i / sum, pj: j / sum, pt: t / sum }
}

/** Third central moments of (s, t), where s is ½, −½ or 0 and t is 1 for a tie. */
function thirdMoments(pi: number, pj: number, pt: number) {
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
