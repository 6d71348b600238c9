import type { Margins } from './margins.ts'
import { firstOf, ranksByScore } from './ranks.ts'

/** Who has the largest sum of margins. */
export type Borda = { rule: 'borda'; winners: number[]; ranks: Int32Array; scores: Float64Array }

/**
 * Borda: score_i = Σ_j m_ij (Borda 1781; on margins Young, J. Economic Theory 9, 1974).
 *
 * For complete rankings that is, times 2 and up to a constant, the points n − 1 for a first place, n − 2 for a second…
 */
export function borda({ items: n, values, tolerance }: Margins): Borda {
  const scores = new Float64Array(n)
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) scores[i] += values[i * n + j]
  const ranks = ranksByScore(scores, tolerance * n)
  return { rule: 'borda', winners: firstOf(ranks), ranks, scores }
}
