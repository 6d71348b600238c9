import { gibbsPolicy } from './gibbs.ts'
import type { Start } from './interior-point.ts'
import type { ScaledProblem } from './iterate.ts'
import type { Link } from './link.ts'
import type { WelfareFunction, WelfareProblem } from './problem.ts'

/** A problem in units in which every group's utilities have size 1, for the solver, and what leads back. */
export type Scaling = {
  scaled: ScaledProblem
  link: Link
  /** What utilities were divided by; length G. */
  sizes: Float64Array
  /** What welfare and temperature were divided by: the welfare at utilities of those sizes. */
  unit: number
}

/** Scales a problem to the size of each group's utilities. */
export function scalingOf(
  problem: WelfareProblem,
  welfareFunction: WelfareFunction,
  linkOf: NonNullable<WelfareFunction['link']>,
): Scaling {
  const { groups, items, population, reference } = problem
  const sizes = sizesOf(problem)
  const unit = welfareFunction.value(sizes, population)
  const utilities = problem.utilities.slice()
  for (let g = 0; g < groups; g++) {
    for (let i = 0; i < items; i++) utilities[g * items + i] /= sizes[g]
  }
  const link = linkOf(
    population,
    sizes.map((size) => size / unit),
  )
  return {
    scaled: { groups, items, utilities, reference, temperature: problem.temperature / unit },
    link,
    sizes,
    unit,
  }
}

/** max_i |u_gi|; the smallest of the others' for a group that has none. */
function sizesOf({ groups, items, utilities }: WelfareProblem): Float64Array {
  const sizes = new Float64Array(groups)
  for (let g = 0; g < groups; g++) {
    for (let i = 0; i < items; i++) sizes[g] = Math.max(sizes[g], Math.abs(utilities[g * items + i]))
  }
  const least = sizes.reduce((low, size) => (size > 0 ? Math.min(low, size) : low), Number.POSITIVE_INFINITY)
  const smallest = Number.isFinite(least) ? least : 1
  return sizes.map((size) => (size > 0 ? size : smallest))
}

/** What the uniform policy adds to one in the middle. */
const TRACE = 1e-3

/**
 * A policy in the middle, to start from: the one of least KL(p‖uniform) + β̂ KL(p‖π), which is uniform where the
 * temperature is low and π where it is high, with a trace of the uniform one.
 */
export function middleOf({ items, reference, temperature }: ScaledProblem): Start {
  const tilt = reference.map((share) => -Math.log(share) / (1 + temperature))
  const policy = new Float64Array(items)
  const level = gibbsPolicy(tilt, reference, 1, policy)
  for (let i = 0; i < items; i++) {
    const added = TRACE * (1 / items - policy[i])
    tilt[i] += Math.log1p(added / policy[i]) - level
    policy[i] += added
  }
  return { policy, tilt }
}
