import { Problem } from '../problem.ts'
import type { Likelihood } from './likelihood.ts'
import { centre, newtonStep } from './newton-step.ts'

/** The maximum of a log-likelihood or log-posterior, with the proof that it is one. */
export type Maximum = {
  /** ψ; where ℓ is shift-invariant its rewards have mean zero. */
  at: Float64Array
  /** max_a |∂ℓ/∂ψ_a| / totals_a. */
  gradientNorm: number
  /**
   * How far, to first order, ψ is from the maximum: ‖H⁻¹g‖∞ (H⁺ where ℓ is shift-invariant), or with features, whose
   * units are arbitrary, the most that it changes the log-odds of a comparison. Where steps are a surrogate's, that of the
   * last over one minus the rate at which they shrink.
   */
  errorEstimate: number
  /** Newton steps taken. */
  iterations: number
}

export const TOLERANCE = 1e-10
export const ROUNDING = 1e-14
const MAX_STEPS = 1000
/** Steps after the gradient has vanished in which the error must halve; what it wavers about longer is of rounding. */
const PATIENCE = 100
/** Where log-odds of a comparison are beyond this and still grow, the maximum may well be at infinity. */
export const FAR = 40
export const STILL_GROWING = 0.5
/** Where log-odds are beyond this, what a likelihood still gains by their growth may be lost in rounding. */
export const HIDDEN = 30
/** Steps that a surrogate leads to shrink faster than this, or are so small that rounding alone keeps them up. */
const SLOWEST = 0.99

/**
 * Maximises a concave log-likelihood by Newton's method.
 *
 * Stops only where both the gradient, relative to the comparisons, and the Newton step that would come next are at
 * most 1e-10; then goes on while that still shrinks, to the last digit. Where the maximum is at infinity the steps
 * never shrink, so that convergence itself proves that it is finite, unless log-odds are so large that rounding hides
 * it.
 *
 * Every step raises ℓ: see {@link advance}.
 *
 * @param finite whether a finite maximum is known to exist; otherwise the search ends where it leads far away
 * @param start where the data lead one to look; how far the search leads away is measured from there
 * @param from where to begin: any point near the maximum saves steps
 * @returns null where it does not converge: there is no finite maximum, or rounding or the spread of weights hides it
 */
export function maximise(
  likelihood: Likelihood,
  finite: boolean,
  start: Float64Array = new Float64Array(likelihood.size),
  from: Float64Array = start,
): Maximum | null {
  const { size, rewards, shiftInvariant } = likelihood
  const at = from.slice()
  if (shiftInvariant) centre(at, rewards)
  const delta = new Float64Array(size)
  let best: Maximum | null = null
  let iterations = 0
  let stepBefore = Number.POSITIVE_INFINITY
  let least = Number.POSITIVE_INFINITY
  let patience = PATIENCE
  const distance = (point: Float64Array) => likelihood.reach(point.map((value, a) => value - start[a]))

  while (true) {
    likelihood.linearise(at)
    const gradientNorm = relativeGradient(likelihood)
    if (!newtonStep(likelihood.surrogate?.() ?? likelihood, stepTolerance(gradientNorm), delta)) break
    const reach = likelihood.reach(delta)
    const step = likelihood.dense ? reach : largest(delta)
    if (!Number.isFinite(step)) break
    const rate = likelihood.surrogate === undefined ? 0 : Math.min(step / stepBefore, SLOWEST)
    const errorEstimate = step / (1 - rate)
    stepBefore = step

    const close = gradientNorm <= TOLERANCE && errorEstimate <= TOLERANCE
    if (close && best !== null && errorEstimate > best.errorEstimate / 2) break
    if (close) best = { at: at.slice(), gradientNorm, errorEstimate, iterations }
    // The last digits of a surrogate's slow steps are not worth their price.
    if (close && (errorEstimate <= ROUNDING || likelihood.surrogate !== undefined)) break
    if (!(gradientNorm <= TOLERANCE) || errorEstimate < least / 2) {
      least = errorEstimate
      patience = PATIENCE
    }
    if (iterations === MAX_STEPS || patience-- === 0) break
    if (!finite && reach > STILL_GROWING && distance(at) > FAR) break
    advance(likelihood, at, delta, reach)
    if (shiftInvariant) centre(at, rewards)
    iterations++
  }
  if (best === null || (!finite && distance(best.at) > HIDDEN)) return null
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

/**
 * The relative residual to which a step is worth solving. What Newton's method leaves of the error is about its square, so
 * that a step needs as many digits as the gradient has lost already; the last one, which doubles as the error estimate, gets
 * six, far beyond the two that are asked of that.
 */
function stepTolerance(gradientNorm: number): number {
  return Math.max(1e-6, Math.min(0.1, gradientNorm))
}

export const SAFE_CHANGE = 1.5

/**
 * Moves along δ: all the way, or as far as ℓ surely rises.
 *
 * Along a step that changes no difference between the log-odds of two outcomes by more than r, curvature grows at most by
 * e^r (Bach, Electron. J. Statist. 4, 2010, Prop. 1). So a part t of the Newton step raises ℓ while
 * t·(e^{tr} − tr − 1)/(tr)² ≤ 1: the whole step up to r = 1.79, and beyond that t = log(1 + r)/r, where the bound rises
 * most. With features, where ℓ costs little beside its curvature, a longer part is taken if ℓ rises along it; where steps
 * are a surrogate's, which has no such bound, they are halved while ℓ falls.
 */
function advance(likelihood: Likelihood, at: Float64Array, delta: Float64Array, reach: number): void {
  const { dense, surrogate } = likelihood
  let step = reach > SAFE_CHANGE ? Math.max(SAFE_CHANGE, Math.log1p(reach)) / reach : 1
  if (step < 1 && (dense || surrogate !== undefined)) {
    const least = surrogate === undefined ? step : 1e-18
    const before = likelihood.value(at)
    for (step = 1; step > least; step /= 2) {
      if (likelihood.value(at.map((value, v) => value + step * delta[v])) >= before) break
    }
    step = Math.max(step, least)
  }
  for (let v = 0; v < at.length; v++) at[v] += step * delta[v]
}

/** max_a |g_a| / totals_a; where nothing was compared, and only a prior speaks, the gradient itself. */
export function relativeGradient({ gradient, totals }: Pick<Likelihood, 'gradient' | 'totals'>): number {
  let norm = 0
  for (let a = 0; a < gradient.length; a++)
    norm = Math.max(norm, Math.abs(gradient[a]) / (totals[a] > 0 ? totals[a] : 1))
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
