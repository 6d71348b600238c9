import type { AggregateResponse } from '../../../schemas/aggregate.ts'
import type { Pooled } from '../../../schemas/pooled.ts'
import { connectivity } from '../comparisons/connectivity.ts'
import type { PairCounts } from '../comparisons/pairs.ts'
import type { Preferences } from '../preferences.ts'
import { Problem } from '../problem.ts'
import { fitBradleyTerry } from '../rewards/fit-group.ts'
import type { Model } from '../rewards/rewards.ts'
import { firstOf, ranksByScore } from './ranks.ts'
import { addWins } from './wins.ts'

/** All pairs are looked at. */
const ITEM_LIMIT = 1000
/** Rewards within this part of their range share a rank. */
const TIE = 1e-9
/** Shares, and counts, this close relative to their size are the same but for rounding. */
const ROUNDING = 1e-12
/** As many reversed pairs as a person wants to see. */
const EXAMPLES = 10

/**
 * What one Bradley–Terry fit of all comparisons, whoever made them, would have chosen, and the Borda order of the same heap.
 *
 * Where every pair was compared equally often the two orders agree, as Σ_j σ(θ_i − θ_j) is then the wins of i; otherwise
 * the fit depends on which pairs were asked about (Siththaranjan, Laidlaw & Hadfield-Menell, ICLR 2024).
 *
 * @param results what to compare with it: those that have a ranking
 */
export function pooledMember(
  preferences: Preferences,
  model: Model,
  results: readonly AggregateResponse[],
): { pooled?: Pooled } {
  const { items, source } = preferences
  const n = items.length
  if (source.kind === 'rewards' || n > ITEM_LIMIT) return {}
  if (!source.groups.every(({ kind, named }) => kind === 'pairs' && named)) return {}
  const won = new Float64Array(n * n)
  for (const { counts } of source.groups) addWins(counts, n, won)

  const scores = bordaScores(won, n)
  const bordaRanks = ranksByScore(scores, ROUNDING)
  const fit = fitOf(won, n, model)
  const names = (indices: readonly number[]) => indices.map((i) => items[i])
  const listed = <T extends object>(ranks: Int32Array, rest: (i: number) => T) =>
    Array.from(ranks.keys())
      .sort((a, b) => ranks[a] - ranks[b] || a - b)
      .map((i) => ({ item: items[i], rank: ranks[i], ...rest(i) }))
  const place = new Map(items.map((item, i) => [item, i]))
  return {
    pooled: {
      equallyOften: equallyOften(won, n),
      bradleyTerry:
        fit.rewards === null
          ? null
          : {
              winners: names(firstOf(fit.ranks)),
              ranking: listed(fit.ranks, (i) => ({ reward: fit.rewards[i] })),
            },
      reason: fit.reason,
      borda: {
        winners: names(firstOf(bordaRanks)),
        ranking: listed(bordaRanks, (i) => ({ score: scores[i] })),
      },
      against: results.flatMap((result, k) => {
        if (!('ranking' in result)) return []
        const own = new Int32Array(n)
        for (const { item, rank } of result.ranking) own[place.get(item) as number] = rank
        const policy = 'policy' in result ? result.policy : null
        const differs = (ranks: Int32Array) => differenceOf(items, own, ranks, policy)
        return [
          {
            result: k,
            function: result.function,
            winners: names(firstOf(own)),
            bradleyTerry: fit.rewards === null ? null : differs(fit.ranks),
            borda: differs(bordaRanks),
          },
        ]
      }),
    },
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

type HeapFit =
  | { rewards: Float64Array; ranks: Int32Array; reason: null }
  | { rewards: null; ranks: null; reason: string }

/** One fit of everything; items that nobody compared have the mean reward. */
function fitOf(won: Float64Array, n: number, { prior }: Model): HeapFit {
  const counts = heapCounts(won, n)
  const proper = prior.kind === 'gaussian' || prior.kind === 'pseudo-item'
  if (!proper && connectivity(counts).components.length > 1) {
    const reason =
      'All comparisons in one heap have no finite estimate: some items never beat or tied any of the others, directly or ' +
      'through a chain of comparisons, or were never compared with them.'
    return { rewards: null, ranks: null, reason }
  }
  try {
    const fit = fitBradleyTerry(counts, proper ? prior : { kind: 'none' })
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
  const pairs: number[] = []
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      if (won[i * n + j] + won[j * n + i] === 0) continue
      pairs.push(i * n + j)
      seen[i] = seen[j] = 1
    }
  }
  const items = Int32Array.from(Array.from(seen.keys()).filter((i) => seen[i] === 1))
  const local = new Int32Array(n)
  items.forEach((item, k) => {
    local[item] = k
  })
  const row = (at: number) => Math.floor(at / n)
  return {
    items,
    i: Int32Array.from(pairs, (at) => local[row(at)]),
    j: Int32Array.from(pairs, (at) => local[at % n]),
    first: null,
    wins: Float64Array.from(pairs, (at) => won[at]),
    losses: Float64Array.from(pairs, (at) => won[(at % n) * n + row(at)]),
    ties: new Float64Array(pairs.length),
    comparisons: pairs.length,
    pairs: pairs.length,
  }
}

/**
 * How two orders differ, the first of them that of a welfare function with its policy.
 *
 * @param own 0 for items that constraints rule out: these have no place in the order
 */
function differenceOf(
  items: readonly string[],
  own: Int32Array,
  pooled: Int32Array,
  policy: Record<string, number> | null,
): Pooled['against'][number]['borda'] {
  const n = items.length
  const first = firstOf(pooled)
  let reversedPairs = 0
  const examples: string[][] = []
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      if (own[i] === 0 || own[j] === 0 || (own[i] - own[j]) * (pooled[i] - pooled[j]) >= 0) continue
      reversedPairs++
      if (examples.length < EXAMPLES)
        examples.push(own[i] < own[j] ? [items[i], items[j]] : [items[j], items[i]])
    }
  }
  return {
    sameWinners: firstOf(own).join() === first.join(),
    policyShare: policy === null ? null : first.reduce((sum, i) => sum + policy[items[i]], 0),
    reversedPairs,
    examples,
  }
}
