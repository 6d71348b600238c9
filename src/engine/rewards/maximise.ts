import { Problem } from '../problem.ts'
import type { Likelihood } from './likelihood.ts'
import { centre, newtonStep } from './newton-step.ts'

/** The maximum of a log-likelihood or log-posterior, with the proof that it is one. */
export type Maximum = {
  /** ψ; where ℓ is shift-invariant its rewards have mean zero. The likelihood is left linearised there. */
  at: Float64Array
  /** max_a |∂ℓ/∂ψ_a| / totals_a. */
  gradientNorm: number
  /** ‖H⁻¹g‖∞ (H⁺ where ℓ is shift-invariant): how far, to first order, ψ is from the maximum. */
  errorEstimate: number
  /** Newton steps taken. */
  iterations: number
}

export const TOLERANCE = 1e-10
const ROUNDING = 1e-14
const MAX_STEPS = 1000
/** Where log-odds of a comparison are beyond this and still grow, the maximum is taken to be at infinity. */
const FAR = 100
const STILL_GROWING = 0.5

/**
 * Maximises a concave log-likelihood by Newton's method.
 *
 * Stops only where both the gradient, relative to the comparisons, and the Newton step that would come next are at
 * most 1e-10; then goes on while that still shrinks, to the last digit. Where the maximum is at infinity the steps
 * never shrink, so that convergence itself proves that it is finite.
 *
 * A full step provably never lowers ℓ while it changes no difference between the log-odds of two outcomes by more than
 * 1.5: along a step that changes none by more than r, curvature grows at most by e^r (Bach, Electron. J. Statist. 4,
 * 2010, Prop. 1), and (e^r − r − 1)/r² ≤ 1 up to r = 1.79. Longer steps are halved while they lower it.
 *
 * @param finite whether a finite maximum is known to exist; otherwise steps that lead far away end the search
 * @returns null where it does not converge: there is no finite maximum, or rounding or the spread of weights hides it
 */
export function maximise(likelihood: Likelihood, finite: boolean): Maximum | null {
  const { size, rewards, shiftInvariant } = likelihood
  const at = new Float64Array(size)
  const delta = new Float64Array(size)
  let best: Maximum | null = null
  let tolerance = 0.1
  let iterations = 0

  while (true) {
    likelihood.linearise(at)
    const gradientNorm = relativeGradient(likelihood)
    // The step doubles as the error estimate, so near the end it is solved far beyond the two digits asked of it.
    if (gradientNorm < 1e-4) tolerance = 1e-6
    if (!newtonStep(likelihood, tolerance, delta)) break
    const errorEstimate = largest(delta)
    if (!Number.isFinite(errorEstimate)) break

    const close = gradientNorm <= TOLERANCE && errorEstimate <= TOLERANCE
    if (close && best !== null && errorEstimate > best.errorEstimate / 2) break
    if (close) best = { at: at.slice(), gradientNorm, errorEstimate, iterations }
    if (close && errorEstimate <= ROUNDING) break
    if (iterations === MAX_STEPS) break
    if (!finite && likelihood.reach(at) > FAR && likelihood.reach(delta) > STILL_GROWING) break
    advance(likelihood, at, delta)
    if (shiftInvariant) centre(at, rewards)
    iterations++
  }
  if (best === null) return null
  likelihood.linearise(best.at)
  return { ...best, iterations }
}

/** The refusal where a finite maximum exists and was not found. */
export function notConverged(): Problem {
  return new Problem(
    'not-converged',
    'The fit stopped before its gradient and its error estimate were at most 1e-10: counts or weights of one group ' +
      'differ by so many orders of magnitude that rounding hides the small ones. Bring the weights closer together.',
  )
}

const SAFE_CHANGE = 1.5

/** Moves along δ: the whole way where that is safe, else half as far while ℓ would fall. */
function advance(likelihood: Likelihood, at: Float64Array, delta: Float64Array): void {
  let step = 1
  if (likelihood.reach(delta) > SAFE_CHANGE) {
    const before = likelihood.value(at)
    for (let halvings = 0; halvings < 60; halvings++) {
      const trial = at.map((value, v) => value + step * delta[v])
      if (likelihood.value(trial) >= before) break
      step /= 2
    }
  }
  for (let v = 0; v < at.length; v++) at[v] += step * delta[v]
}

/** max_a |g_a| / totals_a. */
export function relativeGradient({ gradient, totals }: Likelihood): number {
  let norm = 0
  for (let v = 0; v < gradient.length; v++) norm = Math.max(norm, Math.abs(gradient[v]) / totals[v])
  return norm
}

/** The largest size in a vector; NaN where it holds one. */
export function largest(values: Float64Array): number {
  let size = 0
  for (const value of values) {
    if (!(Math.abs(value) <= size)) size = Math.abs(value)
  }
  return size
}
