import type { WelfareProblem } from '../problem.ts'
import { rangesOf } from '../table.ts'

/** What a policy is worth to everybody and costs: the rows of U and then those of C, (G + K) × n, row-major. */
export type Columns = { rows: number; items: number; entries: Float64Array }

export function columnsOf({
  groups,
  items,
  utilities,
  guardrails: { costs, limits },
}: WelfareProblem): Columns {
  const entries = new Float64Array(utilities.length + costs.length)
  entries.set(utilities)
  entries.set(costs, utilities.length)
  return { rows: groups + limits.length, items, entries }
}

/** The utilities x = Up, and the costs Cp. */
export function imageOf({ rows, items, entries }: Columns, policy: Float64Array): Float64Array {
  const image = new Float64Array(rows)
  for (let r = 0; r < rows; r++) {
    let sum = 0
    for (let i = 0, at = r * items; i < items; i++, at++) sum += entries[at] * policy[i]
    image[r] = sum
  }
  return image
}

/** v = Uᵀλ − Cᵀμ. */
export function worthOf(
  { rows, items, entries }: Columns,
  weights: Float64Array,
  prices: Float64Array,
): Float64Array {
  const worth = new Float64Array(items)
  const groups = weights.length
  for (let r = 0; r < rows; r++) {
    const factor = r < groups ? weights[r] : -prices[r - groups]
    if (factor !== 0) for (let i = 0, at = r * items; i < items; i++, at++) worth[i] += factor * entries[at]
  }
  return worth
}

/** The largest less the least of each row; length G + K. */
export function rowRanges({ rows, items, entries }: Columns): Float64Array {
  return rangesOf({ groups: rows, items, utilities: entries })
}

/** The largest size of an entry of each row; length G + K. */
export function rowMaxima({ rows, items, entries }: Columns): Float64Array {
  return Float64Array.from({ length: rows }, (_, r) => {
    let most = 0
    for (let at = r * items; at < (r + 1) * items; at++) most = Math.max(most, Math.abs(entries[at]))
    return most
  })
}
