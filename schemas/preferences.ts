import Type, { type Static } from 'typebox'
import { mapOf, named, ref } from './ref.ts'

/** An id of a group, an item, an annotator or a context. */
export const Id = named(
  'Id',
  Type.String({
    minLength: 1,
    maxLength: 256,
    pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$',
    description: 'A name that you choose: 1 to 256 characters, none of them a control character.',
  }),
)

// What has a default is named: some client generators take an inline default for a member that must be given.
const Count = named(
  'Count',
  Type.Integer({
    minimum: 1,
    maximum: 1e12,
    default: 1,
    description: 'This row stands for so many identical, independent comparisons.',
  }),
)
const Weight = named(
  'Weight',
  Type.Number({
    minimum: 1e-12,
    maximum: 1e12,
    default: 1,
    description:
      'How much each of them matters. A weight is not a count: ask for sandwich errors with weights.',
  }),
)
const Tie = named(
  'Tie',
  Type.Boolean({
    default: false,
    description: 'True for "equally good"; then winner and loser are only the two items.',
  }),
)
const preference = Type.Number({
  minimum: 0,
  maximum: 1,
  description:
    'Soft label: how far `winner` is preferred, 1 entirely, 0 not at all. Not together with `tie`.',
})
const featureDifference = Type.Array(Type.Number({ minimum: -1e12, maximum: 1e12 }), {
  minItems: 1,
  description:
    'Features of the winner minus those of the loser, where they depend on more than the item (the prompt, say). Then all ' +
    'comparisons have them, and winner and loser may be left out.',
})
const timestamp = Type.String({ format: 'date-time', description: 'When it was made (RFC 3339).' })

/** One comparison, or `count` identical ones. */
export const Comparison = named(
  'Comparison',
  Type.Object(
    {
      group: Type.Optional(ref(Id)),
      winner: Type.Optional(ref(Id)),
      loser: Type.Optional(ref(Id)),
      tie: Type.Optional(ref(Tie)),
      preference: Type.Optional(preference),
      count: Type.Optional(ref(Count)),
      weight: Type.Optional(ref(Weight)),
      annotator: Type.Optional(ref(Id)),
      first: Type.Optional(ref(Id)),
      timestamp: Type.Optional(timestamp),
      context: Type.Optional(ref(Id)),
      featureDifference: Type.Optional(featureDifference),
    },
    {
      additionalProperties: false,
      description:
        'Somebody of `group` preferred `winner` to `loser`. Where groups are to be discovered rows name none, and all name ' +
        'their annotator; otherwise all name their group.',
    },
  ),
)

function column<T extends Parameters<typeof Type.Array>[0]>(items: T) {
  return Type.Array(items, { minItems: 1 })
}
function gaps<T extends Parameters<typeof Type.Array>[0]>(items: T) {
  return Type.Optional(Type.Array(Type.Union([items, Type.Null()]), { minItems: 1 }))
}

/** The same names as columns: smaller to send and faster to read than rows. */
export const ComparisonColumns = named(
  'ComparisonColumns',
  Type.Object(
    {
      group: Type.Optional(column(ref(Id))),
      winner: Type.Optional(column(ref(Id))),
      loser: Type.Optional(column(ref(Id))),
      tie: gaps(ref(Tie)),
      preference: gaps(preference),
      count: gaps(ref(Count)),
      weight: gaps(ref(Weight)),
      annotator: gaps(ref(Id)),
      first: gaps(ref(Id)),
      timestamp: gaps(timestamp),
      context: gaps(ref(Id)),
      featureDifference: Type.Optional(column(featureDifference)),
    },
    {
      additionalProperties: false,
      description:
        'Comparisons as columns, all of one length; null in an optional column means that the row has none.',
    },
  ),
)

/** Comparisons as rows or as columns. Read by the engine in one pass, which checks the same as this says. */
export const Comparisons = named(
  'Comparisons',
  Type.Union([Type.Array(ref(Comparison), { minItems: 1 }), ref(ComparisonColumns)], {
    description: 'Who preferred what to what, as rows or as columns.',
  }),
)

/** One ranking, or `count` identical ones. */
export const Ranking = named(
  'Ranking',
  Type.Object(
    {
      group: ref(Id),
      ranking: Type.Array(
        Type.Union([
          ref(Id),
          Type.Array(ref(Id), {
            minItems: 2,
            maxItems: 4,
            description: 'Items that share a place; only with `ties: "davidson"`.',
          }),
        ]),
        {
          minItems: 1,
          description: 'Items, best first, at least two. Only those that are named take part.',
        },
      ),
      annotator: Type.Optional(ref(Id)),
      count: Type.Optional(ref(Count)),
      weight: Type.Optional(ref(Weight)),
    },
    { additionalProperties: false, description: 'Somebody of `group` put these items in this order.' },
  ),
)

/** Rankings. Read by the engine in one pass, which checks the same as this says. */
export const Rankings = named(
  'Rankings',
  Type.Array(ref(Ranking), {
    minItems: 1,
    description:
      'Whole orders of items, best first, instead of comparisons of two. Fitted as such (Plackett–Luce): broken into ' +
      'pairs they would count as more evidence than they are.',
  }),
)

/** Rewards that were fitted elsewhere: group → item → reward. */
export const Rewards = named(
  'Rewards',
  mapOf(mapOf(Type.Number({ minimum: -1e12, maximum: 1e12 })), {
    minProperties: 1,
    description: 'Rewards already fitted elsewhere: every group names every item. No fit is done.',
  }),
)

const ids = (description: string) =>
  Type.Optional(Type.Array(ref(Id), { minItems: 1, maxItems: 100_000, description }))
const time = (description: string) => Type.Optional(Type.String({ format: 'date-time', description }))

/** Some of the comparisons of a dataset. */
export const DatasetSelection = named(
  'DatasetSelection',
  Type.Object(
    {
      id: ref(Id),
      groupBy: Type.Optional(
        Type.String({
          minLength: 1,
          maxLength: 256,
          default: 'group',
          description:
            'What makes the groups: `group`, `annotator`, `context`, or a covariate of the dataset.',
        }),
      ),
      groups: ids('Only comparisons whose stored `group` is one of these.'),
      annotators: ids('Only comparisons by these annotators.'),
      contexts: ids('Only comparisons in these contexts.'),
      items: ids('Only comparisons of two of these items.'),
      from: time('Only comparisons made at this time or later.'),
      until: time('Only comparisons made before this time.'),
      asOf: time('Only batches that the service had accepted by this time: what was known then.'),
    },
    { additionalProperties: false, description: 'A dataset, or a part of it: all filters hold together.' },
  ),
)

/** A dataset as a source of preferences. */
export const DatasetSource = named(
  'DatasetSource',
  Type.Union([ref(Id), ref(DatasetSelection)], {
    description: 'Comparisons that are stored on the server: the id of a dataset, or a selection from it.',
  }),
)

/** Which stored comparisons an answer is based on. */
export const DataUsed = named(
  'DataUsed',
  Type.Object(
    {
      dataset: Type.String(),
      groupBy: Type.Unsafe<string | null>({
        type: ['string', 'null'],
        description: 'What made the groups; null where they were discovered.',
      }),
      comparisons: Type.Number({ description: 'How many comparisons the filters let through.' }),
      fingerprint: Type.String({
        description:
          'Answers with the same fingerprint come from the same comparisons, selected by the same filters.',
      }),
    },
    { additionalProperties: false, description: 'Only where the source was a dataset.' },
  ),
)

/** A group and the weight of its population. */
export const Group = named(
  'Group',
  Type.Object(
    {
      id: ref(Id),
      population: Type.Optional(
        Type.Number({
          minimum: 1e-12,
          maximum: 1e15,
          description:
            'Population weight; normalised to sum 1. Give it for every group or for none (then all are equal).',
        }),
      ),
    },
    { additionalProperties: false },
  ),
)

/** Groups that nobody knows beforehand. */
export const DiscoverGroups = named(
  'DiscoverGroups',
  Type.Object(
    {
      discover: Type.Object(
        {
          max: Type.Optional(
            Type.Integer({
              minimum: 1,
              maximum: 20,
              default: 6,
              description: 'The most groups to look for; the number with the least BIC is chosen.',
            }),
          ),
          starts: Type.Optional(
            Type.Integer({
              minimum: 1,
              maximum: 100,
              default: 10,
              description: 'From how many points each number of groups is looked for.',
            }),
          ),
        },
        { additionalProperties: false },
      ),
    },
    {
      additionalProperties: false,
      description:
        'Finds the groups that annotators fall into by how they judge: a mixture of Bradley–Terry models. Comparisons then ' +
        'name annotators and no groups; the prior is none, gaussian or pseudo-item. Standard errors are as if it were known ' +
        'how far each annotator is of each group.',
    },
  ),
)

/** An item, declared so that one that nobody compared is part of the problem too. */
export const Item = named(
  'Item',
  Type.Object(
    {
      id: ref(Id),
      features: Type.Optional(
        Type.Array(Type.Number({ minimum: -1e12, maximum: 1e12 }), {
          minItems: 1,
          description:
            'What describes the item. Given for all items, rewards are linear in them: each group has reward weights.',
        }),
      ),
    },
    { additionalProperties: false },
  ),
)

/** The members that say who prefers what. */
export const preferenceMembers = {
  comparisons: Type.Optional(ref(Comparisons)),
  rankings: Type.Optional(ref(Rankings)),
  rewards: Type.Optional(ref(Rewards)),
  dataset: Type.Optional(ref(DatasetSource)),
  groups: Type.Optional(
    Type.Union(
      [
        Type.Array(ref(Group), {
          minItems: 1,
          description: 'Optional; if given, names every group. Sets the order of groups.',
        }),
        ref(DiscoverGroups),
      ],
      { description: 'The groups, or that they are to be discovered.' },
    ),
  ),
  items: Type.Optional(
    Type.Array(ref(Item), {
      minItems: 2,
      description: 'Optional; if given, names every item. Sets the order of items.',
    }),
  ),
}

export type DatasetSource = Static<typeof DatasetSource>
