import Type, { type Static } from 'typebox'
import { ConstraintResult, Constraints } from './constraints.ts'
import { Annotators, Discovery, FitSummary, ReliabilityResult } from './fit.ts'
import { Model, ModelSettings } from './model.ts'
import { Policy, PolicySettings, Utility, UtilitySettings } from './policy.ts'
import { Pooled } from './pooled.ts'
import { DataUsed, preferenceMembers } from './preferences.ts'
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
    description: 'Seed of whatever is sampled: the shares of a Pareto front of more than three groups.',
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

/** All that an aggregation takes but its data. */
export const requestMembers = {
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
  pooled: Type.Optional(ref(Pooled)),
  data: Type.Optional(ref(DataUsed)),
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

const { settings, ranking, constraints, discovery, pooled, data, certificate } = optimumMembers

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
  pooled,
  data,
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
      radius: Type.Number({
        description:
          'How far the weights may move from there, in any direction in which they sum to 1, with the item still a best one ' +
          '(in the Euclidean norm); 0 where no weights do.',
      }),
      share: Type.Number({ description: 'The part of all group weights that make it best.' }),
      shareError: Type.Number({
        description: 'Standard error of `share`; 0 where it is exact, as it is for up to three groups.',
      }),
    },
    { ...closed, description: 'At temperature 0: an item that no other beats for all groups.' },
  ),
)

const frontPolicyMembers = {
  weights: Numbers,
  temperature: Type.Number(),
  rewards: mapOf(rewardOrNull, { description: 'The aggregated reward that leads to the policy.' }),
  utilities: Numbers,
  divergence: Type.Number({
    description:
      'KL(policy‖reference). What a group gets net of the KL term is its utility minus temperature times this.',
  }),
}

const FrontPolicy = named(
  'FrontPolicy',
  Type.Object(
    { ...frontPolicyMembers, policy: Numbers },
    {
      ...closed,
      description: 'Above temperature 0, and with constraints: the policy that some group weights lead to.',
    },
  ),
)

const ContextualFrontPolicy = named(
  'ContextualFrontPolicy',
  Type.Object(
    { ...frontPolicyMembers, policies: Type.Array(ref(ContextPolicy)) },
    { ...closed, description: 'With several contexts: the policies that some group weights lead to.' },
  ),
)

const FrontApproximation = named(
  'FrontApproximation',
  Type.Object(
    {
      gap: Type.Number({
        description:
          'No policy at all gives every group more, net of the KL term, than some mixture of those listed by more than this ' +
          "part of what is at stake for it: the difference between the group's best and worst corner of the front, a corner " +
          'being where all weight is on one group.',
      }),
      tolerance: Type.Number({ description: 'The gap at which no more policies are added.' }),
      limit: Type.Integer({ description: 'As many policies as are listed at most, whatever the gap.' }),
      hypervolumeLimit: Type.Unsafe<number | null>({
        type: ['number', 'null'],
        description:
          'What the hypervolume of the whole front can be at most, where `hypervolume` is what mixtures of the policies listed ' +
          'reach. Null for more than eight groups.',
      }),
      hypervolumeLimitError: Type.Unsafe<number | null>({
        type: ['number', 'null'],
        description: 'Standard error of `hypervolumeLimit`; 0 where it is exact.',
      }),
    },
    {
      ...closed,
      description: 'How well a list of policies stands for the front, which has infinitely many.',
    },
  ),
)

const DominatedItem = named(
  'DominatedItem',
  Type.Object(
    {
      item: Type.String(),
      by: Type.Array(Type.String(), {
        description:
          'Items of the front that are better for some group and as good for the rest; the first 100.',
      }),
      count: Type.Integer({ description: 'How many there are of them.' }),
    },
    closed,
  ),
)

const LotteryDominatedItem = named(
  'LotteryDominatedItem',
  Type.Object(
    {
      item: Type.String(),
      by: mapOf(Type.Number(), {
        description:
          'A lottery over supported items, as their probabilities. Of those that no group likes less than the item, one whose ' +
          "least gain is largest, in units of each group's range.",
      }),
      gains: mapOf(Type.Number(), { description: 'What each group gains by it.' }),
    },
    closed,
  ),
)

export const Front = named(
  'Front',
  Type.Object(
    {
      function: Type.Literal('pareto-front'),
      settings: ref(Settings),
      front: Type.Union([
        Type.Array(ref(FrontItem)),
        Type.Array(ref(FrontPolicy)),
        Type.Array(ref(ContextualFrontPolicy)),
      ]),
      approximation: Type.Optional(ref(FrontApproximation)),
      dominated: Type.Array(ref(DominatedItem), {
        description: 'Items that others beat for some group and equal for the rest.',
      }),
      lotteryDominated: Type.Array(ref(LotteryDominatedItem), {
        description:
          'Unsupported items, which no other item beats but a lottery does. At temperature 0; above it every policy of the front ' +
          'is a lottery already.',
      }),
      hypervolume: Type.Unsafe<number | null>({
        type: ['number', 'null'],
        description:
          'Volume, in utilities above the anchors, of what the items of the front are at least as good as; above temperature 0, ' +
          'of what mixtures of its policies are (for more than eight groups, of what its policies are), in utilities net of the ' +
          'KL term. Null where it is above 1.8e308, as with hundreds of groups; with `unit-range` and `worst` it is at most 1.',
      }),
      hypervolumeError: Type.Unsafe<number | null>({
        type: ['number', 'null'],
        description: 'Standard error; 0 where the volume is exact, null where the volume is.',
      }),
      knee: Type.Unsafe<Record<string, unknown>>({
        anyOf: [{ $ref: 'FrontItem#' }, { $ref: 'FrontPolicy#' }, { $ref: 'ContextualFrontPolicy#' }],
        description:
          "The point of the front nearest to giving every group its best, each group's range on the front being 1.",
      }),
      groups: Type.Array(ref(FrontGroup)),
      discovery: Type.Optional(ref(Discovery)),
      pooled: Type.Optional(ref(Pooled)),
      data: Type.Optional(ref(DataUsed)),
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
    {
      results: Type.Array(ref(AggregateResponse)),
      discovery: Type.Optional(ref(Discovery)),
      pooled: Type.Optional(ref(Pooled)),
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
export type ContextualOptimumResult = Static<typeof ContextualOptimum>
export type ExPostResult = Static<typeof ExPostOptimum>
export type ContextualExPostResult = Static<typeof ContextualExPostOptimum>
export type FrontItem = Static<typeof FrontItem>
export type FrontPolicy = Static<typeof FrontPolicy>
export type ContextualFrontPolicy = Static<typeof ContextualFrontPolicy>
export type FrontResult = Static<typeof Front>
export type AggregateResponse = Static<typeof AggregateResponse>
export type CompareResponse = Static<typeof CompareResponse>
