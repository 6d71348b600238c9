import { choleskyFactor } from '../numeric/cholesky.ts'

/**
 * Factorises a symmetric matrix that is positive definite but for rounding, in place; where rounding has made it
 * singular, with the least multiple of its diagonal added that helps.
 *
 * @param matrix order × order, row-major; its lower triangle is read and overwritten
 * @returns whether it could be done
 */
export function ridgeFactor(matrix: Float64Array, order: number): boolean {
  const original = matrix.slice()
  for (let shift = 0; shift < 1e-4; shift = shift === 0 ? 1e-15 : shift * 10) {
    matrix.set(original)
    for (let k = 0; k < order; k++) matrix[k * order + k] *= 1 + shift
    if (choleskyFactor(matrix, order) < 0) return true
  }
  return false
}
