import { nullSpace } from '../numeric/elimination.ts'
import { Problem } from '../problem.ts'
import { centralPath, type PathPoint } from './central-path.ts'
import { largestEntropy } from './largest-entropy.ts'
import { type Margins, marginsAmong } from './margins.ts'
import { normalised } from './vectors.ts'

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
  const found = symmetricGame(scaled, smith.length)
  if (found === null) throw undecided()
  const { lottery: within, unique } = found
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
  if (!(worst >= -TOLERANCE * top) || within.some((share) => !(share >= 0))) throw undecided()
  const winners = Array.from(lottery.keys()).filter((item) => lottery[item] > 0)
  return { rule: 'maximal-lotteries', winners, lottery, worst, unique }
}

function undecided(): Problem {
  return new Problem(
    'not-converged',
    'No maximal lottery was found to the accuracy promised: the margins differ by more orders of magnitude than double ' +
      'precision resolves. Leave maximal-lotteries out of the rules.',
  )
}

/** Pivots this small beside the largest, times the number of items, are rounding. */
const NEGLIGIBLE = 4e-16
/** From this z on a point of the central path may tell who is drawn; where it does not, once it is so much smaller. */
const TELLING = 1e-11
const FURTHER = 1e-3
/** What is smaller than this, in the balanced game, may be zero; and what should be zero is no larger than that. */
const CLEAR = 1e-15
const ZERO = 1e-14

/**
 * The optimal strategy of a symmetric zero-sum game that is nearest to uniform; null where rounding hides it.
 *
 * By strict complementarity (Goldman & Tucker 1956) there is one at which every item either is drawn or loses: a point of
 * the central path tells which. The optimal strategies are then those of the drawn items at which all of these pay
 * nothing, as long as the others still lose, and there is one alone where the margins of the drawn items have one null
 * vector.
 *
 * @param payoffs M, m × m, row-major, skew, of size 1
 */
function symmetricGame(payoffs: Float64Array, m: number): { lottery: Float64Array; unique: boolean } | null {
  if (m === 1) return { lottery: Float64Array.of(1), unique: true }
  const scale = balance(payoffs, m)
  const balanced = payoffs.map((value, at) => value * scale[Math.floor(at / m)] * scale[at % m])
  let telling = TELLING
  for (const at of centralPath(balanced, m)) {
    if (!(m * at.mu <= telling)) continue
    const face = faceAt(balanced, m, at)
    telling *= FURTHER
    if (face === null) continue
    const { drawn, left, free, shares } = face
    // Back from the balanced game: p_i = s_i p̂_i.
    const own = drawn.map((i) => scale[i])
    let found = normalised(shares.map((share, k) => share * own[k]))
    if (free.length > 1 && drawsEvenly(payoffs, m, drawn))
      found = new Float64Array(drawn.length).fill(1 / drawn.length)
    else if (free.length > 1) {
      const vectors = free.map(({ place, vector }) => ({
        place,
        vector: vector.map((value, k) => (value * own[k]) / own[place]),
      }))
      const others = left.map((j) => scaledToOne(Float64Array.from(drawn, (i) => payoffs[i * m + j])))
      found = normalised(largestEntropy(vectors, others, found))
    }
    const lottery = new Float64Array(m)
    drawn.forEach((i, k) => {
      lottery[i] = found[k]
    })
    return { lottery, unique: free.length === 1 }
  }
  return null
}

/** Whether to draw all of some items alike is an optimal strategy. */
function drawsEvenly(payoffs: Float64Array, m: number, drawn: readonly number[]): boolean {
  for (let j = 0; j < m; j++) {
    const paid = drawn.reduce((sum, i) => sum + payoffs[i * m + j], 0) / drawn.length
    if (paid < -ZERO) return false
  }
  return true
}

/** Who is drawn and who is not, and an optimal strategy that proves it; null where the point does not tell. */
function faceAt(payoffs: Float64Array, m: number, { lottery, slack }: PathPoint) {
  const drawn: number[] = []
  const left: number[] = []
  for (let i = 0; i < m; i++) (lottery[i] > slack[i] ? drawn : left).push(i)
  const size = drawn.length
  const square = new Float64Array(size * size)
  drawn.forEach((j, row) => {
    drawn.forEach((i, column) => {
      square[row * size + column] = payoffs[i * m + j]
    })
  })
  const free = nullSpace(square, size, NEGLIGIBLE * size)
  // Every null vector is a sum of those of the basis, each as often as it has of what is theirs alone.
  const sum = new Float64Array(size)
  for (const { place, vector } of free)
    for (let k = 0; k < size; k++) sum[k] += lottery[drawn[place]] * vector[k]
  const shares = normalised(sum)
  const pays = (j: number) => drawn.reduce((total, i, k) => total + shares[k] * payoffs[i * m + j], 0)
  const proven =
    shares.every((share) => share > CLEAR) &&
    left.every((j) => pays(j) > CLEAR) &&
    drawn.every((j) => Math.abs(pays(j)) <= ZERO)
  return proven ? { drawn, left, free, shares } : null
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

function scaledToOne(values: Float64Array): Float64Array {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  return largest > 0 ? values.map((value) => value / largest) : values
}
