import { choleskyFactor, choleskySolve } from '../numeric/cholesky.ts'
import { gibbsInContexts } from './contexts.ts'
import { centredIn, meanOf } from './orthonormal.ts'
import { oneContext } from './problem.ts'

const MAX_ITERATIONS = 200
/** So many iterations in which nothing falls any more are the end. */
const PATIENCE = 5

/**
 * The policy nearest to a prior, in KL divergence, at which the first rows e_a have the mean 0 and the rest 0 or more.
 *
 * In each context it is p_k ∝ prior_k exp(Σ_a η_a e_ak) with multipliers η, 0 or more for the rest, at which the log-partition
 * Σ_q w_q log Σ_k prior_k exp(…) is smallest. That is found by Newton's method, projected for the rest.
 *
 * @param rows each as long as the prior, of entries near 1 in the mean
 * @param equal how many of the rows must have the mean 0
 * @param prior with the sum w_q in each context
 */
export function entropyProjection(
  rows: Float64Array[],
  equal: number,
  prior: Float64Array,
  contexts = oneContext(prior.length),
): Float64Array {
  const size = prior.length
  const order = rows.length
  const exponents = new Float64Array(size)
  const policy = new Float64Array(size)
  const levels = new Float64Array(contexts.weights.length)
  const means = new Float64Array(order)
  let multipliers = new Float64Array(order)
  let best = Number.POSITIVE_INFINITY
  let lowest = Number.POSITIVE_INFINITY
  let found = prior
  let stale = 0
  const partitionAt = (at: Float64Array) => {
    exponents.fill(0)
    for (let a = 0; a < order; a++) for (let k = 0; k < size; k++) exponents[k] += at[a] * rows[a][k]
    gibbsInContexts({ reference: prior, temperature: 1, contexts }, exponents, policy, levels)
    return meanOf(levels, contexts.weights)
  }

  for (let iteration = 0; iteration < MAX_ITERATIONS && stale < PATIENCE; iteration++) {
    const partition = partitionAt(multipliers)
    let residual = 0
    const active: number[] = []
    for (let a = 0; a < order; a++) {
      means[a] = 0
      for (let k = 0; k < size; k++) means[a] += policy[k] * rows[a][k]
      if (a >= equal && multipliers[a] === 0 && means[a] >= 0) continue
      active.push(a)
      residual = Math.max(residual, Math.abs(means[a]))
    }
    stale = residual < 0.9 * best || partition < lowest - 1e-13 ? 0 : stale + 1
    lowest = Math.min(lowest, partition)
    if (residual < best) {
      best = residual
      found = policy.slice()
    }
    if (residual <= 1e-15) break

    // Rows that depend on each other, or items that must have probability zero and go, leave the curvature singular;
    // and bounds that cannot all be met with equality, its solution without meaning. A ridge helps, first a trace of one.
    let next: Float64Array<ArrayBuffer> | null = null
    const centred = active.map((a) => centredIn(contexts, rows[a], policy))
    const gradient = Float64Array.from(active, (a) => -means[a])
    for (let ridge = 1e-13; ridge < 1e3 && next === null; ridge *= 1e4) {
      const step = newtonStep(centred, gradient, policy, ridge)
      if (step !== null) next = lineSearch(active, centred, step, partition)
    }
    if (next === null) break
    multipliers = next
  }
  return found

  /** Multipliers moved along a step until the log-partition falls; null if it does not. */
  function lineSearch(active: number[], centred: Float64Array[], step: Float64Array, partition: number) {
    const moved = (length: number) => {
      const tried = multipliers.slice()
      active.forEach((a, r) => {
        tried[a] += length * step[r]
        if (a >= equal) tried[a] = Math.max(0, tried[a])
      })
      return tried
    }
    // The step that the log-partition's self-concordance allows (as in the Bradley–Terry fit); multipliers that are
    // stopped at 0 may bend the way.
    let longest = 0
    for (let k = 0; k < size; k++) {
      let change = 0
      for (let r = 0; r < active.length; r++) change += step[r] * centred[r][k]
      longest = Math.max(longest, Math.abs(change))
    }
    let length = longest > 1 ? Math.log1p(longest) / longest : 1
    for (let halving = 0; halving < 10; halving++, length /= 2) {
      let tried = moved(length)
      let slope = 0
      for (const a of active) slope += means[a] * (tried[a] - multipliers[a])
      let reached = partitionAt(tried)
      if (!(reached <= partition + 1e-4 * slope + 1e-15)) continue
      // That is little where probabilities go to zero: it may well fall for longer.
      for (let doubling = 0; doubling < 10 && length < 1; doubling++, length *= 2) {
        const further = moved(2 * length)
        const lower = partitionAt(further)
        if (!(lower < reached)) break
        tried = further
        reached = lower
      }
      return tried
    }
    return null
  }
}

/** (covariance of centred rows)⁻¹·gradient, with a ridge. */
function newtonStep(
  centred: Float64Array[],
  gradient: Float64Array,
  policy: Float64Array,
  ridge: number,
): Float64Array | null {
  const count = centred.length
  const matrix = new Float64Array(count * count)
  let most = 0
  for (let r = 0; r < count; r++) {
    for (let c = 0; c <= r; c++) {
      let sum = 0
      for (let k = 0; k < policy.length; k++) sum += policy[k] * centred[r][k] * centred[c][k]
      matrix[r * count + c] = sum
    }
    most = Math.max(most, matrix[r * count + r])
  }
  for (let r = 0; r < count; r++) matrix[r * count + r] += ridge * most
  if (choleskyFactor(matrix, count) >= 0) return null
  const step = gradient.slice()
  choleskySolve(matrix, count, step)
  return step
}
