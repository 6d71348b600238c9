/** σ(d) = 1/(1 + e^−d), without overflow. */
export function sigmoid(d: number): number {
  if (d >= 0) return 1 / (1 + Math.exp(-d))
  const e = Math.exp(d)
  return e / (1 + e)
}
