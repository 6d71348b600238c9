import { choleskyFactor, choleskySolve } from '../numeric/cholesky.ts'
import { luFactor, luSolve, nullSpace } from '../numeric/elimination.ts'
import { Problem } from '../problem.ts'
import { type Margins, marginsAmong } from './margins.ts'

/** The lottery that no item, and no other lottery, is preferred to. */
export type MaximalLottery = {
  rule: 'maximal-lotteries'
  /** The items that some maximal lottery draws: those that the lottery returned draws. */
  winners: number[]
  /** p; length n, sum 1. */
  lottery: Float64Array
  /** The certificate, from the numbers returned: min_j Σ_i p_i m_ij, which is 0 but for rounding. */
  worst: number
  /** Whether there is no other maximal lottery. */
  unique: boolean
}

/** What the certificate may fall short of 0 by, in units of the largest margin. */
const TOLERANCE = 1e-12

/**
 * Maximal lotteries: p ≥ 0 with Σ_i p_i m_ij ≥ 0 for every j (Kreweras 1965; Fishburn, Rev. Econ. Studies 51, 1984): the
 * optimal strategies of the game in which two players name an item each and the margin is what one pays the other.
 *
 * Of several the one nearest to uniform is returned: of largest entropy, so that it draws whatever any of them draws.
 *
 * @param smith the Smith set, outside which no maximal lottery draws anything
 * @throws Problem `not-converged` where rounding leaves the certificate short of zero
 */
export function maximalLottery(margins: Margins, smith: readonly number[]): MaximalLottery {
  const { items: n, values, strengths } = margins
  const top = strengths[strengths.length - 1]
  const scaled = marginsAmong(margins, smith).map((value) => (top > 0 ? value / top : 0))
  const { lottery: within, unique } = symmetricGame(scaled, smith.length)
  const lottery = new Float64Array(n)
  smith.forEach((item, a) => {
    lottery[item] = within[a]
  })
  let worst = Number.POSITIVE_INFINITY
  for (let j = 0; j < n; j++) {
    let sum = 0
    for (const i of smith) sum += lottery[i] * values[i * n + j]
    worst = Math.min(worst, sum)
  }
  if (!(worst >= -TOLERANCE * top) || lottery.some((share) => !(share >= 0))) {
    throw new Problem(
      'not-converged',
      'No maximal lottery was found to the accuracy promised: the margins differ by more orders of magnitude than double ' +
        'precision resolves. Leave maximal-lotteries out of the rules.',
    )
  }
  const winners = Array.from(lottery.keys()).filter((item) => lottery[item] > 0)
  return { rule: 'maximal-lotteries', winners, lottery, worst, unique }
}

/** Pivots this small beside the largest are rounding. */
const NEGLIGIBLE = 1e-11

/**
 * The optimal strategy of a symmetric zero-sum game that is nearest to uniform.
 *
 * By strict complementarity (Goldman & Tucker 1956) every item either is drawn by some optimal strategy or loses to one.
 * A point of the central path tells which. The optimal strategies are then those of the drawn items at which all of
 * these pay nothing, as far as the others still lose, and there is one alone where the margins of the drawn items have one
 * null vector.
 *
 * @param payoffs M, m × m, row-major, skew, of size 1
 */
function symmetricGame(payoffs: Float64Array, m: number): { lottery: Float64Array; unique: boolean } {
  if (m === 1) return { lottery: Float64Array.of(1), unique: true }
  const scale = balance(payoffs, m)
  const balanced = payoffs.map((value, at) => value * scale[Math.floor(at / m)] * scale[at % m])
  const { point, slack } = centralPoint(balanced, m)
  const drawn: number[] = []
  const left: number[] = []
  for (let i = 0; i < m; i++) (point[i] > slack[i] ? drawn : left).push(i)
  const size = drawn.length
  const square = new Float64Array(size * size)
  drawn.forEach((j, row) => {
    drawn.forEach((i, column) => {
      square[row * size + column] = balanced[i * m + j]
    })
  })
  const free = nullSpace(square, size, NEGLIGIBLE).map(({ place, vector }) => ({
    place,
    vector: vector.map((value, k) => (value * scale[drawn[k]]) / scale[drawn[place]]),
  }))
  // Every null vector is a sum of those of the basis, each as often as it has of what is theirs alone.
  const found = new Float64Array(size)
  for (const { place, vector } of free)
    for (let k = 0; k < size; k++) found[k] += point[drawn[place]] * scale[drawn[place]] * vector[k]
  let shares = normalised(found)
  if (free.length > 1) {
    const others = left.map((j) => scaledToOne(Float64Array.from(drawn, (i) => payoffs[i * m + j])))
    const inside = shares.every((share) => share > 0) && others.every((row) => dot(row, shares) > 0)
    if (inside) shares = normalised(largestEntropy(free, others, shares))
  }
  const lottery = new Float64Array(m)
  drawn.forEach((i, k) => {
    lottery[i] = shares[k]
  })
  return { lottery, unique: free.length === 1 }
}

const PASSES = 30

/**
 * Factors s, one an item, that bring all s_i s_j |m_ij| near 1: the least squares of their logarithms, about. The balanced
 * game has the same optimal strategies, each share divided by s_i, and neither small nor large margins get lost in it.
 */
function balance(payoffs: Float64Array, m: number): Float64Array {
  const logs = payoffs.map((value) => Math.log(Math.abs(value)))
  const scale = new Float64Array(m)
  for (let pass = 0; pass < PASSES; pass++) {
    let moved = 0
    for (let i = 0; i < m; i++) {
      let sum = 0
      let count = 0
      for (let j = 0; j < m; j++) {
        if (payoffs[i * m + j] === 0) continue
        sum += logs[i * m + j] + scale[j]
        count++
      }
      const own = count > 0 ? -sum / count : 0
      moved = Math.max(moved, Math.abs(own - scale[i]))
      scale[i] = own
    }
    if (moved < 0.1) break
  }
  let largest = Number.NEGATIVE_INFINITY
  for (let i = 0; i < m; i++)
    for (let j = 0; j < m; j++) largest = Math.max(largest, logs[i * m + j] + scale[i] + scale[j])
  return scale.map((value) => Math.exp(value - (largest > Number.NEGATIVE_INFINITY ? largest / 2 : 0)))
}

/** A null vector that has a 1 in its own place, where the others have 0. */
type Free = ReturnType<typeof nullSpace>[number]

/** How much the barrier counts, down to nothing; and the Newton steps for each. */
const BARRIERS = [1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12, 1e-14]
const STEPS = 50

/**
 * The lottery of largest entropy among sums of some null vectors at which what is paid to others stays positive:
 * minimises Σ p log p − t Σ_j log(paid to j), for ever smaller t, by Newton's method.
 *
 * @param free F of them, F ≥ 2
 * @param others a row for each: what each item of the lottery pays it
 * @param start such a lottery
 */
function largestEntropy(free: readonly Free[], others: Float64Array[], start: Float64Array): Float64Array {
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

  for (const barrier of others.length > 0 ? BARRIERS : [0]) {
    const value = (at: Float64Array, paid: number[]) =>
      at.reduce((sum, p) => sum + p * Math.log(p), 0) -
      paid.reduce((sum, left) => sum + (barrier > 0 ? barrier * Math.log(left) : 0), 0)
    for (let step = 0; step < STEPS; step++) {
      const paid = paidAt(shares)
      const gradient = new Float64Array(order)
      const matrix = new Float64Array(order * order)
      for (let a = 0; a < order; a++) {
        for (let k = 0; k < shares.length; k++) gradient[a] += directions[a][k] * Math.log(shares[k])
        paid.forEach((left, j) => {
          gradient[a] -= (barrier * slopes[j][a]) / left
        })
        for (let b = 0; b <= a; b++) {
          let sum = 0
          for (let k = 0; k < shares.length; k++) sum += (directions[a][k] * directions[b][k]) / shares[k]
          paid.forEach((left, j) => {
            sum += (barrier * slopes[j][a] * slopes[j][b]) / (left * left)
          })
          matrix[a * order + b] = sum
        }
      }
      if (choleskyFactor(matrix, order) >= 0) return shares
      const move = gradient.map((slope) => -slope)
      choleskySolve(matrix, order, move)
      const change = new Float64Array(shares.length)
      directions.forEach((direction, a) => {
        for (let k = 0; k < change.length; k++) change[k] += move[a] * direction[k]
      })
      const decrement = -dot(gradient, move)
      if (!(decrement > 1e-22)) break

      const within = Math.min(
        longest(shares, change),
        longest(Float64Array.from(paid), Float64Array.from(paidAt(change))),
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
    }
  }
  return shares
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k]
  return sum
}

const MAX_STEPS = 100
/** How close to the boundary the path is followed: the mean of p_i·s_i. */
const END = 1e-24
/** How much of the way to the boundary a step goes at most: nearer, and some p_i·s_i are lost to rounding. */
const PART = 0.99

/**
 * Follows the central path of min z subject to M'p + z ≥ 0, p ∈ Δ, whose value is 0 and which is its own dual: with
 * s = M'p + z, p_i s_i = μ for all i, and z = mμ (Mehrotra's predictor and corrector, SIAM J. Optim. 2, 1992).
 *
 * @returns a point on it with μ near 0
 */
function centralPoint(payoffs: Float64Array, m: number): { point: Float64Array; slack: Float64Array } {
  let point = new Float64Array(m).fill(1 / m)
  let slack = new Float64Array(m)
  for (let i = 0; i < m; i++) for (let j = 0; j < m; j++) slack[j] += payoffs[i * m + j] / m
  slack = slack.map((value) => value + 1)
  const ones = new Float64Array(m).fill(1)
  const matrix = new Float64Array(m * m)

  for (let step = 0; step < MAX_STEPS; step++) {
    const mu = meanProduct(point, slack)
    if (!(mu > END)) break
    const ratio = slack.map((value, i) => value / point[i])
    for (let j = 0; j < m; j++) for (let i = 0; i < m; i++) matrix[j * m + i] = payoffs[i * m + j]
    for (let i = 0; i < m; i++) matrix[i * m + i] = ratio[i]
    const rows = luFactor(matrix, m)
    if (rows === null) break
    const alongOnes = luSolve(matrix, rows, m, ones)
    const move = (target: Float64Array) => {
      const dp = luSolve(matrix, rows, m, target)
      const dz = sumOf(dp) / sumOf(alongOnes)
      for (let i = 0; i < m; i++) dp[i] -= dz * alongOnes[i]
      return { dp, ds: target.map((value, i) => value - ratio[i] * dp[i]) }
    }
    const reach = ({ dp, ds }: ReturnType<typeof move>) => Math.min(longest(point, dp), longest(slack, ds))

    const ahead = move(slack.map((value) => -value))
    const length = Math.min(1, reach(ahead))
    const mean = meanProduct(
      point.map((value, i) => value + length * ahead.dp[i]),
      slack.map((value, i) => value + length * ahead.ds[i]),
    )
    const aim = (mean / mu) ** 3 * mu
    const { dp, ds } = ahead
    const corrected = move(slack.map((value, i) => (aim - dp[i] * ds[i]) / point[i] - value))
    const taken = Math.min(1, PART * reach(corrected))
    if (!(taken > 1e-10)) break
    point = point.map((value, i) => value + taken * corrected.dp[i])
    slack = slack.map((value, i) => value + taken * corrected.ds[i])
  }
  return { point, slack }
}

/** How many times a step can be taken before something positive is zero. */
function longest(from: Float64Array, step: Float64Array): number {
  let most = Number.POSITIVE_INFINITY
  for (let i = 0; i < from.length; i++) if (step[i] < 0) most = Math.min(most, -from[i] / step[i])
  return most
}

function meanProduct(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i]
  return sum / a.length
}

function sumOf(values: Float64Array): number {
  let sum = 0
  for (const value of values) sum += value
  return sum
}

function normalised(values: Float64Array): Float64Array<ArrayBuffer> {
  const sum = sumOf(values)
  return Float64Array.from(values, (value) => value / sum)
}

function scaledToOne(values: Float64Array): Float64Array {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  return largest > 0 ? values.map((value) => value / largest) : values
}
