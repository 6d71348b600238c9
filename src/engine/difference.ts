import type { AggregateResponse, ContextualOptimumResult, OptimumResult } from '../../schemas/aggregate.ts'
import type { ItemChange, WeightsDifference } from '../../schemas/weights.ts'

/** What the differences of two results are told of. */
type Result = Pick<OptimumResult, 'rewards' | 'ranking' | 'temperature' | 'welfare'> &
  Partial<Pick<OptimumResult, 'weights' | 'policy'> & Pick<ContextualOptimumResult, 'policies'>>

type Change = Omit<ItemChange, 'item'>
type Values = Readonly<Record<string, number | null>>

/**
 * How one result of an aggregation differs from another: group weights, rewards, ranks and policies side by side, in the
 * order of the second, with what only the first has at the end.
 */
export function difference(
  first: AggregateResponse,
  second: AggregateResponse,
): Pick<WeightsDifference, 'temperature' | 'welfare' | 'weights' | 'rewards' | 'ranks' | 'policies'> {
  const [a, b] = [first, second] as unknown as Result[]
  const ranksOf = ({ ranking }: Result) => Object.fromEntries(ranking.map(({ item, rank }) => [item, rank]))
  const [before, after] = [policiesOf(a), policiesOf(b)]
  const contexts = [...new Set([...after.keys(), ...before.keys()])]
  return {
    temperature: change(a.temperature, b.temperature),
    welfare: change(a.welfare, b.welfare),
    weights: changes(a.weights ?? {}, b.weights ?? {}).map(([group, changed]) => ({ group, ...changed })),
    rewards: items(a.rewards, b.rewards),
    ranks: items(ranksOf(a), ranksOf(b)).filter(({ from, to }) => from !== to),
    policies: contexts.map((context) => {
      const [p, q] = [before.get(context), after.get(context)]
      return {
        context,
        moved: p === undefined || q === undefined ? null : totalVariation(p, q),
        items: items(p ?? {}, q ?? {}),
      }
    }),
  }
}

/** Policies by context; the one of null is where there are no contexts. */
function policiesOf({ policy, policies }: Result): Map<string | null, Values> {
  if (policy !== undefined) return new Map([[null, policy]])
  return new Map((policies ?? []).map(({ context, policy }) => [context, policy]))
}

/** ½ Σ_i |p_i − q_i|, where an item that one does not have has probability 0 in it. */
function totalVariation(p: Values, q: Values): number {
  let sum = 0
  for (const [, { from, to }] of changes(p, q)) sum += Math.abs((from ?? 0) - (to ?? 0))
  return sum / 2
}

function items(first: Values, second: Values): ItemChange[] {
  return changes(first, second).map(([item, changed]) => ({ item, ...changed }))
}

function changes(first: Values, second: Values): [string, Change][] {
  const of = (values: Values, id: string) => (Object.hasOwn(values, id) ? values[id] : null)
  const ids = new Set([...Object.keys(second), ...Object.keys(first)])
  return Array.from(ids, (id) => [id, change(of(first, id), of(second, id))])
}

function change(from: number | null, to: number | null): Change {
  return { from, to, change: from === null || to === null ? null : to - from }
}
