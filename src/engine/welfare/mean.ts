/**
 * log M_r(x; n), the logarithm of the power mean (Σ_g n_g x_g^r)^{1/r}, of the geometric mean at r = 0. Shares n count as
 * if they summed to exactly 1, which for r near 0 makes all the difference.
 *
 * @param logs log x_g; −∞ for x_g = 0
 * @param logShares log n_g
 */
export function logMean(exponent: number, logs: Float64Array, logShares: Float64Array): number {
  if (exponent === 0) return logs.reduce((sum, log, g) => sum + Math.exp(logShares[g]) * log, 0)
  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  for (const log of logs) {
    if (log < low) low = log
    if (log > high) high = log
  }
  const end = exponent > 0 ? high : low
  if (end === Number.NEGATIVE_INFINITY) return end
  // Towards r = 0 all powers tend to 1: their differences from it are summed.
  if (Math.abs(exponent) * (high - low) < 1) {
    const sum = logs.reduce(
      (sum, log, g) => sum + Math.exp(logShares[g]) * Math.expm1(exponent * (log - end)),
      0,
    )
    return end + Math.log1p(sum) / exponent
  }
  // The largest term is taken out, so that no power over- or underflows.
  const powers = logs.map((log, g) => logShares[g] + exponent * (log - end))
  const top = powers.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const sum = powers.reduce((sum, power) => sum + Math.exp(power - top), 0)
  return end + (top + Math.log(sum)) / exponent
}
