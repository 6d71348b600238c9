import { luFactor, luSolve, nullSpace } from '../numeric/elimination.ts'
import { Problem } from '../problem.ts'
import { entropyProjection } from '../welfare/entropy-projection.ts'
import { meanOf, orthonormal } from '../welfare/orthonormal.ts'
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
  if (!(worst >= -TOLERANCE * top)) {
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
  const { point, slack } = centralPoint(payoffs, m)
  const drawn: number[] = []
  const left: number[] = []
  for (let i = 0; i < m; i++) (point[i] > slack[i] ? drawn : left).push(i)
  const size = drawn.length
  /** What each drawn item pays an item. */
  const paid = (j: number) => Float64Array.from(drawn, (i) => payoffs[i * m + j])

  const square = new Float64Array(size * size)
  drawn.forEach((j, row) => {
    square.set(paid(j), row * size)
  })
  const free = nullSpace(square, size, NEGLIGIBLE)
  const found = normalised(Float64Array.from(drawn, (i) => point[i]))
  const nearest = free.length > 1 ? nearestToUniform(drawn.map(paid), left.map(paid), found) : found
  // Every null vector is a sum of those of the basis, each as often as it has of what is theirs alone.
  const shares = new Float64Array(size)
  for (const { place, vector } of free) for (let k = 0; k < size; k++) shares[k] += nearest[place] * vector[k]
  const lottery = new Float64Array(m)
  drawn.forEach((i, k) => {
    lottery[i] = Math.max(0, shares[k])
  })
  return { lottery: normalised(lottery), unique: free.length === 1 }
}

/**
 * The lottery of largest entropy at which some items pay nothing in the mean, and others nothing or more.
 *
 * @param nothing a row an item: what each item of the lottery pays it
 * @param found a lottery at which this is so
 */
function nearestToUniform(nothing: Float64Array[], more: Float64Array[], found: Float64Array): Float64Array {
  const uniform = new Float64Array(found.length).fill(1 / found.length)
  const equal = orthonormal(nothing, found)
    .slice(1)
    .map((row) => {
      const mean = meanOf(row, found)
      return row.map((value) => value - mean)
    })
  const nearest = entropyProjection([...equal, ...more.map(scaledToOne)], equal.length, uniform)
  return nearest.every((share) => share > 0) ? nearest : found
}

const MAX_STEPS = 100
/** How close to the boundary the path is followed: the mean of p_i·s_i. */
const END = 1e-24

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
    // Ever closer to the boundary, as the steps are ever better.
    const taken = Math.min(1, (1 - Math.min(0.01, m * mu)) * reach(corrected))
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
