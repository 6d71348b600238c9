/** A reach up to this may be given too large: it is small all the same. */
export const NEAR = 1.5

/** The sum of two exponentials up to this does not overflow, nor does its inverse underflow. */
export const EXP_LIMIT = 700

/**
 * e^{power·θ_i}, up to a factor that all items share.
 *
 * @param room by how much more than the θ_i what is made of them can differ
 * @returns null where θ is spread so far that some would over- or underflow
 */
export function commonPowers(
  theta: Float64Array,
  m: number,
  power: number,
  room: number,
): Float64Array | null {
  const { low, high } = extremes(theta, m)
  if (!(high - low + room <= EXP_LIMIT)) return null
  const middle = (low + high) / 2
  const powers = new Float64Array(m)
  for (let v = 0; v < m; v++) powers[v] = Math.exp(power * (theta[v] - middle))
  return powers
}

/** The least and the largest of the first m values. */
export function extremes(values: Float64Array, m: number): { low: number; high: number } {
  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  for (let v = 0; v < m; v++) {
    if (values[v] < low) low = values[v]
    if (values[v] > high) high = values[v]
  }
  return { low, high }
}
