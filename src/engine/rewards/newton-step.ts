import { choleskyFactor, choleskySolve } from '../numeric/cholesky.ts'
import type { Outcomes, Slope } from './likelihood.ts'

/** Up to so many items a factorisation costs no more than a few passes over the pairs: m³/6 multiplications. */
const SMALL = 64
/** Beyond so many it costs more than conjugate gradients even where these converge slowly. */
const LARGE = 300

/**
 * Solves L·δ = g, where L is minus the Hessian of the log-posterior: the Newton step.
 *
 * Without a prior L is the Laplacian of one connected component: the last item is grounded, and δ is centred.
 *
 * @param grounded true where there is no prior
 * @param tolerance relative residual at which conjugate gradients stop; the factorisation is always exact
 * @param delta length m, overwritten by the solution
 * @returns whether the system could be solved
 */
export function newtonStep(
  outcomes: Outcomes,
  slope: Slope,
  grounded: boolean,
  tolerance: number,
  delta: Float64Array,
): boolean {
  const { m } = outcomes
  // In between, where most items met, a handful of steps are enough; as many as a factorisation costs are tried.
  const steps = m <= SMALL ? 0 : m <= LARGE ? m / 10 : 20 * m + 1000
  const solved =
    solveByConjugateGradients(outcomes, slope, grounded, tolerance, steps, delta) ||
    (m <= LARGE && solveByCholesky(outcomes, slope, grounded, delta))
  if (solved && grounded) centre(delta)
  return solved
}

/** Minus the Hessian as a dense matrix: order × order, row-major, lower triangle; order = m − 1 where grounded. */
export function denseCurvature({ m, offsets, j }: Outcomes, slope: Slope, grounded: boolean): Float64Array {
  const order = grounded ? m - 1 : m
  const matrix = new Float64Array(order * order)
  for (let v = 0; v < order; v++) {
    matrix[v * order + v] = slope.diagonal[v]
    for (let k = offsets[v]; k < offsets[v + 1]; k++) {
      if (j[k] < order) matrix[j[k] * order + v] = -slope.edges[k]
    }
  }
  return matrix
}

/** Subtracts the mean, in place. */
export function centre(values: Float64Array): void {
  let sum = 0
  for (const value of values) sum += value
  const mean = sum / values.length
  for (let v = 0; v < values.length; v++) values[v] -= mean
}

function solveByCholesky(outcomes: Outcomes, slope: Slope, grounded: boolean, delta: Float64Array): boolean {
  const order = grounded ? outcomes.m - 1 : outcomes.m
  const matrix = denseCurvature(outcomes, slope, grounded)
  if (choleskyFactor(matrix, order) >= 0) return false
  delta.set(slope.gradient)
  choleskySolve(matrix, order, delta)
  if (grounded) delta[order] = 0
  return true
}

/** Conjugate gradients with the diagonal as preconditioner. */
function solveByConjugateGradients(
  outcomes: Outcomes,
  slope: Slope,
  grounded: boolean,
  tolerance: number,
  maxSteps: number,
  delta: Float64Array,
): boolean {
  if (maxSteps === 0) return false
  const { m } = outcomes
  const { gradient, diagonal } = slope
  const residual = gradient.slice()
  // The residual of a Laplacian system sums to zero; rounding adds a constant that no step could remove.
  if (grounded) centre(residual)
  const direction = new Float64Array(m)
  const image = new Float64Array(m)
  delta.fill(0)

  let energy = 0
  for (let v = 0; v < m; v++) {
    direction[v] = residual[v] / diagonal[v]
    energy += residual[v] * direction[v]
  }
  const enough = energy * tolerance * tolerance
  for (let steps = 0; energy > enough && energy > 0; steps++) {
    if (steps >= maxSteps) return false
    multiply(outcomes, slope, direction, image)
    let curvature = 0
    for (let v = 0; v < m; v++) curvature += direction[v] * image[v]
    if (!(curvature > 0)) return steps > 0
    const length = energy / curvature
    let next = 0
    for (let v = 0; v < m; v++) {
      delta[v] += length * direction[v]
      const r = residual[v] - length * image[v]
      residual[v] = r
      next += (r * r) / diagonal[v]
    }
    const momentum = next / energy
    for (let v = 0; v < m; v++) direction[v] = residual[v] / diagonal[v] + momentum * direction[v]
    energy = next
  }
  return true
}

/** image = L·x for the Laplacian of the slope's graph plus whatever the prior put on its diagonal. */
function multiply(
  { m, offsets, j }: Outcomes,
  { edges, diagonal }: Slope,
  x: Float64Array,
  image: Float64Array,
): void {
  for (let v = 0; v < m; v++) image[v] = diagonal[v] * x[v]
  for (let v = 0; v < m; v++) {
    const xv = x[v]
    const end = offsets[v + 1]
    let sum = 0
    for (let k = offsets[v]; k < end; k++) {
      const u = j[k]
      const edge = edges[k]
      sum += edge * x[u]
      image[u] -= edge * xv
    }
    image[v] -= sum
  }
}
