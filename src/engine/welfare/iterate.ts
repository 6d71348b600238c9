import { type Linear, type Link, newLinear } from './link.ts'
import type { Contexts } from './problem.ts'
import type { Table } from './table.ts'

/**
 * A welfare problem in units where every row of the table û has size 1. The rows are the groups and then the guardrails,
 * whose utility is the slack that they leave (see {@link guardedLink}): G + K, which is what G means in the solver.
 */
export type ScaledProblem = Table & {
  reference: Float64Array
  /** β̂ ≥ 0. */
  temperature: number
  contexts: Contexts
}

/** The unknowns of the interior point, or a change of them. */
export type Variables = {
  /** λ̂; length G. */
  weights: Float64Array
  /** t, complementary to the weights or to the utilities (see {@link Link}); length G. */
  partner: Float64Array
  /** x(p); length G. */
  utilities: Float64Array
  /** p; length n. */
  policy: Float64Array
  /** Reduced costs z_i = ν_q − û_i·λ̂ + β̂ log(p_i/π_i), complementary to p; length n. */
  costs: Float64Array
  /** ν_q, the multiplier of Σp = w_q in context q, less β̂; length Q. */
  level: Float64Array
  /** w. */
  welfare: number
  /** k, the slack of the inequality whose multiplier is w. */
  slack: number
}

/** A point of the path: strictly positive, and at the optimum when all complementary products have gone to zero. */
export type Iterate = Variables & {
  /** log(p/π), on which large temperatures depend to more digits than p has; length n, of no meaning at temperature 0. */
  tilt: Float64Array
  equations: Equations
}

/** What the definitions of z, t and k come to at an iterate, which a curved equation lets stray from what they are. */
export type Equations = {
  costs: Float64Array
  partner: Float64Array
  slack: number
  /** What the sums of p in the contexts lack of w_q; length Q. */
  missing: Float64Array
  linear: Linear
  /** What it costs, in welfare, that z, t and k are not what they are defined to be. */
  misfit: number
}

export function newVariables({ groups, items, contexts }: ScaledProblem): Variables {
  return {
    weights: new Float64Array(groups),
    partner: new Float64Array(groups),
    utilities: new Float64Array(groups),
    policy: new Float64Array(items),
    costs: new Float64Array(items),
    level: new Float64Array(contexts.weights.length),
    welfare: 0,
    slack: 0,
  }
}

export function newIterate(problem: ScaledProblem, variables = newVariables(problem)): Iterate {
  const { groups, items, contexts } = problem
  return {
    ...variables,
    tilt: new Float64Array(items),
    equations: {
      costs: new Float64Array(items),
      partner: new Float64Array(groups),
      slack: 0,
      missing: new Float64Array(contexts.weights.length),
      linear: newLinear(groups),
      misfit: 0,
    },
  }
}

/** A copy that later steps leave alone; its equations are yet to be evaluated. */
export function copyOf(problem: ScaledProblem, at: Iterate): Iterate {
  const copy = newIterate(problem, {
    ...at,
    weights: at.weights.slice(),
    partner: at.partner.slice(),
    utilities: at.utilities.slice(),
    policy: at.policy.slice(),
    costs: at.costs.slice(),
    level: at.level.slice(),
  })
  copy.tilt.set(at.tilt)
  return copy
}

/** Writes at + step·move to `to`. */
export function advance(
  { temperature }: ScaledProblem,
  at: Iterate,
  move: Variables,
  step: number,
  to: Iterate,
): void {
  for (let g = 0; g < at.weights.length; g++) {
    to.weights[g] = at.weights[g] + step * move.weights[g]
    to.partner[g] = at.partner[g] + step * move.partner[g]
  }
  for (let i = 0; i < at.policy.length; i++) {
    to.policy[i] = at.policy[i] + step * move.policy[i]
    to.costs[i] = at.costs[i] + step * move.costs[i]
  }
  if (temperature > 0) {
    for (let i = 0; i < at.policy.length; i++)
      to.tilt[i] = at.tilt[i] + Math.log1p((step * move.policy[i]) / at.policy[i])
  }
  for (let q = 0; q < at.level.length; q++) to.level[q] = at.level[q] + step * move.level[q]
  to.welfare = at.welfare + step * move.welfare
  to.slack = at.slack + step * move.slack
}

/** What curvature of its own keeps from zero loses no more than this part of itself in a step. */
const CURVED = 0.9

/**
 * The longest step up to 1 that keeps everything positive, times `fraction` where a bound is met. Where entropy or
 * welfare curve more than the bound itself, a step over which their curves are still like their linearisations.
 */
export function stepLength(
  { temperature }: ScaledProblem,
  link: Link,
  at: Iterate,
  move: Variables,
  fraction: number,
): number {
  let step = 1
  const limit = (value: number, change: number, part: number) => {
    if (value + (step * change) / part < 0) step = (-value * part) / change
  }
  const owner = at[link.pairedTo]
  const { curvature } = at.equations.linear
  for (let g = 0; g < owner.length; g++) {
    const curved = curvature[g] * owner[g] > 1.1 * at.partner[g]
    limit(owner[g], move[link.pairedTo][g], curved ? CURVED : fraction)
    limit(at.weights[g], move.weights[g], fraction)
    limit(at.partner[g], move.partner[g], fraction)
  }
  for (let i = 0; i < at.policy.length; i++) {
    limit(at.policy[i], move.policy[i], temperature > at.costs[i] ? CURVED : fraction)
    limit(at.costs[i], move.costs[i], fraction)
  }
  if (link.bounded) {
    limit(at.welfare, move.welfare, fraction)
    limit(at.slack, move.slack, fraction)
  }
  return step
}

/** The sum of the complementary products, which is the duality gap where all equations hold, and their mean. */
export function products(link: Link, at: Iterate): { sum: number; mean: number } {
  const owner = at[link.pairedTo]
  let sum = link.bounded ? at.welfare * at.slack : 0
  for (let g = 0; g < owner.length; g++) sum += owner[g] * at.partner[g]
  for (let i = 0; i < at.policy.length; i++) sum += at.policy[i] * at.costs[i]
  return { sum, mean: sum / (owner.length + at.policy.length + (link.bounded ? 1 : 0)) }
}
