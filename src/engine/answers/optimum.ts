import type {
  ContextualExPostResult,
  ContextualOptimumResult,
  ExPostResult,
  OptimumResult,
} from '../../../schemas/aggregate.ts'
import type { Welfare } from '../../../schemas/welfare.ts'
import { keyedById } from '../comparisons/ids.ts'
import type { ExPostOptimum } from '../welfare/ex-post.ts'
import type { Optimum } from '../welfare/problem.ts'
import type { Aggregation } from './aggregation.ts'
import { constraintsMember } from './constraints.ts'
import { describeGroup, settingsOf } from './members.ts'
import { aggregatedRewards, aggregatedWeights, describePolicies, trainedRewards } from './training.ts'

/** Aggregated rewards within this part of their range share a rank. */
const TIE = 1e-9

/** Tells an optimum in the names of the request. */
export function describeOptimum(
  aggregation: Aggregation,
  welfare: Welfare,
  optimum: Optimum,
): OptimumResult | ContextualOptimumResult {
  const { preferences, choices, problem } = aggregation
  const { groups, items } = preferences
  let weightScale = 0
  for (const weight of optimum.weights) weightScale += weight
  const weights = optimum.weights.map((weight) => weight / weightScale)
  const prices = optimum.prices.map((price) => price / weightScale)
  const trained = trainedRewards(aggregation, aggregatedRewards(aggregation, weights), prices)
  const result = {
    function: welfare.function,
    settings: settingsOf(choices, welfare),
    weights: keyedById(groups, (g) => weights[g]),
    weightScale,
    temperature: problem.temperature / weightScale,
    supportOnly: optimum.supportOnly,
    rewards: keyedById(items, (i) => trained.overall[i]),
    ...aggregatedWeights(aggregation, weights, prices),
  }
  const rest = {
    ranking: rankingOf(items, trained.overall),
    welfare: optimum.welfare,
    groups: groups.map((_, g) => {
      const { id, population, best, ...rest } = describeGroup(aggregation, g)
      const utility = optimum.utilities[g]
      return { id, population, weight: weights[g], utility, best, regret: best - utility, ...rest }
    }),
    ...constraintsMember(aggregation, optimum, weightScale),
    certificate: optimum.certificate,
  }
  const policies = describePolicies(aggregation, optimum.policy, trained)
  return 'policy' in policies ? { ...result, ...policies, ...rest } : { ...result, ...policies, ...rest }
}

/** Tells an optimum ex post in the names of the request. */
export function describeExPost(
  aggregation: Aggregation,
  welfare: Welfare,
  optimum: ExPostOptimum,
): ExPostResult | ContextualExPostResult {
  const { preferences, choices, problem, columns } = aggregation
  const { groups, items } = preferences
  const own = new Array<number | null>(items.length).fill(null)
  columns.forEach((item, column) => {
    own[item] = optimum.rewards[column]
  })
  const trained = trainedRewards(
    aggregation,
    Float64Array.from(own, (reward) => reward ?? 0),
    optimum.prices,
  )
  const rewards = trained.overall.map((reward, i) => (own[i] === null ? null : reward))
  const result = {
    function: welfare.function,
    mode: 'ex-post' as const,
    settings: settingsOf(choices, welfare),
    temperature: problem.temperature,
    rewards: keyedById(items, (i) => rewards[i]),
  }
  const rest = {
    ranking: rankingOf(items, rewards),
    welfare: optimum.welfare,
    groups: groups.map((_, g) => {
      const { id, population, best, ...rest } = describeGroup(aggregation, g)
      const utility = optimum.utilities[g]
      return { id, population, utility, best, regret: best - utility, ...rest }
    }),
    ...constraintsMember(aggregation, optimum, 1),
    certificate: optimum.certificate,
  }
  const policies = describePolicies(aggregation, optimum.policy, trained)
  return 'policy' in policies ? { ...result, ...policies, ...rest } : { ...result, ...policies, ...rest }
}

/** The items that are not ruled out, from the best reward down. */
function rankingOf(items: readonly string[], rewards: readonly (number | null)[]) {
  const allowed = Array.from(items.keys()).filter((i) => rewards[i] !== null)
  const ranked = Float64Array.from(allowed, (i) => rewards[i] as number)
  return rank(ranked).map(({ item, rank }) => ({ item: items[allowed[item]], rank, reward: ranked[item] }))
}

/** Items from the best reward down, with competition ranks (1, 1, 3): those that tie with the first of a rank share it. */
function rank(rewards: Float64Array): { item: number; rank: number }[] {
  const order = Array.from(rewards, (_, item) => item).sort((a, b) => rewards[b] - rewards[a] || a - b)
  const range = rewards[order[0]] - rewards[order[order.length - 1]]
  let leader = 0
  return order
    .map((item, place) => {
      if (rewards[order[leader]] - rewards[item] > TIE * range) leader = place
      return { item, rank: leader + 1 }
    })
    .sort((a, b) => a.rank - b.rank || a.item - b.item)
}
