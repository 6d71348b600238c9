import type { FitRequest, FittedGroup as GroupAnswer } from '../../schemas/fit.ts'
import { keyedById } from './comparisons/ids.ts'
import { seededRandom } from './numeric/random.ts'
import type { Preferences } from './preferences.ts'
import { invalidRequest, MAX_ERRORS, pointer, type RequestError } from './problem.ts'
import {
  contrastOf,
  type Estimated,
  estimatedItems,
  type RewardCovariance,
  rewardCovariance,
  rewardsFrom,
  varianceAlong,
} from './rewards/contrasts.ts'
import type { Covariance } from './rewards/covariance.ts'
import { quasiVariances } from './rewards/quasi-variances.ts'
import { rankIntervals } from './rewards/ranks.ts'

/** What a request wants to know of uncertainty besides standard errors, with items as indices. */
export type Wanted = {
  contrasts: { item: number; against: number }[] | null
  quasiVariances: boolean
  ranks: { level: number; draws: number } | null
}

/** Quasi-variances weigh every pair of items, in a system of as many unknowns as items. */
const QUASI_LIMIT = 300
/** Ranks compare every pair of items in every draw. */
const RANK_LIMIT = 1000

/**
 * Reads what a request wants of uncertainty.
 *
 * @throws Problem `invalid-request` where an item is unknown or compared with itself, a group has too many items, or errors
 *   are to be clustered by a single annotator
 */
export function uncertaintyWanted(
  { contrasts, quasiVariances = false, ranks, model }: FitRequest,
  { groups, items, features, source }: Preferences,
): Wanted {
  const index = new Map(items.map((id, i) => [id, i]))
  const errors: RequestError[] = []
  const itemAt = (id: string, k: number, member: string) => {
    const found = index.get(id)
    if (found === undefined) {
      const detail = `"${id}" is not an item of the request`
      errors.push({ pointer: pointer('contrasts', k, member), detail })
    }
    return found ?? -1
  }
  const resolved = contrasts?.map(({ item, against }, k) => {
    if (item === against) {
      const detail = `must differ from the item; both are "${item}"`
      errors.push({ pointer: pointer('contrasts', k, 'against'), detail })
    }
    return { item: itemAt(item, k, 'item'), against: itemAt(against, k, 'against') }
  })

  const pooled = model?.prior?.kind === 'pooled'
  const sizes =
    source.kind === 'comparisons'
      ? source.groups.map((data) => estimatedItems(data, pooled, items.length, features).items.length)
      : []
  const within = (limit: number, member: string) => {
    const g = sizes.findIndex((size) => size > limit)
    if (g < 0) return
    const detail = `is computed for at most ${limit} items a group, and "${groups[g]}" has ${sizes[g]}`
    errors.push({ pointer: pointer(member), detail })
  }
  if (model?.standardErrors === 'clustered' && source.kind === 'comparisons') {
    // The scores of all annotators sum to zero at the estimate: of one alone they say nothing.
    const g = source.groups.findIndex(
      ({ judgements }) => judgements !== null && judgements.offsets.length <= 2,
    )
    if (g >= 0) {
      const detail = `cannot be clustered where one annotator has judged all: "${groups[g]}" has a single one`
      errors.push({ pointer: '/model/standardErrors', detail })
    }
  }
  if (quasiVariances) within(QUASI_LIMIT, 'quasiVariances')
  if (ranks !== undefined) within(RANK_LIMIT, 'ranks')
  if (errors.length > 0) throw invalidRequest(errors.slice(0, MAX_ERRORS))
  return {
    contrasts: resolved ?? null,
    quasiVariances,
    ranks: ranks === undefined ? null : { level: ranks.level ?? 0.95, draws: ranks.draws ?? 2000 },
  }
}

/** What is wanted of one group. */
type Group = {
  items: readonly string[]
  /** θ over the items of the request. */
  rewards: Float64Array
  estimated: Estimated
  /** How many of the parameters are rewards or reward weights, and how many there are. */
  width: number
  size: number
  /** Null where the curvature is singular to rounding. */
  covariance: Covariance | null
  seed: number
}

type Answer = Pick<
  GroupAnswer,
  | 'contrasts'
  | 'quasiVariances'
  | 'quasiStandardErrors'
  | 'quasiRelativeError'
  | 'ranks'
  | 'tiedForFirst'
  | 'ranksLevel'
>

/** Contrasts, quasi-variances and ranks of one group, those that are wanted. */
export function uncertaintyOf(wanted: Wanted, group: Group): Answer {
  const { covariance, estimated, width } = group
  const whole =
    covariance !== null && (wanted.quasiVariances || wanted.ranks !== null)
      ? rewardCovariance(covariance, estimated, width)
      : null
  return {
    ...(wanted.contrasts === null ? {} : { contrasts: contrastsOf(wanted.contrasts, group) }),
    ...(wanted.quasiVariances ? quasi(group, whole) : {}),
    ...(wanted.ranks === null ? {} : ranksOf(wanted.ranks, group, whole)),
  }
}

function contrastsOf(
  wanted: NonNullable<Wanted['contrasts']>,
  { items, rewards, estimated, size, covariance }: Group,
): NonNullable<Answer['contrasts']> {
  const position = new Map(estimated.items.map((item, k) => [item, k]))
  return wanted.map(({ item, against }) => {
    const a = position.get(item)
    const b = position.get(against)
    const known = a !== undefined && b !== undefined
    return {
      item: items[item],
      against: items[against],
      difference: known ? rewards[item] - rewards[against] : null,
      standardError:
        known && covariance !== null
          ? Math.sqrt(varianceAlong(covariance, contrastOf(estimated, a, b, size)))
          : null,
    }
  })
}

function quasi({ items, estimated }: Group, covariance: RewardCovariance | null): Answer {
  const found = covariance === null || covariance.rewards < 2 ? null : quasiVariances(covariance)
  if (found === null) return { quasiVariances: null, quasiStandardErrors: null, quasiRelativeError: null }
  const { values, relativeError } = found
  const names = estimated.items.map((item) => items[item])
  return {
    quasiVariances: keyedById(names, (k) => values[k]),
    quasiStandardErrors: keyedById(names, (k) => (values[k] >= 0 ? Math.sqrt(values[k]) : null)),
    quasiRelativeError: relativeError,
  }
}

function ranksOf(
  wanted: NonNullable<Wanted['ranks']>,
  { items, rewards, estimated, covariance, seed }: Group,
  whole: RewardCovariance | null,
): Answer {
  if (covariance === null || whole === null)
    return { ranks: null, tiedForFirst: null, ranksLevel: wanted.level }
  const names = estimated.items.map((item) => items[item])
  const own = Float64Array.from(estimated.items, (item) => rewards[item])
  const random = seededRandom(seed)
  const draw = () => rewardsFrom(estimated, covariance.draw(random))
  const { rank, low, high, first } = rankIntervals(own, whole, draw, wanted)
  return {
    ranks: keyedById(names, (k) => ({ rank: rank[k], low: low[k], high: high[k] })),
    tiedForFirst: first.map((k) => names[k]),
    ranksLevel: wanted.level,
  }
}
