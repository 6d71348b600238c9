import Type, { type Static } from 'typebox'
import { Id } from './preferences.ts'
import { mapOf, named, oneOf, ref } from './ref.ts'

const Scale = named(
  'Scale',
  oneOf(['none', 'unit-range', 'standard-deviation', 'win-probability'], {
    default: 'none',
    description:
      "What makes rewards of different groups comparable. `none`: units of each group's own consistency. " +
      '`unit-range`, `standard-deviation`: divide by the range, or by the population standard deviation over items. ' +
      '`win-probability`: the mean chance to beat the other items.',
  }),
)

const Anchor = named(
  'Anchor',
  Type.Union(
    [oneOf(['worst', 'zero', 'reference']), Type.Object({ item: ref(Id) }, { additionalProperties: false })],
    {
      default: 'worst',
      description:
        'What counts as a gain of zero, for each group: its `worst` item, the `zero` of given rewards (the mean of ' +
        'fitted ones), its utility of the `reference` policy, or of one item.',
    },
  ),
)

/** From rewards to utilities: divide by the scale, then subtract the anchor. */
export const Utility = named(
  'Utility',
  Type.Object(
    {
      scale: Type.Optional(ref(Scale)),
      anchor: Type.Optional(ref(Anchor)),
    },
    { additionalProperties: false },
  ),
)
export const UtilitySettings = named('UtilitySettings', Type.Required(Utility))

const shares = mapOf(Type.Number(), { description: 'Item → probability.' })

const Temperature = named(
  'Temperature',
  Type.Number({
    minimum: 0,
    maximum: 1e6,
    default: 0,
    description: 'β, the KL coefficient: 0, or from 1e-6 to 1e6.',
  }),
)

const Context = named(
  'Context',
  Type.Object(
    {
      id: ref(Id),
      weight: Type.Optional(
        Type.Number({
          exclusiveMinimum: 0,
          maximum: 1e12,
          description:
            'How often it comes up, relative to the others. All contexts have one or none has: then equal.',
        }),
      ),
      items: Type.Optional(
        Type.Array(ref(Id), { minItems: 1, description: 'What can be chosen in it. Default: all items.' }),
      ),
      reference: Type.Optional(
        mapOf(Type.Number({ exclusiveMinimum: 0, maximum: 1.000001 }), {
          description:
            'π in this context: names every item of it, all above 0, sum 1 within 1e-6. Default: the `reference` of the ' +
            'policy, restricted to the items of the context and divided by its sum.',
        }),
      ),
    },
    {
      additionalProperties: false,
      description:
        'A situation (a prompt, a kind of user) in which the policy chooses by a lottery of its own.',
    },
  ),
)

/** What kind of policy is asked for. */
export const Policy = named(
  'Policy',
  Type.Object(
    {
      temperature: Type.Optional(ref(Temperature)),
      reference: Type.Optional(
        mapOf(Type.Number({ exclusiveMinimum: 0, maximum: 1.000001 }), {
          description:
            'π, the policy to stay near: names every item, all above 0, sum 1 within 1e-6. Default: uniform.',
        }),
      ),
      contexts: Type.Optional(
        Type.Array(ref(Context), {
          minItems: 1,
          maxItems: 10_000,
          description:
            'One lottery for each context, all with the same group weights. Default: a single context.',
        }),
      ),
    },
    { additionalProperties: false },
  ),
)
export const PolicySettings = named(
  'PolicySettings',
  Type.Object(
    {
      temperature: Type.Number(),
      reference: shares,
      contexts: Type.Optional(
        Type.Array(
          Type.Object(
            {
              id: Type.String(),
              weight: Type.Number({ description: 'Normalised to sum 1.' }),
              items: Type.Array(Type.String()),
              reference: shares,
            },
            { additionalProperties: false },
          ),
        ),
      ),
    },
    { additionalProperties: false },
  ),
)

export type Utility = Static<typeof Utility>
export type UtilitySettings = Static<typeof UtilitySettings>
export type Policy = Static<typeof Policy>
export type PolicySettings = Static<typeof PolicySettings>
