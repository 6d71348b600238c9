import {
  type Beats,
  type Connectivity,
  connectivity,
  type Orders,
  ordersFollowItems,
} from '../comparisons/connectivity.ts'
import { beatsOf, type Counts, overItems } from '../comparisons/counts.ts'
import type { GroupData, Preferences } from '../preferences.ts'
import { invalidRequest, Problem } from '../problem.ts'
import { type Covariance, covarianceOf } from './covariance.ts'
import { dependentParameters, recessionDirection } from './existence.ts'
import { type DataLikelihood, type Fit, fitAt, nearLast, posteriorOf } from './fit-group.ts'
import { maximiseWithJeffreys } from './jeffreys.ts'
import type { Likelihood } from './likelihood.ts'
import { maximise, notConverged } from './maximise.ts'
import type { Extra, OutcomeModel, Prior } from './model.ts'
import { fitPooled, type PooledFit } from './pooled.ts'
import { fitReliability, type Reliability, type ReliabilityFit } from './reliability.ts'
import { scoresOf } from './scores.ts'

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
  /** Where annotators differ in it: how reliable each is. */
  reliability: ReliabilityFit | null
}

/** What a pooled fit says of one group. */
type PooledShare = Pick<PooledFit, 'standardDeviation' | 'populationDeviation' | 'logMarginal'> & {
  shrinkage: number
  covariance: Covariance
}

/** What was fitted to a group before, to fewer comparisons or others. */
export type LastFit = {
  /** By item; NaN for those that the group had not seen. */
  rewards: Float64Array
  /** w, where rewards are linear in features. */
  weights: Float64Array | null
  extras: Partial<Record<Extra, number>>
}

/** How rewards are fitted, with every default filled in. */
export type Model = OutcomeModel & {
  prior: Prior
  standardErrors: 'fisher' | 'sandwich' | 'clustered'
  /** Whether annotators differ in how reliable they are; null where all count the same. */
  reliability: Reliability | null
}

/**
 * The rewards of every group: as given, or fitted to the group's own data.
 *
 * @param seed of the points from which a maximum is looked for where there may be several
 * @param done is told which part of the groups has been fitted
 * @param last earlier fits, group by group: the search begins there, where the maximum is the only one; null for none
 * @throws Problem `no-finite-estimate` that tells, for each group that has none, its components, undefeated and winless
 *   items, and the direction in which the likelihood grows; `collinear-features`; `not-converged`
 */
export async function rewardsOf(
  preferences: Preferences,
  model: Model,
  seed: number,
  done: (fraction: number) => void = () => {},
  last: readonly (LastFit | null)[] | null = null,
): Promise<GroupRewards[]> {
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
  const graphs = source.groups.map((group) => (group.named ? connectivity(beatsOf(group.counts)) : null))
  const fitted =
    model.prior.kind === 'pooled'
      ? await poolGroups(preferences, source.groups, graphs, model, model.prior)
      : await fitGroups(preferences, source.groups, graphs, model, model.prior, seed, done, last)
  return fitted.map((group) => rewardsOverItems(preferences, group))
}

type OwnPrior = Exclude<Prior, { kind: 'pooled' }>

/** Where the search for a maximum begins: where the data say, but for reward weights, which begin at zero. */
function startOf({ size, rewards, dense }: Likelihood, { start, rewards: m }: DataLikelihood): Float64Array {
  if (!dense) return start
  const linear = new Float64Array(size)
  linear.set(start.subarray(m), rewards)
  return linear
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

/** Fits each group on its own. */
async function fitGroups(
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

/** Some log-posteriors have a dense curvature that is factorised, and inverted, at every step. */
const DENSE_LIMIT = 1000

function requireFew(pointer: string, group: string, { size }: Likelihood): void {
  if (size <= DENSE_LIMIT) return
  const detail = `is fitted for at most ${DENSE_LIMIT} parameters a group, and "${group}" has ${size}`
  throw invalidRequest([{ pointer, detail }])
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
      // From the first item's features, as an offset that all share would leave rewards few digits.
      for (let i = 0; i < n; i++)
        for (let f = 0; f < weights.length; f++)
          values[i] += weights[f] * (features.values[i * weights.length + f] - features.values[f])
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
  const { posterior, likelihood, at } = fit
  const scores =
    standardErrors === 'fisher' ? null : scoresOf(data, likelihood, standardErrors, posterior.lift(at))
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

/**
 * Jeffreys' prior needs the items only to be connected, whoever won, and so do annotators who may not mean what they say;
 * otherwise no prior needs strong connection.
 */
function components(graph: Connectivity, { reliability }: Model, prior: OwnPrior): number {
  return prior.kind === 'firth' || reliability !== null ? graph.pieces : graph.components.length
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
  const inPieces = graphs.every((graph, g) => !broken[g] || (graph !== null && graph.pieces > 1))
  const why =
    failures.length > 0
      ? 'moving the parameters along `direction` makes what was observed ever more likely, so the likelihood grows ' +
        'without bound (the data are separated; with Davidson ties it may be that there are no ties, or only ties; with ' +
        'reliability, that all that speaks against it passes for slips)'
      : inPieces
        ? 'some items were never compared with the others, directly or through a chain of comparisons, so nothing tells ' +
          'how far they are apart'
        : 'some items never beat or tied any of the others, directly or through a chain of comparisons, so the ' +
          'likelihood grows without bound as they move apart'
  const firth = data[0].kind === 'pairs' ? ', and {"kind": "firth"} every connected one' : ''
  return new Problem(
    'no-finite-estimate',
    `${which} no finite Bradley–Terry estimate: ${why}. Collect more comparisons, leave items out, or declare a prior: ` +
      '{"kind": "gaussian", "standardDeviation": 2} or {"kind": "pseudo-item", "strength": 0.5} give every group finite ' +
      `rewards${firth}.`,
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

/**
 * Refuses features, and a position effect beside them, that comparisons cannot tell apart.
 *
 * @param group null for all groups together
 */
function requireIndependent(group: string | null, likelihoods: readonly Likelihood[]): void {
  const { rewards: width } = likelihoods[0]
  const dependent = dependentParameters(likelihoods)
  const features = dependent.filter((a) => a < width)
  if (dependent.length > 0) throw inseparable(group, features, features.length < dependent.length)
}

function inseparable(group: string | null, features: readonly number[], position: boolean): Problem {
  const whose = group === null ? 'all groups together' : `the group "${group}"`
  const detail =
    features.length > 0
      ? `The features at positions ${features.join(', ')} (from 0) are linear combinations of those before them over all ` +
        `differences that ${whose} compared, or the same on both sides of each, so that their weights cannot be told apart.`
      : `In what ${whose} compared, who was shown first says no more than which two items these were, so that the position ` +
        'effect cannot be told from the rewards (show pairs in both orders).'
  return new Problem('collinear-features', `${detail} Leave them out, or declare a gaussian prior.`, {
    evidence: { group, features: [...features], position },
  })
}

/** The refusal where no maximum was found, and it was not proved that there is none. */
function undecided(group: string): Problem {
  return new Problem(
    'not-converged',
    `No estimate of the group "${group}" was found. It is likely that there is none that is finite, and there are too many ` +
      'comparisons to prove it. Declare a gaussian prior, or leave out the effects of ties, positions or features.',
  )
}
