/**
 * The curve Φ of a rank-dependent welfare function: concave and increasing from Φ(0) = 0 to Φ(1) = 1. Φ(t) is the weight
 * of the worst-off part t of the population.
 */
export type Curve = {
  /** Φ(to) − Φ(from), to the last digit even where the two are alike. */
  rise(from: number, to: number): number
  /**
   * Where Φ bends, ascending, the last being 1, if it is straight in between; null where it is curved throughout.
   */
  bends: Float64Array | null
}

/** Φ through the sums of weights ω_1 ≥ ω_2 ≥ … ≥ 0 for equal parts of the population, the worst off first. */
export function curveThrough(weights: readonly number[]): Curve {
  const parts = weights.length
  const sum = weights.reduce((a, b) => a + b, 0)
  // What the whole parts below t have, and the share of the part that t cuts.
  const rise = (from: number, to: number) => {
    let risen = 0
    for (let k = Math.max(0, Math.floor(from * parts)); k < parts && k / parts < to; k++) {
      const width = Math.min(to, (k + 1) / parts) - Math.max(from, k / parts)
      if (width > 0) risen += (weights[k] / sum) * (width * parts)
    }
    return risen
  }
  const bends = weights.flatMap((weight, k) => (weight === weights[k + 1] ? [] : [(k + 1) / parts]))
  return { rise, bends: Float64Array.from(bends) }
}

/** A parameter nearer to 1 than this makes no difference that a double could hold. */
const STRAIGHT = 1e-14

/** Φ(t) = 1 − (1 − t)^ν, ν ≥ 1: the single-parameter Gini; 2 is the Gini itself. */
export function singleParameterCurve(parameter: number): Curve {
  const rise = (from: number, to: number) => {
    if (to >= 1) return (1 - from) ** parameter
    // (1 − from)^ν − (1 − to)^ν as one factor and a power that is near 1 where the two are alike.
    const ratio = Math.log1p((from - to) / (1 - from))
    return -((1 - from) ** parameter) * Math.expm1(parameter * ratio)
  }
  return { rise, bends: parameter - 1 < STRAIGHT ? Float64Array.of(1) : null }
}

/** Φ(t) = min(t/α, 1), 0 < α ≤ 1. */
export function tailCurve(alpha: number): Curve {
  const rise = (from: number, to: number) => Math.max(0, Math.min(to, alpha) - from) / alpha
  return { rise, bends: alpha < 1 ? Float64Array.of(alpha, 1) : Float64Array.of(1) }
}

/** Indices from the least value up; those of equal values in their own order. */
export function orderOf(values: Float64Array): number[] {
  return Array.from(values.keys()).sort((a, b) => values[a] - values[b] || a - b)
}
