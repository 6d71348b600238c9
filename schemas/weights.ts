import Type, { type Static } from 'typebox'
import { AggregateResponse, requestMembers } from './aggregate.ts'
import { DatasetSelection } from './preferences.ts'
import { ProblemDetails } from './problem.ts'
import { mapOf, named, ref } from './ref.ts'
import { Welfare } from './welfare.ts'

const closed = { additionalProperties: false }
const { comparisons: _, rankings: __, rewards: ___, dataset: ____, ...configurationMembers } = requestMembers
const { id: _____, ...selectionMembers } = DatasetSelection.properties

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
    },
    {
      ...closed,
      description:
        'All that /aggregate takes but the data. Pareto fronts, and what is optimal ex post, have no weights to publish.',
    },
  ),
)

const versionMembers = {
  version: Type.Integer({ minimum: 1 }),
  computedAt: Type.String({ format: 'date-time' }),
  fingerprint: Type.String({ description: 'Of the comparisons that it was computed from.' }),
}

/** A version of published weights. */
export const PublishedWeights = named(
  'PublishedWeights',
  Type.Object(
    {
      dataset: Type.String(),
      name: Type.String(),
      ...versionMembers,
      latest: Type.Integer({ description: 'The newest version there is.' }),
      pinned: Type.Unsafe<number | null>({
        type: ['integer', 'null'],
        description: 'The version that is served whatever comes; null where it is the latest.',
      }),
      refreshFailure: Type.Unsafe<{ at: string; problem: Static<typeof ProblemDetails> } | null>({
        anyOf: [
          Type.Object({ at: Type.String({ format: 'date-time' }), problem: ref(ProblemDetails) }, closed),
          { type: 'null' },
        ],
        description: 'Why the last refresh made no new version; null where it could.',
      }),
      result: ref(AggregateResponse),
    },
    closed,
  ),
)

export const WeightsVersions = named(
  'WeightsVersions',
  Type.Object(
    { versions: Type.Array(Type.Object(versionMembers, closed), { description: 'The newest first.' }) },
    closed,
  ),
)

/** How two versions differ. */
export const WeightsDifference = named(
  'WeightsDifference',
  Type.Object(
    {
      from: Type.Integer(),
      to: Type.Integer(),
      weights: mapOf(Type.Number(), {
        description: 'Later minus earlier; a group that only one has counts 0 in the other.',
      }),
      rewards: mapOf(Type.Unsafe<number | null>({ type: ['number', 'null'] }), {
        description:
          'The same for the aggregated rewards of items that both have; null where one of the two is.',
      }),
      temperature: Type.Number(),
      welfare: Type.Number(),
      itemsAdded: Type.Array(Type.String()),
      itemsRemoved: Type.Array(Type.String()),
      settingsChanged: Type.Boolean(),
    },
    closed,
  ),
)

export const Pin = named(
  'Pin',
  Type.Object(
    {
      version: Type.Unsafe<number | null>({
        type: ['integer', 'null'],
        minimum: 1,
        description: 'The version to serve; null for the latest again.',
      }),
    },
    closed,
  ),
)

export const VersionQuery = Type.Object(
  { version: Type.Optional(Type.Integer({ minimum: 1, description: 'This version, whatever is served.' })) },
  closed,
)

export const DifferenceQuery = Type.Object(
  { from: Type.Integer({ minimum: 1 }), to: Type.Integer({ minimum: 1 }) },
  closed,
)

export type WeightsConfiguration = Static<typeof WeightsConfiguration>
export type WeightsDifference = Static<typeof WeightsDifference>
export type VersionQuery = Static<typeof VersionQuery>
export type DifferenceQuery = Static<typeof DifferenceQuery>
export type Pin = Static<typeof Pin>
