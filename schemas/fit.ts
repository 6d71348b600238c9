import Type, { type Static } from 'typebox'
import { Model, ModelSettings } from './model.ts'
import { Comparisons, preferenceMembers } from './preferences.ts'
import { mapOf, named, oneOf, ref } from './ref.ts'

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

const Numbers = mapOf(Type.Number())
const Ids = Type.Array(Type.String())

export const FitRequest = named(
  'FitRequest',
  Type.Object(
    {
      comparisons: ref(Comparisons),
      groups: preferenceMembers.groups,
      items: preferenceMembers.items,
      model: Type.Optional(ref(Model)),
    },
    { additionalProperties: false },
  ),
)

/** How the items of a group hang together. */
export const Connectivity = named(
  'Connectivity',
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
)

export const FittedGroup = named(
  'FittedGroup',
  Type.Object(
    {
      id: Type.String(),
      rewards: mapOf(Type.Number(), { description: "Mean zero over the group's items." }),
      standardErrors: Type.Unsafe<Record<string, number> | null>({
        anyOf: [Numbers, { type: 'null' }],
        description:
          'Of the rewards, in the gauge where they sum to zero. Null beyond 2,000 items, and where a variance is beyond 1.8e308.',
      }),
      covariance: oneOf(['fisher', 'posterior'], {
        description:
          'What the standard errors come from: the Fisher information, or with a prior the curvature of the log-posterior.',
      }),
      parameters: mapOf(Type.Number(), { description: 'Those of the model besides the rewards.' }),
      parameterErrors: Numbers,
      fit: ref(FitSummary),
      connectivity: ref(Connectivity),
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
