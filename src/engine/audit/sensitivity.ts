import type { Aggregation } from '../answers/aggregation.ts'
import type { Rescaled } from './alternatives.ts'
import { overItems, type Situation, totalVariation, winnerOf } from './situation.ts'

/** One row of the table: null members where that scale and anchor have no answer. */
export type SensitivityRow = Rescaled & {
  /** Index of the item. */
  winner: number | null
  /** Total variation between its policy and the request's. */
  move: number | null
  /** What each group has, from 0 at its worst item to 1 at its best, by its rewards; length G. */
  standing: Float64Array | null
}

/** How much hangs on the scale and the anchor, which fitted rewards do not settle. */
export type Sensitivity = {
  rows: SensitivityRow[]
  /** Whether all rows that have an answer have the same winner. */
  sameWinner: boolean
  /** The row whose policy is farthest from the request's. */
  farthest: SensitivityRow
  /** For each group the rows where it stands worst and best. */
  worst: SensitivityRow[]
  best: SensitivityRow[]
}

/** Puts what follows from every scale and anchor beside what follows from the request's own. */
export function sensitivityOf(situation: Situation, table: readonly Rescaled[]): Sensitivity {
  const { groups } = situation.aggregation.problem
  const rows = table.map((entry): SensitivityRow => {
    const other = entry.situation
    if (other === null) return { ...entry, winner: null, move: null, standing: null }
    return {
      ...entry,
      winner: winnerOf(other),
      move: totalVariation(situation, other),
      standing: standingsOf(other.aggregation, other.optimum.policy),
    }
  })
  const solved = rows.filter(({ situation }) => situation !== null)
  const extreme = (value: (row: SensitivityRow) => number) =>
    solved.reduce((most, row) => (value(row) > value(most) ? row : most))
  const standing = (row: SensitivityRow, g: number) => row.standing?.[g] ?? 0
  return {
    rows,
    sameWinner: solved.every(({ winner }) => winner === solved[0].winner),
    farthest: extreme(({ move }) => move ?? 0),
    worst: Array.from({ length: groups }, (_, g) => extreme((row) => -standing(row, g))),
    best: Array.from({ length: groups }, (_, g) => extreme((row) => standing(row, g))),
  }
}

/** (r_g(p) − min_i r_gi) / (max_i r_gi − min_i r_gi), by the rewards before any scale; 1 for an indifferent group. */
function standingsOf(aggregation: Aggregation, policy: Float64Array): Float64Array {
  const shares = overItems(aggregation, policy)
  return Float64Array.from(aggregation.rewards, ({ values }, g) => {
    if (aggregation.utilities[g].indifferent) return 1
    const low = values.reduce((a, b) => Math.min(a, b))
    const high = values.reduce((a, b) => Math.max(a, b))
    let above = 0
    for (let i = 0; i < values.length; i++) above += shares[i] * (values[i] - low)
    return above / (high - low)
  })
}
