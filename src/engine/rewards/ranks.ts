import { contrastVariances, type RewardCovariance } from './contrasts.ts'

/** Where each item may stand, all items at once, and which may be first. */
export type Ranks = {
  /** 1 + how many rewards are higher; ties share the best of their ranks. Length m, like the others. */
  rank: Int32Array
  low: Int32Array
  high: Int32Array
  /** Positions of the items that may be first. */
  first: number[]
}

/** Rewards within this of each other are the same: an estimate is known no better. */
const RESOLUTION = 1e-9

/**
 * Simultaneous confidence intervals of ranks (Mogstad, Romano, Shaikh & Wilhelm, Rev. Econ. Stud. 91, 2024; Klein,
 * Wright & Wieczorek, Annals Appl. Statist. 14, 2020), from Z drawn from the normal approximation N(0, Σ) of the errors.
 *
 * With se_ij the standard error of θ_i − θ_j and c the `level` quantile of max_{i,j} |Z_i − Z_j|/se_ij, all true
 * differences are within c·se_ij of their estimates with probability `level`. So i is certainly better than j where
 * θ_i − θ_j > c·se_ij, and its rank is from 1 + (those certainly better) to m − (those certainly worse).
 *
 * First may be every i that no j is better than by more than c_i·se_ij, with c_i the quantile of max_j (Z_j − Z_i)/se_ij:
 * whichever is truly first is among them with probability `level` (each of them, where several are).
 *
 * @param rewards θ; length m
 * @param draw a draw of Z; length m
 */
export function rankIntervals(
  rewards: Float64Array,
  covariance: RewardCovariance,
  draw: () => Float64Array,
  { level, draws }: { level: number; draws: number },
): Ranks {
  const m = rewards.length
  const errors = contrastVariances(covariance).map(Math.sqrt)
  const inverses = errors.map((error) => (error > 0 ? 1 / error : 0))
  const { all, each } = criticalValues(draw, inverses, m, level, draws)

  const rank = new Int32Array(m).fill(1)
  const low = new Int32Array(m).fill(1)
  const high = new Int32Array(m).fill(m)
  const first: number[] = []
  for (let i = 0; i < m; i++) {
    let mayBeFirst = true
    for (let j = 0; j < m; j++) {
      const lead = rewards[j] - rewards[i]
      if (!(lead > RESOLUTION)) continue
      rank[i]++
      const error = errors[i * m + j]
      // Where the variance is zero to rounding the data (too few annotators, say) do not tell how certain a lead is.
      if (error === 0) continue
      if (lead > each[i] * error) mayBeFirst = false
      if (lead > all * error) {
        low[i]++
        high[j]--
      }
    }
    if (mayBeFirst) first.push(i)
  }
  return { rank, low, high, first }
}

/** The quantiles of max_{i,j} |Z_i − Z_j|/se_ij, and for each i of max_j (Z_j − Z_i)/se_ij. */
function criticalValues(
  draw: () => Float64Array,
  inverses: Float64Array,
  m: number,
  level: number,
  draws: number,
): { all: number; each: Float64Array } {
  const sharpest = Float64Array.from({ length: m }, (_, i) => greatest(inverses.subarray(i * m, (i + 1) * m)))
  const largest = new Float64Array(draws)
  // By item, draw by draw.
  const leads = new Float64Array(m * draws)
  const order = Int32Array.from({ length: m }, (_, i) => i)
  for (let d = 0; d < draws; d++) {
    const z = draw()
    order.sort((i, j) => z[j] - z[i])
    for (let i = 0; i < m; i++) {
      // From the highest Z down, until none that is left can lead by more, whatever its standard error.
      let lead = 0
      for (let k = 0; k < m; k++) {
        const j = order[k]
        const ahead = z[j] - z[i]
        if (ahead * sharpest[i] <= lead) break
        lead = Math.max(lead, ahead * inverses[i * m + j])
      }
      leads[i * draws + d] = lead
      if (lead > largest[d]) largest[d] = lead
    }
  }
  return {
    all: upperQuantile(largest, level),
    each: Float64Array.from({ length: m }, (_, i) =>
      upperQuantile(leads.subarray(i * draws, (i + 1) * draws), level),
    ),
  }
}

function greatest(values: Float64Array): number {
  return values.reduce((a, b) => Math.max(a, b))
}

/** The ⌈level·(draws + 1)⌉-th smallest, which a further draw exceeds with a probability of at most 1 − level. */
function upperQuantile(values: Float64Array, level: number): number {
  const at = Math.min(values.length, Math.ceil(level * (values.length + 1)))
  return values.sort()[at - 1]
}
