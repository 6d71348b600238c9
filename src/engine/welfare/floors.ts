import type { DenseProgram, Priced, PricedProgramSolver } from '../numeric/linear-program.ts'
import { solvePrecisely } from '../numeric/simplex.ts'
import { contextOfEach, normalisedIn, reachOf, topsOf } from './contexts.ts'
import { slackRows, valuesAt } from './guardrails.ts'
import type { WelfareProblem } from './problem.ts'
import { utilitiesOf } from './table.ts'

/**
 * The most that the worst off of some groups can have while the others keep what they have:
 *
 *   max t   such that x_g(p) ≥ t for every g that is raised, x_f(p) ≥ floor_f for the others, and all guardrails hold.
 */
export type Raise = {
  /** 1 for the groups that are raised; length G. */
  raised: Uint8Array
  /** What the others keep; length G, read for those alone. −∞ asks for nothing. */
  floors: Float64Array
}

/** An optimal policy with the multipliers that prove it. */
export type Raised = {
  policy: Float64Array
  /** λ_g, which sum to 1 over the groups that are raised, and are the prices of the floors for the others; length G. */
  weights: Float64Array
  /** μ of the guardrails. */
  prices: Float64Array
}

const ROUNDS = 200
/** An item that is worth this little more than all that are in the program, in units of the weights' reach, is worth no more. */
const NOTHING = 1e-13
/** The part of what a row has above the base that rounding may have added. */
const HAIR = 4e-16
/** A row's unit is no smaller than this part of what policies can do to it. */
const LEAST = 1e-6

/**
 * Raises the worst off as far as it goes: by the linear program solver, and where that does not lead near enough, with twice
 * as many digits.
 *
 * @param start a policy that meets floors and guardrails
 * @param errorOf how far an answer is from proven
 * @param enough the error that needs no second attempt
 * @returns null where no policy is found
 */
export function raiseLeast(
  problem: WelfareProblem,
  raise: Raise,
  start: Float64Array,
  errorOf: (raised: Raised) => number,
  enough: number,
  solve: PricedProgramSolver,
): Raised | null {
  let best: Raised | null = null
  for (const solver of [solve, solvePrecisely]) {
    const found = raiseAmongFew(problem, raise, start, solver)
    if (found !== null && (best === null || errorOf(found) < errorOf(best))) best = found
    if (best !== null && errorOf(best) <= enough) break
  }
  return best
}

/**
 * Raises by linear programs over a few of the items, to which those are added that the multipliers value more (Dantzig &
 * Wolfe, Oper. Res. 8, 1960).
 *
 * @param start a policy that meets floors and guardrails; its items are the first in the program
 */
function raiseAmongFew(
  problem: WelfareProblem,
  { raised, floors }: Raise,
  start: Float64Array,
  solve: (program: DenseProgram) => Priced | null,
): Raised | null {
  const { groups, items, contexts } = problem
  const slacks = slackRows(problem)
  const guardrails = problem.guardrails.limits.length
  const rows = groups + guardrails
  // Rows count from the least in each context, so that what no policy changes takes no digits.
  const { table: counted, bases } = fromLeast(problem, slacks, rows)
  const row = (r: number) => counted.subarray(r * items, (r + 1) * items)
  const reach = reachOf(problem)
  const had = new Float64Array(rows)
  utilitiesOf({ groups: rows, items, utilities: counted }, start, had)
  // A row is in units of what its group has, which may be little of what others could make it.
  const sizes = Float64Array.from({ length: rows }, (_, r) => {
    const largest = row(r).reduce((most, value) => Math.max(most, value), 0) || 1
    if (r >= groups || reach[r] === 0) return largest
    return Math.min(largest, Math.max(LEAST * largest, had[r]))
  })
  // t is counted from what the start gives, in units of the smallest reach of those who are raised.
  let least = Number.POSITIVE_INFINITY
  let unit = Number.POSITIVE_INFINITY
  for (let g = 0; g < groups; g++) {
    if (raised[g] === 0) continue
    least = Math.min(least, bases[g] + had[g])
    if (reach[g] > 0) unit = Math.min(unit, reach[g])
  }
  if (!Number.isFinite(unit)) unit = 1

  const context = contextOfEach(contexts)
  const chosen = new Set(firstItems(problem, start))
  for (let round = 0; round < ROUNDS; round++) {
    const few = Int32Array.from(chosen).sort()
    const solution = solve(program(few))
    if (solution === null) return null
    const weights = new Float64Array(groups)
    const prices = new Float64Array(guardrails)
    let total = 0
    for (let r = 0; r < rows; r++) {
      const price = Math.max(0, -solution.prices[contexts.weights.length + r]) / sizes[r]
      if (r < groups) weights[r] = price
      else prices[r - groups] = price
      if (r < groups && raised[r] === 1) total += price
    }
    for (let g = 0; g < groups; g++) weights[g] /= total
    for (let k = 0; k < guardrails; k++) prices[k] /= total
    if (addBest(chosen, weights, prices)) continue
    const policy = new Float64Array(items)
    few.forEach((item, j) => {
      policy[item] = Math.max(0, solution.point[j])
    })
    return { policy: normalisedIn(contexts, policy), weights, prices }
  }
  return null

  function program(few: Int32Array): DenseProgram {
    const width = few.length + 1
    const height = contexts.weights.length + rows
    const table = new Float64Array(height * width)
    const rowLower = new Float64Array(height)
    const rowUpper = new Float64Array(height).fill(Number.POSITIVE_INFINITY)
    few.forEach((item, j) => {
      table[context[item] * width + j] = 1
    })
    contexts.weights.forEach((weight, q) => {
      rowLower[q] = rowUpper[q] = weight
    })
    for (let r = 0; r < rows; r++) {
      const at = contexts.weights.length + r
      const values = row(r)
      few.forEach((item, j) => {
        table[at * width + j] = values[item] / sizes[r]
      })
      const up = r < groups && raised[r] === 1
      if (up) table[at * width + few.length] = -unit / sizes[r]
      const limit = r < groups ? (up ? least : floors[r]) : 0
      // The start meets the limit, whatever rounding makes of it where the base is far from zero.
      rowLower[at] = Math.min(limit - bases[r], had[r] * (1 - HAIR)) / sizes[r]
    }
    const objective = new Float64Array(width)
    objective[few.length] = 1
    return { objective, rows: table, rowLower, rowUpper }
  }

  /** Adds the items of each context that are worth most, if that is more than any that is chosen; as many as groups. */
  function addBest(chosen: Set<number>, weights: Float64Array, prices: Float64Array): boolean {
    const values = valuesAt(problem, slacks, weights, prices)
    const scale = weights.reduce((sum, weight, g) => sum + weight * sizes[g], 0)
    const levels = new Float64Array(contexts.weights.length).fill(Number.NEGATIVE_INFINITY)
    for (const item of chosen) levels[context[item]] = Math.max(levels[context[item]], values[item])
    const better: number[] = []
    for (let i = 0; i < items; i++) if (values[i] > levels[context[i]] + NOTHING * scale) better.push(i)
    better.sort((a, b) => values[b] - levels[context[b]] - (values[a] - levels[context[a]]))
    for (const item of better.slice(0, Math.max(groups, contexts.weights.length))) chosen.add(item)
    return better.length > 0
  }
}

/** Utilities and slacks less the least of each row in each context, and those together: Σ_q w_q min_i; R × n and R. */
function fromLeast(
  { groups, items, utilities, contexts }: WelfareProblem,
  slacks: Float64Array,
  rows: number,
) {
  const { starts, weights } = contexts
  const table = new Float64Array(rows * items)
  table.set(utilities)
  table.set(slacks, groups * items)
  const bases = new Float64Array(rows)
  for (let r = 0; r < rows; r++) {
    for (let q = 0; q < weights.length; q++) {
      const own = table.subarray(r * items + starts[q], r * items + starts[q + 1])
      const least = own.reduce((a, b) => Math.min(a, b))
      for (let k = 0; k < own.length; k++) own[k] -= least
      bases[r] += weights[q] * least
    }
  }
  return { table, bases }
}

/** The items of a policy, and those that are best for each group in each context. */
function firstItems(
  { groups, utilities: u, items, contexts }: WelfareProblem,
  policy: Float64Array,
): number[] {
  const first = Array.from(policy.keys()).filter((i) => policy[i] > 0)
  for (let q = 0; q < contexts.weights.length; q++) {
    for (let g = 0; g < groups; g++) {
      let best = contexts.starts[q]
      for (let i = best; i < contexts.starts[q + 1]; i++) if (u[g * items + i] > u[g * items + best]) best = i
      first.push(best)
    }
  }
  return first
}

/**
 * By how much t could be more, as the multipliers prove of a policy: no policy that gives the floors at least what this one
 * does, and meets the guardrails, gives all that are raised more than the least of them has, and this.
 *
 * @returns the gap, and the size that it is relative to
 */
export function raiseGap(
  problem: WelfareProblem,
  raised: Uint8Array,
  { policy, weights, prices }: Raised,
): { gap: number; size: number } {
  const { contexts } = problem
  const slacks = slackRows(problem)
  const x = new Float64Array(problem.groups)
  utilitiesOf(problem, policy, x)
  const reach = reachOf(problem)
  let least = Number.POSITIVE_INFINITY
  for (let g = 0; g < x.length; g++) if (raised[g] === 1) least = Math.min(least, x[g])
  // Written as losses that cannot be negative: of the policy against the values, and of the raised against their least.
  const values = valuesAt(problem, slacks, weights, prices)
  const tops = topsOf(contexts, values)
  let gap = 0
  for (let q = 0; q < tops.length; q++) {
    for (let i = contexts.starts[q]; i < contexts.starts[q + 1]; i++) gap += policy[i] * (tops[q] - values[i])
  }
  let size = 0
  for (let g = 0; g < x.length; g++) {
    if (raised[g] === 1) gap += weights[g] * (x[g] - least)
    size += weights[g] * reach[g]
  }
  const slack = new Float64Array(prices.length)
  utilitiesOf({ groups: prices.length, items: problem.items, utilities: slacks }, policy, slack)
  for (let k = 0; k < prices.length; k++) gap += prices[k] * Math.max(0, slack[k])
  return { gap, size: Math.max(Math.abs(least), size) }
}
