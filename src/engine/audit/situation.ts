import type { Welfare } from '../../../schemas/welfare.ts'
import { optimumOf } from '../aggregate.ts'
import type { Aggregation } from '../answer.ts'
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
  const rule = ruleOf(welfare) as Rule
  return { aggregation, welfare, rule, optimum: await optimumOf(aggregation, welfare, rule) }
}

/** What a policy gives to each item of the request, over all contexts; length n. The same for differences of policies. */
export function overItems({ problem }: Aggregation, policy: Float64Array): Float64Array {
  const sums = new Float64Array(problem.items)
  for (let column = 0; column < problem.items; column++) sums[column] += policy[column]
  return sums
}

/** The aggregated reward of each item of the request, Σ_g λ_g u_gi − Σ_k μ_k C_ki over Σ λ; length n. */
export function aggregatedRewards({ aggregation: { problem }, optimum }: Situation): Float64Array {
  const { groups, items, utilities, guardrails } = problem
  const rewards = new Float64Array(items)
  for (let g = 0; g < groups; g++)
    for (let i = 0; i < items; i++) rewards[i] += optimum.weights[g] * utilities[g * items + i]
  for (let k = 0; k < optimum.prices.length; k++)
    for (let i = 0; i < items; i++) rewards[i] -= optimum.prices[k] * guardrails.costs[k * items + i]
  const scale = optimum.weights.reduce((a, b) => a + b)
  return rewards.map((reward) => reward / scale)
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

/** ½ Σ |p_i − q_i|: the part of the decisions that differ. */
export function totalVariation(p: Float64Array, q: Float64Array): number {
  let sum = 0
  for (let i = 0; i < p.length; i++) sum += Math.abs(p[i] - q[i])
  return sum / 2
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
