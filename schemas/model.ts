import Type, { type Static } from 'typebox'
import { named, oneOf, ref, tagged } from './ref.ts'

const closed = { additionalProperties: false }

const NoPrior = named('NoPrior', Type.Object({ kind: Type.Literal('none') }, closed))
const GaussianPrior = named(
  'GaussianPrior',
  Type.Object(
    {
      kind: Type.Literal('gaussian'),
      standardDeviation: Type.Number({
        minimum: 1e-6,
        maximum: 1e6,
        description: 'Of every reward, before the mean is subtracted.',
      }),
    },
    closed,
  ),
)
const PseudoItemPrior = named(
  'PseudoItemPrior',
  Type.Object(
    {
      kind: Type.Literal('pseudo-item'),
      strength: Type.Number({
        minimum: 1e-6,
        maximum: 1e6,
        description:
          'So many wins and as many losses of every item against a phantom item whose reward is 0.',
      }),
    },
    closed,
  ),
)

const FirthPrior = named(
  'FirthPrior',
  Type.Object(
    { kind: Type.Literal('firth') },
    {
      ...closed,
      description:
        "Jeffreys' prior: takes away the bias of small samples, and gives every group whose items are connected finite " +
        'rewards. For at most 1,000 parameters.',
    },
  ),
)
const PooledPrior = named(
  'PooledPrior',
  Type.Object(
    {
      kind: Type.Literal('pooled'),
      standardDeviation: Type.Optional(
        Type.Number({
          minimum: 0,
          maximum: 1e6,
          description:
            'How far groups differ from the population, in logits: 0 is one fit of all, large is a fit of each. Left out, it ' +
            'is estimated (marginal likelihood, in the approximation of Laplace).',
        }),
      ),
      populationDeviation: Type.Optional(
        Type.Number({
          minimum: 1e-6,
          maximum: 1e6,
          description:
            'How far the rewards of the population are from 0, in logits. Left out, nothing is assumed of them where all ' +
            'comparisons together have a finite estimate; otherwise it is estimated too.',
        }),
      ),
    },
    {
      ...closed,
      description:
        'Partial pooling: a group with few comparisons borrows from all others. For at most 1,000 parameters a group.',
    },
  ),
)

/** The prior on a group's rewards. */
const Prior = named(
  'Prior',
  tagged('kind', [NoPrior, GaussianPrior, PseudoItemPrior, FirthPrior, PooledPrior], {
    description: 'The default is none. With gaussian or pseudo-item every group has finite rewards.',
  }),
)

/** How reliable annotators are. */
const Reliability = named(
  'Reliability',
  Type.Object(
    {
      alpha: Type.Optional(
        Type.Number({
          minimum: 1,
          maximum: 1e6,
          default: 10,
          description: 'Larger than `beta`: what says that most annotators mean what they say.',
        }),
      ),
      beta: Type.Optional(Type.Number({ minimum: 1, maximum: 1e6, default: 1 })),
      starts: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 100,
          default: 5,
          description: 'From how many points the maximum is looked for: there may be several.',
        }),
      ),
    },
    {
      ...closed,
      description:
        'Every annotator means what it says with a probability of its own, its reliability, and else says the opposite ' +
        '(Crowd-BT); one for each group that it judged in. Its prior is Beta(alpha, beta). Left out, all annotators count the ' +
        'same. Not together with ties: davidson, positionEffect, a firth or pooled prior, or other errors than fisher; for at ' +
        'most 1,000 items a group.',
    },
  ),
)

/** The same with defaults filled in. */
const ReliabilitySettings = named('ReliabilitySettings', Type.Required(Reliability))

const Ties = named(
  'Ties',
  oneOf(['half-win', 'davidson'], {
    default: 'half-win',
    description:
      '`half-win`: a tie counts as half a win to each side. `davidson`: a tie is an outcome of its own, likelier the closer ' +
      'the two items are (Davidson 1970).',
  }),
)
const PositionEffect = named(
  'PositionEffect',
  Type.Boolean({
    default: false,
    description:
      'Whether being shown first is an advantage, estimated from the member `first` of comparisons.',
  }),
)
const StandardErrors = named(
  'StandardErrors',
  oneOf(['fisher', 'sandwich', 'clustered'], {
    default: 'fisher',
    description:
      '`fisher`: right if the model is. `sandwich`: right also if it is not, for independent comparisons, and for half-win ' +
      'ties and weights. `clustered`: the same where comparisons by one annotator hang together.',
  }),
)

/** How rewards are fitted. */
export const Model = named(
  'Model',
  Type.Object(
    {
      prior: Type.Optional(ref(Prior)),
      ties: Type.Optional(ref(Ties)),
      positionEffect: Type.Optional(ref(PositionEffect)),
      standardErrors: Type.Optional(ref(StandardErrors)),
      reliability: Type.Optional(ref(Reliability)),
    },
    { additionalProperties: false, description: 'Bradley–Terry and its family.' },
  ),
)

/** The model with every default filled in. */
export const ModelSettings = named(
  'ModelSettings',
  Type.Object(
    {
      ...Type.Required(Type.Omit(Model, ['reliability'])).properties,
      reliability: Type.Optional(ref(ReliabilitySettings)),
    },
    { additionalProperties: false, description: 'The same with every default filled in.' },
  ),
)

export type Model = Static<typeof Model>
export type ModelSettings = Static<typeof ModelSettings>
