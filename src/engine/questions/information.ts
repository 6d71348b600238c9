import type { Extra } from '../rewards/model.ts'
import { binaryTerms, davidsonTerms, newTerms } from '../rewards/outcome.ts'

/** What one more comparison of a pair is expected to tell: the Fisher information of its outcome. */
export type Information = {
  /** Number of items m. */
  items: number
  /** Where γ and η = log ν are among rewards and extras; null where the model has none. */
  position: number | null
  logTie: number | null
  /** Whether it matters which item is shown first: then (i, j) has i shown first, and otherwise only i < j is filled. */
  ordered: boolean
  /** In the difference d; m × m, row-major. */
  edge: Float64Array
  /** In d and η, and in η; null where ties are no outcome of their own. */
  cross: Float64Array | null
  tie: Float64Array | null
}

/**
 * The information of one comparison of every pair. Like that of all exponential families it depends on the parameters
 * alone and not on how the comparison turns out; under half-win ties it is p(1 − p) with p = σ(θ_i − θ_j + γ).
 *
 * @param rewards θ; length m
 * @param extras the parameters that come after the rewards, and extraValues what they are
 */
export function informationOf(
  rewards: Float64Array,
  extras: readonly Extra[],
  extraValues: Partial<Record<Extra, number>>,
): Information {
  const m = rewards.length
  const at = (extra: Extra) => (extras.includes(extra) ? m + extras.indexOf(extra) : null)
  const { position: gamma = 0, logTie: eta } = extraValues
  const position = at('position')
  const logTie = at('logTie')
  const ordered = position !== null
  const edge = new Float64Array(m * m)
  const cross = eta === undefined ? null : new Float64Array(m * m)
  const tie = eta === undefined ? null : new Float64Array(m * m)
  const terms = newTerms()
  for (let i = 0; i < m; i++) {
    for (let j = ordered ? 0 : i + 1; j < m; j++) {
      if (i === j) continue
      const d = rewards[i] - rewards[j] + gamma
      if (cross === null || tie === null || eta === undefined) binaryTerms(d, 1, 0, terms)
      else {
        davidsonTerms(d, eta, 1, 0, 0, terms)
        cross[i * m + j] = terms.cross
        tie[i * m + j] = terms.tieEdge
      }
      edge[i * m + j] = terms.edge
    }
  }
  return { items: m, position, logTie, ordered, edge, cross, tie }
}
