import { type Connectivity, connectivity } from '../comparisons/connectivity.ts'
import type { PairCounts } from '../comparisons/pairs.ts'
import type { Preferences } from '../preferences.ts'
import { Problem } from '../problem.ts'
import { type Fit, fitBradleyTerry } from './bradley-terry.ts'
import type { Prior } from './likelihood.ts'

/** The rewards of one group over all items of the request. */
export type GroupRewards = {
  /** Length n; an item that the group never saw has the group's mean, or with a prior the prior's value. */
  values: Float64Array
  /** 1 where the group compared the item; length n. */
  seen: Uint8Array
  /** How they were fitted; null where they were given. */
  fitted: FittedGroup | null
}

/** A group's fit, with the data and the graph that it rests on. */
export type FittedGroup = { counts: PairCounts; connectivity: Connectivity; fit: Fit }

/**
 * The rewards of every group: as given, or fitted to the group's own pair counts.
 *
 * @throws Problem `no-finite-estimate` that names, for each group whose win graph is not strongly connected, its
 *   components, undefeated and winless items, where there is no prior
 */
export function rewardsOf({ groups, items, source }: Preferences, prior: Prior): GroupRewards[] {
  const n = items.length
  if (source.kind === 'rewards') {
    return groups.map((_, g) => ({
      values: source.rewards.slice(g * n, (g + 1) * n),
      seen: new Uint8Array(n).fill(1),
      fitted: null,
    }))
  }
  const graphs = source.counts.map(connectivity)
  if (prior.kind === 'none') requireFiniteEstimates(groups, items, source.counts, graphs)
  return source.counts.map((counts, g) => {
    const fit = fitBradleyTerry(counts, prior)
    const values = new Float64Array(n).fill(fit.unseenReward)
    const seen = new Uint8Array(n)
    counts.items.forEach((item, local) => {
      values[item] = fit.rewards[local]
      seen[item] = 1
    })
    return { values, seen, fitted: { counts, connectivity: graphs[g], fit } }
  })
}

/** The connectivity of a group with its items' names: components sorted within and among themselves. */
export function namedConnectivity(graph: Connectivity, counts: PairCounts, items: readonly string[]) {
  const names = (locals: Int32Array) =>
    Array.from(locals, (local) => items[counts.items[local]]).sort(byCodeUnit)
  return {
    components: graph.components.map(names).sort((a, b) => byCodeUnit(a[0], b[0])),
    undefeated: names(graph.undefeated),
    winless: names(graph.winless),
  }
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function requireFiniteEstimates(
  groups: readonly string[],
  items: readonly string[],
  counts: PairCounts[],
  graphs: Connectivity[],
): void {
  const infinite = groups.flatMap((id, g) =>
    graphs[g].components.length === 1 ? [] : [{ id, ...namedConnectivity(graphs[g], counts[g], items) }],
  )
  if (infinite.length === 0) return
  const which =
    infinite.length === 1
      ? `The group "${infinite[0].id}" has`
      : `${infinite.length} groups, "${infinite[0].id}" first, have`
  throw new Problem(
    'no-finite-estimate',
    `${which} no finite Bradley–Terry estimate: some items never beat or tied any of the others, directly or through a ` +
      'chain of comparisons, so the likelihood grows without bound as they move apart. Collect comparisons between the ' +
      'components, leave items out, or declare a prior: {"kind": "gaussian", "standardDeviation": 2} or ' +
      '{"kind": "pseudo-item", "strength": 0.5} give every group an answer.',
    { evidence: { groups: infinite } },
  )
}
