import { gibbsInContexts } from './contexts.ts'
import { guardedLink, slackRows } from './guardrails.ts'
import type { Start } from './interior-point.ts'
import type { ScaledProblem } from './iterate.ts'
import type { Link } from './link.ts'
import type { WelfareFunction, WelfareProblem } from './problem.ts'

/**
 * A problem in units in which the utilities of each group, and the slacks of each guardrail, have size 1, for the solver,
 * and what leads back.
 */
export type Scaling = {
  /** Its rows are the groups, and then the guardrails. */
  scaled: ScaledProblem
  link: Link
  /** What utilities and slacks were divided by; length G + K. */
  sizes: Float64Array
  /** What welfare and temperature were divided by: the welfare at utilities of those sizes. */
  unit: number
}

/** Scales a problem to the size of each group's utilities, and of each guardrail's slacks. */
export function scalingOf(
  problem: WelfareProblem,
  welfareFunction: WelfareFunction,
  linkOf: NonNullable<WelfareFunction['link']>,
): Scaling {
  const { groups, items, population, reference, contexts } = problem
  const slacks = slackRows(problem)
  const rows = groups + problem.guardrails.limits.length
  const utilities = new Float64Array(rows * items)
  utilities.set(problem.utilities)
  utilities.set(slacks, groups * items)
  const sizes = new Float64Array(rows)
  sizes.set(sizesOf(problem.utilities, groups, items))
  sizes.set(sizesOf(slacks, rows - groups, items), groups)
  for (let g = 0; g < rows; g++) {
    for (let i = 0; i < items; i++) utilities[g * items + i] /= sizes[g]
  }
  const sizesOfGroups = sizes.subarray(0, groups)
  const unit = welfareFunction.value(sizesOfGroups, population)
  const link = linkOf(
    population,
    sizesOfGroups.map((size) => size / unit),
    unit,
  )
  return {
    scaled: {
      groups: rows,
      items,
      utilities,
      reference,
      temperature: problem.temperature / unit,
      contexts,
    },
    link: guardedLink(link, groups, rows - groups),
    sizes,
    unit,
  }
}

/** The largest absolute value of each row; of a row that has none the smallest of the others. */
function sizesOf(table: Float64Array, rows: number, items: number): Float64Array {
  const sizes = new Float64Array(rows)
  for (let g = 0; g < rows; g++) {
    for (let i = 0; i < items; i++) sizes[g] = Math.max(sizes[g], Math.abs(table[g * items + i]))
  }
  const least = sizes.reduce((low, size) => (size > 0 ? Math.min(low, size) : low), Number.POSITIVE_INFINITY)
  const smallest = Number.isFinite(least) ? least : 1
  return sizes.map((size) => (size > 0 ? size : smallest))
}

/** What the uniform policy adds to one in the middle. */
const TRACE = 1e-3

/**
 * A policy in the middle, to start from: in each context the one of least KL(p‖uniform) + β̂ KL(p‖π), which is uniform where
 * the temperature is low and π where it is high, with a trace of the uniform one.
 */
export function middleOf({ items, reference, temperature, contexts }: ScaledProblem): Start {
  const { starts, weights } = contexts
  const tilt = reference.map((share) => -Math.log(share) / (1 + temperature))
  const policy = new Float64Array(items)
  const levels = new Float64Array(weights.length)
  gibbsInContexts({ reference, temperature: 1, contexts }, tilt, policy, levels)
  for (let q = 0; q < weights.length; q++) {
    const even = weights[q] / (starts[q + 1] - starts[q])
    for (let i = starts[q]; i < starts[q + 1]; i++) {
      const added = TRACE * (even - policy[i])
      tilt[i] += Math.log1p(added / policy[i]) - levels[q]
      policy[i] += added
    }
  }
  return { policy, tilt }
}
