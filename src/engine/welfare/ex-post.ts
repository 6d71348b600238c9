import { optimise } from './optimise.ts'
import type { Optimum, WelfareFunction, WelfareProblem } from './problem.ts'
import { utilitiesOf } from './table.ts'
import { utilitarian } from './utilitarian.ts'

/** The best policy where welfare is judged item by item. It follows from no weights of groups. */
export type ExPostOptimum = Omit<Optimum, 'weights'> & {
  /** W(u_i), the welfare of each item, which is the reward that leads to the policy; length n. */
  rewards: Float64Array
}

/** The welfare of some items is not defined: there some group has less than its anchor. */
export class BelowAnchor extends Error {
  /** Pairs of a column and a group. */
  readonly cases: { column: number; group: number }[]

  constructor(cases: { column: number; group: number }[]) {
    super('some items leave some groups below their anchors')
    this.cases = cases
  }
}

/**
 * Maximises Σ_i p_i W(u_i) − β KL(p‖π) over policies that meet all guardrails: ex post, W is applied to what the groups get of
 * each item, and not to what they expect of the policy. It is linear in the policy whatever W is: the problem of a single
 * group, whose utilities are the welfare of the items. Since W is concave, Σ_i p_i W(u_i) ≤ W(Σ_i p_i u_i).
 *
 * @throws BelowAnchor where W needs gains and some item gives a group less than 0
 */
export function exPost(problem: WelfareProblem, { value, needsGains }: WelfareFunction): ExPostOptimum {
  const { groups, items, utilities: u, population } = problem
  if (needsGains) requireGains(problem)
  const column = new Float64Array(groups)
  const rewards = Float64Array.from({ length: items }, (_, i) => {
    for (let g = 0; g < groups; g++) column[g] = u[g * items + i]
    return value(column, population)
  })
  const pooled = { ...problem, groups: 1, utilities: rewards, population: Float64Array.of(1) }
  const { weights: _, utilities: __, ...optimum } = optimise(pooled, utilitarian)
  const utilities = new Float64Array(groups)
  utilitiesOf(problem, optimum.policy, utilities)
  return { ...optimum, utilities, rewards }
}

function requireGains({ groups, items, utilities: u }: WelfareProblem): void {
  const cases: { column: number; group: number }[] = []
  for (let column = 0; column < items; column++) {
    for (let group = 0; group < groups; group++)
      if (u[group * items + column] < 0) cases.push({ column, group })
  }
  if (cases.length > 0) throw new BelowAnchor(cases)
}
