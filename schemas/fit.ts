import Type, { type Static } from 'typebox'
import { Model, ModelSettings } from './model.ts'
import { preferenceMembers } from './preferences.ts'
import { named, oneOf, ref } from './ref.ts'

/** How good a fit is: what was fitted, and the proof that it is the maximum. */
export const FitSummary = named(
  'FitSummary',
  Type.Object(
    {
      comparisons: Type.Number({ description: 'The sum of the counts.' }),
      pairs: Type.Integer({ description: 'Pairs of items that were compared.' }),
      logLikelihood: Type.Number({
        description: 'At the estimate; without binomial constants, and without the prior.',
      }),
      gradientNorm: Type.Number({ description: 'Largest |∂ℓ/∂θ_i| relative to the comparisons of item i.' }),
      errorEstimate: Type.Number({
        description: 'How far, at most and to first order, a reward is from the maximum.',
      }),
      iterations: Type.Integer(),
      converged: Type.Boolean({ description: 'Both are at most 1e-10.' }),
    },
    { additionalProperties: false },
  ),
)

const Numbers = Type.Record(Type.String(), Type.Number())
const Ids = Type.Array(Type.String())

export const FitRequest = named(
  'FitRequest',
  Type.Object(
    {
      comparisons: preferenceMembers.comparisons,
      groups: preferenceMembers.groups,
      items: preferenceMembers.items,
      model: Type.Optional(ref(Model)),
      seed: Type.Optional(
        Type.Integer({
          minimum: 0,
          maximum: 4294967295,
          default: 0,
          description: 'Seed of whatever is simulated: standard errors beyond 2,000 items.',
        }),
      ),
    },
    { additionalProperties: false },
  ),
)

/** How far a group was drawn to what all groups have in common. */
export const Pooling = named(
  'Pooling',
  Type.Object(
    {
      standardDeviation: Type.Number({
        description: 'τ: how far groups differ from the population, given or estimated.',
      }),
      populationDeviation: Type.Unsafe<number | null>({
        type: ['number', 'null'],
        description:
          "How far the population's rewards are from 0, given or estimated; null where nothing was assumed of them.",
      }),
      logMarginal: Type.Unsafe<number | null>({
        type: ['number', 'null'],
        description:
          'The marginal log-likelihood at what was estimated, up to a constant; null where all was given.',
      }),
      shrinkage: Type.Number({
        description:
          '0 where the group speaks for itself alone, 1 where all that is known of it is the population.',
      }),
    },
    { additionalProperties: false },
  ),
)

export const FittedGroup = named(
  'FittedGroup',
  Type.Object(
    {
      id: Type.String(),
      rewards: Type.Unsafe<Record<string, number>>({
        ...Numbers,
        description: "Mean zero over the group's items.",
      }),
      standardErrors: Type.Unsafe<Record<string, number> | null>({
        anyOf: [Numbers, { type: 'null' }],
        description:
          'Of the rewards, in the gauge where they sum to zero. Null where the curvature is singular to rounding.',
      }),
      standardErrorAccuracy: Type.Number({
        description:
          'Relative standard error of the standard errors: 0 where they are exact, which is up to 2,000 items; beyond, they ' +
          'are simulated.',
      }),
      covariance: oneOf(['fisher', 'posterior', 'sandwich', 'clustered'], {
        description:
          'What the standard errors come from: H⁻¹, with H the Fisher information, or with a prior the curvature of the ' +
          'log-posterior; or the sandwich H⁻¹SH⁻¹, with S the scores of comparisons, or of annotators, squared.',
      }),
      rewardWeights: Type.Optional(
        Type.Array(Type.Number(), { description: 'w, where rewards are linear in features: θ_i = w·φ_i.' }),
      ),
      rewardWeightErrors: Type.Optional(
        Type.Unsafe<number[] | null>({
          anyOf: [{ type: 'array', items: { type: 'number' } }, { type: 'null' }],
        }),
      ),
      parameters: Type.Unsafe<Record<string, number>>({
        ...Numbers,
        description:
          "Those of the model besides the rewards: `tie` is Davidson's ν (twice Newman's), e^logTie; `position` is γ, the " +
          'log-odds that being shown first adds.',
      }),
      parameterErrors: Type.Unsafe<Record<string, number>>({
        ...Numbers,
        description: 'Standard errors of `logTie`, the logarithm of `tie`, and of `position`.',
      }),
      pooling: Type.Optional(ref(Pooling)),
      fit: ref(FitSummary),
      connectivity: Type.Optional(
        Type.Object(
          {
            components: Type.Array(Ids, {
              description: 'Strongly connected components of the graph "beat or tied".',
            }),
            undefeated: Type.Array(Type.String(), { description: 'Items that nobody ever beat or tied.' }),
            winless: Type.Array(Type.String(), { description: 'Items that never beat or tied any.' }),
          },
          { additionalProperties: false },
        ),
      ),
      unseenItems: Type.Array(Type.String(), {
        description: 'Items of the request that the group never compared.',
      }),
    },
    { additionalProperties: false },
  ),
)

export const FitResponse = named(
  'FitResponse',
  Type.Object(
    {
      settings: Type.Object({ model: ref(ModelSettings) }, { additionalProperties: false }),
      groups: Type.Array(ref(FittedGroup)),
    },
    { additionalProperties: false },
  ),
)

export type FitSummary = Static<typeof FitSummary>
export type FitRequest = Static<typeof FitRequest>
export type FittedGroup = Static<typeof FittedGroup>
export type FitResponse = Static<typeof FitResponse>
