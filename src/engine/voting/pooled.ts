import type { AggregateResponse } from '../../../schemas/aggregate.ts'
import type { Pooled } from '../../../schemas/pooled.ts'
import type { Heap } from './heap.ts'
import { firstOf } from './ranks.ts'

/** As many reversed pairs as a person wants to see. */
const EXAMPLES = 10

/**
 * What one Bradley–Terry fit of all comparisons, whoever made them, would have chosen, and the Borda order of the same heap.
 *
 * Where every pair was compared equally often the two orders agree, as Σ_j σ(θ_i − θ_j) is then the wins of i; otherwise
 * the fit depends on which pairs were asked about (Siththaranjan, Laidlaw & Hadfield-Menell, ICLR 2024).
 *
 * @param heap null where nothing is told of it
 * @param results what to compare with it: those that have a ranking
 */
export function pooledMember(
  items: readonly string[],
  heap: Heap | null,
  results: readonly AggregateResponse[],
): { pooled?: Pooled } {
  if (heap === null) return {}
  const n = items.length
  const { equallyOften, borda, fit } = heap
  const names = (indices: readonly number[]) => indices.map((i) => items[i])
  const listed = <T extends object>(ranks: Int32Array, rest: (i: number) => T) =>
    Array.from(ranks.keys())
      .sort((a, b) => ranks[a] - ranks[b] || a - b)
      .map((i) => ({ item: items[i], rank: ranks[i], ...rest(i) }))
  const place = new Map(items.map((item, i) => [item, i]))
  return {
    pooled: {
      equallyOften,
      bradleyTerry:
        fit.rewards === null
          ? null
          : {
              winners: names(firstOf(fit.ranks)),
              ranking: listed(fit.ranks, (i) => ({ reward: fit.rewards[i] })),
            },
      reason: fit.reason,
      borda: {
        winners: names(firstOf(borda.ranks)),
        ranking: listed(borda.ranks, (i) => ({ score: borda.scores[i] })),
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
            borda: differs(borda.ranks),
          },
        ]
      }),
    },
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
