import { luFactor, luSolve } from '../numeric/elimination.ts'
import { dot, longestStep, sumOf } from './vectors.ts'

/** A point near the central path: p and s = M'p + z, of which all p_i·s_i are about μ. */
export type PathPoint = { lottery: Float64Array; slack: Float64Array; mu: number }

const MAX_STEPS = 100
/** Where all that double precision can tell is told: the mean of p_i·s_i. */
const END = 1e-24
/** How much of the way to the boundary a step goes at most: nearer, and some p_i·s_i are lost to rounding. */
const PART = 0.99

/**
 * Follows the central path of a symmetric game: of min z subject to M'p + z ≥ 0, p ∈ Δ, whose value is 0 and which is its
 * own dual. On the path p_i s_i = μ for all i, and z = mμ. It ends where every item has p_i or s_i positive, and not both
 * (Mehrotra's predictor and corrector, SIAM J. Optimization 2, 1992).
 *
 * @param payoffs M, m × m, row-major, skew, of size 1
 * @returns points of ever smaller μ
 */
export function* centralPath(payoffs: Float64Array, m: number): Generator<PathPoint> {
  let lottery = new Float64Array(m).fill(1 / m)
  let slack = new Float64Array(m).fill(1)
  for (let i = 0; i < m; i++) for (let j = 0; j < m; j++) slack[j] += payoffs[i * m + j] / m
  const ones = new Float64Array(m).fill(1)

  for (let step = 0; step < MAX_STEPS; step++) {
    const mu = dot(lottery, slack) / m
    yield { lottery, slack, mu }
    if (!(mu > END)) return
    // M' + diag(s/p); M is skew.
    const ratio = slack.map((value, i) => value / lottery[i])
    const matrix = payoffs.map((value) => -value)
    for (let i = 0; i < m; i++) matrix[i * m + i] = ratio[i]
    const rows = luFactor(matrix, m)
    if (rows === null) return
    const alongOnes = luSolve(matrix, rows, m, ones)
    const move = (target: Float64Array) => {
      const dp = luSolve(matrix, rows, m, target)
      const dz = sumOf(dp) / sumOf(alongOnes)
      for (let i = 0; i < m; i++) dp[i] -= dz * alongOnes[i]
      return { dp, ds: target.map((value, i) => value - ratio[i] * dp[i]) }
    }
    const reach = ({ dp, ds }: ReturnType<typeof move>) =>
      Math.min(longestStep(lottery, dp), longestStep(slack, ds))

    const ahead = move(slack.map((value) => -value))
    const length = Math.min(1, reach(ahead))
    const mean =
      dot(
        lottery.map((value, i) => value + length * ahead.dp[i]),
        slack.map((value, i) => value + length * ahead.ds[i]),
      ) / m
    const aim = (mean / mu) ** 3 * mu
    const { dp, ds } = ahead
    const corrected = move(slack.map((value, i) => (aim - dp[i] * ds[i]) / lottery[i] - value))
    const taken = Math.min(1, PART * reach(corrected))
    if (!(taken > 1e-10)) return
    lottery = lottery.map((value, i) => value + taken * corrected.dp[i])
    slack = slack.map((value, i) => value + taken * corrected.ds[i])
  }
}
