import { normalTail } from '../numeric/normal-tail.ts'
import { contrastVariances, type RewardCovariance } from '../rewards/contrasts.ts'
import type { Weights } from './design.ts'

/** Who has the highest aggregated reward, and how likely it is that each other item truly has a higher one. */
export type Contest = {
  winner: number
  /** Length n; 0 for the winner. */
  better: Float64Array
  /** What a question is to tell: the part of each rival, sum 1. */
  shares: Float64Array
}

/** One group's part in an aggregated reward: Σ_g factor_g·θ_g, up to a constant. */
export type Part = { factor: number; rewards: Float64Array; covariance: RewardCovariance }

/**
 * The winner of the aggregated reward A = Σ_g f_g θ_g and its rivals, by the normal approximation: item j is truly
 * better with probability Φ(−(A_w − A_j)/s_j), where s_j² = Σ_g f_g² Var(θ_gw − θ_gj), the groups being independent.
 *
 * @param parts of all groups, over the same n items
 */
export function contestOf(parts: readonly Part[]): Contest {
  const n = parts[0].rewards.length
  const aggregated = new Float64Array(n)
  for (const { factor, rewards } of parts) for (let i = 0; i < n; i++) aggregated[i] += factor * rewards[i]
  const winner = aggregated.indexOf(aggregated.reduce((a, b) => Math.max(a, b)))

  const variances = new Float64Array(n)
  for (const { factor, covariance } of parts) {
    const own = contrastVariances(covariance)
    for (let j = 0; j < n; j++) variances[j] += factor * factor * own[winner * n + j]
  }
  const better = new Float64Array(n)
  let nearest = -1
  let least = Number.POSITIVE_INFINITY
  for (let j = 0; j < n; j++) {
    if (j === winner) continue
    const lead = aggregated[winner] - aggregated[j]
    const z = lead === 0 ? 0 : lead / Math.sqrt(variances[j])
    better[j] = normalTail(z)
    if (nearest < 0 || z < least) {
      nearest = j
      least = z
    }
  }
  const sum = better.reduce((a, b) => a + b)
  const shares =
    sum > 0 ? better.map((chance) => chance / sum) : better.map((_, j) => (j === nearest ? 1 : 0))
  return { winner, better, shares }
}

/** The rows of F of one group: its factor times √share_j on θ_w − θ_j, so that all groups' losses add up to the mean variance. */
export function winnerAgainstRivals({ winner, shares }: Contest, factor: number): Weights[] {
  return Array.from(shares, (share, j) => ({ j, weight: factor * Math.sqrt(share) }))
    .filter(({ weight }) => weight > 0)
    .map(({ j, weight }) => [
      { item: winner, weight },
      { item: j, weight: -weight },
    ])
}
