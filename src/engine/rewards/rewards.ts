import { type Connectivity, connectivity } from '../comparisons/connectivity.ts'
import type { PairCounts } from '../comparisons/pairs.ts'
import type { GroupData, Preferences } from '../preferences.ts'
import { Problem } from '../problem.ts'
import { type Covariance, covarianceOf } from './covariance.ts'
import { dependentFeatures, recessionDirection } from './existence.ts'
import { type Fit, fitAt, posteriorOf } from './fit-group.ts'
import type { Likelihood } from './likelihood.ts'
import { maximise, notConverged } from './maximise.ts'
import type { Extra, OutcomeModel, Prior } from './model.ts'
import { fitPooled, type PooledFit } from './pooled.ts'
import { annotatorScores, comparisonScores } from './scores.ts'

/** The rewards of one group over all items of the request. */
export type GroupRewards = {
  /** Length n; an item that the group never saw has the group's mean, or with a prior the prior's value. */
  values: Float64Array
  /** 1 where the group compared the item; length n. */
  seen: Uint8Array
  /** w, where rewards are linear in features: θ = Φw; null elsewhere. */
  weights: Float64Array | null
  /** How they were fitted; null where they were given. */
  fitted: FittedGroup | null
}

/** A group's fit, with the data and the graph that it rests on. */
export type FittedGroup = {
  data: GroupData
  /** How the items hang together; null where comparisons are of feature differences and name none. */
  connectivity: Connectivity | null
  fit: Fit
  /** Where groups were pooled: what they share, and how far this one was drawn to it. */
  pooled: PooledShare | null
}

/** What a pooled fit says of one group. */
type PooledShare = Pick<PooledFit, 'standardDeviation' | 'populationDeviation' | 'logMarginal'> & {
  shrinkage: number
  covariance: Covariance
}

/** How rewards are fitted, with every default filled in. */
export type Model = OutcomeModel & { prior: Prior; standardErrors: 'fisher' | 'sandwich' | 'clustered' }

/** Standing for no model where rewards were given. */
export const NO_MODEL: Model = {
  prior: { kind: 'none' },
  ties: 'half-win',
  positionEffect: false,
  standardErrors: 'fisher',
}

/**
 * The rewards of every group: as given, or fitted to the group's own data.
 *
 * @throws Problem `no-finite-estimate` that tells, for each group that has none, its components, undefeated and winless
 *   items, and the direction in which the likelihood grows; `collinear-features`; `not-converged`
 */
export async function rewardsOf(preferences: Preferences, model: Model): Promise<GroupRewards[]> {
  const { groups, items, source } = preferences
  const n = items.length
  if (source.kind === 'rewards') {
    return groups.map((_, g) => ({
      values: source.rewards.slice(g * n, (g + 1) * n),
      seen: new Uint8Array(n).fill(1),
      weights: null,
      fitted: null,
    }))
  }
  const graphs = source.groups.map(({ counts, named }) => (named ? connectivity(counts) : null))
  const fitted =
    model.prior.kind === 'pooled'
      ? await poolGroups(preferences, source.groups, graphs, model, model.prior)
      : await fitGroups(preferences, source.groups, graphs, model, model.prior)
  return fitted.map((group) => rewardsOverItems(preferences, group))
}

type OwnPrior = Exclude<Prior, { kind: 'pooled' }>

/** Fits each group on its own. */
async function fitGroups(
  preferences: Preferences,
  data: readonly GroupData[],
  graphs: readonly (Connectivity | null)[],
  model: Model,
  prior: OwnPrior,
): Promise<FittedGroup[]> {
  const proper = prior.kind === 'gaussian' || prior.kind === 'pseudo-item'
  const linear = data.some(({ features }) => features !== null)
  if (!proper && !linear) {
    const broken = graphs.map((graph) => graph !== null && components(graph, prior) > 1)
    if (broken.some(Boolean)) throw noFiniteEstimate(preferences, data, graphs, broken, [])
  }
  const failures: Failure[] = []
  const fitted: FittedGroup[] = []
  for (let g = 0; g < data.length; g++) {
    const { counts, features } = data[g]
    const { posterior, pairs } = posteriorOf(counts, model, prior, features)
    if (linear && prior.kind !== 'gaussian') {
      const dependent = dependentFeatures(posterior)
      if (dependent.length > 0) throw collinear(preferences.groups[g], dependent)
    }
    const proven = pairs.extras.length === 0 && (proper || !linear)
    const maximum = maximise(posterior, proven || prior.kind === 'firth')
    if (maximum === null) {
      if (proven) throw notConverged()
      const free = Array.from({ length: posterior.size }, (_, a) => a)
      const moving = proper ? free.slice(posterior.rewards) : free
      const direction = await recessionDirection(posterior, pairs, moving)
      if (direction === null) throw notConverged()
      failures.push({ group: g, direction, likelihood: posterior })
      continue
    }
    fitted.push({
      data: data[g],
      connectivity: graphs[g],
      fit: fitAt(maximum, posterior, pairs),
      pooled: null,
    })
  }
  if (failures.length > 0) {
    const broken = data.map((_, g) => failures.some(({ group }) => group === g))
    throw noFiniteEstimate(preferences, data, graphs, broken, failures)
  }
  return fitted
}

/** Fits all groups at once, each drawn to what they have in common. */
async function poolGroups(
  preferences: Preferences,
  data: readonly GroupData[],
  graphs: readonly (Connectivity | null)[],
  model: Model,
  prior: Extract<Prior, { kind: 'pooled' }>,
): Promise<FittedGroup[]> {
  const n = preferences.items.length
  const wide = data.map((group) => (group.features === null ? overAllItems(group, n) : group))
  const parts = wide.map(({ counts, features }) => posteriorOf(counts, model, { kind: 'none' }, features))
  const population = prior.populationDeviation ?? (fallsApart(wide) ? null : 'flat')
  const pooled = fitPooled(
    parts.map(({ posterior }) => posterior),
    prior.standardDeviation,
    population,
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
  return wide.map((group, g) => {
    const { posterior, pairs } = parts[g]
    const { gradientNorm, errorEstimate, iterations } = pooled
    const maximum = { at: pooled.groups[g], gradientNorm, errorEstimate, iterations }
    return {
      data: { ...group, counts: data[g].counts },
      connectivity: graphs[g],
      fit: fitAt(maximum, posterior, pairs),
      pooled: pooledShare(pooled, g),
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
function fallsApart(wide: readonly GroupData[]): boolean {
  return wide[0].features === null && connectivity(allTogether(wide)).components.length > 1
}

/** The same counts with every item of the request among the group's. */
function overAllItems(group: GroupData, n: number): GroupData {
  const { items, i, j } = group.counts
  const counts = {
    ...group.counts,
    items: Int32Array.from({ length: n }, (_, k) => k),
    i: i.map((v) => items[v]),
    j: j.map((v) => items[v]),
  }
  return { ...group, counts }
}

/** The rewards of a fitted group, spread over the items of the request. */
function rewardsOverItems({ items, features }: Preferences, fitted: FittedGroup): GroupRewards {
  const n = items.length
  const { fit, data } = fitted
  const seen = new Uint8Array(n)
  if (data.named) for (const item of data.counts.items) seen[item] = 1
  if (data.features !== null) {
    const weights = fit.at.slice(0, data.features.width)
    const values = new Float64Array(n)
    if (features !== null) {
      for (let i = 0; i < n; i++)
        for (let f = 0; f < weights.length; f++)
          values[i] += weights[f] * features.values[i * weights.length + f]
      let mean = 0
      for (const value of values) mean += value / n
      for (let i = 0; i < n; i++) values[i] -= mean
    }
    return { values, seen, weights, fitted }
  }
  const values = new Float64Array(n).fill(fit.unseenReward)
  if (fitted.pooled !== null) {
    values.set(fit.rewards)
  } else {
    data.counts.items.forEach((item, local) => {
      values[item] = fit.rewards[local]
    })
  }
  return { values, seen, weights: null, fitted }
}

/**
 * The covariance of a group's estimate, of the kind that the model asks for.
 *
 * @param seed of what is simulated beyond 2,000 parameters
 * @returns null where the curvature is singular to rounding
 */
export function groupCovariance(
  { data, fit, pooled }: FittedGroup,
  { standardErrors }: Model,
  seed: number,
): Covariance | null {
  if (pooled !== null) return pooled.covariance
  const { posterior, pairs, at } = fit
  const lifted = posterior.lift(at)
  const scores =
    standardErrors === 'sandwich' && data.squares !== null
      ? comparisonScores(pairs, data.squares, lifted)
      : standardErrors === 'clustered' && data.judgements !== null
        ? annotatorScores(pairs, data.judgements, lifted)
        : null
  return covarianceOf(posterior, scores, seed)
}

/** Parameters besides the rewards, by name. */
export function extraParameters({ at, posterior }: Fit): Partial<Record<Extra, number>> {
  return Object.fromEntries(posterior.extras.map((extra, e) => [extra, at[posterior.rewards + e]]))
}

/** The connectivity of a group with its items' names: components sorted within and among themselves. */
export function namedConnectivity(graph: Connectivity, members: Int32Array, items: readonly string[]) {
  const names = (locals: Int32Array) => Array.from(locals, (local) => items[members[local]]).sort(byCodeUnit)
  return {
    components: graph.components.map(names).sort((a, b) => byCodeUnit(a[0], b[0])),
    undefeated: names(graph.undefeated),
    winless: names(graph.winless),
  }
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Jeffreys' prior needs the items only to be connected, whoever won; no prior needs strong connection. */
function components(graph: Connectivity, prior: OwnPrior): number {
  return prior.kind === 'firth' ? graph.pieces : graph.components.length
}

/** A group whose likelihood grows for ever along a direction of its parameters. */
type Failure = { group: number; direction: Float64Array; likelihood: Likelihood }

function noFiniteEstimate(
  { groups, items }: Preferences,
  data: readonly GroupData[],
  graphs: readonly (Connectivity | null)[],
  broken: readonly boolean[],
  failures: readonly Failure[],
): Problem {
  const evidence = groups.flatMap((id, g) => {
    if (!broken[g]) return []
    const graph = graphs[g]
    const failure = failures.find(({ group }) => group === g)
    return [
      {
        id,
        ...(graph === null
          ? { components: [], undefeated: [], winless: [] }
          : namedConnectivity(graph, data[g].counts.items, items)),
        ...(failure === undefined ? {} : { direction: namedDirection(failure, data[g], items) }),
      },
    ]
  })
  const which =
    evidence.length === 1
      ? `The group "${evidence[0].id}" has`
      : `${evidence.length} groups, "${evidence[0].id}" first, have`
  const why =
    failures.length > 0
      ? 'moving the parameters along `direction` makes what was observed ever more likely, so the likelihood grows ' +
        'without bound (the data are separated; with Davidson ties it may be that there are no ties, or only ties)'
      : 'some items never beat or tied any of the others, directly or through a chain of comparisons, so the likelihood ' +
        'grows without bound as they move apart'
  return new Problem(
    'no-finite-estimate',
    `${which} no finite Bradley–Terry estimate: ${why}. Collect more comparisons, leave items out, or declare a prior: ` +
      '{"kind": "gaussian", "standardDeviation": 2} or {"kind": "pseudo-item", "strength": 0.5} give every group finite ' +
      'rewards, and {"kind": "firth"} every connected one.',
    { evidence: { groups: evidence } },
  )
}

/** The direction in names: rewards by item (or reward weights by feature), and extras. */
function namedDirection({ direction, likelihood }: Failure, data: GroupData, items: readonly string[]) {
  const { rewards: m, extras } = likelihood
  const moved = Object.fromEntries(extras.map((extra, e) => [extra, direction[m + e]]))
  if (data.features !== null)
    return { rewardWeights: Array.from(direction.subarray(0, m)), parameters: moved }
  const rewards: Record<string, number> = Object.create(null)
  data.counts.items.forEach((item, local) => {
    rewards[items[item]] = direction[local]
  })
  return { rewards, parameters: moved }
}

/** The entries of all groups, which must be over the same items, as those of one. */
function allTogether(wide: readonly GroupData[]): PairCounts {
  const entries = wide.flatMap(({ counts }) => Array.from(counts.i, (_, k) => ({ counts, k })))
  return {
    ...wide[0].counts,
    i: Int32Array.from(entries, ({ counts, k }) => counts.i[k]),
    j: Int32Array.from(entries, ({ counts, k }) => counts.j[k]),
    wins: Float64Array.from(entries, ({ counts, k }) => counts.wins[k]),
    losses: Float64Array.from(entries, ({ counts, k }) => counts.losses[k]),
    ties: Float64Array.from(entries, ({ counts, k }) => counts.ties[k]),
  }
}

function collinear(group: string, features: readonly number[]): Problem {
  return new Problem(
    'collinear-features',
    `The features at positions ${features.join(', ')} (from 0) are linear combinations of those before them over all ` +
      `differences that the group "${group}" compared, or the same on both sides of each, so that their weights cannot be ` +
      'told apart. Leave them out, or declare a gaussian prior.',
    { evidence: { group, features: [...features] } },
  )
}
