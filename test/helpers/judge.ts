import type { AggregateRequest, AggregateResponse } from '../../schemas/aggregate.ts'
import type { Definition, Facts } from './welfare-functions.ts'

/** A request about given rewards, and nothing else of what requests may have. */
export type Problem = {
  /** Group → item → reward. */
  rewards: Record<string, Record<string, number>>
  groups: { id: string; population: number }[]
  policy: {
    temperature: number
    reference: Record<string, number>
    contexts?: { id: string; weight: number; items: string[] }[]
  }
  constraints?: Constraint[]
}

/** What guardrails are drawn; none is about a single context. */
export type Constraint =
  | { kind: 'floor'; group: string; minimum: number }
  | { kind: 'ceiling'; costs: Record<string, number>; maximum: number }
  | { kind: 'ban'; items: string[] }
  | { kind: 'minimum-share'; items: string[]; minimum: number }

/** The request to /aggregate: rewards are utilities as they are. */
export function requestOf(problem: Problem, { welfare }: Pick<Definition, 'welfare'>): AggregateRequest {
  return { ...problem, utility: { scale: 'none', anchor: 'zero' }, welfare } as unknown as AggregateRequest
}

/** The lottery of one context over its items. */
export type Lottery = { weight: number; shares: Record<string, number>; ruledOut: Set<string> }

/** What an answer says, as numbers. */
type Answer = {
  /** λ and μ. */
  lambda: number[]
  prices: number[]
  /** The lottery of each context, and whether its items are ruled out. */
  policies: Lottery[]
  utilities: number[]
  welfare: number
  gap: number
  relativeGap: number
}

type Loose = {
  weights: Record<string, number>
  weightScale: number
  welfare: number
  policy?: Record<string, number>
  rewards: Record<string, number | null>
  policies?: {
    weight: number
    policy: Record<string, number>
    rewards: Record<string, number | null>
  }[]
  constraints?: { price: number | null }[]
  groups: { id: string; utility: number }[]
  certificate: { gap: number; relativeGap: number }
}

export function readAnswer({ groups }: Problem, response: AggregateResponse): Answer {
  const answer = response as unknown as Loose
  const ruledOut = (rewards: Record<string, number | null>) =>
    new Set(Object.keys(rewards).filter((item) => rewards[item] === null))
  return {
    lambda: groups.map(({ id }) => answer.weights[id] * answer.weightScale),
    prices: (answer.constraints ?? []).map(({ price }) => price ?? 0),
    policies: answer.policies?.map(({ weight, policy, rewards }) => ({
      weight,
      shares: policy,
      ruledOut: ruledOut(rewards),
    })) ?? [{ weight: 1, shares: answer.policy ?? {}, ruledOut: ruledOut(answer.rewards) }],
    utilities: answer.groups.map(({ utility }) => utility),
    welfare: answer.welfare,
    gap: answer.certificate.gap,
    relativeGap: answer.certificate.relativeGap,
  }
}

/** Given rewards that differ by no more than this part of the largest are the same to a group, but for rounding. */
const SAME = 1e-12

/**
 * Population shares, ranges and bests, over the items that some context has, and reaches, over those that are not ruled out
 * either.
 */
export function factsOf({ rewards, groups, policy }: Problem, lotteries: readonly Lottery[] = []): Facts {
  const total = groups.reduce((sum, { population }) => sum + population, 0)
  const contexts = policy.contexts ?? [{ weight: 1, items: Object.keys(policy.reference) }]
  const weights = contexts.reduce((sum, { weight }) => sum + weight, 0)
  const mean = (of: (items: string[]) => number, left: (items: string[], q: number) => string[]) =>
    contexts.reduce((sum, { weight, items }, q) => sum + (weight / weights) * of(left(items, q)), 0)
  const ranges = groups.map(({ id }) => rangeOf(Object.values(rewards[id])))
  const reaches = groups.map(({ id }, g) => {
    const largest = Math.max(...Object.values(rewards[id]).map(Math.abs))
    if (ranges[g] <= SAME * largest) return 0
    return mean(
      (items) => rangeOf(items.map((item) => rewards[id][item])),
      (items, q) => items.filter((item) => !lotteries[q]?.ruledOut.has(item)),
    )
  })
  const still = reaches.every((reach) => reach === 0)
  return {
    population: groups.map(({ population }) => population / total),
    ranges,
    bests: groups.map(({ id }) =>
      mean(
        (items) => Math.max(...items.map((item) => rewards[id][item])),
        (items) => items,
      ),
    ),
    reaches: reaches.map((reach) => (still ? 1 : reach || Number.POSITIVE_INFINITY)),
  }
}

function rangeOf(values: readonly number[]): number {
  return Math.max(...values) - Math.min(...values)
}

/**
 * Whether the most that policies can give each group is told by its items alone: no limits, one context, no group that loses, and
 * none that is indifferent.
 */
function bestsAreKnown(problem: Problem): boolean {
  const values = Object.values(problem.rewards).flatMap((own) => Object.values(own))
  return (
    problem.constraints === undefined &&
    problem.policy.contexts === undefined &&
    values.every((value) => value >= 0) &&
    factsOf(problem).ranges.every((range) => range > 0)
  )
}

/** The reference policy of each context. */
function referencesOf({ policy }: Problem): Record<string, number>[] {
  const whole = Object.values(policy.reference).reduce((a, b) => a + b, 0)
  const contexts = policy.contexts ?? [{ items: Object.keys(policy.reference) }]
  return contexts.map(({ items }) => {
    const total = policy.contexts === undefined ? whole : items.reduce((a, i) => a + policy.reference[i], 0)
    return Object.fromEntries(items.map((item) => [item, policy.reference[item] / total]))
  })
}

/** A linear limit, Σ cost·p ≤ limit. */
function limitsOf({ rewards, constraints = [] }: Problem) {
  return constraints.map((constraint): { cost(item: string): number; limit: number } => {
    if (constraint.kind === 'floor') {
      const own = rewards[constraint.group]
      return { cost: (item) => -own[item], limit: -constraint.minimum }
    }
    if (constraint.kind === 'ceiling')
      return { cost: (item) => constraint.costs[item] ?? 0, limit: constraint.maximum }
    const among = (item: string) => (constraint.items.includes(item) ? 1 : 0)
    return constraint.kind === 'ban'
      ? { cost: among, limit: 0 }
      : { cost: (item) => -among(item), limit: -constraint.minimum }
  })
}

/** x of a policy. */
export function utilitiesAt({ rewards, groups }: Problem, lotteries: readonly Lottery[]): number[] {
  return groups.map(({ id }) => meanOf(lotteries, (item) => rewards[id][item]))
}

/** Σ_q w_q Σ_i p_qi · of(i). */
function meanOf(lotteries: readonly Lottery[], of: (item: string) => number): number {
  return lotteries.reduce(
    (sum, { weight, shares }) =>
      sum + weight * Object.entries(shares).reduce((part, [item, share]) => part + share * of(item), 0),
    0,
  )
}

/** KL(p‖π), relative to what is left of π, so that ruling items out is no part of it. */
function divergenceOf(problem: Problem, lotteries: readonly Lottery[]): number {
  return lotteries.reduce((sum, { weight, shares }, q) => {
    const left = leftOf(problem, lotteries)[q]
    return left.reduce((part, [item, reference]) => {
      const share = shares[item]
      return share > 0 ? part + weight * share * Math.log(share / reference) : part
    }, sum)
  }, 0)
}

/** The items that are not ruled out, with their part of what is left of the reference; one list a context. */
function leftOf(problem: Problem, lotteries: readonly Lottery[]): [string, number][][] {
  return referencesOf(problem).map((reference, q) => {
    const left = Object.entries(reference).filter(([item]) => !lotteries[q].ruledOut.has(item))
    const total = left.reduce((sum, [, share]) => sum + share, 0)
    return left.map(([item, share]) => [item, share / total])
  })
}

/** F(p) = W(x(p)) − β KL(p‖π), by the definition. */
export function objectiveAt(problem: Problem, definition: Definition, lotteries: readonly Lottery[]): number {
  const x = utilitiesAt(problem, lotteries).map((value) =>
    definition.needsGains ? Math.max(0, value) : value,
  )
  const beta = problem.policy.temperature
  const cost = beta > 0 ? beta * divergenceOf(problem, lotteries) : 0
  return definition.value(x, factsOf(problem, lotteries)) - cost
}

/** A problem as one of columns, each an item in a context that is not banned: what a peer is asked. */
export function columnsOf(problem: Problem) {
  const { rewards, groups, policy, constraints = [] } = problem
  const banned = new Set(constraints.flatMap((one) => (one.kind === 'ban' ? one.items : [])))
  const contexts = policy.contexts ?? [{ weight: 1, items: Object.keys(policy.reference) }]
  const total = contexts.reduce((sum, { weight }) => sum + weight, 0)
  const empty = contexts.map(
    ({ weight, items }): Lottery => ({
      weight: weight / total,
      shares: Object.fromEntries(items.map((item) => [item, 0])),
      ruledOut: new Set(items.filter((item) => banned.has(item))),
    }),
  )
  const left = leftOf(problem, empty)
  const columns = left.flatMap((own) => own.map(([item]) => item))
  const limits = limitsOf(problem).filter((_, k) => constraints[k].kind !== 'ban')
  return {
    /** The problem as peers get it. */
    asked: ({ welfare }: Definition) => ({
      welfare,
      utilities: groups.map(({ id }) => columns.map((item) => rewards[id][item])),
      population: factsOf(problem).population,
      ranges: factsOf(problem, empty).reaches,
      reference: left.flatMap((own, q) => own.map(([, share]) => share * empty[q].weight)),
      temperature: policy.temperature,
      sizes: left.map((own) => own.length),
      weights: empty.map(({ weight }) => weight),
      costs: limits.map(({ cost }) => columns.map(cost)),
      limits: limits.map(({ limit }) => limit),
    }),
    /** The lotteries of a policy over columns, rounded onto the simplex. */
    lotteries(policy: readonly number[]): Lottery[] {
      let at = 0
      return empty.map(({ weight, shares, ruledOut }, q) => {
        const own = left[q].map(([item]) => [item, Math.max(0, policy[at++])] as const)
        const sum = own.reduce((part, [, share]) => part + share, 0)
        const kept = Object.fromEntries(own.map(([item, share]) => [item, share / sum]))
        return { weight, shares: { ...shares, ...kept }, ruledOut }
      })
    },
  }
}

/**
 * How sure the numbers of an answer are, computed from them alone and by the definition of W; or what is wrong with them.
 * The gap is told relative to max(|F|, Σ_g λ_g·range_g), and as it is.
 */
export type Verdict = { relativeGap: number; gap: number } | { fault: string }

/** A gap above this is no answer. */
const LIMIT = 1e-8

/**
 * Recomputes the duality gap of an answer, D(λ, μ) − F(p), and checks everything that it rests on.
 *
 * What double precision does to sums of terms as large as these is allowed for.
 */
export function judge(problem: Problem, definition: Definition, response: AggregateResponse): Verdict {
  const { rewards, groups, policy } = problem
  const beta = policy.temperature
  const answer = readAnswer(problem, response)
  const { lambda, prices, policies } = answer
  const facts = factsOf(problem, policies)
  const numbers = [
    ...lambda,
    ...prices,
    ...answer.utilities,
    answer.welfare,
    answer.relativeGap,
    ...policies.flatMap(({ shares }) => Object.values(shares)),
  ]
  if (!numbers.every(Number.isFinite)) return { fault: 'numbers that are none' }
  if (answer.relativeGap > LIMIT) return { fault: `tells a relative gap of ${answer.relativeGap}` }
  for (const { shares, ruledOut } of policies) {
    const total = Object.values(shares).reduce((a, b) => a + b, 0)
    if (!(Math.abs(total - 1) <= 1e-12 && Object.values(shares).every((share) => share >= 0)))
      return { fault: `no lottery: sums to ${total}` }
    if ([...ruledOut].some((item) => shares[item] !== 0)) return { fault: 'chooses what is ruled out' }
  }
  if (prices.some((price) => price < 0)) return { fault: 'a price below 0' }

  const largest = groups.map(({ id }) => Math.max(...Object.values(rewards[id]).map(Math.abs)))
  const x = utilitiesAt(problem, policies)
  const wrong = x.findIndex((value, g) => !(Math.abs(value - answer.utilities[g]) <= 1e-12 * largest[g]))
  if (wrong >= 0)
    return { fault: `utility ${answer.utilities[wrong]} of ${groups[wrong].id}, not ${x[wrong]}` }
  if (definition.needsGains) {
    const lack = Math.max(...x.map((value, g) => (value < 0 ? -value / (facts.ranges[g] || 1) : 0)))
    if (lack > LIMIT) return { fault: `a loss of ${lack} of a range` }
  }
  // Of the utilities that are told, which are those of the policy but for rounding.
  const told = answer.utilities.map((value) => (definition.needsGains ? Math.max(0, value) : value))
  const welfare = definition.value(told, facts)
  if (definition.usesBests === true && !bestsAreKnown(problem))
    return { relativeGap: answer.relativeGap, gap: answer.gap }
  const terms = lambda.reduce((sum, weight, g) => sum + weight * largest[g], 0)
  const grain = definition.grain ?? 0
  if (!(Math.abs(welfare - answer.welfare) <= 1e-9 * Math.max(Math.abs(welfare), terms) + 1e-14 * grain))
    return { fault: `welfare ${answer.welfare}, not ${welfare}` }
  const supports = definition.lexicographic === true && beta === 0
  const outside = supports
    ? Math.max(...lambda.map((weight) => -weight))
    : (definition.outside?.(lambda, facts) ?? 0)
  if (!(outside <= 1e-9)) return { fault: `weights outside the dual set by ${outside}` }

  const limits = limitsOf(problem)
  let bought = 0
  const items = Object.keys(policy.reference)
  for (const [k, { cost, limit }] of limits.entries()) {
    const costs = items.map(cost)
    const range = Math.max(...costs) - Math.min(...costs)
    const over = meanOf(policies, cost) - limit
    if (over > LIMIT * (range || 1)) return { fault: `exceeds limit ${k} by ${over / (range || 1)}` }
    bought += prices[k] * Math.max(0, over)
  }
  let dual = -definition.conjugate(lambda, facts)
  leftOf(problem, policies).forEach((left, q) => {
    const values = left.map(([item]) => {
      const own = groups.reduce((sum, { id }, g) => sum + lambda[g] * rewards[id][item], 0)
      return limits.reduce((sum, { cost }, k) => sum - prices[k] * cost(item), own)
    })
    const top = Math.max(...values)
    const soft = left.reduce((sum, [, share], i) => sum + share * Math.exp((values[i] - top) / beta), 0)
    dual += policies[q].weight * (beta > 0 ? top + beta * Math.log(soft) : top)
  })
  let paid = 0
  limits.forEach(({ limit }, k) => {
    dual += prices[k] * limit
    paid += prices[k] * Math.abs(limit)
  })
  const support = lambda.reduce((sum, weight, g) => sum + weight * x[g], 0)
  const objective = (supports ? support : welfare) - (beta > 0 ? beta * divergenceOf(problem, policies) : 0)
  const ranges = facts.ranges.reduce((sum, range, g) => sum + lambda[g] * range, 0)
  const size = Math.max(Math.abs(objective), ranges)
  const rounding = 1e-14 * (beta + terms + paid + grain + Math.abs(definition.conjugate(lambda, facts)))
  const gap = dual - objective
  if (gap < -(1e-9 * size + rounding + bought)) return { fault: `negative gap ${gap / size}` }
  if (gap > LIMIT * size + rounding)
    return { fault: `relative gap ${gap / size}, told ${answer.relativeGap}` }
  return { relativeGap: size === 0 ? 0 : Math.max(0, gap - rounding) / size, gap: Math.max(0, gap) }
}
