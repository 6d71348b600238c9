import { choleskyFactor, choleskySolve } from '../numeric/cholesky.ts'
import type { Likelihood } from './likelihood.ts'

/** Up to so many parameters a factorisation costs no more than a few passes over the pairs: p³/6 multiplications. */
const SMALL = 64
/** Beyond so many it costs more than conjugate gradients even where these converge slowly. */
const LARGE = 300

/**
 * Solves H·δ = g, where H is the curvature: the Newton step at the point of the linearisation.
 *
 * Where ℓ is shift-invariant H is singular along (1, …, 1, 0): the last reward is grounded, and the rewards of δ are
 * centred.
 *
 * @param tolerance relative residual at which conjugate gradients stop; the factorisation is always exact
 * @param delta length p, overwritten by the solution
 * @returns whether the system could be solved
 */
export function newtonStep(likelihood: Likelihood, tolerance: number, delta: Float64Array): boolean {
  const { dense, size, gradient } = likelihood
  if (dense || size <= SMALL) return solveByCholesky(likelihood, delta)
  // In between, where most items met, a handful of steps are enough; as many as a factorisation costs are tried.
  const steps = size <= LARGE ? size / 10 : 20 * size + 1000
  if (solveByConjugateGradients(likelihood, gradient, tolerance, delta, steps)) return true
  return size <= LARGE && solveByCholesky(likelihood, delta)
}

/** The factor of the curvature, with the last reward left out where ℓ is shift-invariant; null where it is singular. */
export function factorCurvature(likelihood: Likelihood): { factor: Float64Array; order: number } | null {
  const order = likelihood.shiftInvariant ? likelihood.size - 1 : likelihood.size
  const factor = new Float64Array(order * order)
  likelihood.addCurvature(factor, order)
  return choleskyFactor(factor, order) < 0 ? { factor, order } : null
}

/** Subtracts the mean of the first m values from them, in place. */
export function centre(values: Float64Array, m = values.length): void {
  let sum = 0
  for (let v = 0; v < m; v++) sum += values[v]
  const mean = sum / m
  for (let v = 0; v < m; v++) values[v] -= mean
}

function solveByCholesky(likelihood: Likelihood, delta: Float64Array): boolean {
  const factored = factorCurvature(likelihood)
  if (factored === null) return false
  delta.set(likelihood.gradient)
  solveFactored(likelihood, factored.factor, delta)
  return true
}

/**
 * Solves H·x = b in place with the factor of {@link factorCurvature}; where ℓ is shift-invariant the rewards of b must
 * sum to zero, and those of the solution do.
 */
export function solveFactored(
  { rewards: m, size, shiftInvariant }: Likelihood,
  factor: Float64Array,
  x: Float64Array,
): void {
  if (!shiftInvariant) {
    choleskySolve(factor, size, x)
    return
  }
  // The grounded reward is the last of them, before the extras.
  x.copyWithin(m - 1, m)
  choleskySolve(factor, size - 1, x)
  x.copyWithin(m, m - 1, size - 1)
  x[m - 1] = 0
  centre(x, m)
}

/**
 * Conjugate gradients on H·x = b with the diagonal as preconditioner, until the residual is `tolerance` times the first.
 *
 * @param mostSteps after which they give up
 * @returns false where they come to no end
 */
export function solveByConjugateGradients(
  likelihood: Likelihood,
  b: Float64Array,
  tolerance: number,
  x: Float64Array,
  mostSteps = 20 * likelihood.size + 1000,
): boolean {
  const { size, rewards, diagonal, shiftInvariant } = likelihood
  const residual = b.slice()
  // The residual of a Laplacian system sums to zero; rounding adds a constant that no step could remove.
  if (shiftInvariant) centre(residual, rewards)
  const direction = new Float64Array(size)
  const image = new Float64Array(size)
  x.fill(0)

  let energy = 0
  for (let v = 0; v < size; v++) {
    direction[v] = residual[v] / diagonal[v]
    energy += residual[v] * direction[v]
  }
  const enough = energy * tolerance * tolerance
  for (let steps = 0; energy > enough && energy > 0; steps++) {
    if (steps >= mostSteps) return false
    likelihood.multiply(direction, image)
    let curvature = 0
    for (let v = 0; v < size; v++) curvature += direction[v] * image[v]
    if (!(curvature > 0)) {
      if (steps === 0) return false
      break
    }
    const length = energy / curvature
    let next = 0
    for (let v = 0; v < size; v++) {
      x[v] += length * direction[v]
      const r = residual[v] - length * image[v]
      residual[v] = r
      next += (r * r) / diagonal[v]
    }
    const momentum = next / energy
    for (let v = 0; v < size; v++) direction[v] = residual[v] / diagonal[v] + momentum * direction[v]
    energy = next
  }
  if (shiftInvariant) centre(x, rewards)
  return true
}
