/** σ(d) = 1/(1 + e^−d), without overflow. */
export function sigmoid(d: number): number {
  if (d >= 0) return 1 / (1 + Math.exp(-d))
  const e = Math.exp(d)
  return e / (1 + e)
}

/** log(1 + e^d), without overflow and exact to rounding on both sides. */
export function softplus(d: number): number {
  return Math.max(d, 0) + Math.log1p(Math.exp(-Math.abs(d)))
}
