import type { AggregateRequest, AggregateResponse } from '../schemas/aggregate.ts'
import type { Definition, Facts } from './functions.ts'

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

/** What an answer says, as numbers. */
type Answer = {
  /** λ and μ. */
  lambda: number[]
  prices: number[]
  /** The lottery of each context, and whether its items are ruled out. */
  policies: { weight: number; shares: Record<string, number>; ruledOut: Set<string> }[]
  utilities: number[]
  welfare: number
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
  certificate: { relativeGap: number }
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
    relativeGap: answer.certificate.relativeGap,
  }
}

/** Population shares, ranges and bests, over the items that some context has. */
export function factsOf({ rewards, groups, policy }: Problem): Facts {
  const total = groups.reduce((sum, { population }) => sum + population, 0)
  const contexts = policy.contexts ?? [{ weight: 1, items: Object.keys(policy.reference) }]
  const weights = contexts.reduce((sum, { weight }) => sum + weight, 0)
  return {
    population: groups.map(({ population }) => population / total),
    ranges: groups.map(({ id }) => {
      const values = Object.values(rewards[id])
      return Math.max(...values) - Math.min(...values)
    }),
    bests: groups.map(({ id }) =>
      contexts.reduce(
        (sum, { weight, items }) =>
          sum + (weight / weights) * Math.max(...items.map((item) => rewards[id][item])),
        0,
      ),
    ),
  }
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

/** How sure the numbers of an answer are, computed from them alone and by the definition of W; or what is wrong with them. */
export type Verdict = { gap: number; objective: number } | { fault: string }

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
  const facts = factsOf(problem)
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
  const mean = (of: (item: string) => number) =>
    policies.reduce(
      (sum, { weight, shares }) =>
        sum + weight * Object.entries(shares).reduce((part, [item, share]) => part + share * of(item), 0),
      0,
    )
  const x = groups.map(({ id }) => mean((item) => rewards[id][item]))
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
  const terms = lambda.reduce((sum, weight, g) => sum + weight * largest[g], 0)
  const grain = definition.grain ?? 0
  if (!(Math.abs(welfare - answer.welfare) <= 1e-9 * Math.max(Math.abs(welfare), terms) + 1e-14 * grain))
    return { fault: `welfare ${answer.welfare}, not ${welfare}` }
  const outside = definition.outside?.(lambda, facts) ?? 0
  if (!(outside <= 1e-9)) return { fault: `weights outside the dual set by ${outside}` }

  const limits = limitsOf(problem)
  let bought = 0
  const items = Object.keys(policy.reference)
  for (const [k, { cost, limit }] of limits.entries()) {
    const costs = items.map(cost)
    const range = Math.max(...costs) - Math.min(...costs)
    const over = mean(cost) - limit
    if (over > LIMIT * (range || 1)) return { fault: `exceeds limit ${k} by ${over / (range || 1)}` }
    bought += prices[k] * Math.max(0, over)
  }
  let dual = -definition.conjugate(lambda, facts)
  let divergence = 0
  const references = referencesOf(problem)
  policies.forEach(({ weight, shares, ruledOut }, q) => {
    const reference = references[q]
    const left = Object.keys(reference).filter((item) => !ruledOut.has(item))
    const values = left.map((item) => {
      const own = groups.reduce((sum, { id }, g) => sum + lambda[g] * rewards[id][item], 0)
      return limits.reduce((sum, { cost }, k) => sum - prices[k] * cost(item), own)
    })
    const top = Math.max(...values)
    if (beta === 0) dual += weight * top
    else {
      // Relative to what is left of the reference, so that ruling items out is no part of D or F.
      const total = left.reduce((sum, item) => sum + reference[item], 0)
      const sum = values.reduce(
        (part, value, i) => part + (reference[left[i]] / total) * Math.exp((value - top) / beta),
        0,
      )
      dual += weight * (top + beta * Math.log(sum))
      for (const item of left) {
        const share = shares[item]
        if (share > 0) divergence += weight * share * Math.log((share * total) / reference[item])
      }
    }
  })
  let paid = 0
  limits.forEach(({ limit }, k) => {
    dual += prices[k] * limit
    paid += prices[k] * Math.abs(limit)
  })
  const objective = welfare - beta * divergence
  const ranges = facts.ranges.reduce((sum, range, g) => sum + lambda[g] * range, 0)
  const size = Math.max(Math.abs(objective), ranges)
  const rounding = 1e-14 * (beta + terms + paid + grain + Math.abs(definition.conjugate(lambda, facts)))
  const gap = dual - objective
  if (gap < -(1e-9 * size + rounding + bought)) return { fault: `negative gap ${gap / size}` }
  if (gap > LIMIT * size + rounding)
    return { fault: `relative gap ${gap / size}, told ${answer.relativeGap}` }
  return { gap: size === 0 ? 0 : Math.max(0, gap - rounding) / size, objective }
}
