import Type, { type Static } from 'typebox'
import { Annotators, Discovery, FitSummary, ReliabilityResult } from './fit.ts'
import { Model, ModelSettings } from './model.ts'
import { Policy, PolicySettings, Utility, UtilitySettings } from './policy.ts'
import { DataUsed, preferenceMembers } from './preferences.ts'
import { mapOf, named, ref } from './ref.ts'
import { Welfare } from './welfare.ts'

const Numbers = mapOf(Type.Number())
const closed = { additionalProperties: false }

const Seed = named(
  'Seed',
  Type.Integer({
    minimum: 0,
    maximum: 4294967295,
    default: 0,
    description: 'Seed of whatever is sampled: the shares of a Pareto front of more than two groups.',
  }),
)

/** All that an aggregation takes but its data. */
export const requestMembers = {
  ...preferenceMembers,
  model: Type.Optional(ref(Model)),
  utility: Type.Optional(ref(Utility)),
  policy: Type.Optional(ref(Policy)),
  seed: Type.Optional(ref(Seed)),
}

export const AggregateRequest = named(
  'AggregateRequest',
  Type.Object({ ...requestMembers, welfare: ref(Welfare) }, closed),
)

export const CompareRequest = named(
  'CompareRequest',
  Type.Object(
    { ...requestMembers, welfare: Type.Array(ref(Welfare), { minItems: 1, maxItems: 20 }) },
    closed,
  ),
)

export const Settings = named(
  'Settings',
  Type.Object(
    {
      model: Type.Optional(ref(ModelSettings)),
      utility: ref(UtilitySettings),
      policy: ref(PolicySettings),
      welfare: ref(Welfare),
      seed: Type.Integer(),
    },
    {
      ...closed,
      description:
        "The request's choices with every default filled in; `model` only where rewards were fitted.",
    },
  ),
)

const groupMembers = {
  id: Type.String(),
  population: Type.Number({ description: 'Normalised to sum 1.' }),
  best: Type.Number({ description: 'The most that any policy gives the group.' }),
  rewards: mapOf(Type.Number(), { description: 'Fitted (mean zero) or given.' }),
  utilities: mapOf(Type.Number(), { description: 'After scale and anchor: what `weights` multiply.' }),
  anchor: Type.Number({ description: 'What was subtracted after scaling.' }),
  scaleFactor: Type.Unsafe<number | null>({
    type: ['number', 'null'],
    description: 'What rewards were multiplied by; null for win-probability, which is not linear.',
  }),
  indifferent: Type.Boolean({ description: 'Whether all items are the same to the group.' }),
  unseenItems: Type.Array(Type.String(), {
    description: 'Items that the group never compared: they have its mean reward.',
  }),
  rewardWeights: Type.Optional(
    Type.Array(Type.Number(), { description: 'w, where rewards are linear in features: θ_i = w·φ_i.' }),
  ),
  fit: Type.Optional(ref(FitSummary)),
  annotators: Type.Optional(ref(Annotators)),
  reliability: Type.Optional(ref(ReliabilityResult)),
}

export const GroupResult = named(
  'GroupResult',
  Type.Object(
    {
      ...groupMembers,
      weight: Type.Number({ description: 'The same as in `weights`.' }),
      utility: Type.Number({ description: "x_g(p*): the group's utility of the policy." }),
      regret: Type.Number({ description: '`best` minus `utility`: what the group gives up.' }),
    },
    closed,
  ),
)

export const FrontGroup = named('FrontGroup', Type.Object(groupMembers, closed))

export const Certificate = named(
  'Certificate',
  Type.Object(
    {
      gap: Type.Number({
        description: 'The most that any other policy could add to the objective (duality gap).',
      }),
      relativeGap: Type.Number({
        description: 'The gap relative to the size of the objective; at most 1e-8.',
      }),
      iterations: Type.Integer(),
      unique: Type.Boolean({ description: 'Whether no other policy is optimal.' }),
    },
    { ...closed, description: 'Recomputed from the numbers in this response.' },
  ),
)

export const RankedItem = named(
  'RankedItem',
  Type.Object({ item: Type.String(), rank: Type.Integer(), reward: Type.Number() }, closed),
)

export const Optimum = named(
  'Optimum',
  Type.Object(
    {
      function: Type.String(),
      settings: ref(Settings),
      weights: mapOf(Type.Number(), { description: 'Group weights λ/S; they sum to 1.' }),
      weightScale: Type.Number({ description: 'S = Σλ.' }),
      temperature: Type.Number({
        description: 'β/S: the KL coefficient to train with when using `weights`.',
      }),
      supportOnly: Type.Boolean({
        description:
          'True at temperature 0: the weights support the policy and do not single it out. So too at temperatures so low that ' +
          'the last digit of a weight would change the policy.',
      }),
      rewards: mapOf(Type.Number(), {
        description: 'The aggregated reward to train on: Σ_g weights_g · utilities_g.',
      }),
      rewardWeights: Type.Optional(
        Type.Array(Type.Number(), {
          description:
            'Where rewards are linear in features and the scale is: Σ_g weights_g · scaleFactor_g · w_g, the reward weights ' +
            'to train on.',
        }),
      ),
      policy: mapOf(Type.Number(), { description: 'The optimal lottery over items.' }),
      ranking: Type.Array(ref(RankedItem), {
        description: 'By aggregated reward; tied within 1e-9 of the range.',
      }),
      welfare: Type.Number({ description: 'W at the policy, without the KL term.' }),
      groups: Type.Array(ref(GroupResult)),
      discovery: Type.Optional(ref(Discovery)),
      data: Type.Optional(ref(DataUsed)),
      certificate: ref(Certificate),
    },
    { ...closed, description: 'The optimum of one welfare function.' },
  ),
)

const FrontItem = named(
  'FrontItem',
  Type.Object(
    {
      item: Type.String(),
      utilities: Numbers,
      supported: Type.Boolean({ description: 'Whether some group weights make it a best item.' }),
      weights: Type.Unsafe<Record<string, number> | null>({
        anyOf: [Numbers, { type: 'null' }],
        description: 'The centre of the weights that do; null where none do.',
      }),
      share: Type.Number({ description: 'The part of all group weights that make it best.' }),
      shareError: Type.Number({ description: 'Standard error of `share`; 0 where it is exact.' }),
    },
    { ...closed, description: 'At temperature 0: an item that no other beats for all groups.' },
  ),
)

const FrontPolicy = named(
  'FrontPolicy',
  Type.Object(
    { weights: Numbers, temperature: Type.Number(), policy: Numbers, rewards: Numbers, utilities: Numbers },
    { ...closed, description: 'Above temperature 0: the policy that some group weights lead to.' },
  ),
)

export const Front = named(
  'Front',
  Type.Object(
    {
      function: Type.Literal('pareto-front'),
      settings: ref(Settings),
      front: Type.Union([Type.Array(ref(FrontItem)), Type.Array(ref(FrontPolicy))]),
      dominated: Type.Array(Type.Object({ item: Type.String(), by: Type.Array(Type.String()) }, closed), {
        description: 'Items that others beat for some group and equal for the rest.',
      }),
      hypervolume: Type.Unsafe<number | null>({
        type: ['number', 'null'],
        description:
          'Volume, in utilities above the anchors, of what the points of the front are at least as good as. Null where it ' +
          'is above 1.8e308, as with hundreds of groups; with `unit-range` and `worst` it is at most 1.',
      }),
      hypervolumeError: Type.Unsafe<number | null>({
        type: ['number', 'null'],
        description: 'Standard error; 0 where the volume is exact, null where the volume is.',
      }),
      knee: Type.Unsafe<Record<string, unknown>>({
        anyOf: [{ $ref: 'FrontItem#' }, { $ref: 'FrontPolicy#' }],
        description:
          "The point of the front nearest to giving every group its best, each group's range on the front being 1.",
      }),
      groups: Type.Array(ref(FrontGroup)),
      discovery: Type.Optional(ref(Discovery)),
      data: Type.Optional(ref(DataUsed)),
      certificate: ref(Certificate),
    },
    { ...closed, description: 'Every choice that no other beats for all groups.' },
  ),
)

export const AggregateResponse = named('AggregateResponse', Type.Union([ref(Optimum), ref(Front)]))

export const CompareResponse = named(
  'CompareResponse',
  Type.Object(
    {
      results: Type.Array(ref(AggregateResponse)),
      discovery: Type.Optional(ref(Discovery)),
      data: Type.Optional(ref(DataUsed)),
    },
    closed,
  ),
)

export type AggregateRequest = Static<typeof AggregateRequest>
export type CompareRequest = Static<typeof CompareRequest>
export type Settings = Static<typeof Settings>
export type GroupResult = Static<typeof GroupResult>
export type FrontGroup = Static<typeof FrontGroup>
export type OptimumResult = Static<typeof Optimum>
export type FrontItem = Static<typeof FrontItem>
export type FrontPolicy = Static<typeof FrontPolicy>
export type FrontResult = Static<typeof Front>
export type AggregateResponse = Static<typeof AggregateResponse>
export type CompareResponse = Static<typeof CompareResponse>
