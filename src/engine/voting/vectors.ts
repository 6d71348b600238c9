/** Σ_k a_k. */
export function sumOf(values: Float64Array): number {
  let sum = 0
  for (const value of values) sum += value
  return sum
}

/** Σ_k a_k b_k. */
export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k]
  return sum
}

/** The same divided by their sum. */
export function normalised(values: Float64Array): Float64Array<ArrayBuffer> {
  const sum = sumOf(values)
  return Float64Array.from(values, (value) => value / sum)
}

/** How many times a step can be taken before something positive is zero. */
export function longestStep(from: Float64Array, step: Float64Array): number {
  let most = Number.POSITIVE_INFINITY
  for (let i = 0; i < from.length; i++) if (step[i] < 0) most = Math.min(most, -from[i] / step[i])
  return most
}
