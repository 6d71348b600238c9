import type { ConstraintResult } from '../../../schemas/constraints.ts'
import { slackRows } from '../welfare/guardrails.ts'
import type { Optimum } from '../welfare/problem.ts'
import { utilitiesOf as totalsOf } from '../welfare/table.ts'
import type { Aggregation } from './aggregation.ts'

/** What became of the constraints; no member where the request has none. */
export function constraintsMember(
  aggregation: Aggregation,
  optimum: Pick<Optimum, 'policy' | 'prices'>,
  weightScale: number,
): { constraints?: ConstraintResult[] } {
  if (aggregation.choices.settings.constraints === undefined) return {}
  return { constraints: describeConstraints(aggregation, optimum, weightScale) }
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
