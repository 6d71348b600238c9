import type { DenseProgram, Priced } from './linear-program.ts'

/** Entries of a column below this part of its largest, and values below it, are what rounding has left of zero. */
const ZERO = 1e-22
/** So many steps for every row and variable are enough. */
const PATIENCE = 20

/**
 * Solves a dense linear program by the simplex method on a tableau of numbers of twice the usual precision, about 32 digits:
 * slowly, and where rows and solutions of many sizes leave a solver in double precision without digits. Every step takes
 * the variable that gains most, and after many steps without gain the first that gains (Bland, Math. Oper. Res. 2, 1977).
 *
 * @param program whose rows are equations, with equal limits, or have a lower limit alone
 * @returns null where nothing is feasible, or there is no end
 */
export function solvePrecisely({ objective, rows, rowLower, rowUpper }: DenseProgram): Priced | null {
  const n = objective.length
  const m = rowLower.length
  // Rows of the tableau: the limits, then what variables lack in feasibility, then in value. Columns: the variables, the
  // inverse of the basis, and the right-hand side. The surplus of row r is the r-th column of the inverse times −sign_r.
  const width = n + m + 1
  const tableau = { high: new Float64Array((m + 2) * width), low: new Float64Array((m + 2) * width), width }
  const { high, low } = tableau
  const column = { high: new Float64Array(m + 2), low: new Float64Array(m + 2) }
  const sign = rowLower.map((limit) => (limit > 0 ? 1 : -1))
  // Variables, then surpluses, then what a row lacks at the start.
  const basis = new Int32Array(m)
  for (let r = 0; r < m; r++) {
    for (let j = 0; j < n; j++) high[r * width + j] = sign[r] * rows[r * n + j]
    high[r * width + n + r] = 1
    high[r * width + width - 1] = sign[r] * rowLower[r]
    const met = sign[r] < 0 && rowLower[r] < rowUpper[r]
    basis[r] = met ? n + r : n + m + r
  }
  for (let r = 0; r < m; r++) if (basis[r] >= n + m) addMultiple(tableau, 1, 0, r, m)
  high.set(objective, (m + 1) * width)

  for (const goal of [m, m + 1]) {
    let still = 0
    for (let steps = 0; ; steps++) {
      if (steps > PATIENCE * (m + n)) return null
      const entering = enteringAt(goal, still > m + n)
      if (entering < 0) break
      readColumn(entering)
      const leaving = leavingRow(goal)
      if (leaving < 0) return null
      still = high[leaving * width + width - 1] > ZERO ? 0 : still + 1
      pivot(leaving)
      basis[leaving] = entering
    }
    if (goal === m && high[m * width + width - 1] > Math.sqrt(ZERO)) return null
  }
  const point = new Float64Array(n)
  basis.forEach((variable, r) => {
    if (variable < n) point[variable] = high[r * width + width - 1]
  })
  return { point, prices: sign.map((s, r) => -s * high[(m + 1) * width + n + r]) }

  /** The variable or surplus to enter: of the most gain, or the first with any; −1 where there is none. */
  function enteringAt(goal: number, first: boolean): number {
    let entering = -1
    let most = ZERO
    for (let j = 0; j < n + m; j++) {
      if (j >= n && rowLower[j - n] === rowUpper[j - n]) continue
      const gain = (j < n ? 1 : -sign[j - n]) * high[goal * width + j]
      if (!(gain > most) || basis.includes(j)) continue
      entering = j
      if (first) break
      most = gain
    }
    return entering
  }

  function readColumn(j: number): void {
    const factor = j < n ? 1 : -sign[j - n]
    for (let r = 0; r < m + 2; r++) {
      column.high[r] = factor * high[r * width + j]
      column.low[r] = factor * low[r * width + j]
    }
  }

  /** The row that first leaves nothing of its basic variable, of those the one of the largest entry; −1 for none. */
  function leavingRow(goal: number): number {
    let size = 0
    for (let r = 0; r < m; r++) size = Math.max(size, Math.abs(column.high[r]))
    let leaving = -1
    let least = Number.POSITIVE_INFINITY
    for (let r = 0; r < m; r++) {
      // What the start lacked must not come back.
      const gone = goal > m && basis[r] >= n + m
      const entry = gone ? Math.abs(column.high[r]) : column.high[r]
      if (!(entry > ZERO * size)) continue
      const ratio = gone ? 0 : Math.max(0, high[r * width + width - 1]) / entry
      if (ratio > least || (ratio === least && entry <= Math.abs(column.high[leaving]))) continue
      least = ratio
      leaving = r
    }
    return leaving
  }

  /** Makes the column read a unit vector. */
  function pivot(row: number): void {
    divideRow(tableau, row, column.high[row], column.low[row])
    for (let r = 0; r < m + 2; r++) {
      if (r !== row && column.high[r] !== 0) addMultiple(tableau, -column.high[r], -column.low[r], row, r)
    }
  }
}

/** Numbers as unevaluated sums of two doubles, row-major. */
type Doubled = { high: Float64Array; low: Float64Array; width: number }

/** 2²⁷ + 1: splits a double into halves whose products are exact (Dekker, Numer. Math. 18, 1971). */
const SPLIT = 134217729

/** Adds f × one row to another. */
function addMultiple({ high, low, width }: Doubled, f: number, fLow: number, from: number, to: number): void {
  const fBig = f * SPLIT - (f * SPLIT - f)
  const fSmall = f - fBig
  for (let k = 0; k < width; k++) {
    const b = high[from * width + k]
    if (b === 0) continue
    const product = f * b
    const bBig = b * SPLIT - (b * SPLIT - b)
    const bSmall = b - bBig
    const rest =
      fBig * bBig -
      product +
      fBig * bSmall +
      fSmall * bBig +
      fSmall * bSmall +
      (f * low[from * width + k] + fLow * b)
    const a = high[to * width + k]
    const sum = a + product
    const back = sum - a
    const tail = a - (sum - back) + (product - back) + low[to * width + k] + rest
    high[to * width + k] = sum + tail
    low[to * width + k] = tail - (high[to * width + k] - sum)
  }
}

/** Divides a row by a number: by long division, two digits of 53 bits each. */
function divideRow({ high, low, width }: Doubled, row: number, f: number, fLow: number): void {
  const quotient = { high: new Float64Array(2 * width), low: new Float64Array(2 * width), width }
  const rest = { high: new Float64Array(2), low: new Float64Array(2), width: 1 }
  for (let k = 0; k < width; k++) {
    const at = row * width + k
    if (high[at] === 0) continue
    const first = high[at] / f
    rest.high[0] = f
    rest.low[0] = fLow
    rest.high[1] = high[at]
    rest.low[1] = low[at]
    addMultiple(rest, -first, 0, 0, 1)
    const second = (rest.high[1] + rest.low[1]) / f
    quotient.high[k] = first + second
    quotient.low[k] = second - (quotient.high[k] - first)
  }
  high.set(quotient.high.subarray(0, width), row * width)
  low.set(quotient.low.subarray(0, width), row * width)
}
