import Type, { type Static } from 'typebox'
import { named, ref } from './ref.ts'

const closed = { additionalProperties: false }
const Ids = Type.Array(Type.String())

const Difference = named(
  'PooledDifference',
  Type.Object(
    {
      sameWinners: Type.Boolean({ description: 'Whether the same items come first.' }),
      policyShare: Type.Unsafe<number | null>({
        type: ['number', 'null'],
        description:
          'What the welfare-optimal policy gives to the pooled winners; null with several contexts.',
      }),
      reversedPairs: Type.Integer({
        description: 'Pairs that the two put in opposite orders, of items that no constraint rules out.',
      }),
      examples: Type.Array(Ids, {
        description: 'The first ten of them: [above under the welfare function, above when pooled].',
      }),
    },
    closed,
  ),
)
const orNull = Type.Unsafe<Static<typeof Difference> | null>({
  anyOf: [ref(Difference), { type: 'null' }],
  description: 'Null where there is no such order.',
})

const Fit = Type.Object(
  {
    winners: Ids,
    ranking: Type.Array(
      Type.Object({ item: Type.String(), rank: Type.Integer(), reward: Type.Number() }, closed),
    ),
  },
  closed,
)

/** What would have been chosen without groups. */
export const Pooled = named(
  'Pooled',
  Type.Object(
    {
      equallyOften: Type.Boolean({
        description:
          'Whether every pair of items was compared equally often, by all groups together: then the fit has the order of `borda`.',
      }),
      bradleyTerry: Type.Unsafe<Static<typeof Fit> | null>({
        anyOf: [Fit, { type: 'null' }],
        description:
          'One Bradley–Terry fit of all comparisons in one heap, whoever made them, as a single reward model learns it: ties as ' +
          "halves, with the request's prior where that is gaussian or pseudo-item, else none. Null where there is no finite " +
          'estimate.',
      }),
      reason: Type.Unsafe<string | null>({
        type: ['string', 'null'],
        description: 'Why there is no such fit; null where there is one.',
      }),
      borda: Type.Object(
        {
          winners: Ids,
          ranking: Type.Array(
            Type.Object({ item: Type.String(), rank: Type.Integer(), score: Type.Number() }, closed),
          ),
        },
        {
          ...closed,
          description:
            'The Borda order of the heap: by the mean share of comparisons with each other item that an item wins, ties as ' +
            'halves and a half where two never met. Unlike the fit it does not depend on how often each pair was compared.',
        },
      ),
      against: Type.Array(
        Type.Object(
          {
            result: Type.Integer({ description: 'Which of `results`, from 0.' }),
            function: Type.String(),
            winners: Type.Array(Type.String(), {
              description: 'The items that come first in its ranking by aggregated reward.',
            }),
            bradleyTerry: orNull,
            borda: orNull,
          },
          closed,
        ),
        { description: 'Where each welfare function that chooses differs from both.' },
      ),
    },
    {
      ...closed,
      description:
        'What one fit of all comparisons, without groups, would have chosen. Absent where rewards or rankings were given, where ' +
        'comparisons name no items, and beyond 1,000 items.',
    },
  ),
)
export type Pooled = Static<typeof Pooled>
