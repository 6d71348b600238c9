import type { PairCounts } from '../comparisons/pairs.ts'
import { Problem } from '../problem.ts'
import {
  emptySlope,
  halfWinOutcomes,
  logLikelihood,
  logPrior,
  type Outcomes,
  type Prior,
  type Slope,
  slopeAt,
} from './likelihood.ts'
import { centre, newtonStep } from './newton-step.ts'

/** The rewards of one group, with the proof that they are the maximum of its log-posterior. */
export type Fit = {
  /** θ with mean zero over the group's items; length m. */
  rewards: Float64Array
  /** The prior's value, 0, after the same mean was subtracted: the reward of an item the group never saw. */
  unseenReward: number
  /** ℓ at θ, without binomial constants and without the prior. */
  logLikelihood: number
  /** max_i |∂ℓ/∂θ_i| / n_i at θ, with n_i the comparisons of item i. */
  gradientNorm: number
  /** ‖L⁺g‖∞ at θ: how far, to first order, θ is from the maximum. */
  errorEstimate: number
  /** Newton steps taken. */
  iterations: number
  /** Whether both are at most 1e-10. */
  converged: boolean
  /** Minus the Hessian at θ, as a graph; for standard errors. */
  slope: Slope
  outcomes: Outcomes
}

const TOLERANCE = 1e-10
const ROUNDING = 1e-14
const MAX_STEPS = 1000

/**
 * Maximises the Bradley–Terry log-posterior of one group by Newton's method.
 *
 * Stops only where both the gradient, relative to the comparisons, and the Newton step that would come next are at
 * most 1e-10; then goes on while that still shrinks, to the last digit. Without a prior the win graph must be
 * strongly connected, which the caller checks first.
 *
 * A full step provably never lowers the likelihood while it changes no compared pair's log-odds by more than 1.5:
 * along a step that changes none by more than r, curvature grows at most by e^r (Bach, Electron. J. Statist. 4,
 * 2010, Prop. 1), and (e^r − r − 1)/r² ≤ 1 up to r = 1.79. Longer steps are halved while they lower it.
 *
 * @throws Problem `not-converged` where rounding or the spread of the weights stops it short
 */
export function fitBradleyTerry(counts: PairCounts, prior: Prior): Fit {
  const outcomes = halfWinOutcomes(counts, prior)
  const { m } = outcomes
  const grounded = prior.kind === 'none'
  const theta = new Float64Array(m)
  const delta = new Float64Array(m)
  const slope = emptySlope(outcomes)
  let best: { theta: Float64Array; gradientNorm: number; errorEstimate: number } | null = null
  let tolerance = 0.1
  let iterations = 0

  while (true) {
    slopeAt(theta, outcomes, prior, slope)
    const gradientNorm = relativeGradient(slope, outcomes)
    // The step doubles as the error estimate, so near the end it is solved far beyond the two digits asked of it.
    if (gradientNorm < 1e-4) tolerance = 1e-6
    if (!newtonStep(outcomes, slope, grounded, tolerance, delta)) break
    const errorEstimate = largest(delta)
    if (!Number.isFinite(errorEstimate)) break

    const close = gradientNorm <= TOLERANCE && errorEstimate <= TOLERANCE
    if (close && best !== null && errorEstimate > best.errorEstimate / 2) break
    if (close) best = { theta: theta.slice(), gradientNorm, errorEstimate }
    if (close && errorEstimate <= ROUNDING) break
    if (iterations === MAX_STEPS) break
    advance(theta, delta, outcomes, prior)
    if (grounded) centre(theta)
    iterations++
  }
  if (best === null) {
    throw new Problem(
      'not-converged',
      'The fit stopped before its gradient and its error estimate were at most 1e-10: counts or weights of one group ' +
        'differ by so many orders of magnitude that rounding hides the small ones. Bring the weights closer together.',
    )
  }

  theta.set(best.theta)
  slopeAt(theta, outcomes, prior, slope)
  const likelihood = logLikelihood(theta, outcomes)
  let mean = 0
  for (const value of theta) mean += value / m
  centre(theta)
  return {
    rewards: theta,
    unseenReward: grounded ? 0 : -mean,
    logLikelihood: likelihood,
    gradientNorm: best.gradientNorm,
    errorEstimate: best.errorEstimate,
    iterations,
    converged: true,
    slope,
    outcomes,
  }
}

const SAFE_CHANGE = 1.5

/** Moves θ along δ: the whole way where that is safe, else half as far while the log-posterior would fall. */
function advance(theta: Float64Array, delta: Float64Array, outcomes: Outcomes, prior: Prior): void {
  let step = 1
  if (largestChange(delta, outcomes, prior) > SAFE_CHANGE) {
    const before = logLikelihood(theta, outcomes) + logPrior(theta, prior)
    for (let halvings = 0; halvings < 60; halvings++) {
      const trial = theta.map((value, v) => value + step * delta[v])
      if (logLikelihood(trial, outcomes) + logPrior(trial, prior) >= before) break
      step /= 2
    }
  }
  for (let v = 0; v < theta.length; v++) theta[v] += step * delta[v]
}

/** The largest change of log-odds of a compared pair (the phantom's included) that a full step makes. */
function largestChange(delta: Float64Array, { m, offsets, j }: Outcomes, prior: Prior): number {
  let change = prior.kind === 'pseudo-item' ? largest(delta) : 0
  for (let v = 0; v < m; v++) {
    for (let k = offsets[v]; k < offsets[v + 1]; k++)
      change = Math.max(change, Math.abs(delta[v] - delta[j[k]]))
  }
  return change
}

function relativeGradient({ gradient }: Slope, { totals }: Outcomes): number {
  let norm = 0
  for (let v = 0; v < gradient.length; v++) norm = Math.max(norm, Math.abs(gradient[v]) / totals[v])
  return norm
}

function largest(values: Float64Array): number {
  let size = 0
  for (const value of values) {
    if (!(Math.abs(value) <= size)) size = Math.abs(value)
  }
  return size
}
