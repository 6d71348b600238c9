import type { Comparisons } from './read.ts'

/** How many comparisons row r stands for. */
export function copiesOf({ count }: Comparisons, r: number): number {
  return count === null ? 1 : count[r]
}

/** How much row r adds to the sums. */
export function massOf(rows: Comparisons, r: number): number {
  return rows.weight === null ? copiesOf(rows, r) : copiesOf(rows, r) * rows.weight[r]
}

/** How far row r is a win of its winner. */
export function labelOf({ preference }: Comparisons, r: number): number {
  return preference === null || Number.isNaN(preference[r]) ? 1 : preference[r]
}
