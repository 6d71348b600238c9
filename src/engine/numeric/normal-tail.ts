/**
 * P(Z > z) for Z ~ N(0, 1): a power series near the middle (Marsaglia, J. Statist. Software 11, 2004), a continued
 * fraction in the tail (Abramowitz & Stegun 26.2.14); relative error about 1e-13.
 */
export function normalTail(z: number): number {
  if (z < 0) return 1 - normalTail(-z)
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)
  if (z < 2) {
    let term = z
    let sum = z
    for (let k = 3; term > 1e-17 * sum; k += 2) {
      term *= (z * z) / k
      sum += term
    }
    return 0.5 - density * sum
  }
  let fraction = z
  for (let k = 150; k >= 1; k--) fraction = z + k / fraction
  return density / fraction
}
