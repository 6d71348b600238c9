import Type, { type Static } from 'typebox'
import { Connectivity } from './fit.ts'
import { mapOf, named } from './ref.ts'

/** An error, as RFC 9457 has it. */
export const ProblemDetails = named(
  'Problem',
  Type.Object(
    {
      type: Type.String({ description: 'Which kind of problem; the path of a page that explains it.' }),
      title: Type.String(),
      status: Type.Integer(),
      detail: Type.String({ description: 'What is wrong this time, and what would be right.' }),
      errors: Type.Optional(
        Type.Array(
          Type.Object({
            pointer: Type.String({
              description:
                'Where: a JSON pointer into the request (RFC 6901). In a file /17/winner is the winner of its 18th row.',
            }),
            detail: Type.String(),
            row: Type.Optional(Type.Integer({ description: 'With invalid-rows: the row, counted from 1.' })),
            member: Type.Optional(
              Type.Unsafe<string | null>({
                type: ['string', 'null'],
                description: 'With invalid-rows: the member at fault; null where it is the whole row.',
              }),
            ),
          }),
        ),
      ),
      groups: Type.Optional(
        Type.Array(Type.Object({ id: Type.String(), ...Connectivity.properties }), {
          description:
            'With no-finite-estimate: the groups that have none, and what keeps their items apart.',
        }),
      ),
      function: Type.Optional(
        Type.String({ description: 'With no-acceptable-policy: the welfare function.' }),
      ),
      indifferentGroups: Type.Optional(
        Type.Array(Type.String(), {
          description: 'With no-acceptable-policy: the groups to which all items are the same.',
        }),
      ),
      certificate: Type.Optional(
        Type.Object(
          {
            weights: mapOf(Type.Number(), { description: 'λ of each group, at least 0; they sum to 1.' }),
            prices: Type.Optional(
              mapOf(Type.Number(), {
                description: 'μ of each constraint, at least 0; only where there are constraints.',
              }),
            ),
            largestAggregatedUtility: Type.Number({
              description:
                'The largest Σ_g λ_g · utility_g of any policy, plus the price of each constraint times how far the policy ' +
                'is on the right side of it: not above 0 but for rounding. Without contexts and constraints a policy is as ' +
                'good as its best item.',
            }),
          },
          { description: 'With no-acceptable-policy: the proof that no policy gives every group a gain.' },
        ),
      ),
      conflict: Type.Optional(
        Type.Object(
          {
            constraints: Type.Array(
              Type.Object({
                name: Type.String(),
                multiplier: Type.Unsafe<number | null>({
                  type: ['number', 'null'],
                  description: 'μ, above 0; they sum to 1. Null for a constraint that rules items out.',
                }),
              }),
            ),
            largestSlack: Type.Number({
              description:
                'The most that any policy has of Σ μ · slack, over policies of items that are not ruled out. A policy that ' +
                'keeps all constraints has no negative slack: below 0 there is none, at 0 none with anything to spare.',
            }),
          },
          {
            description:
              'With constraints-conflict: as few constraints as contradict each other, and the proof.',
          },
        ),
      ),
      relativeGap: Type.Optional(
        Type.Number({ description: 'With not-converged: the certificate of the best policy found.' }),
      ),
    },
    { description: 'RFC 9457; a refusal by the mathematics has its proof as further members.' },
  ),
)

/** The page on one kind of problem. */
export const ProblemPage = named(
  'ProblemPage',
  Type.Object(
    {
      type: Type.String(),
      title: Type.String(),
      status: Type.Integer(),
      meaning: Type.String(),
      remedy: Type.String(),
    },
    { additionalProperties: false },
  ),
)

export type ProblemDetails = Static<typeof ProblemDetails>
export type ProblemPage = Static<typeof ProblemPage>
