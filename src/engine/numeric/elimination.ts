/** Columns that are eliminated together, so that the rest of the matrix is read and written a fourth as often. */
const PANEL = 4

/**
 * Factorises a square matrix by Gaussian elimination with row exchanges, in place: L below the diagonal, U from it up.
 *
 * @param matrix n × n, row-major
 * @returns which row went to each place; null where a pivot is zero
 */
export function luFactor(matrix: Float64Array, n: number): Int32Array | null {
  const rows = Int32Array.from({ length: n }, (_, k) => k)
  for (let from = 0; from < n; from += PANEL) {
    const to = Math.min(from + PANEL, n)
    for (let k = from; k < to; k++) {
      let pivot = k
      for (let i = k + 1; i < n; i++)
        if (Math.abs(matrix[i * n + k]) > Math.abs(matrix[pivot * n + k])) pivot = i
      if (!(Math.abs(matrix[pivot * n + k]) > 0)) return null
      swapRows(matrix, n, pivot, k)
      const name = rows[k]
      rows[k] = rows[pivot]
      rows[pivot] = name
      for (let i = k + 1; i < n; i++) {
        const factor = matrix[i * n + k] / matrix[k * n + k]
        matrix[i * n + k] = factor
        subtractRow(matrix, factor, k * n + k + 1, i * n + k + 1, to - k - 1)
      }
    }
    for (let k = from; k < to; k++)
      for (let i = k + 1; i < to; i++) subtractRow(matrix, matrix[i * n + k], k * n + to, i * n + to, n - to)
    if (to - from === PANEL) for (let i = to; i < n; i++) subtractPanel(matrix, n, i, from, to)
  }
  return rows
}

/** Takes from the rest of row i its multiples of the rows of a full panel. */
function subtractPanel(matrix: Float64Array, n: number, i: number, from: number, to: number): void {
  const [a, b, c, d] = [0, 1, 2, 3].map((k) => (from + k) * n)
  const row = i * n
  const [fa, fb, fc, fd] = matrix.subarray(row + from, row + to)
  for (let j = to; j < n; j++)
    matrix[row + j] -= fa * matrix[a + j] + fb * matrix[b + j] + fc * matrix[c + j] + fd * matrix[d + j]
}

/** Solves A·x = b with the factors of A. */
export function luSolve(
  factors: Float64Array,
  rows: Int32Array,
  n: number,
  b: Float64Array,
): Float64Array<ArrayBuffer> {
  const x = Float64Array.from(rows, (row) => b[row])
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) x[i] -= factors[i * n + j] * x[j]
  for (let i = n - 1; i >= 0; i--) {
    for (let j = i + 1; j < n; j++) x[i] -= factors[i * n + j] * x[j]
    x[i] /= factors[i * n + i]
  }
  return x
}

/**
 * The vectors that a matrix takes to zero, by elimination with row and column exchanges.
 *
 * @param matrix n × n, row-major; overwritten
 * @param negligible entries up to this size, relative to the largest, are what rounding has left of zero
 * @returns a basis: each vector has a 1 in its own place, where the others have 0
 */
export function nullSpace(
  matrix: Float64Array,
  n: number,
  negligible: number,
): { place: number; vector: Float64Array }[] {
  const columns = Int32Array.from({ length: n }, (_, k) => k)
  let largest = 0
  let rank = 0
  for (; rank < n; rank++) {
    let at = -1
    let size = 0
    for (let i = rank; i < n; i++) {
      for (let j = rank; j < n; j++) {
        const entry = Math.abs(matrix[i * n + j])
        if (entry <= size) continue
        size = entry
        at = i * n + j
      }
    }
    if (rank === 0) largest = size
    if (at < 0 || size <= negligible * largest) break
    swapRows(matrix, n, Math.floor(at / n), rank)
    const column = at % n
    for (let i = 0; i < n; i++) {
      const entry = matrix[i * n + rank]
      matrix[i * n + rank] = matrix[i * n + column]
      matrix[i * n + column] = entry
    }
    const name = columns[rank]
    columns[rank] = columns[column]
    columns[column] = name
    for (let i = rank + 1; i < n; i++) {
      const factor = matrix[i * n + rank] / matrix[rank * n + rank]
      if (factor !== 0) subtractRow(matrix, factor, rank * n + rank, i * n + rank, n - rank)
    }
  }
  return Array.from({ length: n - rank }, (_, f) => {
    const solved = new Float64Array(n)
    solved[rank + f] = 1
    for (let i = rank - 1; i >= 0; i--) {
      let sum = matrix[i * n + rank + f]
      for (let j = i + 1; j < rank; j++) sum += matrix[i * n + j] * solved[j]
      solved[i] = -sum / matrix[i * n + i]
    }
    const vector = new Float64Array(n)
    columns.forEach((name, k) => {
      vector[name] = solved[k]
    })
    return { place: columns[rank + f], vector }
  })
}

function swapRows(matrix: Float64Array, n: number, a: number, b: number): void {
  if (a === b) return
  const row = matrix.slice(a * n, (a + 1) * n)
  matrix.copyWithin(a * n, b * n, (b + 1) * n)
  matrix.set(row, b * n)
}

/** Subtracts a multiple of some entries from as many others. */
function subtractRow(matrix: Float64Array, factor: number, from: number, to: number, length: number): void {
  for (let k = 0; k < length; k++) matrix[to + k] -= factor * matrix[from + k]
}
