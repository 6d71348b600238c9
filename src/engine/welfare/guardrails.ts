import type { Link } from './link.ts'
import type { WelfareProblem } from './problem.ts'
import { valuesOf } from './table.ts'

/**
 * The slack of every guardrail as a linear function of the policy, τ_k − Σ_i C_ki p_i = Σ_i σ_ki p_i: what a guardrail has
 * in place of utilities. It is zero in contexts in which nothing that the policy does changes it, so that a guardrail of one
 * context has its own digits there, whatever that context's weight.
 *
 * @returns σ, K × n, row-major
 */
export function slackRows({ items, contexts, guardrails }: WelfareProblem): Float64Array {
  const { costs, limits } = guardrails
  const { starts, weights } = contexts
  const rows = new Float64Array(costs.length)
  for (let k = 0; k < limits.length; k++) {
    const row = k * items
    // What the limit is in the contexts that matter, and how much of all contexts they are.
    let limit = limits[k]
    let share = 0
    const matters = weights.map((weight, q) => {
      const first = costs[row + starts[q]]
      for (let i = starts[q]; i < starts[q + 1]; i++) {
        if (costs[row + i] === first) continue
        share += weight
        return 1
      }
      limit -= weight * first
      return 0
    })
    for (let q = 0; q < weights.length; q++) {
      if (share > 0 && matters[q] === 0) continue
      const part = share > 0 ? limit / share : limit
      for (let i = starts[q]; i < starts[q + 1]; i++) rows[row + i] = share > 0 ? part - costs[row + i] : part
    }
  }
  return rows
}

/** What items are worth at weights and prices: v = Uᵀλ − Cᵀμ, up to what is the same for all items of a context. */
export function valuesAt(
  problem: WelfareProblem,
  slacks: Float64Array,
  weights: Float64Array,
  prices: Float64Array,
): Float64Array {
  const { items } = problem
  const values = new Float64Array(items)
  valuesOf(problem, weights, values)
  if (prices.length === 0) return values
  const paid = new Float64Array(items)
  valuesOf({ groups: prices.length, items, utilities: slacks }, prices, paid)
  for (let i = 0; i < items; i++) values[i] += paid[i]
  return values
}

/**
 * A link with guardrails as further rows: a row whose utility is the slack s_k = Σ_i σ_ki p_i, which must not become
 * negative, whose weight is the price μ_k, and which asks for no welfare, so that μ_k s_k → 0.
 *
 * @param groups how many of the rows are groups
 */
export function guardedLink(link: Link, groups: number, guardrails: number): Link {
  if (guardrails === 0) return link
  const rows = groups + guardrails
  // The slack is what is left over, or the price is what is paid for more than the welfare wants.
  const surplus = link.pairedTo === 'weights'
  return {
    ...link,
    start(x, product) {
      const start = link.start(x.subarray(0, groups), product)
      const weights = new Float64Array(rows)
      const partner = new Float64Array(rows)
      weights.set(start.weights)
      partner.set(start.partner)
      for (let k = groups; k < rows; k++) {
        weights[k] = start.product / x[k]
        partner[k] = surplus ? x[k] : weights[k]
      }
      return { ...start, weights, partner }
    },
    define(at, partner) {
      const slack = link.define(at, partner)
      for (let k = groups; k < rows; k++) partner[k] = surplus ? at.utilities[k] : at.weights[k]
      return slack
    },
    linearise(at, out) {
      link.linearise(at, out)
      for (let k = groups; k < rows; k++) {
        const [slack, price] = surplus ? [at.partner[k], at.weights[k]] : [at.utilities[k], at.partner[k]]
        out.pull[k] = surplus ? 1 : slack / price
        out.give[k] = slack / price
        out.along[k] = 0
        out.slopes[k] = 0
        out.curvature[k] = surplus ? slack / price : price / slack
      }
    },
  }
}
