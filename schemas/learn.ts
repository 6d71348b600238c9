import Type, { type Static } from 'typebox'
import { Id } from './preferences.ts'
import { mapOf, named, oneOf, ref } from './ref.ts'
import { Welfare } from './welfare.ts'

const closed = { additionalProperties: false }
const Utilities = mapOf(Type.Number({ maximum: 1e300 }), {
  description: 'Group → its utility, above 0; every group in every choice.',
})
const weights = { description: 'Group → weight; they sum to 1. Null where choices say nothing of them.' }
const Weights = Type.Unsafe<Record<string, number> | null>({
  anyOf: [mapOf(Type.Number()), { type: 'null' }],
  ...weights,
})
const nullable = (description: string) =>
  Type.Unsafe<number | null>({ type: ['number', 'null'], description })

const Choice = named(
  'Choice',
  Type.Object(
    {
      preferred: Utilities,
      rejected: Utilities,
      count: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 1e12,
          description: 'So many identical, independent choices; 1 if left out.',
        }),
      ),
      weight: Type.Optional(
        Type.Number({
          minimum: 1e-12,
          maximum: 1e12,
          description:
            'How much each of them matters; 1 if left out. A weight is not a count: it leaves `exponentInterval` without its level.',
        }),
      ),
    },
    { ...closed, description: 'Somebody preferred one distribution of utilities to another.' },
  ),
)

export const LearnRequest = named(
  'LearnRequest',
  Type.Object(
    {
      groups: Type.Optional(
        Type.Array(Type.Object({ id: ref(Id) }, closed), {
          minItems: 1,
          description: 'Optional; if given, names every group. Sets the order of groups.',
        }),
      ),
      choices: Type.Array(ref(Choice), { minItems: 1, maxItems: 200_000 }),
    },
    closed,
  ),
)

const NamedFit = Type.Object(
  {
    function: oneOf(['utilitarian', 'nash', 'maximin']),
    logLikelihood: Type.Number(),
    within: Type.Boolean({
      description:
        'Whether its log-likelihood is within 1.92 of the best: then choices do not speak against it.',
    }),
  },
  closed,
)

export const LearnResponse = named(
  'LearnResponse',
  Type.Object(
    {
      exponent: nullable(
        'ρ of the power mean: 1 utilitarian, 0 Nash, the lower the more the worse off count. Null where choices do not tell.',
      ),
      exponentInterval: Type.Object(
        {
          level: Type.Number(),
          lower: Type.Number(),
          upper: Type.Number(),
          connected: Type.Boolean({
            description: 'Whether all exponents between are within, too, as far as the profile shows.',
          }),
        },
        {
          ...closed,
          description:
            'Likelihood-ratio interval: exponents whose log-likelihood is within 1.92 of the best. An end at −10 or 1 is the end of what ' +
            'was looked at.',
        },
      ),
      weights: Weights,
      sensitivity: nullable(
        'κ: 0 is choosing by a toss; null where it is without bound, as the choices never contradict the function.',
      ),
      logLikelihood: Type.Number({
        description: 'Of all choices; its least upper bound where κ is without bound.',
      }),
      profile: Type.Array(
        Type.Object(
          {
            exponent: Type.Number(),
            logLikelihood: Type.Number(),
            weights: Weights,
            sensitivity: nullable('κ; null where it is without bound.'),
          },
          closed,
        ),
        { description: 'The best fit at each exponent, in ascending order.' },
      ),
      named: Type.Array(NamedFit, { description: 'The functions with a name of their own.' }),
      nearest: oneOf(['utilitarian', 'nash', 'maximin'], {
        description: 'The one of them with the largest likelihood.',
      }),
      welfare: Type.Unsafe<Static<typeof Welfare> | null>({
        anyOf: [ref(Welfare), { type: 'null' }],
        description: 'What to send to /aggregate as `welfare`; null where the exponent is.',
      }),
      groups: Type.Unsafe<{ id: string; population: number }[] | null>({
        anyOf: [
          Type.Array(Type.Object({ id: Type.String(), population: Type.Number() }, closed)),
          { type: 'null' },
        ],
        description:
          'What to send to /aggregate as `groups`, without those of weight 0, whose comparisons must be left out; null where `weights` is.',
      }),
      diagnostics: Type.Object(
        {
          choices: Type.Integer(),
          different: Type.Integer({ description: 'How many different ones there are among them.' }),
          gradientNorm: Type.Number({
            description:
              'Slope of the mean log-likelihood that is left at the answer, by log κw: at most 1e-8.',
          }),
          starts: Type.Integer(),
          startsAgreeing: Type.Integer({
            description: 'How many of them came to the same likelihood, at the best exponent of the grid.',
          }),
          localOptimum: Type.Literal(true, {
            description: 'The likelihood is not concave: the best point that was found from all starts.',
          }),
          separated: Type.Boolean({
            description: 'Whether ever larger κ suit the choices ever better.',
          }),
          indifferent: Type.Boolean({ description: 'Whether nothing suits them better than a toss.' }),
          flat: Type.Boolean({ description: 'Whether all exponents suit them equally well.' }),
          undetermined: Type.Array(Type.String(), {
            description: 'Groups whose weights the choices do not determine, given those of the others.',
          }),
          withoutWeight: Type.Array(Type.String(), { description: 'Groups of weight 0.' }),
          notes: Type.Array(Type.String(), { description: 'What to know of the answer, in sentences.' }),
        },
        closed,
      ),
    },
    closed,
  ),
)

export type LearnRequest = Static<typeof LearnRequest>
export type LearnResponse = Static<typeof LearnResponse>
