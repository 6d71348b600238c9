import Type, { type Static } from 'typebox'
import { Model, ModelSettings } from './model.ts'
import { Policy, PolicySettings, Utility, UtilitySettings } from './policy.ts'
import { DataUsed, Group, preferenceMembers } from './preferences.ts'
import { named, oneOf, ref } from './ref.ts'
import { Welfare } from './welfare.ts'

const closed = { additionalProperties: false }
const Ids = Type.Array(Type.String())
const nullable = { type: ['number', 'null'] }

export const QuestionsRequest = named(
  'QuestionsRequest',
  Type.Object(
    {
      comparisons: preferenceMembers.comparisons,
      rankings: preferenceMembers.rankings,
      dataset: preferenceMembers.dataset,
      groups: Type.Optional(
        Type.Array(ref(Group), {
          minItems: 1,
          description: 'Optional; if given, names every group. Sets the order of groups.',
        }),
      ),
      items: Type.Optional(
        Type.Unsafe<Static<NonNullable<typeof preferenceMembers.items>>>({
          ...preferenceMembers.items,
          description:
            'Optional; if given, names every item, and each group is asked about all of them. Otherwise a group is asked about ' +
            'items that it has compared.',
        }),
      ),
      model: Type.Optional(ref(Model)),
      count: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 1000,
          default: 10,
          description:
            'How many comparisons to ask for: of each group, or with a `welfare` of all groups together.',
        }),
      ),
      welfare: Type.Optional(ref(Welfare)),
      utility: Type.Optional(ref(Utility)),
      policy: Type.Optional(ref(Policy)),
    },
    closed,
  ),
)

export const Question = named(
  'Question',
  Type.Object(
    {
      group: Type.String({ description: 'Whom to ask.' }),
      items: Type.Array(Type.String(), {
        minItems: 2,
        maxItems: 2,
        description: 'What to compare; with a position effect, in the order in which to show them.',
      }),
      times: Type.Integer({ description: 'How many independent answers to collect.' }),
      gain: Type.Unsafe<number | null>({
        ...nullable,
        description:
          'The part of `variance.before` that the answers are expected to remove; null for connecting questions.',
      }),
      reason: oneOf(['connects', 'variance', 'winner'], {
        description:
          '`connects`: there is no finite estimate until it is asked. `variance`: it makes the differences between all items ' +
          'more certain. `winner`: it makes more certain that the winner is no worse than its rivals.',
      }),
    },
    closed,
  ),
)

const Variance = named(
  'Variance',
  Type.Object(
    { before: Type.Number(), after: Type.Number() },
    {
      ...closed,
      description:
        'Expected, before and after all questions; where there are connecting questions, "before" has them answered. Without ' +
        "a `welfare`, the mean variance of the differences between the group's rewards. With one, that of the aggregated " +
        'reward of the winner minus that of a rival, its mean over the rivals by how likely each is truly better.',
    },
  ),
)

export const QuestionsResponse = named(
  'QuestionsResponse',
  Type.Object(
    {
      settings: Type.Object(
        {
          model: ref(ModelSettings),
          count: Type.Integer(),
          welfare: Type.Optional(ref(Welfare)),
          utility: Type.Optional(ref(UtilitySettings)),
          policy: Type.Optional(ref(PolicySettings)),
        },
        closed,
      ),
      questions: Type.Array(ref(Question), {
        description:
          'The most useful first, each given all before it. Fewer than `count` where nothing else can be said before these ' +
          'are answered.',
      }),
      winner: Type.Optional(
        Type.Object(
          {
            item: Type.String({ description: 'The item with the highest aggregated reward.' }),
            rivals: Type.Unsafe<Record<string, number>>({
              ...Type.Record(Type.String(), Type.Number()),
              description:
                'For every other item the probability that its aggregated reward is truly higher, by the normal approximation ' +
                'and with the group weights and scale factors held at those of the optimum.',
            }),
          },
          closed,
        ),
      ),
      variance: Type.Optional(ref(Variance)),
      groups: Type.Array(
        Type.Object(
          {
            id: Type.String(),
            variance: Type.Unsafe<Static<typeof Variance> | null>({
              anyOf: [ref(Variance), { type: 'null' }],
              description:
                "The group's own, or with a `welfare` its part of the whole; null where it has no estimate.",
            }),
            connectivity: Type.Optional(
              Type.Object(
                { components: Type.Array(Ids), undefeated: Ids, winless: Ids },
                { ...closed, description: 'Why the group has no finite estimate; as in /fit.' },
              ),
            ),
            unseenItems: Type.Array(Type.String(), {
              description: 'Items that may be asked about and that the group never compared.',
            }),
          },
          closed,
        ),
      ),
      data: Type.Optional(ref(DataUsed)),
    },
    closed,
  ),
)

export type QuestionsRequest = Static<typeof QuestionsRequest>
export type QuestionsResponse = Static<typeof QuestionsResponse>
export type Question = Static<typeof Question>
