import type { PairCounts } from '../comparisons/pairs.ts'
import { Problem } from '../problem.ts'
import {
  emptySlope,
  halfWinOutcomes,
  logLikelihood,
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
 * Every step raises the log-posterior: see {@link advance}.
 *
 * @throws Problem `not-converged` where rounding or the spread of the weights stops it short
 */
export function fitBradleyTerry(counts: PairCounts, prior: Prior): Fit {
  const outcomes = halfWinOutcomes(counts, prior)
  const { m } = outcomes
  const grounded = prior.kind === 'none'
  const theta = startOf(outcomes)
  const delta = new Float64Array(m)
  const slope = emptySlope(outcomes)
  let best: { theta: Float64Array; gradientNorm: number; errorEstimate: number } | null = null
  let iterations = 0

  while (true) {
    slopeAt(theta, outcomes, prior, slope)
    const gradientNorm = relativeGradient(slope, outcomes)
    if (!newtonStep(outcomes, slope, grounded, stepTolerance(gradientNorm), delta)) break
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

  // The last step may have been one too many.
  if (best.theta.some((value, v) => value !== theta[v])) slopeAt(best.theta, outcomes, prior, slope)
  theta.set(best.theta)
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

/** Where Newton's method starts: the log-odds of each item's wins, cut off where they exceed 19 to 1 either way. */
function startOf({ won, totals }: Outcomes): Float64Array {
  return won.map((wins, v) => {
    const share = Math.min(0.95, Math.max(0.05, wins / totals[v]))
    return Math.log(share / (1 - share))
  })
}

/**
 * The relative residual to which a step is worth solving. What the step leaves of the error is about its square, and
 * rounding; the error is 4 gradient norms or more, because no pair curves more than n/4. Near the end the step doubles
 * as the error estimate, of which two digits are asked: it gets a third.
 */
function stepTolerance(gradientNorm: number): number {
  if (gradientNorm > 1e-4) return 0.1
  return Math.min(1e-3, Math.max(1e-6, 4 * gradientNorm, 1e-16 / gradientNorm))
}

const SAFE_CHANGE = 1.5

/**
 * Moves θ along δ: all the way, or as far as the log-posterior surely rises.
 *
 * Along a step that changes no compared pair's log-odds by more than r, curvature grows at most by e^r (Bach, Electron.
 * J. Statist. 4, 2010, Prop. 1). So a part t of the Newton step raises it while t·(e^{tr} − tr − 1)/(tr)² ≤ 1. That
 * holds for the whole step up to r = 1.79, and beyond for tr = 1.5 or log(1 + r), where the bound on the rise is best.
 */
function advance(theta: Float64Array, delta: Float64Array, outcomes: Outcomes, prior: Prior): void {
  const change = largestChange(delta, outcomes, prior)
  const step = change > SAFE_CHANGE ? Math.max(SAFE_CHANGE, Math.log1p(change)) / change : 1
  for (let v = 0; v < theta.length; v++) theta[v] += step * delta[v]
}

/**
 * The largest change of log-odds of a compared pair (the phantom's included) that a full step makes; where no two items
 * move apart by more than is safe, how far they do.
 */
function largestChange(delta: Float64Array, { m, offsets, j }: Outcomes, prior: Prior): number {
  let low = 0
  let high = 0
  for (const move of delta) {
    if (move < low) low = move
    if (move > high) high = move
  }
  if (high - low <= SAFE_CHANGE) return high - low
  let change = prior.kind === 'pseudo-item' ? Math.max(high, -low) : 0
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
