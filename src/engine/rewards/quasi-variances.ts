import { choleskyFactor, choleskySolve } from '../numeric/cholesky.ts'
import { Problem } from '../problem.ts'
import { contrastVariances, type RewardCovariance } from './contrasts.ts'

/** One number an item, such that the variance of any difference is about the sum of two. */
export type QuasiVariances = {
  /** q; length m. A single one may be negative; no sum of two is. */
  values: Float64Array
  /** The largest |√((q_i + q_j)/v_ij) − 1|, v_ij being the variance of θ_i − θ_j. */
  relativeError: number
}

/** What the gradient, as a weighted mean of an item's log errors, may come to. */
const TOLERANCE = 1e-10
const MAX_STEPS = 200

/**
 * Quasi-variances (Firth & de Menezes, Biometrika 91, 2004): q minimises Σ_{i<j} r_ij² with
 * r_ij = log((q_i + q_j)/v_ij), by Newton steps that are halved while they leave the domain or do not descend.
 *
 * The second derivative of r²/2 in the sum q_i + q_j is (1 − r)/(q_i + q_j)²: wherever all r are below 1 the objective is
 * convex, and its minimum the only one there. Two items have half of the variance of their difference each.
 *
 * @returns null where the variance of some difference is zero to rounding, so that it has no logarithm
 * @throws Problem `not-converged` where the gradient stays above 1e-10
 */
export function quasiVariances(covariance: RewardCovariance): QuasiVariances | null {
  const m = covariance.rewards
  const variances = contrastVariances(covariance)
  let mean = 0
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < i; j++) {
      const variance = variances[i * m + j]
      if (!(variance > 0)) return null
      mean += variance / ((m * (m - 1)) / 2)
    }
  }
  if (m === 2) return { values: new Float64Array(2).fill(mean / 2), relativeError: 0 }

  let q = leastSquares(variances, m) ?? new Float64Array(m).fill(mean / 2)
  let value = objective(q, variances)
  const gradient = new Float64Array(m)
  const curvature = new Float64Array(m * m)
  let best = Number.POSITIVE_INFINITY
  for (let step = 0; step < MAX_STEPS; step++) {
    const norm = linearise(q, variances, gradient, curvature)
    // At the end steps gain nothing any more.
    if (norm <= TOLERANCE && norm >= best / 2) break
    best = Math.min(best, norm)
    if (choleskyFactor(curvature, m) >= 0) break
    const delta = gradient.slice()
    choleskySolve(curvature, m, delta)
    const next = descend(q, delta, value, variances)
    if (next === null) break
    q = next
    value = objective(q, variances)
  }
  const norm = linearise(q, variances, gradient, curvature)
  if (!(norm <= TOLERANCE)) {
    throw new Problem(
      'not-converged',
      `The quasi-variances have a relative gradient of ${norm.toExponential(2)}, above the ${TOLERANCE} that an answer ` +
        'needs: the variances of differences span more orders of magnitude than double precision resolves. Ask for contrasts.',
      { evidence: { relativeGradient: norm } },
    )
  }
  return { values: q, relativeError: relativeError(q, variances) }
}

/** The minimum of Σ_{i<j} (q_i + q_j − v_ij)², which has a closed form; null where a sum of two is not positive. */
function leastSquares(variances: Float64Array, m: number): Float64Array | null {
  const rows = new Float64Array(m)
  let all = 0
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < m; j++) rows[i] += variances[i * m + j]
    all += rows[i]
  }
  const q = rows.map((row) => (row - all / (2 * (m - 1))) / (m - 2))
  return Number.isFinite(objective(q, variances)) ? q : null
}

/** Σ_{i<j} r_ij²/2; infinite outside the domain. */
function objective(q: Float64Array, variances: Float64Array): number {
  const m = q.length
  let sum = 0
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < i; j++) {
      const total = q[i] + q[j]
      if (!(total > 0)) return Number.POSITIVE_INFINITY
      sum += Math.log(total / variances[i * m + j]) ** 2 / 2
    }
  }
  return sum
}

/**
 * Fills minus the gradient, and the curvature: of Newton where r is below ½, and no less than half of Gauss and Newton's
 * beyond, so that it stays positive definite.
 *
 * @returns max_i |Σ_j r_ij/(q_i + q_j)| / Σ_j 1/(q_i + q_j)
 */
function linearise(
  q: Float64Array,
  variances: Float64Array,
  gradient: Float64Array,
  curvature: Float64Array,
): number {
  const m = q.length
  gradient.fill(0)
  curvature.fill(0)
  const scale = new Float64Array(m)
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < i; j++) {
      const total = q[i] + q[j]
      const r = Math.log(total / variances[i * m + j])
      const bend = Math.max(1 - r, 0.5) / (total * total)
      gradient[i] -= r / total
      gradient[j] -= r / total
      scale[i] += 1 / total
      scale[j] += 1 / total
      curvature[i * m + i] += bend
      curvature[j * m + j] += bend
      curvature[i * m + j] = bend
    }
  }
  let norm = 0
  for (let i = 0; i < m; i++) norm = Math.max(norm, Math.abs(gradient[i]) / scale[i])
  return norm
}

/** The step, halved until the objective is no higher than before; null where that takes too long. */
function descend(
  q: Float64Array,
  delta: Float64Array,
  value: number,
  variances: Float64Array,
): Float64Array | null {
  // What rounding alone changes of the sum is no rise.
  const level = value + 1e-14 * (1 + value)
  for (let length = 1; length > 1e-10; length /= 2) {
    const next = q.map((value, i) => value + length * delta[i])
    if (objective(next, variances) <= level) return next
  }
  return null
}

function relativeError(q: Float64Array, variances: Float64Array): number {
  const m = q.length
  let error = 0
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < i; j++) {
      error = Math.max(error, Math.abs(Math.sqrt((q[i] + q[j]) / variances[i * m + j]) - 1))
    }
  }
  return error
}
