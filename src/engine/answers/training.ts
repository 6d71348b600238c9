import { keyedById } from '../comparisons/ids.ts'
import type { Aggregation } from './aggregation.ts'

/** Σ_g λ_g u_gi; length n. */
export function aggregatedRewards({ utilities }: Aggregation, weights: Float64Array): Float64Array {
  const total = new Float64Array(utilities[0].values.length)
  utilities.forEach(({ values }, g) => {
    for (let i = 0; i < total.length; i++) total[i] += weights[g] * values[i]
  })
  return total
}

/**
 * The rewards to train on: what items are worth to the welfare, less Σ_k μ_k c_ki; over all contexts with the constraints of
 * all, and in each context with its own besides. Null for items that are ruled out.
 *
 * @param total Σ_g λ_g u_gi, or ex post W(u_i); over all items of the request
 */
export function trainedRewards(
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

/**
 * Σ_g λ_g · scaleFactor_g · w_g, where rewards are linear in features and stay so when they are scaled; the price of a floor
 * is added to its group's λ.
 */
export function aggregatedWeights(
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

/** The policy by item, or the policies and rewards of the contexts that the request names. */
export function describePolicies(
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
