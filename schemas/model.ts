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

/** The prior on a group's rewards. */
const Prior = named(
  'Prior',
  tagged('kind', [NoPrior, GaussianPrior, PseudoItemPrior], {
    description: 'The default is none. With a prior every group has a finite estimate.',
  }),
)

const Ties = named(
  'Ties',
  oneOf(['half-win'], { default: 'half-win', description: 'A tie counts as half a win to each side.' }),
)
const StandardErrors = named(
  'StandardErrors',
  oneOf(['fisher'], { default: 'fisher', description: 'From the inverse of the Fisher information.' }),
)

/** How rewards are fitted. */
export const Model = named(
  'Model',
  Type.Object(
    {
      prior: Type.Optional(ref(Prior)),
      ties: Type.Optional(ref(Ties)),
      standardErrors: Type.Optional(ref(StandardErrors)),
    },
    { additionalProperties: false, description: 'Bradley–Terry, fitted to each group on its own.' },
  ),
)

/** The model with every default filled in. */
export const ModelSettings = named('ModelSettings', Type.Required(Model))

export type Model = Static<typeof Model>
export type ModelSettings = Static<typeof ModelSettings>
