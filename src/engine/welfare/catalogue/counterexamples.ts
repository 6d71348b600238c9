import type { AggregateRequest } from '../../../../schemas/aggregate.ts'
import type { Welfare } from '../../../../schemas/welfare.ts'
import stored from './counterexamples.json' with { type: 'json' }

/** A small problem: gains, one row a group, and the groups' populations. */
export type Posed = { utilities: number[][]; population: number[] }

/** The request that poses a problem: groups g1, g2 …, items a, b …, gains from the given zero, temperature 0. */
export function requestOf(
  { utilities, population }: Posed,
  welfare: Welfare,
): Pick<AggregateRequest, 'rewards' | 'groups' | 'items' | 'utility' | 'welfare'> {
  const groups = population.map((_, g) => `g${g + 1}`)
  const items = utilities[0].map((_, i) => String.fromCharCode(97 + i))
  return {
    rewards: Object.fromEntries(
      groups.map((id, g) => [id, Object.fromEntries(items.map((item, i) => [item, utilities[g][i]]))]),
    ),
    groups: groups.map((id, g) => ({ id, population: population[g] })),
    items: items.map((id) => ({ id })),
    utility: { anchor: 'zero' },
    welfare,
  }
}

/** Problems at which a function's example breaks an axiom, or breaks it in its strict form. */
export const COUNTEREXAMPLES: readonly { function: string; axiom: string; problems: Posed[] }[] = stored
