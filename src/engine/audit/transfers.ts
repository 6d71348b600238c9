import { type LinearProgramSolver, linearProgramSolver } from '../numeric/linear-program.ts'
import { type Done, untold } from '../parts.ts'
import type { Optimum, WelfareProblem } from '../welfare/problem.ts'
import { rangesOf } from '../welfare/table.ts'

/** A transfer from a better-off to a worse-off group that the welfare function counts as a loss. */
export type Transfer = {
  from: number
  to: number
  /** λ_g / n_g: what a little more for a member of the group is worth. */
  worthFrom: number
  worthTo: number
  /** The largest total that some policy moves, in utility times population; 0 where no policy does. */
  amount: number
  /** By how much welfare falls when it does, at least. */
  loss: number
}

/** Whether welfare likes every transfer from a better-off to a worse-off group. */
export type Transfers = {
  /** Pairs of groups of which one is better off. */
  pairs: number
  violations: Transfer[]
}

/** Groups nearer to each other than this, in units of the largest range, are equally well off. */
const ALIKE = 1e-6
/** Worths nearer to each other than this, relative, are the same. */
const SAME = 1e-6
const LISTED = 20

/**
 * The principle of Pigou and Dalton at p*: to take from a group that has more per head and give the same total to one that
 * has less, without turning them round, should not lower welfare.
 *
 * A transfer of the total δ changes x by −δ/n_h and +δ/n_g, and as W is concave, W by λ·Δx = δ(λ_g/n_g − λ_h/n_h) at most.
 * So where members of the worse-off group count less, every transfer lowers W, for certain. Where they count more at p*, a
 * small transfer raises W if W is smooth there. It compares utilities of different groups, and so depends on their scale.
 *
 * @param done told which part of the transfers to be listed has been solved
 */
export async function transfersOf(
  problem: WelfareProblem,
  { utilities, weights }: Optimum,
  done: Done = untold,
): Promise<Transfers> {
  done(0)
  const { groups, population } = problem
  const largest = rangesOf(problem).reduce((a, b) => Math.max(a, b))
  const worth = weights.map((weight, g) => weight / population[g])
  const disliked: [number, number][] = []
  let pairs = 0
  for (let from = 0; from < groups; from++) {
    for (let to = 0; to < groups; to++) {
      if (!(utilities[from] - utilities[to] > ALIKE * largest)) continue
      pairs++
      if (worth[to] < worth[from] * (1 - SAME)) disliked.push([from, to])
    }
  }
  if (disliked.length === 0) return { pairs, violations: [] }
  const gapOf = ([from, to]: [number, number]) => worth[from] - worth[to]
  disliked.sort((a, b) => gapOf(b) - gapOf(a) || a[0] - b[0] || a[1] - b[1])
  const solve = await linearProgramSolver()
  const violations = disliked.slice(0, LISTED).map(([from, to], k, list) => {
    done(k / list.length)
    const amount = largestTransfer(problem, utilities, from, to, solve)
    const loss = amount * (worth[from] - worth[to])
    return { from, to, worthFrom: worth[from], worthTo: worth[to], amount, loss }
  })
  return { pairs, violations }
}

/** The largest δ for which some policy gives δ/n_to more to one group, δ/n_from less to the other, and the rest what they have. */
function largestTransfer(
  problem: WelfareProblem,
  utilities: Float64Array,
  from: number,
  to: number,
  solve: LinearProgramSolver,
): number {
  const { groups, items, population, utilities: u, contexts, guardrails } = problem
  const ranges = rangesOf(problem)
  const width = items + 1
  const rows: number[] = []
  const lower: number[] = []
  const upper: number[] = []
  const addRow = (entry: (i: number) => number, transferred: number, low: number, high: number) => {
    for (let i = 0; i < items; i++) rows.push(entry(i))
    rows.push(transferred)
    lower.push(low)
    upper.push(high)
  }
  for (let g = 0; g < groups; g++) {
    // In units of the group's range, as the solver's tolerance is absolute.
    const unit = ranges[g] || 1
    const change = g === from ? 1 / population[from] : g === to ? -1 / population[to] : 0
    addRow((i) => u[g * items + i] / unit, change / unit, utilities[g] / unit, utilities[g] / unit)
  }
  for (let q = 0; q < contexts.weights.length; q++) {
    const inside = (i: number) => (i >= contexts.starts[q] && i < contexts.starts[q + 1] ? 1 : 0)
    addRow(inside, 0, contexts.weights[q], contexts.weights[q])
  }
  guardrails.limits.forEach((limit, k) => {
    addRow((i) => guardrails.costs[k * items + i], 0, Number.NEGATIVE_INFINITY, limit)
  })
  // The worse-off stays so.
  const room = utilities[from] - utilities[to]
  addRow(() => 0, 1 / population[from] + 1 / population[to], Number.NEGATIVE_INFINITY, room)
  const objective = new Float64Array(width)
  objective[items] = 1
  const x = solve({
    objective,
    rows: Float64Array.from(rows),
    rowLower: Float64Array.from(lower),
    rowUpper: Float64Array.from(upper),
  })
  const amount = x?.[items] ?? 0
  return amount > ALIKE * room ? amount : 0
}
