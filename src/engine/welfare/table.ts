/** A G × n table of utilities, row-major: the row of group g is its utilities of all items. */
export type Table = { groups: number; items: number; utilities: Float64Array }

/** v = Uᵀλ: what the items are worth at weights λ. */
export function valuesOf(
  { groups, items, utilities: u }: Table,
  weights: Float64Array,
  values: Float64Array,
): void {
  values.fill(0)
  for (let g = 0; g < groups; g++) {
    const weight = weights[g]
    const row = g * items
    for (let i = 0; i < items; i++) values[i] += weight * u[row + i]
  }
}

/** x = Up: what the groups get from a policy p. */
export function utilitiesOf(
  { groups, items, utilities: u }: Table,
  policy: Float64Array,
  x: Float64Array,
): void {
  for (let g = 0; g < groups; g++) {
    const row = g * items
    let sum = 0
    for (let i = 0; i < items; i++) sum += u[row + i] * policy[i]
    x[g] = sum
  }
}

/** max_i u_gi − min_i u_gi; length G. */
export function rangesOf({ groups, items, utilities: u }: Table): Float64Array {
  return Float64Array.from({ length: groups }, (_, g) => {
    let low = Number.POSITIVE_INFINITY
    let high = Number.NEGATIVE_INFINITY
    for (let i = g * items; i < (g + 1) * items; i++) {
      if (u[i] < low) low = u[i]
      if (u[i] > high) high = u[i]
    }
    return high - low
  })
}
