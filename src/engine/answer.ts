import type {
  ContextualExPostResult,
  ContextualFrontPolicy,
  ContextualOptimumResult,
  ExPostResult,
  FrontGroup,
  FrontItem,
  FrontPolicy,
  FrontResult,
  OptimumResult,
} from '../../schemas/aggregate.ts'
import type { ConstraintResult } from '../../schemas/constraints.ts'
import type { Welfare } from '../../schemas/welfare.ts'
import { keyedById } from './comparisons/ids.ts'
import type { Rewards, Voters } from './fitted.ts'
import { bestOf, type Conflict, type Limit } from './pose.ts'
import { MAX_ERRORS, Problem } from './problem.ts'
import type { Choices } from './settings.ts'
import type { GroupUtilities } from './utilities/utilities.ts'
import type { OutOfDomain } from './welfare/custom/start.ts'
import type { BelowAnchor, ExPostOptimum } from './welfare/ex-post.ts'
import type { ItemFront } from './welfare/front/items.ts'
import type { ParetoFront } from './welfare/front/pareto-front.ts'
import type { PolicyFront } from './welfare/front/policies.ts'
import type { NoGains } from './welfare/gains.ts'
import { slackRows } from './welfare/guardrails.ts'
import type { Optimum, WelfareProblem } from './welfare/problem.ts'
import { utilitiesOf as totalsOf } from './welfare/table.ts'

/** All that an answer is told from: the stages of one aggregation, still in integers. */
export type Aggregation = {
  preferences: Voters
  choices: Choices
  rewards: Rewards[]
  utilities: GroupUtilities[]
  problem: WelfareProblem
  /** The item of each column of the problem; length n of the problem. */
  columns: Int32Array
  /** What each constraint is in the problem. */
  limits: Limit[]
}

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

/** Tells a Pareto front in the names of the request. */
export function describeFront(aggregation: Aggregation, found: ParetoFront): FrontResult {
  const { preferences, choices, columns } = aggregation
  const { groups } = preferences
  const items = Array.from(columns, (item) => preferences.items[item])
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

function frontItems(
  { preferences, problem, columns }: Aggregation,
  { items: found }: ItemFront,
): FrontItem[] {
  const { groups, items } = preferences
  return found.map(({ item, weights, radius, share, shareError }) => ({
    item: items[columns[item]],
    utilities: keyedById(groups, (g) => problem.utilities[g * problem.items + item]),
    supported: weights !== null,
    weights: weights === null ? null : keyedById(groups, (g) => weights[g]),
    radius,
    share,
    shareError,
  }))
}

function frontPolicies(
  aggregation: Aggregation,
  { policies }: PolicyFront,
): (FrontPolicy | ContextualFrontPolicy)[] {
  const { preferences, problem } = aggregation
  const { groups, items } = preferences
  return policies.map(({ weights, prices, policy, utilities, divergence }) => {
    const trained = trainedRewards(aggregation, aggregatedRewards(aggregation, weights), prices)
    const result = {
      weights: keyedById(groups, (g) => weights[g]),
      temperature: problem.temperature,
      rewards: keyedById(items, (i) => trained.overall[i]),
      utilities: keyedById(groups, (g) => utilities[g]),
      divergence,
    }
    const chosen = describePolicies(aggregation, policy, trained)
    return 'policy' in chosen ? { ...result, ...chosen } : { ...result, ...chosen }
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

/** The refusal where the constraints leave no room, with the names and multipliers that prove it. */
export function conflictProblem({ constraints }: Choices, conflict: Conflict): Problem {
  const named = conflict.constraints.map(({ constraint, multiplier }) => ({
    name: constraints[constraint].name,
    multiplier,
  }))
  const names = named.map(({ name }) => `"${name}"`).join(', ')
  const alone = named.length === 1
  const why =
    conflict.room < 0
      ? `No policy keeps ${alone ? 'the constraint' : 'these constraints together'}: ${names}.`
      : `Policies that keep ${alone ? 'the constraint' : 'these constraints'} have nothing to spare: ${names}. ` +
        'Prices of limits that leave no room are not defined.'
  return new Problem('constraints-conflict', `${why} Loosen ${alone ? 'it' : 'or leave out one of them'}.`, {
    evidence: { conflict: { constraints: named, largestSlack: conflict.room } },
  })
}

/** The refusal where no policy gives every group a gain, with the weights and prices that prove it. */
export function noGainsProblem(
  { preferences, choices, utilities, limits }: Aggregation,
  welfare: Welfare,
  proof: NoGains,
): Problem {
  const { groups } = preferences
  const indifferent = groups.filter((_, g) => utilities[g].indifferent)
  const because =
    indifferent.length > 0
      ? `All items are the same to ${indifferent.map((id) => `"${id}"`).join(', ')}, so that no policy gives it a gain. ` +
        'Leave indifferent groups out, or use maximin or utilitarian.'
      : limits.length > 0
        ? 'At the weights and prices in `certificate` no policy within the constraints has a positive aggregated utility. ' +
          'Loosen the constraints, choose another anchor, or maximin or utilitarian.'
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
          ...(limits.length === 0 ? {} : { prices: pricesByName(choices, limits, proof.prices) }),
          largestAggregatedUtility: proof.bound,
        },
      },
    },
  )
}

/** The refusal where no policy reaches the domain of a custom expression, with the tangent that proves it. */
export function outOfDomainProblem(
  { preferences }: Aggregation,
  welfare: Welfare,
  { proof, bound, parts }: OutOfDomain,
): Problem {
  const { weights, level } = proof.tangent
  const are = parts.length > 1 ? 'are' : 'is'
  return new Problem(
    'no-acceptable-policy',
    `The expression is defined only where ${parts.join(' and ')} ${are} above 0 (a logarithm, root, product, or power below 1 ` +
      'is taken of it), and no policy within the constraints makes it so. Choose another anchor, add a constant to what is ' +
      'taken of, or leave indifferent groups out.',
    {
      evidence: {
        function: welfare.function,
        expressions: parts,
        certificate: {
          weights: keyedById(preferences.groups, (g) => weights[g]),
          constant: level,
          largest: bound,
        },
      },
    },
  )
}

/** The refusal where items have no welfare ex post, with the names of those that leave a group below its anchor. */
export function belowAnchorProblem(
  { preferences, columns }: Aggregation,
  welfare: Welfare,
  { cases }: BelowAnchor,
): Problem {
  const { groups, items } = preferences
  const pairs = new Map(cases.map(({ column, group }) => [`${columns[column]} ${group}`, { column, group }]))
  const named = Array.from(pairs.values(), ({ column, group }) => ({
    item: items[columns[column]],
    group: groups[group],
  }))
  const { item, group } = named[0]
  const more = named.length > 1 ? ` (and ${named.length - 1} more such pairs)` : ''
  return new Problem(
    'no-acceptable-policy',
    `${welfare.function} is not defined where a group has less than its anchor, and ex post it is applied to every single ` +
      `item: "${item}" gives "${group}" less${more}. Choose the anchor worst, ban such items, or leave mode out.`,
    { evidence: { function: welfare.function, belowAnchor: named.slice(0, MAX_ERRORS) } },
  )
}

/** How many groups and items there are. */
export function sizesOf({ groups, items }: Voters): { groups: number; items: number } {
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

function describeGroup({ preferences, choices, rewards, utilities }: Aggregation, g: number): FrontGroup {
  const { groups, items, population } = preferences
  const { values, anchor, scaleFactor, indifferent } = utilities[g]
  const { fit, seen, weights, values: reward } = rewards[g]
  return {
    id: groups[g],
    population: population[g],
    best: bestOf(values, choices.contexts),
    rewards: keyedById(items, (i) => reward[i]),
    utilities: keyedById(items, (i) => values[i]),
    anchor,
    scaleFactor,
    indifferent,
    unseenItems: unseenItems(seen, items),
    ...(weights === null ? {} : { rewardWeights: Array.from(weights) }),
    ...fit,
  }
}

/** The policy of each context over its items. */
function policiesOf({ choices, problem, columns }: Aggregation, policy: Float64Array): Float64Array[] {
  const { starts } = problem.contexts
  return choices.contexts.map(({ items, weight }, q) => {
    const place = new Map(Array.from(items, (item, k) => [item, k]))
    const own = new Float64Array(items.length)
    for (let i = starts[q]; i < starts[q + 1]; i++) own[place.get(columns[i]) as number] = policy[i] / weight
    return own
  })
}

/** Σ_g λ_g u_gi; length n. */
function aggregatedRewards({ utilities }: Aggregation, weights: Float64Array): Float64Array {
  const total = new Float64Array(utilities[0].values.length)
  utilities.forEach(({ values }, g) => {
    for (let i = 0; i < total.length; i++) total[i] += weights[g] * values[i]
  })
  return total
}

/** The policy by item, or the policies and rewards of the contexts that the request names. */
function describePolicies(
  aggregation: Aggregation,
  policy: Float64Array,
  { inContext }: { inContext: (number | null)[][] },
) {
  const { preferences, choices } = aggregation
  const { items } = preferences
  const policies = policiesOf(aggregation, policy)
  if (choices.settings.policy.contexts === undefined)
    return { policy: keyedById(items, (i) => policies[0][i]) }
  return {
    policies: choices.contexts.map(({ id, weight, items: own }, q) => {
      const names = Array.from(own, (i) => items[i])
      return {
        context: id,
        weight,
        policy: keyedById(names, (k) => policies[q][k]),
        rewards: keyedById(names, (k) => inContext[q][k]),
      }
    }),
  }
}

/** The items that are not ruled out, from the best reward down. */
function rankingOf(items: readonly string[], rewards: readonly (number | null)[]) {
  const allowed = Array.from(items.keys()).filter((i) => rewards[i] !== null)
  const ranked = Float64Array.from(allowed, (i) => rewards[i] as number)
  return rank(ranked).map(({ item, rank }) => ({ item: items[allowed[item]], rank, reward: ranked[item] }))
}

/** What became of the constraints; no member where the request has none. */
function constraintsMember(
  aggregation: Aggregation,
  optimum: Pick<Optimum, 'policy' | 'prices'>,
  weightScale: number,
): { constraints?: ConstraintResult[] } {
  if (aggregation.choices.settings.constraints === undefined) return {}
  return { constraints: describeConstraints(aggregation, optimum, weightScale) }
}

/**
 * The rewards to train on: what items are worth to the welfare, less Σ_k μ_k c_ki; over all contexts with the constraints of
 * all, and in each context with its own besides. Null for items that are ruled out.
 *
 * @param total Σ_g λ_g u_gi, or ex post W(u_i); over all items of the request
 */
function trainedRewards(
  { preferences, choices, problem, columns, limits }: Aggregation,
  total: Float64Array,
  prices: Float64Array,
): { overall: (number | null)[]; inContext: (number | null)[][] } {
  const n = preferences.items.length
  const sum = total.slice()
  const add = (values: Float64Array, factor: number, to: Float64Array) => {
    for (let i = 0; i < n; i++) to[i] += factor * values[i]
  }
  const own = choices.contexts.map(() => null as Float64Array | null)
  for (const { costs, context, guardrail } of limits) {
    if (guardrail === null) continue
    if (context === null) add(costs, -prices[guardrail], sum)
    else {
      own[context] ??= new Float64Array(n)
      add(costs, -prices[guardrail] / choices.contexts[context].weight, own[context])
    }
  }
  const { starts } = problem.contexts
  const chosen = new Set(columns)
  const anywhere = new Set(choices.contexts.flatMap(({ items }) => Array.from(items)))
  const inContext = choices.contexts.map(({ items }, q) => {
    const left = new Set(columns.subarray(starts[q], starts[q + 1]))
    return Array.from(items, (i) => (left.has(i) ? sum[i] + (own[q]?.[i] ?? 0) : null))
  })
  const overall = Array.from(sum, (value, i) => (chosen.has(i) || !anywhere.has(i) ? value : null))
  return { overall, inContext }
}

/** What became of each constraint. */
function describeConstraints(
  { choices, problem, columns, limits }: Aggregation,
  { policy, prices }: Pick<Optimum, 'policy' | 'prices'>,
  weightScale: number,
): ConstraintResult[] {
  const { starts } = problem.contexts
  const slacks = new Float64Array(prices.length)
  totalsOf({ groups: prices.length, items: problem.items, utilities: slackRows(problem) }, policy, slacks)
  return limits.map(({ costs, limit, context, guardrail, excludes }, k) => {
    const { name, kind } = choices.constraints[k]
    const [from, to] = context === null ? [0, problem.items] : [starts[context], starts[context + 1]]
    const share = context === null ? 1 : choices.contexts[context].weight
    let cost = 0
    for (let i = from; i < to; i++) cost += (policy[i] * costs[columns[i]]) / share
    // Floors and minimum shares are told the way they were asked for: as what is to be reached.
    const sign = kind === 'floor' || kind === 'minimum-share' ? -1 : 1
    const price = excludes ? null : guardrail === null ? 0 : prices[guardrail]
    return {
      name,
      kind,
      ...(context === null ? {} : { context: choices.contexts[context].id }),
      limit: sign * limit,
      value: sign * cost,
      slack: guardrail === null ? 0 : slacks[guardrail],
      binding: price !== 0,
      price,
      weight: price === null ? null : price / weightScale,
    }
  })
}

/** Prices by the names of the constraints; those that rule items out have none. */
function pricesByName(
  { constraints }: Choices,
  limits: readonly Limit[],
  prices: Float64Array,
): Record<string, number> {
  const priced = limits.flatMap(({ guardrail }, k) => (guardrail === null ? [] : [{ k, guardrail }]))
  return keyedById(
    priced.map(({ k }) => constraints[k].name),
    (at) => prices[priced[at].guardrail],
  )
}

/**
 * Σ_g λ_g · scaleFactor_g · w_g, where rewards are linear in features and stay so when they are scaled; the price of a floor
 * is added to its group's λ.
 */
function aggregatedWeights(
  { choices, rewards, utilities, limits }: Aggregation,
  weights: Float64Array,
  prices: Float64Array,
): { rewardWeights?: number[] } {
  const width = rewards[0].weights?.length ?? 0
  if (width === 0 || utilities.some(({ scaleFactor }) => scaleFactor === null)) return {}
  const factors = weights.slice()
  for (const [k, constraint] of choices.constraints.entries()) {
    const { guardrail } = limits[k]
    if (constraint.kind !== 'floor' || guardrail === null) continue
    if (constraint.context !== null) return {}
    factors[constraint.group] += prices[guardrail]
  }
  const sum = new Array<number>(width).fill(0)
  rewards.forEach(({ weights: own }, g) => {
    own?.forEach((weight, f) => {
      sum[f] += factors[g] * (utilities[g].scaleFactor as number) * weight
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
