import type { WelfareProblem } from '../problem.ts'
import { rangesOf } from '../table.ts'

/** Which items no other is at least as good as for all groups and better for some, and what beats the rest. */
export type Dominance = {
  /** Indices of the non-dominated items, ascending. */
  front: number[]
  /** The dominated items, ascending, each with the items of the front that dominate it. */
  dominated: { item: number; by: number[] }[]
}

/** Utilities closer than this, relative to the group's range, count as equal: fitted rewards are no more exact. */
export const EQUAL = 1e-9

/** The largest difference at which two utilities of a group count as equal; length G. */
export function toleranceOf(problem: WelfareProblem): Float64Array {
  return rangesOf(problem).map((range) => EQUAL * range)
}

/** Compares every item with the front; an item can be dominated only by items with a larger sum, so those come first. */
export function dominance(problem: WelfareProblem): Dominance {
  const { groups, items, utilities: u } = problem
  const tolerance = toleranceOf(problem)
  const height = new Float64Array(items)
  for (let g = 0; g < groups; g++) {
    const unit = tolerance[g] > 0 ? tolerance[g] : 1
    for (let i = 0; i < items; i++) height[i] += u[g * items + i] / unit
  }
  const order = Array.from({ length: items }, (_, i) => i).sort((a, b) => height[b] - height[a])
  const beats = (a: number, b: number) => {
    let better = false
    for (let g = 0; g < groups; g++) {
      const difference = u[g * items + a] - u[g * items + b]
      if (difference < -tolerance[g]) return false
      if (difference > tolerance[g]) better = true
    }
    return better
  }
  const front: number[] = []
  const dominated: { item: number; by: number[] }[] = []
  for (const item of order) {
    const by = front.filter((other) => beats(other, item))
    if (by.length === 0) front.push(item)
    else dominated.push({ item, by: by.sort((a, b) => a - b) })
  }
  return { front: front.sort((a, b) => a - b), dominated: dominated.sort((a, b) => a.item - b.item) }
}
