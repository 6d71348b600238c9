import type {
  ContextualFrontPolicy,
  FrontItem,
  FrontPolicy,
  FrontResult,
} from '../../../schemas/aggregate.ts'
import { keyedById } from '../comparisons/ids.ts'
import type { ItemFront } from '../welfare/front/items.ts'
import type { ParetoFront } from '../welfare/front/pareto-front.ts'
import type { PolicyFront } from '../welfare/front/policies.ts'
import type { Aggregation } from './aggregation.ts'
import { describeGroup, settingsOf } from './members.ts'
import { aggregatedRewards, describePolicies, trainedRewards } from './training.ts'

/** Tells a Pareto front in the names of the request. */
export function describeFront(aggregation: Aggregation, found: ParetoFront): FrontResult {
  const { preferences, choices, columns } = aggregation
  const { groups } = preferences
  const items = Array.from(columns, (item) => preferences.items[item])
  const front = found.kind === 'items' ? frontItems(aggregation, found) : frontPolicies(aggregation, found)
  const { volume, error } = found.kind === 'items' ? found.hypervolume : found.hypervolume.inner
  const bounded = Number.isFinite(volume)
  return {
    function: 'pareto-front',
    settings: settingsOf(choices, { function: 'pareto-front' }),
    front: front as FrontResult['front'],
    ...(found.kind === 'policies' ? { approximation: approximationOf(found) } : {}),
    dominated: found.dominated.map(({ item, by, count }) => ({
      item: items[item],
      by: by.map((other) => items[other]),
      count,
    })),
    lotteryDominated:
      found.kind === 'policies'
        ? []
        : found.lotteryDominated.map(({ item, by, gains }) => ({
            item: items[item],
            by: keyedById(
              by.map((part) => items[part.item]),
              (k) => by[k].probability,
            ),
            gains: keyedById(groups, (g) => gains[g]),
          })),
    hypervolume: bounded ? volume : null,
    hypervolumeError: bounded ? error : null,
    knee: front[found.knee],
    groups: groups.map((_, g) => describeGroup(aggregation, g)),
    certificate: found.certificate,
  }
}

function frontItems(
  { preferences, problem, columns }: Aggregation,
  { items: found }: ItemFront,
): FrontItem[] {
  const { groups, items } = preferences
  return found.map(({ item, weights, radius, share, shareError }) => ({
    item: items[columns[item]],
    utilities: keyedById(groups, (g) => problem.utilities[g * problem.items + item]),
    supported: weights !== null,
    weights: weights === null ? null : keyedById(groups, (g) => weights[g]),
    radius,
    share,
    shareError,
  }))
}

function frontPolicies(
  aggregation: Aggregation,
  { policies }: PolicyFront,
): (FrontPolicy | ContextualFrontPolicy)[] {
  const { preferences, problem } = aggregation
  const { groups, items } = preferences
  return policies.map(({ weights, prices, policy, utilities, divergence }) => {
    const trained = trainedRewards(aggregation, aggregatedRewards(aggregation, weights), prices)
    const result = {
      weights: keyedById(groups, (g) => weights[g]),
      temperature: problem.temperature,
      rewards: keyedById(items, (i) => trained.overall[i]),
      utilities: keyedById(groups, (g) => utilities[g]),
      divergence,
    }
    const chosen = describePolicies(aggregation, policy, trained)
    return 'policy' in chosen ? { ...result, ...chosen } : { ...result, ...chosen }
  })
}

function approximationOf({ approximation, hypervolume }: PolicyFront): FrontResult['approximation'] {
  const { volume, error } = hypervolume.outer
  const bounded = Number.isFinite(volume)
  return {
    ...approximation,
    hypervolumeLimit: bounded ? volume : null,
    hypervolumeLimitError: bounded ? error : null,
  }
}
