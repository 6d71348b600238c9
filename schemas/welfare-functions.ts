import Type, { type Static } from 'typebox'
import { AggregateRequest } from './aggregate.ts'
import { named, oneOf, ref } from './ref.ts'
import { Welfare } from './welfare.ts'

const closed = { additionalProperties: false }

const Counterexample = named(
  'Counterexample',
  Type.Object(
    {
      shows: Type.String({ description: 'What the answers to the requests show, in one sentence.' }),
      requests: Type.Array(ref(AggregateRequest), {
        description: 'Requests to POST to /aggregate: one, or one before and one after a change.',
      }),
    },
    { ...closed, description: 'A small problem at which the function breaks the axiom.' },
  ),
)
export type Counterexample = Static<typeof Counterexample>

/** What the catalogue tells of one function. */
export const WelfareFunctionEntry = named(
  'WelfareFunctionEntry',
  Type.Object(
    {
      id: Type.String(),
      meaning: Type.String({ description: 'What it does, in one sentence.' }),
      formula: Type.String(),
      parameters: Type.Array(
        Type.Object({
          name: Type.String(),
          meaning: Type.String(),
          minimum: Type.Optional(Type.Number()),
          maximum: Type.Optional(Type.Number()),
        }),
      ),
      example: ref(Welfare),
      invariantTo: Type.Array(Type.String(), {
        description:
          'Ids of the changes to utilities or populations that leave the policy as it is (at temperature 0).',
      }),
      satisfies: Type.Array(
        Type.Object(
          {
            axiom: Type.String(),
            strength: oneOf(['strictly', 'weakly']),
            condition: Type.Optional(Type.String({ description: 'For which parameters it is stronger.' })),
            counterexample: Type.Optional(ref(Counterexample)),
          },
          closed,
        ),
        {
          description:
            'The axioms that it satisfies (at temperature 0); where only weakly, with a problem that shows it.',
        },
      ),
      fails: Type.Array(
        Type.Object(
          {
            axiom: Type.String(),
            condition: Type.Optional(Type.String({ description: 'For which parameters it holds.' })),
            counterexample: ref(Counterexample),
          },
          closed,
        ),
        {
          description: 'The axioms and invariances that it does not have, each with a problem that shows it.',
        },
      ),
      source: Type.String(),
    },
    closed,
  ),
)
export type WelfareFunctionEntry = Static<typeof WelfareFunctionEntry>

const AxiomEntry = named(
  'AxiomEntry',
  Type.Object(
    {
      id: Type.String(),
      kind: oneOf(['invariance', 'axiom']),
      meaning: Type.String({ description: 'What it asks, in plain words.' }),
      source: Type.String(),
    },
    closed,
  ),
)
export type AxiomEntry = Static<typeof AxiomEntry>

export const WelfareFunctionList = named(
  'WelfareFunctionList',
  Type.Object(
    { functions: Type.Array(ref(WelfareFunctionEntry)), axioms: Type.Array(ref(AxiomEntry)) },
    closed,
  ),
)
export type WelfareFunctionList = Static<typeof WelfareFunctionList>
