import Type, { type Static } from 'typebox'
import { Id } from './preferences.ts'
import { mapOf, named, ref, tagged } from './ref.ts'

const closed = { additionalProperties: false }

const common = {
  name: Type.Optional(
    Type.Unsafe<string>({
      ...ref(Id),
      description:
        'What the answer calls it; unique. Default: its kind and its place in the list, from 1, as in `floor 1`.',
    }),
  ),
  context: Type.Optional(
    Type.Unsafe<string>({
      ...ref(Id),
      description:
        'The context of `policy.contexts` that it is about. Default: the mean over all contexts; a ban holds in all of them.',
    }),
  ),
}

const Floor = named(
  'Floor',
  Type.Object(
    {
      kind: Type.Literal('floor'),
      group: ref(Id),
      minimum: Type.Optional(Type.Number({ description: 'In utilities, after scale and anchor.' })),
      shareOfBest: Type.Optional(
        Type.Number({
          minimum: 0,
          maximum: 1,
          description:
            "Instead of `minimum`: a part of the group's `best`, the most that any policy gives it.",
        }),
      ),
      ...common,
    },
    { ...closed, description: 'The group gets at least so much utility from the policy.' },
  ),
)
const Ceiling = named(
  'Ceiling',
  Type.Object(
    {
      kind: Type.Literal('ceiling'),
      costs: mapOf(Type.Number(), {
        description: 'Item → what it costs, in any unit; items that are left out cost 0.',
      }),
      maximum: Type.Number({ description: 'In the unit of the costs.' }),
      ...common,
    },
    { ...closed, description: 'The expected cost of the policy, Σ_i p_i · cost_i, is at most so much.' },
  ),
)
const Ban = named(
  'Ban',
  Type.Object(
    { kind: Type.Literal('ban'), items: Type.Array(ref(Id), { minItems: 1 }), ...common },
    {
      ...closed,
      description: 'The policy never chooses these items. They still count for scale and anchor.',
    },
  ),
)
const MinimumShare = named(
  'MinimumShare',
  Type.Object(
    {
      kind: Type.Literal('minimum-share'),
      items: Type.Array(ref(Id), { minItems: 1 }),
      minimum: Type.Number({ exclusiveMinimum: 0, maximum: 1 }),
      ...common,
    },
    { ...closed, description: 'The policy chooses one of these items at least so often.' },
  ),
)

/** A limit that every policy must keep. */
export const Constraint = named(
  'Constraint',
  tagged('kind', [Floor, Ceiling, Ban, MinimumShare], {
    description: 'A guardrail: a limit that the policy must keep, whatever that costs in welfare.',
  }),
)

export const Constraints = Type.Array(ref(Constraint), {
  maxItems: 100,
  description: 'Guardrails: limits that the policy must keep, whatever they cost in welfare.',
})

/** What became of a constraint. */
export const ConstraintResult = named(
  'ConstraintResult',
  Type.Object(
    {
      name: Type.String(),
      kind: Type.String(),
      context: Type.Optional(Type.String()),
      limit: Type.Number({
        description:
          'What must be reached (floor, minimum-share) or not be exceeded (ceiling, and 0 for a ban).',
      }),
      value: Type.Number({ description: 'What the policy has.' }),
      slack: Type.Number({ description: 'How far the value is on the right side of the limit.' }),
      binding: Type.Boolean({ description: 'Whether the policy would be another without it.' }),
      price: Type.Unsafe<number | null>({
        type: ['number', 'null'],
        description:
          'μ, the shadow price: how much the objective would gain if the limit were loosened by one unit. 0 where it does not ' +
          'bind; null for a ban, and for a limit that can only be kept by never choosing some items.',
      }),
      weight: Type.Unsafe<number | null>({
        type: ['number', 'null'],
        description:
          'price / weightScale: in `rewards` it multiplies the utilities of the group of a floor, minus the costs of a ceiling, ' +
          'and 1 for the items of a minimum-share (in its own context divided by the weight of the context).',
      }),
    },
    { ...closed, description: 'A guardrail, and what it costs.' },
  ),
)

export type Constraint = Static<typeof Constraint>
export type ConstraintResult = Static<typeof ConstraintResult>
