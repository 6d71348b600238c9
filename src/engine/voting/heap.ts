import { connectivity } from '../comparisons/connectivity.ts'
import type { PairCounts } from '../comparisons/pairs.ts'
import type { Preferences } from '../preferences.ts'
import { Problem } from '../problem.ts'
import { fitBradleyTerry } from '../rewards/fit-group.ts'
import { PLAIN } from '../rewards/model.ts'
import type { Model } from '../rewards/rewards.ts'
import { ranksByScore } from './ranks.ts'
import { addWins } from './wins.ts'

/** All pairs are looked at. */
const ITEM_LIMIT = 1000
/** Rewards within this part of their range share a rank. */
const TIE = 1e-9
/** Shares, and counts, this close relative to their size are the same but for rounding. */
export const ROUNDING = 1e-12

/** All comparisons in one heap, whoever made them: its Borda order, and one Bradley–Terry fit of it. */
export type Heap = {
  /** Whether every pair was compared equally often. */
  equallyOften: boolean
  /** Mean shares of comparisons won, and the ranks that they give; length n. */
  borda: { scores: Float64Array; ranks: Int32Array }
  fit: HeapFit
}

type HeapFit =
  | { rewards: Float64Array; ranks: Int32Array; reason: null }
  | { rewards: null; ranks: null; reason: string }

/**
 * Looks at all comparisons as if one group had made them.
 *
 * @param last rewards of an earlier heap, where the fit begins; NaN where an item is new; null for none
 * @returns null for rewards, rankings and unnamed items, and beyond 1,000 items
 */
export function heapOf(
  { items, source }: Preferences,
  model: Model,
  last: Float64Array | null = null,
): Heap | null {
  const n = items.length
  if (source.kind === 'rewards' || n > ITEM_LIMIT) return null
  if (!source.groups.every(({ kind, named }) => kind === 'pairs' && named)) return null
  const won = new Float64Array(n * n)
  for (const { counts } of source.groups) addWins(counts, n, won)
  const scores = bordaScores(won, n)
  return {
    equallyOften: equallyOften(won, n),
    borda: { scores, ranks: ranksByScore(scores, ROUNDING) },
    fit: fitOf(won, n, model, last),
  }
}

/** The mean over the other items of the share of comparisons that an item wins; length n. */
function bordaScores(won: Float64Array, n: number): Float64Array {
  const scores = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      const met = won[i * n + j] + won[j * n + i]
      const share = met > 0 ? won[i * n + j] / met : 0.5
      scores[i] += share / (n - 1)
      scores[j] += (1 - share) / (n - 1)
    }
  }
  return scores
}

function equallyOften(won: Float64Array, n: number): boolean {
  const first = won[1] + won[n]
  for (let i = 0; i < n; i++)
    for (let j = i + 1; j < n; j++)
      if (Math.abs(won[i * n + j] + won[j * n + i] - first) > ROUNDING * first) return false
  return true
}

/** One fit of everything; items that nobody compared have the mean reward. */
function fitOf(won: Float64Array, n: number, { prior }: Model, last: Float64Array | null): HeapFit {
  const counts = heapCounts(won, n)
  const proper = prior.kind === 'gaussian' || prior.kind === 'pseudo-item'
  if (!proper && connectivity(counts).components.length > 1) {
    const reason =
      'All comparisons in one heap have no finite estimate: some items never beat or tied any of the others, directly or ' +
      'through a chain of comparisons, or were never compared with them.'
    return { rewards: null, ranks: null, reason }
  }
  try {
    const fit = fitBradleyTerry(counts, proper ? prior : { kind: 'none' }, PLAIN, last)
    const rewards = new Float64Array(n).fill(fit.unseenReward)
    counts.items.forEach((item, local) => {
      rewards[item] = fit.rewards[local]
    })
    const range = rewards.reduce((a, b) => Math.max(a, b)) - rewards.reduce((a, b) => Math.min(a, b))
    return {
      rewards,
      ranks: ranksByScore(rewards, Math.max(TIE * range, 2 * fit.errorEstimate)),
      reason: null,
    }
  } catch (error) {
    if (error instanceof Problem) return { rewards: null, ranks: null, reason: error.message }
    throw error
  }
}

/** The heap as the counts of one group. */
function heapCounts(won: Float64Array, n: number): PairCounts {
  const seen = new Uint8Array(n)
  let pairs = 0
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      if (won[i * n + j] + won[j * n + i] === 0) continue
      pairs++
      seen[i] = seen[j] = 1
    }
  }
  const items = Int32Array.from(seen.keys()).filter((i) => seen[i] === 1)
  const local = new Int32Array(n)
  items.forEach((item, k) => {
    local[item] = k
  })
  const lower = new Int32Array(pairs)
  const higher = new Int32Array(pairs)
  const wins = new Float64Array(pairs)
  const losses = new Float64Array(pairs)
  let k = 0
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      const [above, below] = [won[i * n + j], won[j * n + i]]
      if (above + below === 0) continue
      lower[k] = local[i]
      higher[k] = local[j]
      wins[k] = above
      losses[k] = below
      k++
    }
  }
  return {
    items,
    i: lower,
    j: higher,
    first: null,
    wins,
    losses,
    ties: new Float64Array(pairs),
    comparisons: pairs,
    pairs,
  }
}
