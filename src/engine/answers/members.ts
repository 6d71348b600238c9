import type { FrontGroup, OptimumResult } from '../../../schemas/aggregate.ts'
import type { Welfare } from '../../../schemas/welfare.ts'
import { keyedById } from '../comparisons/ids.ts'
import { bestOf } from '../pose.ts'
import type { Choices } from '../settings.ts'
import type { Aggregation } from './aggregation.ts'

export function settingsOf({ settings }: Choices, welfare: Welfare): OptimumResult['settings'] {
  const { seed, ...rest } = settings
  return { ...rest, welfare, seed }
}

export function describeGroup(
  { preferences, choices, rewards, utilities }: Aggregation,
  g: number,
): FrontGroup {
  const { groups, items, population } = preferences
  const { values, anchor, scaleFactor, indifferent } = utilities[g]
  const { fit, seen, weights, values: reward } = rewards[g]
  return {
    id: groups[g],
    population: population[g],
    best: bestOf(values, choices.contexts),
    rewards: keyedById(items, (i) => reward[i]),
    utilities: keyedById(items, (i) => values[i]),
    anchor,
    scaleFactor,
    indifferent,
    unseenItems: unseenItems(seen, items),
    ...(weights === null ? {} : { rewardWeights: Array.from(weights) }),
    ...fit,
  }
}

/** The items that a group never compared. */
export function unseenItems(seen: Uint8Array, items: readonly string[]): string[] {
  return items.filter((_, i) => seen[i] === 0)
}
