import type { FitSummary, FittedGroup as FittedGroupAnswer } from '../../schemas/fit.ts'
import type { DiscoverSettings } from './annotators/discover.ts'
import { discoverGroups } from './annotators/discovered-groups.ts'
import { discoveryMember, fitSummary, reliabilityMembers } from './answers/fits.ts'
import type { Preferences } from './preferences.ts'
import type { Extra } from './rewards/model.ts'
import { extraParameters, type GroupRewards, type LastFit, type Model, rewardsOf } from './rewards/rewards.ts'
import { type Heap, heapOf } from './voting/heap.ts'

/**
 * What a request's preferences come to once they are fitted: all that a welfare function needs of them, as plain data, so
 * that it can be kept, and handed from thread to thread, where the comparisons are many.
 */
export type Fitted = Voters & {
  rewards: Rewards[]
  /** The groups that were discovered, as the answer tells them; no member where they were named. */
  discovery: ReturnType<typeof discoveryMember>
  /** All comparisons in one heap, whoever made them; null where that is not looked at. */
  heap: Heap | null
}

/** Whose preferences are aggregated, over what. */
export type Voters = Pick<Preferences, 'groups' | 'items' | 'population'>

/** The rewards of one group over all items of the request, with what the answer tells of their fit. */
export type Rewards = Omit<GroupRewards, 'fitted'> & {
  /** Null where rewards were given. */
  fit: (Pick<FittedGroupAnswer, 'annotators' | 'reliability'> & { fit: FitSummary }) | null
  /** Parameters besides the rewards. */
  extras: Partial<Record<Extra, number>>
}

/** What was fitted before, by the same model, and who takes what is fitted now. */
export type Memory = {
  /** The fits of the very preferences that are meant: nothing is read and fitted again. */
  same: Fitted | null
  /** The fits of other comparisons, such as there were before the last batch: where the search begins. */
  before: Fitted | null
  keep(fitted: Fitted): void
}

/** Nothing is remembered. */
export const NO_MEMORY: Memory = { same: null, before: null, keep() {} }

/**
 * Fits the rewards of all groups, after discovering these where the request does not name them.
 *
 * @param before where the search begins; null for where the data say
 * @throws Problem `no-finite-estimate`, `collinear-features`, `not-converged`
 */
export async function fitPreferences(
  read: Preferences,
  model: Model,
  discover: DiscoverSettings | null,
  seed: number,
  before: Fitted | null,
  done: (fraction: number) => void,
): Promise<Fitted> {
  const { preferences, discovery } = discoverGroups(read, model, discover, seed)
  const { groups, items, population } = preferences
  // Which of the discovered groups is which of those before is not known.
  const last = before === null || discover !== null ? null : lastFits(before, preferences)
  const rewards = await rewardsOf(preferences, model, seed, done, last)
  return {
    groups,
    items,
    population,
    rewards: plainRewards(preferences, rewards),
    discovery: discoveryMember(preferences, discovery),
    heap: heapOf(preferences, model, before === null ? null : lastHeap(before, preferences)),
  }
}

/** Rewards without the data and the functions that they were fitted with. */
export function plainRewards(preferences: Preferences, rewards: readonly GroupRewards[]): Rewards[] {
  return rewards.map(({ fitted, ...rest }) => ({
    ...rest,
    fit: fitted === null ? null : { fit: fitSummary(fitted), ...reliabilityMembers(preferences, fitted) },
    extras: fitted === null ? {} : extraParameters(fitted.fit),
  }))
}

/** What was fitted to each group before, over the items of now; null for groups that are new. */
function lastFits(before: Fitted, { groups, items }: Voters): (LastFit | null)[] {
  const oldGroups = new Map(before.groups.map((id, g) => [id, g]))
  const place = placesIn(before, items)
  return groups.map((id) => {
    const g = oldGroups.get(id)
    if (g === undefined) return null
    const { values, seen, weights, extras } = before.rewards[g]
    const rewards = Float64Array.from(place, (i) => (i < 0 || seen[i] === 0 ? Number.NaN : values[i]))
    return { rewards, weights, extras }
  })
}

/** What was fitted to the heap before, over the items of now. */
function lastHeap(before: Fitted, { items }: Voters): Float64Array | null {
  const rewards = before.heap?.fit.rewards ?? null
  if (rewards === null) return null
  return Float64Array.from(placesIn(before, items), (i) => (i < 0 ? Number.NaN : rewards[i]))
}

/** Where each item was before; −1 for those that are new. */
function placesIn(before: Voters, items: readonly string[]): number[] {
  const old = new Map(before.items.map((id, i) => [id, i]))
  return items.map((id) => old.get(id) ?? -1)
}
