import type { Welfare } from '../../../schemas/welfare.ts'
import { optimumOf } from '../aggregate.ts'
import type { Aggregation } from '../answers/aggregation.ts'
import { describeOptimum } from '../answers/optimum.ts'
import { contextOfEach } from '../welfare/contexts.ts'
import type { Optimum } from '../welfare/problem.ts'
import { type Rule, ruleOf } from '../welfare/rule.ts'

/** One set of choices on one fit, and what follows from them. */
export type Situation = {
  aggregation: Aggregation
  welfare: Welfare
  rule: Rule
  optimum: Optimum
}

/**
 * Solves what some choices pose.
 *
 * @throws Problem that tells why there is no optimum
 */
export async function situationOf(aggregation: Aggregation, welfare: Welfare): Promise<Situation> {
  const rule = ruleOf(welfare, aggregation.preferences.groups) as Rule
  return { aggregation, welfare, rule, optimum: await optimumOf(aggregation, welfare, rule) }
}

/** What a policy gives to each item of the request, over all contexts; length n. The same for differences of policies. */
export function overItems({ preferences, columns }: Aggregation, policy: Float64Array): Float64Array {
  const sums = new Float64Array(preferences.items.length)
  columns.forEach((item, column) => {
    sums[item] += policy[column]
  })
  return sums
}

/** The aggregated reward of each item of the request, −∞ for those that a constraint rules out; length n. */
export function aggregatedRewards({ aggregation, welfare, optimum }: Situation): Float64Array {
  const { rewards } = describeOptimum(aggregation, welfare, optimum)
  return Float64Array.from(aggregation.preferences.items, (id) => rewards[id] ?? Number.NEGATIVE_INFINITY)
}

/** The item that the policy chooses most often; of several the one with the larger aggregated reward, then the first. */
export function winnerOf(situation: Situation): number {
  const shares = overItems(situation.aggregation, situation.optimum.policy)
  const rewards = aggregatedRewards(situation)
  let winner = 0
  for (let i = 1; i < shares.length; i++) {
    const lead = shares[i] - shares[winner]
    if (lead > TIE || (lead > -TIE && rewards[i] > rewards[winner])) winner = i
  }
  return winner
}

/** Shares that differ by less are the same to rounding. */
const TIE = 1e-9

/** ½ Σ |p_i − q_i| over the items of every context: the part of the decisions that differ between two situations. */
export function totalVariation(one: Situation, other: Situation): number {
  const shares = sharesOf(one)
  let sum = 0
  for (const [place, share] of sharesOf(other)) {
    sum += Math.abs(share - (shares.get(place) ?? 0))
    shares.delete(place)
  }
  for (const share of shares.values()) sum += share
  return sum / 2
}

/** The probability of every item in every context: columns differ between situations in which constraints rule out others. */
function sharesOf({
  aggregation: { preferences, problem, columns },
  optimum,
}: Situation): Map<number, number> {
  const context = contextOfEach(problem.contexts)
  const shares = new Map<number, number>()
  columns.forEach((item, column) => {
    shares.set(context[column] * preferences.items.length + item, optimum.policy[column])
  })
  return shares
}

/** How groups, items and shares are written in sentences. */
export function wordsOf({ aggregation: { preferences } }: Situation) {
  const group = (g: number) => `"${preferences.groups[g]}"`
  return {
    group,
    item: (i: number) => `"${preferences.items[i]}"`,
    list: (members: readonly number[]) =>
      members.length === 1
        ? group(members[0])
        : `${members.slice(0, -1).map(group).join(', ')} and ${group(members[members.length - 1])}`,
    percent: (share: number) => `${Number((100 * share).toPrecision(3))}%`,
  }
}
