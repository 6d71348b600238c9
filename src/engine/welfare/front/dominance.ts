import type { WelfareProblem } from '../problem.ts'
import { rangesOf } from '../table.ts'

/** Which items no other is at least as good as for all groups and better for some, and what beats the rest. */
export type Dominance = {
  /** Indices of the non-dominated items, ascending. */
  front: number[]
  /** The dominated items, ascending. */
  dominated: Dominated[]
}

export type Dominated = {
  item: number
  /** Items of the front that dominate it, ascending: all of them, or the first hundred. */
  by: number[]
  /** How many of the front dominate it. */
  count: number
}

/** Utilities closer than this, relative to the group's range, count as equal: fitted rewards are no more exact. */
export const EQUAL = 1e-9
/** As many dominators of one item as are named. */
const NAMED = 100

/** The largest difference at which two utilities of a group count as equal; length G. */
export function toleranceOf(problem: WelfareProblem): Float64Array {
  return rangesOf(problem).map((range) => EQUAL * range)
}

/**
 * Compares every item with the front; an item can be dominated only by items with a larger sum, so those come first.
 *
 * @param compared told how many items are done
 */
export function dominance(problem: WelfareProblem, compared: (count: number) => void = () => {}): Dominance {
  const { groups, items, utilities: u } = problem
  const tolerance = toleranceOf(problem)
  const height = new Float64Array(items)
  // By items, so that a comparison that ends early has read what lies together; items × G.
  const rows = new Float64Array(items * groups)
  for (let g = 0; g < groups; g++) {
    const low = lowestOf(u.subarray(g * items, (g + 1) * items))
    for (let i = 0; i < items; i++) {
      if (tolerance[g] > 0) height[i] += (u[g * items + i] - low) / tolerance[g]
      rows[i * groups + g] = u[g * items + i]
    }
  }
  const order = Array.from({ length: items }, (_, i) => i).sort((a, b) => height[b] - height[a])
  const onFront = new Float64Array(items * groups)
  const beats = (place: number, row: number) => {
    let better = false
    for (let g = 0; g < groups; g++) {
      const difference = onFront[place + g] - rows[row + g]
      if (difference < -tolerance[g]) return false
      if (difference > tolerance[g]) better = true
    }
    return better
  }
  const front: number[] = []
  const dominated: Dominated[] = []
  for (const item of order) {
    const row = item * groups
    const by: number[] = []
    for (let k = 0; k < front.length; k++) if (beats(k * groups, row)) by.push(front[k])
    if (by.length > 0) {
      by.sort((a, b) => a - b)
      dominated.push({ item, by: by.slice(0, NAMED), count: by.length })
    } else {
      onFront.set(rows.subarray(row, row + groups), front.length * groups)
      front.push(item)
    }
    compared(front.length + dominated.length)
  }
  return { front: front.sort((a, b) => a - b), dominated: dominated.sort((a, b) => a.item - b.item) }
}

function lowestOf(row: Float64Array): number {
  let low = Number.POSITIVE_INFINITY
  for (const value of row) if (value < low) low = value
  return low
}
