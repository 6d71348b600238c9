import Type, { type Static } from 'typebox'
import { type AggregateResponse, requestMembers } from './aggregate.ts'
import { DatasetSelection } from './preferences.ts'
import { ProblemDetails } from './problem.ts'
import { named, oneOf, ref } from './ref.ts'
import { Welfare } from './welfare.ts'

const closed = { additionalProperties: false }
const { comparisons: _, rankings: __, rewards: ___, dataset: ____, ...configurationMembers } = requestMembers
const { id: _____, ...selectionMembers } = DatasetSelection.properties

const RefreshSchedule = named(
  'RefreshSchedule',
  Type.Object(
    {
      everySeconds: Type.Optional(
        Type.Integer({ minimum: 1, maximum: 31_536_000, description: 'So long after the last refresh.' }),
      ),
      afterComparisons: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 1e15,
          description:
            'Once so many comparisons (rows, whatever their `count`) have come since the last refresh, or some were erased.',
        }),
      ),
    },
    {
      ...closed,
      minProperties: 1,
      description:
        'When the service refreshes by itself, whichever comes first; it looks once a second. Without it, only when asked.',
    },
  ),
)

/** What published weights are computed by. */
export const WeightsConfiguration = named(
  'WeightsConfiguration',
  Type.Object(
    {
      dataset: Type.Optional(
        Type.Object(selectionMembers, {
          ...closed,
          description: 'Which comparisons of the dataset; all if not given.',
        }),
      ),
      ...configurationMembers,
      welfare: ref(Welfare),
      refresh: Type.Optional(ref(RefreshSchedule)),
    },
    {
      ...closed,
      description:
        'All that /aggregate takes but the data, and when to refresh. A Pareto front has no weights to publish.',
    },
  ),
)

const LastRefresh = named(
  'LastRefresh',
  Type.Object(
    {
      status: oneOf(['succeeded', 'failed'], {
        description: 'Of the last refresh that found something new: other data, or that it fails now.',
      }),
      at: Type.String({
        format: 'date-time',
        description: 'When it ended; of refreshes that failed alike one after the other, the first.',
      }),
      problem: Type.Unsafe<Static<typeof ProblemDetails> | null>({
        anyOf: [ref(ProblemDetails), { type: 'null' }],
        description: 'Why it failed, without the evidence, which `refresh` answers; null where it did not.',
      }),
    },
    closed,
  ),
)

const versionMembers = {
  version: Type.Integer({ minimum: 1, description: 'Counts from 1.' }),
  computedAt: Type.String({ format: 'date-time' }),
  fingerprint: Type.String({ description: 'Of the comparisons that it was computed from.' }),
}

const publicationMembers = {
  latest: Type.Integer({ description: 'The newest version there is.' }),
  pinned: Type.Unsafe<number | null>({
    type: ['integer', 'null'],
    description: 'The version that is served whatever comes; null where it is the latest.',
  }),
  refresh: Type.Unsafe<Static<typeof RefreshSchedule> | null>({
    anyOf: [ref(RefreshSchedule), { type: 'null' }],
    description: 'When the service refreshes by itself; null where it does not.',
  }),
  lastRefresh: ref(LastRefresh),
}

/** A version of published weights. */
export const PublishedWeights = named(
  'PublishedWeights',
  Type.Object(
    {
      dataset: Type.String(),
      name: Type.String(),
      ...versionMembers,
      ...publicationMembers,
      result: Type.Unsafe<AggregateResponse>({
        $ref: 'AggregateResponse#',
        description: 'What /aggregate answered; it never changes for a version.',
      }),
    },
    closed,
  ),
)

export const WeightsList = named(
  'WeightsList',
  Type.Object(
    {
      weights: Type.Array(Type.Object({ name: Type.String(), ...publicationMembers }, closed)),
      next: Type.Unsafe<string | null>({ type: ['string', 'null'], description: 'As for datasets.' }),
    },
    closed,
  ),
)

export const WeightsVersions = named(
  'WeightsVersions',
  Type.Object(
    {
      versions: Type.Array(Type.Object(versionMembers, closed), { description: 'The newest first.' }),
      next: Type.Unsafe<number | null>({
        type: ['integer', 'null'],
        description: 'What to give as `before` for the next page; null where this is the last.',
      }),
    },
    closed,
  ),
)

const numberOrNull = (description: string) =>
  Type.Unsafe<number | null>({ type: ['number', 'null'], description })

const Change = {
  from: numberOrNull('In the first version; null where it has none.'),
  to: numberOrNull('In the second version; null where it has none.'),
  change: numberOrNull('The second minus the first; null where either is.'),
}
const GroupChange = named('GroupChange', Type.Object({ group: Type.String(), ...Change }, closed))
const ItemChange = named('ItemChange', Type.Object({ item: Type.String(), ...Change }, closed))

/** How two versions differ. */
export const WeightsDifference = named(
  'WeightsDifference',
  Type.Object(
    {
      from: Type.Object(versionMembers, closed),
      to: Type.Object(versionMembers, closed),
      sameConfiguration: Type.Boolean({
        description: 'Whether both were computed by the same configuration.',
      }),
      temperature: Type.Object(Change, closed),
      welfare: Type.Object(Change, {
        ...closed,
        description: 'Comparable only where function, utilities and groups are the same.',
      }),
      weights: Type.Array(ref(GroupChange), {
        description: 'Of every group that either has; empty where both are ex post, which has none.',
      }),
      rewards: Type.Array(ref(ItemChange), { description: 'Of every item that either has.' }),
      ranks: Type.Array(ref(ItemChange), { description: 'Of the items whose rank is another one.' }),
      policies: Type.Array(
        Type.Object(
          {
            context: Type.Unsafe<string | null>({
              type: ['string', 'null'],
              description: 'Null where there are no contexts.',
            }),
            moved: numberOrNull(
              'The part of the probability that went to other items, ½ Σ_i |p_i − q_i|: from 0 to 1. Null where only one has the context.',
            ),
            items: Type.Array(ref(ItemChange), { description: 'Of every item that either has.' }),
          },
          closed,
        ),
      ),
    },
    closed,
  ),
)

export const Pin = named(
  'Pin',
  Type.Object({ version: Type.Integer({ minimum: 1, description: 'The version to serve.' }) }, closed),
)

export const VersionQuery = Type.Object(
  { version: Type.Optional(Type.Integer({ minimum: 1, description: 'This version, whatever is served.' })) },
  closed,
)

export const VersionsQuery = Type.Object(
  {
    before: Type.Optional(
      Type.Integer({ minimum: 1, description: 'Begins before this version: `next` of the page before.' }),
    ),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
  },
  closed,
)

export const DifferenceQuery = Type.Object(
  { from: Type.Integer({ minimum: 1 }), to: Type.Integer({ minimum: 1 }) },
  closed,
)

export type WeightsConfiguration = Static<typeof WeightsConfiguration>
export type LastRefresh = Static<typeof LastRefresh>
export type WeightsDifference = Static<typeof WeightsDifference>
export type ItemChange = Static<typeof ItemChange>
export type VersionQuery = Static<typeof VersionQuery>
export type VersionsQuery = Static<typeof VersionsQuery>
export type DifferenceQuery = Static<typeof DifferenceQuery>
export type Pin = Static<typeof Pin>
