import type { AggregateRequest } from '../../schemas/aggregate.ts'
import { countDifferences } from './comparisons/differences.ts'
import { closedIds, type Ids, idFault, openIds, requireTable } from './comparisons/ids.ts'
import {
  type Judgements,
  judgementsOf,
  placeRows,
  type SquaredWeights,
  squaredWeights,
} from './comparisons/judgements.ts'
import { countPairs, type PairCounts } from './comparisons/pairs.ts'
import { countRankings, type RankingCounts, type RankingJudgements } from './comparisons/ranking-counts.ts'
import { readRankings } from './comparisons/rankings.ts'
import { type Comparisons, type Features, featuresFault, readComparisons } from './comparisons/read.ts'
import { readStored, type StoredComparisons } from './comparisons/stored.ts'
import { type Done, untold } from './parts.ts'
import { invalidRequest, MAX_ERRORS, pointer, type RequestError } from './problem.ts'
import { readRewards } from './rewards/given.ts'

/** What a request says of who prefers what, with ids turned into integers. */
export type Preferences = {
  /** Ids of the groups, G of them: in the order declared, else sorted. */
  groups: readonly string[]
  /** Ids of the items, n of them: in the order declared, else sorted. */
  items: readonly string[]
  /** Features of the items: n × width, row-major; null where they have none. */
  features: Features | null
  /** Ids of the annotators, sorted; empty where the model does not ask for them. */
  annotators: readonly string[]
  /** Population weights; length G, sum 1. */
  population: Float64Array
  /** What each group compared, or rewards fitted elsewhere: G × n, row-major. */
  source: { kind: 'comparisons'; groups: GroupData[] } | { kind: 'rewards'; rewards: Float64Array }
}

/** What one group said, reduced to what its fit needs. */
export type GroupData = ComparedGroup | RankedGroup

/** What a group said in comparisons of two. */
export type ComparedGroup = GroupItems & {
  kind: 'pairs'
  counts: PairCounts
  /** By annotator, and by single comparison: only where the model asks for them. */
  judgements: Judgements | null
  squares: SquaredWeights | null
}

/** What a group said in rankings. */
export type RankedGroup = GroupItems & {
  kind: 'rankings'
  counts: RankingCounts
  /** By annotator, only where the model asks for them; and of each different ranking. */
  judgements: RankingJudgements | null
  squares: Float64Array
}

type GroupItems = {
  /** Whether the counts are of items of the request; otherwise of feature differences that rows brought along. */
  named: boolean
  /** Features of what the counts compare: m × width, stored by feature; null where every item has a reward of its own. */
  features: Features | null
}

/** The members of a request that {@link readPreferences} reads. */
export type PreferenceMembers = Pick<AggregateRequest, 'groups' | 'items'> & {
  comparisons?: unknown
  rankings?: unknown
  rewards?: unknown
  /** What a store counted of the dataset that the request names. */
  dataset?: unknown
}

/** What a model wants to know of comparisons beyond pair counts. */
export type Needs = {
  positions: boolean
  /** Whether it counts who judged: then every row must name its annotator, unless they are wanted only where named. */
  judgements: boolean | 'where-named'
  /** The most groups that are to be discovered, until when there is one of all annotators; null where groups are named. */
  groupsDiscovered: number | null
  squares: boolean
  /** Whether ties inside rankings have a meaning. */
  ties: boolean
  /** What of the model has no meaning for rankings. */
  rankingFaults: RequestError[]
}

/**
 * Reads the preferences of a request: ids become integers here, once.
 *
 * @param done told which part of the comparisons has been read
 * @throws Problem `invalid-request` that points at whatever is wrong
 */
export function readPreferences(request: PreferenceMembers, needs: Needs, done: Done = untold): Preferences {
  const sources = (['comparisons', 'rankings', 'rewards', 'dataset'] as const).filter(
    (member) => request[member] !== undefined,
  )
  if (sources.length === 0) {
    throw invalidRequest([
      {
        pointer: '/comparisons',
        detail: 'is required: give comparisons, rankings, rewards fitted elsewhere, or a dataset',
      },
    ])
  }
  if (sources.length > 1) {
    const detail = `cannot be given together with ${sources[0]}: give one of the two`
    throw invalidRequest([{ pointer: pointer(sources[1]), detail }])
  }
  if (needs.groupsDiscovered !== null && (sources[0] === 'rankings' || sources[0] === 'rewards')) {
    const detail = `can be discovered from comparisons alone; name the groups of ${sources[0]}`
    throw invalidRequest([{ pointer: '/groups', detail }])
  }
  const groups =
    needs.groupsDiscovered === null ? declared(listed(request), 'groups') : closedIds(['discovered-1'])
  const items = declared(request.items, 'items')
  const features = featuresOf(request)
  const annotators = openIds()

  if (sources[0] === 'rewards') {
    const rewards = readRewards(request.rewards, groups, items)
    return {
      groups: groups.names,
      items: items.names,
      features,
      annotators: [],
      population: populationOf(request, groups),
      source: { kind: 'rewards', rewards },
    }
  }
  const read = { rankings: readRankedGroups, comparisons: readComparedGroups, dataset: readStoredGroups }
  const data = read[sources[0]](request, { groups, items, annotators }, features, needs, done)
  requireSome(groups, data, sources[0])
  return {
    groups: groups.names,
    items: items.names,
    features,
    annotators: annotators.names,
    population: populationOf(request, groups),
    source: { kind: 'comparisons', groups: data },
  }
}

/** The sets of ids that are filled while a source is read. */
type IdSets = { groups: Ids; items: Ids; annotators: Ids }

function readRankedGroups(
  request: PreferenceMembers,
  ids: IdSets,
  features: Features | null,
  needs: Needs,
): GroupData[] {
  if (needs.rankingFaults.length > 0) throw invalidRequest(needs.rankingFaults)
  const data = rankedGroups(request.rankings, ids, features, needs)
  requireTable(ids.groups.names.length, ids.items.names.length, 'rankings')
  return data
}

function readComparedGroups(
  request: PreferenceMembers,
  { groups, items, annotators }: IdSets,
  features: Features | null,
  needs: Needs,
  done: Done,
): GroupData[] {
  const comparisons = readComparisons(
    request.comparisons,
    groups,
    items,
    {
      positions: needs.positions ? 'required' : 'aside',
      annotators: needs.judgements === false ? null : annotators,
      annotatorRequired: needs.judgements === true,
      group: needs.groupsDiscovered === null ? 'required' : 'discovered',
      batch: null,
    },
    done,
  )
  requireSameWidth(features, comparisons.differences)
  requireTable(needs.groupsDiscovered ?? groups.names.length, items.names.length, 'comparisons')
  return groupData(comparisons, groups.names.length, items.names.length, features, needs)
}

function readStoredGroups(
  request: PreferenceMembers,
  { groups, items, annotators }: IdSets,
  features: Features | null,
  needs: Needs,
): GroupData[] {
  const stored = readStored(request.dataset as StoredComparisons, groups, items, annotators, needs)
  requireTable(needs.groupsDiscovered ?? groups.names.length, items.names.length, 'dataset')
  return stored.map((group) => ({
    ...group,
    kind: 'pairs',
    named: true,
    features: features === null ? null : featuresByColumn(features, group.counts.items),
  }))
}

function groupData(
  comparisons: Comparisons,
  groups: number,
  items: number,
  features: Features | null,
  needs: Needs,
): ComparedGroup[] {
  const different = comparisons.differences === null ? null : countDifferences(comparisons, groups)
  const counts = different?.groups.map((group) => group.counts) ?? countPairs(comparisons, groups, items)
  const anybody = comparisons.annotator?.some((annotator) => annotator >= 0) ?? false
  const wanted = needs.judgements === true || (needs.judgements === 'where-named' && anybody)
  const placement = wanted || needs.squares ? (different?.placement ?? placeRows(comparisons, counts)) : null
  const judgements = placement !== null && wanted ? judgementsOf(comparisons, placement, groups) : null
  const squares = placement !== null && needs.squares ? squaredWeights(comparisons, placement, counts) : null
  return counts.map((own, g) => ({
    kind: 'pairs',
    counts: own,
    named: different === null,
    features:
      different?.groups[g].features ?? (features === null ? null : featuresByColumn(features, own.items)),
    judgements: judgements?.[g] ?? null,
    squares: squares?.[g] ?? null,
  }))
}

function rankedGroups(
  source: unknown,
  { groups, items, annotators }: IdSets,
  features: Features | null,
  needs: Needs,
): RankedGroup[] {
  const judges = needs.judgements === false ? null : { annotators, required: needs.judgements === true }
  const rankings = readRankings(source, groups, items, judges, needs.ties)
  return countRankings(rankings, groups.names.length, items.names.length).map((own) => ({
    ...own,
    kind: 'rankings',
    named: true,
    features: features === null ? null : featuresByColumn(features, own.counts.items),
  }))
}

/** The features of some items, stored by feature. */
function featuresByColumn({ width, values }: Features, items: Int32Array): Features {
  const m = items.length
  const columns = new Float64Array(m * width)
  items.forEach((item, local) => {
    for (let f = 0; f < width; f++) columns[f * m + local] = values[item * width + f]
  })
  return { width, values: columns }
}

/** The features that the request gives its items: those of all items, or of none. */
function featuresOf({ items }: PreferenceMembers): Features | null {
  const first = items?.find(({ features }) => features !== undefined)
  if (items === undefined || first?.features === undefined) return null
  const width = first.features.length
  const values = new Float64Array(items.length * width)
  const errors: RequestError[] = []
  items.forEach(({ features }, k) => {
    const fault = featuresFault(features, width)
    if (fault !== null) errors.push({ pointer: pointer('items', k, 'features'), detail: fault })
    else values.set(features as number[], k * width)
  })
  if (errors.length > 0) throw invalidRequest(errors.slice(0, MAX_ERRORS))
  return { width, values }
}

/** Items and comparisons may both bring features: then of the same kind, since one set of reward weights serves both. */
function requireSameWidth(items: Features | null, differences: Features | null): void {
  if (items === null || differences === null || items.width === differences.width) return
  const detail = `has ${items.width} features where comparisons have differences of ${differences.width}`
  throw invalidRequest([{ pointer: pointer('items', 0, 'features'), detail }])
}

function requireSome(groups: Ids, data: readonly GroupData[], member: string): void {
  const empty = data.flatMap(({ counts }, g) =>
    counts.comparisons > 0
      ? []
      : [
          {
            pointer: pointer('groups', g),
            detail: `"${groups.names[g]}" has no ${member}; give some or leave the group out`,
          },
        ],
  )
  if (empty.length > 0) throw invalidRequest(empty)
}

/** The groups that a request lists, where it does. */
function listed({ groups }: PreferenceMembers) {
  return Array.isArray(groups) ? groups : undefined
}

/** The ids that a request declares, as a closed set, or an open set where it declares none. */
function declared(list: readonly { id: string }[] | undefined, member: 'groups' | 'items'): Ids {
  if (list === undefined) return openIds()
  const errors: RequestError[] = []
  const seen = new Set<string>()
  list.forEach(({ id }, k) => {
    const fault = idFault(id) ?? (seen.has(id) ? `"${id}" is declared twice` : null)
    if (fault !== null) errors.push({ pointer: pointer(member, k, 'id'), detail: fault })
    seen.add(id)
  })
  if (errors.length > 0) throw invalidRequest(errors)
  return closedIds(list.map(({ id }) => id))
}

function populationOf(request: PreferenceMembers, { names }: Ids): Float64Array {
  const groups = listed(request)
  const given = groups?.filter(({ population }) => population !== undefined).length ?? 0
  if (given === 0) return new Float64Array(names.length).fill(1 / names.length)
  const list = groups as { population?: number }[]
  const missing = list.findIndex(({ population }) => population === undefined)
  if (missing >= 0) {
    const detail = 'is required where another group has one: give the population of every group or of none'
    throw invalidRequest([{ pointer: pointer('groups', missing, 'population'), detail }])
  }
  const populations = Float64Array.from(list, ({ population }) => population as number)
  let sum = 0
  for (const population of populations) sum += population
  return populations.map((population) => population / sum)
}
