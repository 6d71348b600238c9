import { choleskyFactor, choleskySolve } from '../numeric/cholesky.ts'
import type { nullSpace } from '../numeric/elimination.ts'
import { dot, longestStep, sumOf } from './vectors.ts'

/** A null vector that has a 1 in its own place, where the others have 0. */
export type Free = ReturnType<typeof nullSpace>[number]

/** How much the barrier counts, down to nothing; and the Newton steps for each. */
const BARRIERS = [1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10, 1e-12, 1e-14]
const STEPS = 50
const SMALL = 1e-10

/**
 * The lottery of largest entropy among sums of some null vectors at which what is paid to others stays positive:
 * minimises Σ p log p − t (Σ log p + Σ_j log(paid to j)), for ever smaller t, by Newton's method.
 *
 * @param free F of them, F ≥ 2
 * @param others a row for each: what each item of the lottery pays it
 * @param start such a lottery
 */
export function largestEntropy(
  free: readonly Free[],
  others: Float64Array[],
  start: Float64Array,
): Float64Array {
  // Directions that leave the sum at 1. The one in which most of the start lies follows from the rest.
  const first = free.reduce((a, b) => (start[b.place] > start[a.place] ? b : a))
  const directions = free
    .filter((other) => other !== first)
    .map(({ vector }) => {
      const sum = sumOf(vector)
      return vector.map((value, k) => value - sum * start[k])
    })
  const slopes = others.map((row) => Float64Array.from(directions, (direction) => dot(row, direction)))
  const order = directions.length
  const paidAt = (shares: Float64Array) => others.map((row) => dot(row, shares))
  let shares = start

  for (const barrier of BARRIERS) {
    const value = (at: Float64Array, paid: number[]) =>
      at.reduce((sum, p) => sum + (p - barrier) * Math.log(p), 0) -
      paid.reduce((sum, left) => sum + barrier * Math.log(left), 0)
    for (let step = 0; step < STEPS; step++) {
      const paid = paidAt(shares)
      const gradient = new Float64Array(order)
      const matrix = new Float64Array(order * order)
      const bends = shares.map((share) => (1 + barrier / share) / share)
      for (let a = 0; a < order; a++) {
        for (let k = 0; k < shares.length; k++)
          gradient[a] += directions[a][k] * (Math.log(shares[k]) - barrier / shares[k])
        paid.forEach((left, j) => {
          gradient[a] -= (barrier * slopes[j][a]) / left
        })
        for (let b = 0; b <= a; b++) {
          let sum = 0
          for (let k = 0; k < shares.length; k++) sum += directions[a][k] * directions[b][k] * bends[k]
          paid.forEach((left, j) => {
            sum += (barrier * slopes[j][a] * slopes[j][b]) / (left * left)
          })
          matrix[a * order + b] = sum
        }
      }
      if (!factor(matrix, order)) return shares
      const move = gradient.map((slope) => -slope)
      choleskySolve(matrix, order, move)
      const change = new Float64Array(shares.length)
      directions.forEach((direction, a) => {
        for (let k = 0; k < change.length; k++) change[k] += move[a] * direction[k]
      })
      const decrement = -dot(gradient, move)
      if (!(decrement > 0)) break

      const within = Math.min(
        longestStep(shares, change),
        longestStep(Float64Array.from(paid), Float64Array.from(paidAt(change))),
      )
      const before = value(shares, paid)
      let length = Math.min(1, 0.99 * within)
      let next = shares
      for (let halving = 0; halving < 40; halving++, length /= 2) {
        next = shares.map((share, k) => share + length * change[k])
        // Where the decrement is lost in the rounding of the value, the full step is right.
        if (value(next, paidAt(next)) <= before - 0.1 * length * decrement + 1e-15) break
      }
      shares = next
      // One more step would bring it to the square of this.
      if (decrement < SMALL) break
    }
  }
  return shares
}

/** Cholesky factors, of a slightly larger matrix where rounding has left it singular; false where that does not help. */
function factor(matrix: Float64Array, order: number): boolean {
  const given = matrix.slice()
  for (let ridge = 0; ridge < 1e-3; ridge = Math.max(1e-14, 100 * ridge)) {
    matrix.set(given)
    for (let a = 0; a < order; a++) matrix[a * order + a] *= 1 + ridge
    if (choleskyFactor(matrix, order) < 0) return true
  }
  return false
}
