import Type, { type Static } from 'typebox'
import { named, tagged } from './ref.ts'

const closed = { additionalProperties: false }

const Utilitarian = named(
  'Utilitarian',
  Type.Object(
    { function: Type.Literal('utilitarian') },
    { ...closed, description: 'The population-weighted mean of the utilities.' },
  ),
)
const Nash = named(
  'Nash',
  Type.Object(
    { function: Type.Literal('nash') },
    { ...closed, description: 'The geometric mean of the gains.' },
  ),
)
const Maximin = named(
  'Maximin',
  Type.Object(
    { function: Type.Literal('maximin') },
    { ...closed, description: 'The utility of the group that has least.' },
  ),
)
const PowerMean = named(
  'PowerMean',
  Type.Object(
    {
      function: Type.Literal('power-mean'),
      exponent: Type.Number({
        minimum: -1000,
        maximum: 1,
        description: '1 is utilitarian, 0 is Nash, and the lower it is the more the worst-off group counts.',
      }),
    },
    { ...closed, description: 'The power mean of the gains.' },
  ),
)
const KolmPollak = named(
  'KolmPollak',
  Type.Object(
    {
      function: Type.Literal('kolm-pollak'),
      kappa: Type.Number({
        minimum: 1e-9,
        maximum: 1e9,
        description:
          'κ, the aversion to inequality, per unit of utility: a group that has 1/κ more than another counts 1/e of it. ' +
          'Towards 0 utilitarian, towards ∞ maximin.',
      }),
    },
    { ...closed, description: 'The Kolm–Pollak mean of the utilities, which may be negative.' },
  ),
)
const Custom = named(
  'Custom',
  Type.Object(
    {
      function: Type.Literal('custom'),
      expression: Type.String({
        minLength: 1,
        maxLength: 2000,
        description:
          'W as an expression over x (the utilities of all groups), n (their population weights) and single groups such as ' +
          'x["east"], with mean, sum, prod, min, max, geomean, powermean, log, exp, sqrt, abs and the operators + - * / ^ .* ' +
          './ .^. It must be provably concave, and rise with every utility that it depends on.',
      }),
    },
    { ...closed, description: 'A welfare function of your own.' },
  ),
)
const Leximin = named(
  'Leximin',
  Type.Object(
    { function: Type.Literal('leximin') },
    {
      ...closed,
      description: 'The worst off first; then, where that is settled, the second worst off; and so on.',
    },
  ),
)
const GeneralisedGini = named(
  'GeneralisedGini',
  Type.Object(
    {
      function: Type.Literal('generalised-gini'),
      weights: Type.Optional(
        Type.Array(Type.Number({ minimum: 0, maximum: 1e9 }), {
          minItems: 1,
          maxItems: 1000,
          description:
            'How much equal parts of the population count, from the worst off to the best off; never rising, and not all 0. ' +
            'Only their proportions matter. Not together with `parameter`.',
        }),
      ),
      parameter: Type.Optional(
        Type.Number({
          minimum: 1,
          maximum: 1000,
          default: 2,
          description:
            'ν: the worst-off part t of the population counts 1 − (1 − t)^ν. 1 is utilitarian, 2 the Gini, and the higher it ' +
            'is the more the worst off count.',
        }),
      ),
    },
    { ...closed, description: 'The mean of the utilities, each counted by its rank: the lower, the more.' },
  ),
)
const Cvar = named(
  'Cvar',
  Type.Object(
    {
      function: Type.Literal('cvar'),
      alpha: Type.Number({
        exclusiveMinimum: 0,
        maximum: 1,
        description: 'α, the part of the population that is looked at: 1 is utilitarian, towards 0 maximin.',
      }),
    },
    { ...closed, description: 'The mean utility of the worst-off part of the population.' },
  ),
)
const KalaiSmorodinsky = named(
  'KalaiSmorodinsky',
  Type.Object(
    { function: Type.Literal('kalai-smorodinsky') },
    {
      ...closed,
      description: 'For every group the same part of the most that it could gain if nobody lost.',
    },
  ),
)
const RelativeUtilitarian = named(
  'RelativeUtilitarian',
  Type.Object(
    { function: Type.Literal('relative-utilitarian') },
    {
      ...closed,
      description: 'The mean of the utilities, each in units of how far policies can move its group.',
    },
  ),
)
const ParetoFront = named(
  'ParetoFront',
  Type.Object(
    { function: Type.Literal('pareto-front') },
    { ...closed, description: 'No single choice: every one that no other beats for all groups.' },
  ),
)

/** The welfare function that combines the groups. */
export const Welfare = named(
  'Welfare',
  tagged(
    'function',
    [
      Utilitarian,
      Nash,
      Maximin,
      PowerMean,
      KolmPollak,
      Leximin,
      GeneralisedGini,
      Cvar,
      KalaiSmorodinsky,
      RelativeUtilitarian,
      Custom,
      ParetoFront,
    ],
    { description: 'How the groups are combined.' },
  ),
)
export type Welfare = Static<typeof Welfare>
