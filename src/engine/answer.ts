import type {
  FrontGroup,
  FrontItem,
  FrontPolicy,
  FrontResult,
  OptimumResult,
} from '../../schemas/aggregate.ts'
import type {
  Discovery as DiscoveryAnswer,
  FitSummary,
  FittedGroup as FittedGroupAnswer,
} from '../../schemas/fit.ts'
import type { Welfare } from '../../schemas/welfare.ts'
import type { Discovery } from './annotators/discover.ts'
import { keyedById } from './comparisons/ids.ts'
import type { Preferences } from './preferences.ts'
import { Problem } from './problem.ts'
import type { FittedGroup, GroupRewards } from './rewards/rewards.ts'
import type { Choices } from './settings.ts'
import type { GroupUtilities } from './utilities/utilities.ts'
import type { ItemFront } from './welfare/front/items.ts'
import type { ParetoFront } from './welfare/front/pareto-front.ts'
import type { PolicyFront } from './welfare/front/policies.ts'
import type { NoGains } from './welfare/gains.ts'
import type { Optimum, WelfareProblem } from './welfare/problem.ts'

/** All that an answer is told from: the stages of one aggregation, still in integers. */
export type Aggregation = {
  preferences: Preferences
  choices: Choices
  rewards: GroupRewards[]
  utilities: GroupUtilities[]
  problem: WelfareProblem
}

/** Aggregated rewards within this part of their range share a rank. */
const TIE = 1e-9

/** Tells an optimum in the names of the request. */
export function describeOptimum(aggregation: Aggregation, welfare: Welfare, optimum: Optimum): OptimumResult {
  const { preferences, choices, problem } = aggregation
  const { groups, items } = preferences
  let weightScale = 0
  for (const weight of optimum.weights) weightScale += weight
  const weights = optimum.weights.map((weight) => weight / weightScale)
  const rewards = aggregatedRewards(problem, weights)
  return {
    function: welfare.function,
    settings: settingsOf(choices, welfare),
    weights: keyedById(groups, (g) => weights[g]),
    weightScale,
    temperature: problem.temperature / weightScale,
    supportOnly: optimum.supportOnly,
    rewards: keyedById(items, (i) => rewards[i]),
    ...aggregatedWeights(aggregation, weights),
    policy: keyedById(items, (i) => optimum.policy[i]),
    ranking: rank(rewards).map(({ item, rank }) => ({ item: items[item], rank, reward: rewards[item] })),
    welfare: optimum.welfare,
    groups: groups.map((_, g) => {
      const { id, population, best, ...rest } = describeGroup(aggregation, g)
      const utility = optimum.utilities[g]
      return { id, population, weight: weights[g], utility, best, regret: best - utility, ...rest }
    }),
    certificate: optimum.certificate,
  }
}

/** Tells a Pareto front in the names of the request. */
export function describeFront(aggregation: Aggregation, found: ParetoFront): FrontResult {
  const { preferences, choices } = aggregation
  const { groups, items } = preferences
  const front = found.kind === 'items' ? frontItems(aggregation, found) : frontPolicies(aggregation, found)
  const { volume, error } = found.kind === 'items' ? found.hypervolume : found.hypervolume.inner
  const bounded = Number.isFinite(volume)
  return {
    function: 'pareto-front',
    settings: settingsOf(choices, { function: 'pareto-front' }),
    front: front as FrontResult['front'],
    ...(found.kind === 'policies' ? { approximation: approximationOf(found) } : {}),
    dominated: found.dominated.map(({ item, by, count }) => ({
      item: items[item],
      by: by.map((other) => items[other]),
      count,
    })),
    lotteryDominated:
      found.kind === 'policies'
        ? []
        : found.lotteryDominated.map(({ item, by, gains }) => ({
            item: items[item],
            by: keyedById(
              by.map((part) => items[part.item]),
              (k) => by[k].probability,
            ),
            gains: keyedById(groups, (g) => gains[g]),
          })),
    hypervolume: bounded ? volume : null,
    hypervolumeError: bounded ? error : null,
    knee: front[found.knee],
    groups: groups.map((_, g) => describeGroup(aggregation, g)),
    certificate: found.certificate,
  }
}

function frontItems({ preferences, problem }: Aggregation, { items: found }: ItemFront): FrontItem[] {
  const { groups, items } = preferences
  return found.map(({ item, weights, radius, share, shareError }) => ({
    item: items[item],
    utilities: keyedById(groups, (g) => problem.utilities[g * items.length + item]),
    supported: weights !== null,
    weights: weights === null ? null : keyedById(groups, (g) => weights[g]),
    radius,
    share,
    shareError,
  }))
}

function frontPolicies({ preferences, problem }: Aggregation, { policies }: PolicyFront): FrontPolicy[] {
  const { groups, items } = preferences
  return policies.map(({ weights, policy, utilities, divergence }) => {
    const rewards = aggregatedRewards(problem, weights)
    return {
      weights: keyedById(groups, (g) => weights[g]),
      temperature: problem.temperature,
      policy: keyedById(items, (i) => policy[i]),
      rewards: keyedById(items, (i) => rewards[i]),
      utilities: keyedById(groups, (g) => utilities[g]),
      divergence,
    }
  })
}

function approximationOf({ approximation, hypervolume }: PolicyFront): FrontResult['approximation'] {
  const { volume, error } = hypervolume.outer
  const bounded = Number.isFinite(volume)
  return {
    ...approximation,
    hypervolumeLimit: bounded ? volume : null,
    hypervolumeLimitError: bounded ? error : null,
  }
}

/** The refusal where no policy gives every group a gain, with the weights that prove it. */
export function noGainsProblem(
  { preferences, utilities }: Aggregation,
  welfare: Welfare,
  proof: NoGains,
): Problem {
  const { groups } = preferences
  const indifferent = groups.filter((_, g) => utilities[g].indifferent)
  const because =
    indifferent.length > 0
      ? `All items are the same to ${indifferent.map((id) => `"${id}"`).join(', ')}, so that no policy gives it a gain. ` +
        'Leave indifferent groups out, or use maximin or utilitarian.'
      : 'At the weights in `certificate` no item has a positive aggregated utility, so that no lottery over items can give ' +
        'every group a gain over its anchor. Choose another anchor (`worst` always leaves room), or maximin or utilitarian.'
  return new Problem(
    'no-acceptable-policy',
    `${welfare.function} needs a policy at which every group gains, and there is none. ${because}`,
    {
      evidence: {
        function: welfare.function,
        indifferentGroups: indifferent,
        certificate: {
          weights: keyedById(groups, (g) => proof.weights[g]),
          largestAggregatedUtility: proof.bound,
        },
      },
    },
  )
}

/** What was fitted to a group, and how well. */
export function fitSummary({ data: { counts }, fit }: FittedGroup): FitSummary {
  return {
    comparisons: counts.comparisons,
    pairs: counts.pairs,
    logLikelihood: fit.logLikelihood,
    gradientNorm: fit.gradientNorm,
    errorEstimate: fit.errorEstimate,
    iterations: fit.iterations,
    converged: true,
  }
}

/** How reliable a group's annotators are; no members where all count the same. */
export function reliabilityMembers(
  { annotators }: Preferences,
  { data, reliability }: FittedGroup,
): Pick<FittedGroupAnswer, 'annotators' | 'reliability'> {
  if (data.kind !== 'pairs' || data.judgements === null || reliability === null) return {}
  const { judgements } = data
  const { reliabilities, ...found } = reliability
  return {
    annotators: keyedById(
      Array.from(judgements.annotators, (a) => annotators[a]),
      (a) => ({ reliability: reliabilities[a], comparisons: judgements.comparisons[a] }),
    ),
    reliability: { ...found, localOptimum: true },
  }
}

/** Which groups were discovered; no member where groups were named. */
export function discoveryMember(
  { groups, annotators }: Preferences,
  discovery: Discovery | null,
): { discovery?: DiscoveryAnswer } {
  if (discovery === null) return {}
  const { responsibilities, candidates, starts, followed, startsAgreeing } = discovery
  return {
    discovery: {
      groups: groups.length,
      bic: candidates.map(({ groups, parameters, found }) => ({
        groups,
        parameters,
        logLikelihood: found?.logLikelihood ?? null,
        logPosterior: found?.logPosterior ?? null,
        bic: found?.bic ?? null,
        gradientNorm: found?.gradientNorm ?? null,
      })),
      starts,
      followed,
      startsAgreeing,
      localOptimum: true,
      annotators: keyedById(annotators, (a) =>
        keyedById(groups, (c) => responsibilities[a * groups.length + c]),
      ),
    },
  }
}

/** How many groups and items there are. */
export function sizesOf({ groups, items }: Preferences): { groups: number; items: number } {
  return { groups: groups.length, items: items.length }
}

/** The items that a group never compared. */
export function unseenItems(seen: Uint8Array, items: readonly string[]): string[] {
  return items.filter((_, i) => seen[i] === 0)
}

function settingsOf({ settings }: Choices, welfare: Welfare): OptimumResult['settings'] {
  const { seed, ...rest } = settings
  return { ...rest, welfare, seed }
}

function describeGroup({ preferences, rewards, utilities }: Aggregation, g: number): FrontGroup {
  const { groups, items, population } = preferences
  const { values, anchor, scaleFactor, indifferent } = utilities[g]
  const { fitted, seen, weights, values: reward } = rewards[g]
  let best = values[0]
  for (const value of values) if (value > best) best = value
  return {
    id: groups[g],
    population: population[g],
    best,
    rewards: keyedById(items, (i) => reward[i]),
    utilities: keyedById(items, (i) => values[i]),
    anchor,
    scaleFactor,
    indifferent,
    unseenItems: unseenItems(seen, items),
    ...(weights === null ? {} : { rewardWeights: Array.from(weights) }),
    ...(fitted === null ? {} : { fit: fitSummary(fitted), ...reliabilityMembers(preferences, fitted) }),
  }
}

/** Σ_g λ_g u_gi; length n. */
function aggregatedRewards(
  { groups, items, utilities }: WelfareProblem,
  weights: Float64Array,
): Float64Array {
  const rewards = new Float64Array(items)
  for (let g = 0; g < groups; g++)
    for (let i = 0; i < items; i++) rewards[i] += weights[g] * utilities[g * items + i]
  return rewards
}

/** Σ_g λ_g · scaleFactor_g · w_g, where rewards are linear in features and stay so when they are scaled. */
function aggregatedWeights(
  { rewards, utilities }: Aggregation,
  weights: Float64Array,
): { rewardWeights?: number[] } {
  const width = rewards[0].weights?.length ?? 0
  if (width === 0 || utilities.some(({ scaleFactor }) => scaleFactor === null)) return {}
  const sum = new Array<number>(width).fill(0)
  rewards.forEach(({ weights: own }, g) => {
    own?.forEach((weight, f) => {
      sum[f] += weights[g] * (utilities[g].scaleFactor as number) * weight
    })
  })
  return { rewardWeights: sum }
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
