/**
 * Cholesky factorisation of a symmetric positive definite matrix, in place: A = R·Rᵀ with R lower triangular.
 *
 * @param a n × n, row-major; only the lower triangle is read, and it is overwritten by R (the upper one is left as it is)
 * @param n the order
 * @param stride the length of a stored row, n or more
 * @returns the index of the first pivot that is not positive, or −1 where the factorisation succeeded
 */
export function choleskyFactor(a: Float64Array, n: number, stride = n): number {
  for (let i = 0; i < n; i++) {
    const rowI = i * stride
    // Four rows at a time read those above them once; what they have with each other comes row by row.
    const block = i - (i % 4)
    const together = block + 4 <= n
    for (let j = 0; j < block && together && i === block; j++) {
      const rowJ = j * stride
      const four = dotFour(a, rowI, stride, a, rowJ, j)
      for (let q = 0; q < 4; q++) {
        const at = rowI + q * stride + j
        a[at] = (a[at] - four[q]) / a[rowJ + j]
      }
    }
    for (let j = together ? block : 0; j < i; j++) {
      const rowJ = j * stride
      a[rowI + j] = (a[rowI + j] - dotRows(a, rowI, a, rowJ, j)) / a[rowJ + j]
    }
    const pivot = a[rowI + i] - dotRows(a, rowI, a, rowI, i)
    if (!(pivot > 0)) return i
    a[rowI + i] = Math.sqrt(pivot)
  }
  return -1
}

/** A pivot below this part of its diagonal entry is zero to rounding. */
const ZERO_PIVOT = 1e-12

/**
 * The same for a positive semidefinite matrix: where a pivot is zero to rounding, the row is a combination of those
 * before it, and its column of R is zero.
 *
 * @param a n × n, row-major
 */
export function choleskySemidefinite(a: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) {
    const row = i * n
    const diagonal = a[row + i]
    for (let j = 0; j < i; j++) {
      const pivot = a[j * n + j]
      a[row + j] = pivot > 0 ? (a[row + j] - dotRows(a, row, a, j * n, j)) / pivot : 0
    }
    const pivot = diagonal - dotRows(a, row, a, row, i)
    a[row + i] = pivot > ZERO_PIVOT * diagonal ? Math.sqrt(pivot) : 0
  }
}

/**
 * Solves R·Rᵀ·x = b in place.
 *
 * @param r the factor that {@link choleskyFactor} left
 * @param x length n or more: b on the way in, the solution on the way out
 */
export function choleskySolve(r: Float64Array, n: number, x: Float64Array, stride = n): void {
  for (let i = 0; i < n; i++) {
    const row = i * stride
    x[i] = (x[i] - dotRows(r, row, x, 0, i)) / r[row + i]
  }
  choleskyBackSubstitute(r, n, x, stride)
}

/** Solves Rᵀ·x = b in place; with b ~ N(0, I) the solution has the covariance (R·Rᵀ)⁻¹. */
export function choleskyBackSubstitute(r: Float64Array, n: number, x: Float64Array, stride = n): void {
  for (let i = n - 1; i >= 0; i--) {
    const row = i * stride
    const xi = x[i] / r[row + i]
    x[i] = xi
    for (let k = 0; k < i; k++) x[k] -= r[row + k] * xi
  }
}

/**
 * The diagonal of (R·Rᵀ)⁻¹, without forming the inverse: entry i is the squared length of column i of R⁻¹.
 *
 * @param r the factor that {@link choleskyFactor} left, n × n row-major
 * @returns length n
 */
export function choleskyInverseDiagonal(r: Float64Array, n: number): Float64Array {
  const diagonal = new Float64Array(n)
  // Four columns of R⁻¹ at a time, each stored as a row.
  const columns = new Float64Array(4 * n)
  for (let i = 0; i < n; i += 4) {
    const few = Math.min(4, n - i)
    columns.fill(0)
    for (let k = i; k < n; k++) {
      const four = dotFour(columns, i, n, r, k * n + i, k - i)
      for (let q = 0; q < few; q++) {
        const x = ((k === i + q ? 1 : 0) - four[q]) / r[k * n + k]
        columns[q * n + k] = x
        diagonal[i + q] += x * x
      }
    }
  }
  return diagonal
}

/**
 * Σ_k of four rows, `stride` apart from a[atA] on, each times b[atB + k]: every entry of b is read once for all four.
 *
 * @returns length 4, overwritten by the next call
 */
function dotFour(
  a: Float64Array,
  atA: number,
  stride: number,
  b: Float64Array,
  atB: number,
  length: number,
): Float64Array {
  const at1 = atA + stride
  const at2 = at1 + stride
  const at3 = at2 + stride
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  for (let k = 0; k < length; k++) {
    const y = b[atB + k]
    s0 += a[atA + k] * y
    s1 += a[at1 + k] * y
    s2 += a[at2 + k] * y
    s3 += a[at3 + k] * y
  }
  four[0] = s0
  four[1] = s1
  four[2] = s2
  four[3] = s3
  return four
}

const four = new Float64Array(4)

/** Σ_k a[atA + k]·b[atB + k] over `length` terms; four partial sums keep the processor's adders busy. */
export function dotRows(a: Float64Array, atA: number, b: Float64Array, atB: number, length: number): number {
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  let k = 0
  for (; k + 3 < length; k += 4) {
    s0 += a[atA + k] * b[atB + k]
    s1 += a[atA + k + 1] * b[atB + k + 1]
    s2 += a[atA + k + 2] * b[atB + k + 2]
    s3 += a[atA + k + 3] * b[atB + k + 3]
  }
  for (; k < length; k++) s0 += a[atA + k] * b[atB + k]
  return s0 + s1 + (s2 + s3)
}

/**
 * (R·Rᵀ)⁻¹, whole: the inverse of R row by row, then R⁻ᵀ·R⁻¹; about n³/2 multiplications.
 *
 * @param r the factor that {@link choleskyFactor} left, n × n row-major
 * @returns n × n, row-major, symmetric
 */
export function choleskyInverse(r: Float64Array, n: number): Float64Array {
  // Column i of R⁻¹ is stored as row i, so that both passes run along rows.
  const columns = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    const row = i * n
    columns[row + i] = 1 / r[row + i]
    for (let k = i + 1; k < n; k++) {
      columns[row + k] = -dotRows(r, k * n + i, columns, row + i, k - i) / r[k * n + k]
    }
  }
  const inverse = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let k = 0; k <= i; k++) {
      const value = dotRows(columns, i * n + i, columns, k * n + i, n - i)
      inverse[i * n + k] = value
      inverse[k * n + i] = value
    }
  }
  return inverse
}
