import { type Connectivity, ordersFollowItems } from '../comparisons/connectivity.ts'
import type { GroupData, Preferences } from '../preferences.ts'
import { invalidRequest } from '../problem.ts'
import { recessionDirection } from './existence.ts'
import { fitAt, nearLast, posteriorOf, startOf } from './fit-group.ts'
import { maximiseWithJeffreys } from './jeffreys.ts'
import type { Likelihood } from './likelihood.ts'
import { maximise, notConverged } from './maximise.ts'
import type { OwnPrior } from './model.ts'
import {
  type Failure,
  inseparable,
  noFiniteEstimate,
  requireFew,
  requireIndependent,
  undecided,
} from './refusals.ts'
import { fitReliability } from './reliability.ts'
import type { FittedGroup, LastFit, Model } from './rewards.ts'

/** Fits each group on its own. */
export async function fitGroups(
  preferences: Preferences,
  data: readonly GroupData[],
  graphs: readonly (Connectivity | null)[],
  model: Model,
  prior: OwnPrior,
  seed: number,
  done: (fraction: number) => void,
  last: readonly (LastFit | null)[] | null,
): Promise<FittedGroup[]> {
  const { reliability } = model
  const proper = prior.kind === 'gaussian' || prior.kind === 'pseudo-item'
  const linear = data.some(({ features }) => features !== null)
  if (prior.kind === 'pseudo-item' && data.some(({ named }) => !named)) {
    const detail =
      'needs items to compare the phantom with, and comparisons bring feature differences of none: use gaussian'
    throw invalidRequest([{ pointer: '/model/prior', detail }])
  }
  if (!proper && !linear) {
    const broken = graphs.map((graph) => graph !== null && components(graph, model, prior) > 1)
    if (broken.some(Boolean)) throw noFiniteEstimate(preferences, data, graphs, broken, [])
  }
  const failures: Failure[] = []
  const fitted: FittedGroup[] = []
  for (let g = 0; g < data.length; g++) {
    done(g / data.length)
    const own = data[g]
    const { posterior, likelihood } = posteriorOf(own.counts, model, prior, own.features)
    if (linear && prior.kind !== 'gaussian') requireIndependent(preferences.groups[g], [posterior])
    const confounded = model.positionEffect && own.kind === 'pairs' && ordersFollowItems(own.counts)
    if (confounded && !linear && !proper) throw inseparable(preferences.groups[g], [], true)
    if (reliability !== null && prior.kind !== 'firth' && own.kind === 'pairs') {
      requireFew('/model/reliability', preferences.groups[g], likelihood)
      const found = fitReliability(own, prior, reliability, seed)
      if (found === null) throw notConverged()
      if ('direction' in found) failures.push({ group: g, ...found })
      else fitted.push({ data: own, connectivity: graphs[g], pooled: null, ...found })
      continue
    }
    if (prior.kind === 'firth') requireFew('/model/prior', preferences.groups[g], posterior)
    const proven = likelihood.extras.length === 0 && (proper || !linear)
    const start = startOf(posterior, likelihood)
    const before = last?.[g] ?? null
    let maximum =
      prior.kind === 'firth'
        ? maximiseWithJeffreys(posterior)
        : ((before && maximise(posterior, proven, start, startNear(posterior, own, start, before))) ??
          maximise(posterior, proven, start))
    if (maximum === null && !proven && prior.kind !== 'firth') {
      const free = Array.from({ length: posterior.size }, (_, a) => a)
      const moving = proper ? free.slice(posterior.rewards) : free
      const direction = await recessionDirection(posterior, likelihood, moving)
      if (direction === 'undecided') throw undecided(preferences.groups[g])
      if (direction !== 'none') {
        failures.push({ group: g, direction, likelihood: posterior })
        continue
      }
      maximum = maximise(posterior, true, start)
    }
    if (maximum === null) throw notConverged()
    fitted.push({
      data: own,
      connectivity: graphs[g],
      fit: fitAt(maximum, posterior, likelihood),
      pooled: null,
      reliability: null,
    })
  }
  if (failures.length > 0) {
    const broken = data.map((_, g) => failures.some(({ group }) => group === g))
    throw noFiniteEstimate(preferences, data, graphs, broken, failures)
  }
  return fitted
}

/** Where the search begins beside an earlier fit. */
function startNear(
  { rewards: width, extras, dense }: Likelihood,
  { counts: { items } }: GroupData,
  start: Float64Array,
  { rewards, weights, extras: known }: LastFit,
): Float64Array {
  const near = dense ? start.slice() : nearLast(start, items, rewards)
  if (weights !== null && weights.length === width) near.set(weights)
  extras.forEach((extra, e) => {
    near[width + e] = known[extra] ?? start[width + e]
  })
  return near
}

/**
 * Jeffreys' prior needs the items only to be connected, whoever won, and so do annotators who may not mean what they say;
 * otherwise no prior needs strong connection.
 */
function components(graph: Connectivity, { reliability }: Model, prior: OwnPrior): number {
  return prior.kind === 'firth' || reliability !== null ? graph.pieces : graph.components.length
}
