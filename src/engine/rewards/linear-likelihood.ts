import { type Likelihood, onceAt } from './likelihood.ts'

/** Items are described by feature vectors φ_i: m × width, stored by feature (feature f of item i is at f·m + i). */
export type FeatureTable = { width: number; values: Float64Array }

/** Rows that are multiplied together at a time, so that they stay in the processor's cache. */
const BLOCK = 1024
/** Columns of LΦ that are at hand at a time. */
const IMAGES = 4

/**
 * The log-likelihood of reward weights w, where rewards are linear in features: θ = Φw. Its gradient is Φᵀ∂ℓ/∂θ and its
 * curvature ΦᵀLΦ, so that comparisons are still reduced to pairs. There is no intercept: a constant feature would
 * cancel from every difference.
 */
export function linearLikelihood(base: Likelihood, table: FeatureTable): Likelihood {
  const { width } = table
  const m = base.rewards
  const features = base.shiftInvariant ? withoutOffsets(table, m) : table.values
  const { extras } = base
  const size = width + extras.length
  const gradient = new Float64Array(size)
  const diagonal = new Float64Array(size)
  const curvature = new Float64Array(size * size)

  const lift = (step: Float64Array): Float64Array => {
    const lifted = new Float64Array(base.size)
    for (let f = 0; f < width; f++) {
      const weight = step[f]
      if (weight !== 0) for (let v = 0; v < m; v++) lifted[v] += weight * features[f * m + v]
    }
    for (let e = 0; e < extras.length; e++) lifted[m + e] = step[width + e]
    return lifted
  }

  /** Φᵀx for the rewards, and the extras as they are. */
  const lower = (x: Float64Array): Float64Array => {
    const out = new Float64Array(size)
    for (let f = 0; f < width; f++) {
      let sum = 0
      for (let v = 0; v < m; v++) sum += features[f * m + v] * x[v]
      out[f] = sum
    }
    for (let e = 0; e < extras.length; e++) out[width + e] = x[m + e]
    return out
  }

  const linearise = onceAt((at) => {
    base.linearise(lift(at))
    gradient.set(lower(base.gradient))
    fillCurvature()
    for (let a = 0; a < size; a++) diagonal[a] = curvature[a * size + a]
  })

  const effect = new Float64Array(base.size)
  const images = Array.from({ length: IMAGES }, () => new Float64Array(base.size))
  /** The lower triangle of ΦᵀLΦ, bordered by the extras. */
  const fillCurvature = (): void => {
    curvature.fill(0)
    effect.fill(0)
    for (let f = 0; f < width; f += IMAGES) {
      const few = Math.min(IMAGES, width - f)
      for (let q = 0; q < few; q++) {
        effect.set(features.subarray((f + q) * m, (f + q + 1) * m))
        base.multiply(effect, images[q])
        for (let e = 0; e < extras.length; e++) curvature[(width + e) * size + f + q] = images[q][m + e]
      }
      for (let start = 0; start < m; start += BLOCK) {
        const end = Math.min(m, start + BLOCK)
        for (let h = 0; h < f + few; h += 2) {
          const second = Math.min(h + 1, width - 1)
          const sums = products(images, features, h * m, second * m, start, end)
          for (let q = 0; q < few; q++) {
            curvature[(f + q) * size + h] += sums[2 * q]
            if (second > h) curvature[(f + q) * size + second] += sums[2 * q + 1]
          }
        }
      }
    }
    effect.fill(0)
    for (let e = 0; e < extras.length; e++) {
      effect[m + e] = 1
      base.multiply(effect, images[0])
      for (let h = 0; h <= e; h++) curvature[(width + e) * size + width + h] = images[0][m + h]
      effect[m + e] = 0
    }
  }

  const multiply = (x: Float64Array, out: Float64Array): void => {
    for (let a = 0; a < size; a++) {
      let sum = 0
      for (let b = 0; b < size; b++)
        sum += x[b] * (b <= a ? curvature[a * size + b] : curvature[b * size + a])
      out[a] = sum
    }
  }

  return {
    size,
    rewards: width,
    extras,
    dense: true,
    shiftInvariant: false,
    totals: totalsOf(base, width, features),
    value: (at) => base.value(lift(at)),
    linearise,
    gradient,
    diagonal,
    multiply,
    addCurvature(matrix, order) {
      for (let a = 0; a < order; a++)
        for (let b = 0; b <= a; b++) matrix[a * order + b] += curvature[a * size + b]
    },
    reach: (step) => base.reach(lift(step)),
    lift,
    lower,
    drawScore: null,
  }
}

/**
 * Σ_v of each of four columns times each of two, from start to end: sums at 2·(of the four) + (of the two). Eight sums at
 * a time need fewer reads of memory than one at a time, by which they are several times as fast.
 *
 * @returns overwritten by the next call
 */
function products(
  [a, b, c, d]: readonly Float64Array[],
  features: Float64Array,
  first: number,
  second: number,
  start: number,
  end: number,
): Float64Array {
  let a0 = 0
  let a1 = 0
  let b0 = 0
  let b1 = 0
  let c0 = 0
  let c1 = 0
  let d0 = 0
  let d1 = 0
  for (let v = start; v < end; v++) {
    const x = features[first + v]
    const y = features[second + v]
    a0 += a[v] * x
    a1 += a[v] * y
    b0 += b[v] * x
    b1 += b[v] * y
    c0 += c[v] * x
    c1 += c[v] * y
    d0 += d[v] * x
    d1 += d[v] * y
  }
  sums.set([a0, a1, b0, b1, c0, c1, d0, d1])
  return sums
}

const sums = new Float64Array(2 * IMAGES)

/**
 * The same features less what all items have of them, where that is most of it: only differences matter, and an offset
 * would leave them few digits. A constant feature becomes zero.
 */
function withoutOffsets({ width, values }: FeatureTable, m: number): Float64Array {
  let shifted: Float64Array | null = null
  for (let f = 0; f < width; f++) {
    let low = Number.POSITIVE_INFINITY
    let high = Number.NEGATIVE_INFINITY
    for (let v = f * m; v < (f + 1) * m; v++) {
      if (values[v] < low) low = values[v]
      if (values[v] > high) high = values[v]
    }
    if (high - low >= Math.max(high, -low) / 2) continue
    shifted ??= values.slice()
    for (let v = f * m; v < (f + 1) * m; v++) shifted[v] -= low
  }
  return shifted ?? values
}

/** Comparisons on a feature: those of each item times how far its feature is from their mean. */
function totalsOf(base: Likelihood, width: number, features: Float64Array): Float64Array {
  const m = base.rewards
  const totals = new Float64Array(width + base.extras.length)
  let all = 0
  for (let v = 0; v < m; v++) all += base.totals[v]
  for (let f = 0; f < width; f++) {
    let mean = 0
    for (let v = 0; v < m; v++) mean += (base.totals[v] * features[f * m + v]) / all
    for (let v = 0; v < m; v++) totals[f] += base.totals[v] * Math.abs(features[f * m + v] - mean)
  }
  totals.set(base.totals.subarray(m), width)
  return totals
}
