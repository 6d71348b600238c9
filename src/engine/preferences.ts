import type { AggregateRequest } from '../../schemas/aggregate.ts'
import { closedIds, type Ids, idFault, openIds } from './comparisons/ids.ts'
import { countPairs, type PairCounts } from './comparisons/pairs.ts'
import { readComparisons } from './comparisons/read.ts'
import { invalidRequest, pointer, type RequestError } from './problem.ts'
import { readRewards } from './rewards/given.ts'

/** What a request says of who prefers what, with ids turned into integers. */
export type Preferences = {
  /** Ids of the groups, G of them: in the order declared, else sorted. */
  groups: readonly string[]
  /** Ids of the items, n of them: in the order declared, else sorted. */
  items: readonly string[]
  /** Population weights; length G, sum 1. */
  population: Float64Array
  /** Pair counts of each group, or rewards fitted elsewhere: G × n, row-major. */
  source: { kind: 'comparisons'; counts: PairCounts[] } | { kind: 'rewards'; rewards: Float64Array }
}

/** The members of a request that {@link readPreferences} reads. */
export type PreferenceMembers = Pick<AggregateRequest, 'groups' | 'items'> & {
  comparisons?: unknown
  rewards?: unknown
}

/**
 * Reads the preferences of a request: ids become integers here, once.
 *
 * @throws Problem `invalid-request` that points at whatever is wrong
 */
export function readPreferences(request: PreferenceMembers): Preferences {
  const sources = (['comparisons', 'rewards'] as const).filter((member) => request[member] !== undefined)
  if (sources.length === 0) {
    throw invalidRequest([
      { pointer: '/comparisons', detail: 'is required: give comparisons, or rewards fitted elsewhere' },
    ])
  }
  if (sources.length > 1) {
    throw invalidRequest([
      { pointer: '/rewards', detail: 'cannot be given together with comparisons: give one of the two' },
    ])
  }
  const groups = declared(request.groups, 'groups')
  const items = declared(request.items, 'items')

  const source =
    sources[0] === 'comparisons'
      ? { kind: 'comparisons' as const, rows: readComparisons(request.comparisons, groups, items) }
      : { kind: 'rewards' as const, rewards: readRewards(request.rewards, groups, items) }
  const common = { groups: groups.names, items: items.names, population: populationOf(request, groups) }
  if (source.kind === 'rewards') return { ...common, source }

  const counts = countPairs(source.rows, groups.names.length, items.names.length)
  const empty = counts.flatMap((group, g) =>
    group.comparisons > 0
      ? []
      : [
          {
            pointer: pointer('groups', g),
            detail: `"${groups.names[g]}" has no comparisons; give some or leave the group out`,
          },
        ],
  )
  if (empty.length > 0) throw invalidRequest(empty)
  return { ...common, source: { kind: 'comparisons', counts } }
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

function populationOf({ groups }: PreferenceMembers, { names }: Ids): Float64Array {
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
