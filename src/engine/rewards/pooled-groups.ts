import {
  type Beats,
  type Connectivity,
  connectivity,
  type Orders,
  ordersFollowItems,
} from '../comparisons/connectivity.ts'
import { beatsOf, type Counts, overItems } from '../comparisons/counts.ts'
import type { GroupData, Preferences } from '../preferences.ts'
import { Problem } from '../problem.ts'
import { fitAt, posteriorOf, startOf } from './fit-group.ts'
import type { OwnPrior, Prior } from './model.ts'
import { fitPooled, type PooledFit } from './pooled.ts'
import { inseparable, requireFew, requireIndependent } from './refusals.ts'
import type { FittedGroup, Model, PooledShare } from './rewards.ts'

/** Fits all groups at once, each drawn to what they have in common. */
export async function poolGroups(
  preferences: Preferences,
  data: readonly GroupData[],
  graphs: readonly (Connectivity | null)[],
  model: Model,
  prior: Extract<Prior, { kind: 'pooled' }>,
  done: (fraction: number) => void,
): Promise<FittedGroup[]> {
  const n = preferences.items.length
  const own = withSameExtras(data)
  const linear = data[0].features !== null
  const all = Array.from({ length: n }, (_, i) => i)
  const wide = linear ? own : own.map((counts) => overItems(counts, all))
  const flat: OwnPrior = { kind: 'none' }
  const parts = wide.map((counts, g) => posteriorOf(counts, model, flat, data[g].features))
  requireFew('/model/prior', preferences.groups[0], parts[0].posterior)
  const population = prior.populationDeviation ?? (!linear && fallsApart(wide) ? null : 'flat')
  if (population === 'flat' && linear)
    requireIndependent(
      null,
      Array.from(parts, (part) => part.posterior),
    )
  const confounded = !linear && model.positionEffect && ordersFollowItems(ordersOf(wide))
  if (population === 'flat' && confounded) throw inseparable(null, [], true)
  const { size, rewards, shiftInvariant } = parts[0].posterior
  const members = own.map((counts, g) => ({
    likelihood: linear ? parts[g].posterior : posteriorOf(counts, model, flat, null).posterior,
    index: withExtras(linear ? Array.from({ length: rewards }, (_, a) => a) : counts.items, rewards, size),
  }))
  const pooled = fitPooled(
    members,
    { size, rewards, shiftInvariant },
    prior.standardDeviation,
    population,
    startOf(parts[0].posterior, parts[0].likelihood),
    done,
  )
  if (pooled === null) {
    throw new Problem(
      'no-finite-estimate',
      'All groups together have no finite estimate, so that there is nothing to draw each of them to: even all comparisons ' +
        'together leave an effect (of ties, of the position, or of a feature) without bound. Declare another prior, or leave ' +
        'the effect out.',
      { evidence: { groups: [] } },
    )
  }
  return data.map((group, g) => {
    const { posterior, likelihood } = parts[g]
    const { gradientNorm, errorEstimate, iterations } = pooled
    const maximum = { at: pooled.groups[g], gradientNorm, errorEstimate, iterations }
    return {
      data: group,
      connectivity: graphs[g],
      fit: fitAt(maximum, posterior, likelihood),
      pooled: pooledShare(pooled, g),
      reliability: null,
    }
  })
}

function pooledShare(pooled: PooledFit, g: number): PooledShare {
  const { standardDeviation, populationDeviation, logMarginal, shrinkage, covariances } = pooled
  return {
    standardDeviation,
    populationDeviation,
    logMarginal,
    shrinkage: shrinkage[g],
    covariance: covariances[g],
  }
}

/** Whether the comparisons of all groups together are not strongly connected, so that the population has no finite estimate. */
function fallsApart(wide: readonly Counts[]): boolean {
  return connectivity(allTogether(wide.map(beatsOf))).components.length > 1
}

/** In which orders the groups were shown their pairs, over the same items. */
function ordersOf(wide: readonly Counts[]): Orders {
  const pairs = wide.flatMap((counts) => ('order' in counts ? [] : [counts]))
  return {
    items: wide[0].items,
    i: Int32Array.from(pairs.flatMap(({ i }) => Array.from(i))),
    j: Int32Array.from(pairs.flatMap(({ j }) => Array.from(j))),
    first: Int8Array.from(pairs.flatMap(({ i, first }) => Array.from(first ?? i.map(() => 0)))),
  }
}

/** The counts of all groups, such that each has all extras that any of them has. */
function withSameExtras(data: readonly GroupData[]): Counts[] {
  const sizes = data.flatMap(({ kind, counts }) => (kind === 'rankings' ? counts.sizes : []))
  const common = Array.from(new Set(sizes)).sort((a, b) => a - b)
  return data.map(({ kind, counts }) => (kind === 'rankings' ? { ...counts, sizes: common } : counts))
}

/** Indices of some rewards, and of all extras after them. */
function withExtras(rewards: Iterable<number>, from: number, size: number): Int32Array {
  return Int32Array.from([...rewards, ...Array.from({ length: size - from }, (_, e) => from + e)])
}

/** The entries of all groups, which must be over the same items, as those of one. */
function allTogether(wide: readonly Beats[]): Beats {
  const entries = wide.flatMap((counts) => Array.from(counts.i, (_, k) => ({ counts, k })))
  return {
    items: wide[0].items,
    i: Int32Array.from(entries, ({ counts, k }) => counts.i[k]),
    j: Int32Array.from(entries, ({ counts, k }) => counts.j[k]),
    wins: Float64Array.from(entries, ({ counts, k }) => counts.wins[k]),
    losses: Float64Array.from(entries, ({ counts, k }) => counts.losses[k]),
    ties: Float64Array.from(entries, ({ counts, k }) => counts.ties[k]),
  }
}
