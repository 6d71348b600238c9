import { choleskyFactor, choleskyInverseDiagonal, choleskySolve } from '../numeric/cholesky.ts'
import type { Fit } from './bradley-terry.ts'
import type { Prior } from './likelihood.ts'
import { denseCurvature } from './newton-step.ts'

/** Beyond so many items the exact covariance is not computed, and no standard errors are returned. */
export const STANDARD_ERROR_LIMIT = 2000

/**
 * Standard errors of the rewards in the gauge where they sum to zero, from the inverse of minus the Hessian:
 * the Fisher information L without a prior, the curvature of the log-posterior with one.
 *
 * With G the inverse (of the grounded L, where there is no prior) and C = I − 11ᵀ/m, the variances are the diagonal
 * of C·G·C: G_ii − 2·(G1)_i/m + 1ᵀG1/m². Without a prior that is the diagonal of L⁺.
 *
 * @returns length m, or null beyond 2,000 items, or where a variance is beyond double precision
 */
export function standardErrors(fit: Fit, prior: Prior): Float64Array | null {
  const { m } = fit.outcomes
  if (m > STANDARD_ERROR_LIMIT) return null
  const grounded = prior.kind === 'none'
  const order = grounded ? m - 1 : m
  const matrix = denseCurvature(fit.outcomes, fit.slope, grounded)
  if (choleskyFactor(matrix, order) >= 0) return null
  const diagonal = choleskyInverseDiagonal(matrix, order)
  const rowSums = new Float64Array(order).fill(1)
  choleskySolve(matrix, order, rowSums)
  let total = 0
  for (const sum of rowSums) total += sum

  const errors = new Float64Array(m)
  for (let v = 0; v < m; v++) {
    const own = v < order ? diagonal[v] - (2 * rowSums[v]) / m : 0
    errors[v] = Math.sqrt(Math.max(0, own + total / (m * m)))
  }
  return errors.every(Number.isFinite) ? errors : null
}
