import Type, { type Static } from 'typebox'
import { Model, ModelSettings } from './model.ts'
import { DataUsed, Id, preferenceMembers } from './preferences.ts'
import { mapOf, named, oneOf, ref } from './ref.ts'

/** How good a fit is: what was fitted, and the proof that it is the maximum. */
export const FitSummary = named(
  'FitSummary',
  Type.Object(
    {
      comparisons: Type.Number({
        description:
          'The sum of the counts; of a discovered group, each as far as its annotator is of the group.',
      }),
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
const nullable = { type: ['number', 'null'] }

/** Which ranks to answer with. */
export const RankOptions = named(
  'RankOptions',
  Type.Object(
    {
      level: Type.Optional(
        Type.Number({
          minimum: 0.5,
          maximum: 0.999,
          default: 0.95,
          description: 'The probability with which the intervals of all items of a group hold, all at once.',
        }),
      ),
      draws: Type.Optional(
        Type.Integer({
          minimum: 1000,
          maximum: 10000,
          default: 2000,
          description: 'Simulated errors, from the normal approximation, that the intervals are taken from.',
        }),
      ),
    },
    { additionalProperties: false },
  ),
)
/** The same with defaults filled in. */
export const RankSettings = named('RankSettings', Type.Required(RankOptions))

export const FitRequest = named(
  'FitRequest',
  Type.Object(
    {
      comparisons: preferenceMembers.comparisons,
      rankings: preferenceMembers.rankings,
      dataset: preferenceMembers.dataset,
      groups: preferenceMembers.groups,
      items: preferenceMembers.items,
      model: Type.Optional(ref(Model)),
      contrasts: Type.Optional(
        Type.Array(Type.Object({ item: ref(Id), against: ref(Id) }, { additionalProperties: false }), {
          maxItems: 1000,
          description: 'Differences of rewards to answer with, each with its standard error.',
        }),
      ),
      quasiVariances: Type.Optional(
        Type.Boolean({
          default: false,
          description:
            'Whether to answer with one standard error an item from which that of any difference follows, about: the root of ' +
            'the sum of two squares. For at most 300 items a group.',
        }),
      ),
      ranks: Type.Optional(
        Type.Unsafe<Static<typeof RankOptions>>({
          ...ref(RankOptions),
          description: 'Asks for the rank of each item with its interval. For at most 1,000 items a group.',
        }),
      ),
      seed: Type.Optional(
        Type.Integer({
          minimum: 0,
          maximum: 4294967295,
          default: 0,
          description: 'Seed of whatever is simulated: ranks, and standard errors beyond 2,000 items.',
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

/** What a group's annotators are like. */
export const Annotators = named(
  'Annotators',
  Type.Unsafe<Record<string, { reliability: number; comparisons: number }>>(
    Type.Record(
      Type.String(),
      Type.Object(
        {
          reliability: Type.Number({
            description:
              'The probability that it means what it says, as its comparisons have it: 0.5 tells nothing, below it means the ' +
              'opposite.',
          }),
          comparisons: Type.Number({ description: 'How many it made: the sum of the counts.' }),
        },
        { additionalProperties: false },
      ),
      { description: 'Each annotator of the group.' },
    ),
  ),
)

/** How the reliabilities were found. */
export const ReliabilityResult = named(
  'ReliabilityResult',
  Type.Object(
    {
      logPosterior: Type.Number({
        description:
          'Of the rewards, over all reliabilities that annotators may have; up to the constant of the prior on rewards.',
      }),
      starts: Type.Integer(),
      startsAgreeing: Type.Integer({ description: 'Starts that led to this maximum.' }),
      iterations: Type.Integer({ description: 'Steps of all starts together.' }),
      gradientNorm: Type.Number({
        description: 'Largest derivative in a reward, relative to the comparisons that bear on it.',
      }),
      localOptimum: Type.Literal(true, {
        description: 'The best of the maxima that were found; that there is none better is not proved.',
      }),
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
          'log-posterior (with reliability the observed one, over all reliabilities); or the sandwich H⁻¹SH⁻¹, with S the scores of comparisons, or of annotators, squared.',
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
          "Those of the model besides the rewards: `tie` is Davidson's ν (twice Newman's), e^logTie; with rankings `tie3` and " +
          '`tie4` are the same for three and four items that share a place; `position` is γ, the log-odds that being shown ' +
          'first adds.',
      }),
      parameterErrors: Type.Unsafe<Record<string, number>>({
        ...Numbers,
        description:
          'Standard errors of `logTie`, the logarithm of `tie`, of `logTie3` and `logTie4`, and of `position`.',
      }),
      pooling: Type.Optional(ref(Pooling)),
      annotators: Type.Optional(ref(Annotators)),
      reliability: Type.Optional(ref(ReliabilityResult)),
      contrasts: Type.Optional(
        Type.Array(
          Type.Object(
            {
              item: Type.String(),
              against: Type.String(),
              difference: Type.Unsafe<number | null>({
                ...nullable,
                description: 'The reward of `item` minus that of `against`.',
              }),
              standardError: Type.Unsafe<number | null>(nullable),
            },
            { additionalProperties: false },
          ),
          {
            description:
              'What was asked for, in the same order; null where the group has no estimate of one of the items.',
          },
        ),
      ),
      quasiVariances: Type.Optional(
        Type.Unsafe<Record<string, number> | null>({
          anyOf: [Numbers, { type: 'null' }],
          description:
            'q: the variance of the difference between any two items is about the sum of theirs (Firth & de Menezes 2004). ' +
            'One of them may be negative, no sum is. Null where a difference has no variance.',
        }),
      ),
      quasiStandardErrors: Type.Optional(
        Type.Unsafe<Record<string, number | null> | null>({
          anyOf: [Type.Record(Type.String(), Type.Unsafe<number | null>(nullable)), { type: 'null' }],
          description: '√q; null for an item whose quasi-variance is negative.',
        }),
      ),
      quasiRelativeError: Type.Optional(
        Type.Unsafe<number | null>({
          ...nullable,
          description:
            'The largest relative error, over all pairs of items, of √(q_i + q_j) as the standard error of their difference.',
        }),
      ),
      ranks: Type.Optional(
        Type.Unsafe<Record<string, { rank: number; low: number; high: number }> | null>({
          anyOf: [
            Type.Record(
              Type.String(),
              Type.Object(
                { rank: Type.Integer(), low: Type.Integer(), high: Type.Integer() },
                { additionalProperties: false },
              ),
            ),
            { type: 'null' },
          ],
          description:
            'Rank 1 is the highest reward. The true ranks of all items are from `low` to `high` at once with probability ' +
            '`ranksLevel`, for large numbers of comparisons (Mogstad, Romano, Shaikh & Wilhelm 2024); with a prior, given the ' +
            'data and the prior.',
        }),
      ),
      tiedForFirst: Type.Optional(
        Type.Unsafe<string[] | null>({
          anyOf: [Ids, { type: 'null' }],
          description:
            'The items that may be first: whichever truly is, is among them with probability `ranksLevel`. It asks less than ' +
            'all ranks at once, so it can be smaller than the set of items whose `low` is 1.',
        }),
      ),
      ranksLevel: Type.Optional(Type.Number()),
      fit: ref(FitSummary),
      connectivity: Type.Optional(ref(Connectivity)),
      unseenItems: Type.Array(Type.String(), {
        description: 'Items of the request that the group never compared.',
      }),
    },
    { additionalProperties: false },
  ),
)

/** Which groups annotators fall into. */
export const Discovery = named(
  'Discovery',
  Type.Object(
    {
      groups: Type.Integer({ description: 'How many: `discovered-1` is the largest, and so on.' }),
      bic: Type.Array(
        Type.Object(
          {
            groups: Type.Integer(),
            parameters: Type.Integer({
              description: 'What is free: the rewards of every group up to a constant, and the shares.',
            }),
            logLikelihood: Type.Unsafe<number | null>(nullable),
            logPosterior: Type.Unsafe<number | null>({
              ...nullable,
              description: 'With the log-density of the prior, up to a constant.',
            }),
            bic: Type.Unsafe<number | null>({
              ...nullable,
              description: 'parameters · log(annotators) − 2 · logLikelihood: the less, the better.',
            }),
            gradientNorm: Type.Unsafe<number | null>({
              ...nullable,
              description: 'Largest relative derivative of the log-posterior; certified where at most 1e-8.',
            }),
          },
          { additionalProperties: false },
        ),
        {
          description:
            'The best of each number of groups. Null where a group has no finite estimate: a prior gives it one.',
        },
      ),
      starts: Type.Integer({ description: 'Points that the search for this number of groups began at.' }),
      followed: Type.Integer({
        description:
          'The most promising of them, which were followed to a maximum: all where the data are small.',
      }),
      startsAgreeing: Type.Integer({ description: 'How many of these led to this one.' }),
      localOptimum: Type.Literal(true, {
        description: 'The best of the maxima that were found; that there is none better is not proved.',
      }),
      annotators: Type.Unsafe<Record<string, Record<string, number>>>(
        Type.Record(Type.String(), Numbers, {
          description: 'For each annotator the probability that it is of each group.',
        }),
      ),
    },
    { additionalProperties: false },
  ),
)

export const FitResponse = named(
  'FitResponse',
  Type.Object(
    {
      settings: Type.Object(
        {
          model: ref(ModelSettings),
          ranks: Type.Optional(ref(RankSettings)),
          seed: Type.Integer(),
        },
        { additionalProperties: false },
      ),
      groups: Type.Array(ref(FittedGroup)),
      discovery: Type.Optional(ref(Discovery)),
      data: Type.Optional(ref(DataUsed)),
    },
    { additionalProperties: false },
  ),
)

export type FitSummary = Static<typeof FitSummary>
export type FitRequest = Static<typeof FitRequest>
export type FittedGroup = Static<typeof FittedGroup>
export type FitResponse = Static<typeof FitResponse>
export type Discovery = Static<typeof Discovery>
