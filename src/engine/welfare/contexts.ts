import { gibbsPolicy } from './gibbs.ts'
import type { Contexts } from './problem.ts'

/** Items in blocks: row-major tables whose columns are those of context 0, then those of context 1, … */
type Blocks = { groups: number; utilities: Float64Array; items: number; contexts: Contexts }

/**
 * The Gibbs policy of every context, p_i ∝ π_i e^{v_i/β} with the sum w_q.
 *
 * @param values v; length n
 * @param policy length n, overwritten by p
 * @param levels length Q, overwritten by β log Σ_i (π_i/w_q) e^{v_i/β}: what each context's best policy is worth, KL term
 *   included
 */
export function gibbsInContexts(
  { reference, temperature, contexts }: { reference: Float64Array; temperature: number; contexts: Contexts },
  values: Float64Array,
  policy: Float64Array,
  levels: Float64Array = new Float64Array(contexts.weights.length),
): void {
  const { starts, weights } = contexts
  for (let q = 0; q < weights.length; q++) {
    const part = (array: Float64Array) => array.subarray(starts[q], starts[q + 1])
    levels[q] = gibbsPolicy(part(values), part(reference), temperature, part(policy), weights[q])
  }
}

/** A policy with the sum w_q in every context, from positive numbers in the right proportions. */
export function normalisedIn({ starts, weights }: Contexts, policy: Float64Array): Float64Array {
  const normalised = policy.slice()
  for (let q = 0; q < weights.length; q++) {
    let sum = 0
    for (let i = starts[q]; i < starts[q + 1]; i++) sum += policy[i]
    for (let i = starts[q]; i < starts[q + 1]; i++) normalised[i] = (policy[i] / sum) * weights[q]
  }
  return normalised
}

/** The largest value of each context; length Q. */
export function topsOf({ starts }: Contexts, values: Float64Array): Float64Array {
  const tops = new Float64Array(starts.length - 1)
  for (let q = 0; q < tops.length; q++) {
    let top = Number.NEGATIVE_INFINITY
    for (let i = starts[q]; i < starts[q + 1]; i++) if (values[i] > top) top = values[i]
    tops[q] = top
  }
  return tops
}

/** The context of every column; length n. */
export function contextOfEach({ starts }: Contexts): Int32Array {
  const contexts = new Int32Array(starts[starts.length - 1])
  for (let q = 0; q + 1 < starts.length; q++) contexts.fill(q, starts[q], starts[q + 1])
  return contexts
}

/** The least and the most that policies give every group, Σ_q w_q min_i u_gi and Σ_q w_q max_i u_gi; each length G. */
export function extremesOf({ groups, items, utilities: u, contexts }: Blocks): {
  least: Float64Array
  most: Float64Array
} {
  const { starts, weights } = contexts
  const least = new Float64Array(groups)
  const most = new Float64Array(groups)
  for (let g = 0; g < groups; g++) {
    const row = g * items
    for (let q = 0; q < weights.length; q++) {
      let low = Number.POSITIVE_INFINITY
      let high = Number.NEGATIVE_INFINITY
      for (let i = row + starts[q]; i < row + starts[q + 1]; i++) {
        if (u[i] < low) low = u[i]
        if (u[i] > high) high = u[i]
      }
      least[g] += weights[q] * low
      most[g] += weights[q] * high
    }
  }
  return { least, most }
}

/** How far policies can move every group: Σ_q w_q (max_i u_gi − min_i u_gi); length G. Exactly 0 for whom none moves. */
export function reachOf({ groups, items, utilities: u, contexts }: Blocks): Float64Array {
  const { starts, weights } = contexts
  const reach = new Float64Array(groups)
  for (let g = 0; g < groups; g++) {
    const row = g * items
    for (let q = 0; q < weights.length; q++) {
      let low = Number.POSITIVE_INFINITY
      let high = Number.NEGATIVE_INFINITY
      for (let i = row + starts[q]; i < row + starts[q + 1]; i++) {
        if (u[i] < low) low = u[i]
        if (u[i] > high) high = u[i]
      }
      reach[g] += weights[q] * (high - low)
    }
  }
  return reach
}
