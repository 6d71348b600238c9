import Type, { type Static } from 'typebox'
import { ConstraintResult, Constraints } from './constraints.ts'
import { Annotators, Discovery, FitSummary, ReliabilityResult } from './fit.ts'
import { Model, ModelSettings } from './model.ts'
import { Policy, PolicySettings, Utility, UtilitySettings } from './policy.ts'
import { preferenceMembers } from './preferences.ts'
import { mapOf, named, oneOf, ref } from './ref.ts'
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

const Mode = named(
  'Mode',
  oneOf(['ex-ante', 'ex-post'], {
    default: 'ex-ante',
    description:
      'Where the welfare function is applied: `ex-ante` to what each group expects of the policy, W(Σ_i p_i u_i); `ex-post` to ' +
      'what it gets of each item, Σ_i p_i W(u_i). Ex post there are no group weights: the welfare of each item is its reward.',
  }),
)

const requestMembers = {
  ...preferenceMembers,
  model: Type.Optional(ref(Model)),
  utility: Type.Optional(ref(Utility)),
  policy: Type.Optional(ref(Policy)),
  constraints: Type.Optional(Constraints),
  mode: Type.Optional(ref(Mode)),
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
      mode: ref(Mode),
      constraints: Type.Optional(Constraints),
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
  best: Type.Number({ description: 'The most that any policy gives the group, guardrails aside.' }),
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

export const ExPostGroup = named(
  'ExPostGroup',
  Type.Object(
    {
      ...groupMembers,
      utility: Type.Number({ description: "x_g(p*): the group's expected utility of the policy." }),
      regret: Type.Number({ description: '`best` minus `utility`: what the group gives up.' }),
    },
    closed,
  ),
)

const rewardOrNull = Type.Unsafe<number | null>({ type: ['number', 'null'] })

const optimumMembers = {
  function: Type.String(),
  settings: ref(Settings),
  weights: mapOf(Type.Number(), {
    description: 'Group weights λ/S; they sum to 1. What floors add to them is in `constraints`.',
  }),
  weightScale: Type.Number({ description: 'S = Σλ.' }),
  temperature: Type.Number({
    description: 'β/S: the KL coefficient to train with when using `weights`.',
  }),
  supportOnly: Type.Boolean({
    description:
      'True at temperature 0: the weights support the policy and do not single it out. So too at temperatures so low that ' +
      'the last digit of a weight would change the policy.',
  }),
  rewards: mapOf(rewardOrNull, {
    description:
      'The aggregated reward to train on: Σ_g weights_g · utilities_g, and what `constraints` of all contexts add to it: the ' +
      'weight of each times the utilities of its group (floor), minus its costs (ceiling), or 1 for its items ' +
      '(minimum-share). Null for items that a constraint rules out: the policy never chooses them.',
  }),
  rewardWeights: Type.Optional(
    Type.Array(Type.Number(), {
      description:
        'Where rewards are linear in features and the scale is: Σ_g weights_g · scaleFactor_g · w_g, the reward weights ' +
        'to train on. The weights of floors are added to those of their groups; what ceilings and minimum shares add to ' +
        '`rewards` is not linear in features, and comes on top. Absent with a floor in a single context.',
    }),
  ),
  ranking: Type.Array(ref(RankedItem), {
    description: 'By aggregated reward; tied within 1e-9 of the range. Without items that are ruled out.',
  }),
  welfare: Type.Number({ description: 'W at the policy, without the KL term.' }),
  groups: Type.Array(ref(GroupResult)),
  constraints: Type.Optional(
    Type.Array(ref(ConstraintResult), {
      description: 'What became of the constraints, in the order of the request.',
    }),
  ),
  discovery: Type.Optional(ref(Discovery)),
  certificate: ref(Certificate),
}

export const Optimum = named(
  'Optimum',
  Type.Object(
    { ...optimumMembers, policy: mapOf(Type.Number(), { description: 'The optimal lottery over items.' }) },
    { ...closed, description: 'The optimum of one welfare function.' },
  ),
)

const ContextPolicy = named(
  'ContextPolicy',
  Type.Object(
    {
      context: Type.String(),
      weight: Type.Number({ description: 'Of the context; normalised to sum 1.' }),
      policy: mapOf(Type.Number(), { description: 'The optimal lottery over the items of the context.' }),
      rewards: mapOf(rewardOrNull, {
        description:
          'The aggregated reward in this context: `rewards`, and what constraints of this context alone add to it.',
      }),
    },
    { ...closed, description: 'The part of the optimum that is about one context.' },
  ),
)

export const ContextualOptimum = named(
  'ContextualOptimum',
  Type.Object(
    {
      ...optimumMembers,
      policies: Type.Array(ref(ContextPolicy), {
        description: 'One for each context, in the order of the request.',
      }),
    },
    { ...closed, description: 'The optimum of one welfare function over several contexts.' },
  ),
)

const { settings, ranking, constraints, discovery, certificate } = optimumMembers

const exPostMembers = {
  function: Type.String(),
  mode: Type.Literal('ex-post', {
    description:
      'No group weights lead to this policy: a welfare function of the utilities of single items is no sum over groups.',
  }),
  settings,
  temperature: Type.Number({ description: 'β: the KL coefficient to train with when using `rewards`.' }),
  rewards: mapOf(rewardOrNull, {
    description:
      'The reward to train on: W of what the item gives to the groups, and what `constraints` of all contexts add to it. ' +
      'Null for items that a constraint rules out, or that no context has.',
  }),
  ranking,
  welfare: Type.Number({
    description: 'Σ_i p_i W(u_i), the expected welfare of an item, without the KL term.',
  }),
  groups: Type.Array(ref(ExPostGroup)),
  constraints,
  discovery,
  certificate,
}

export const ExPostOptimum = named(
  'ExPostOptimum',
  Type.Object(
    {
      ...exPostMembers,
      policy: mapOf(Type.Number(), { description: 'The optimal lottery over items.' }),
    },
    { ...closed, description: 'The policy with the largest expected welfare of an item.' },
  ),
)

export const ContextualExPostOptimum = named(
  'ContextualExPostOptimum',
  Type.Object(
    {
      ...exPostMembers,
      policies: Type.Array(ref(ContextPolicy), {
        description: 'One for each context, in the order of the request.',
      }),
    },
    {
      ...closed,
      description: 'The policies with the largest expected welfare of an item, over several contexts.',
    },
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
      certificate: ref(Certificate),
    },
    { ...closed, description: 'Every choice that no other beats for all groups.' },
  ),
)

export const AggregateResponse = named(
  'AggregateResponse',
  Type.Union([
    ref(Optimum),
    ref(ContextualOptimum),
    ref(ExPostOptimum),
    ref(ContextualExPostOptimum),
    ref(Front),
  ]),
)

export const CompareResponse = named(
  'CompareResponse',
  Type.Object(
    { results: Type.Array(ref(AggregateResponse)), discovery: Type.Optional(ref(Discovery)) },
    closed,
  ),
)

export type AggregateRequest = Static<typeof AggregateRequest>
export type CompareRequest = Static<typeof CompareRequest>
export type Settings = Static<typeof Settings>
export type GroupResult = Static<typeof GroupResult>
export type FrontGroup = Static<typeof FrontGroup>
export type OptimumResult = Static<typeof Optimum>
export type ContextualOptimumResult = Static<typeof ContextualOptimum>
export type ExPostResult = Static<typeof ExPostOptimum>
export type ContextualExPostResult = Static<typeof ContextualExPostOptimum>
export type FrontItem = Static<typeof FrontItem>
export type FrontPolicy = Static<typeof FrontPolicy>
export type FrontResult = Static<typeof Front>
export type AggregateResponse = Static<typeof AggregateResponse>
export type CompareResponse = Static<typeof CompareResponse>
