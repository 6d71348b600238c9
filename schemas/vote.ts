import Type, { type Static, type TSchema } from 'typebox'
import { Discovery, FitSummary } from './fit.ts'
import { Model, ModelSettings } from './model.ts'
import { DataUsed, preferenceMembers } from './preferences.ts'
import { mapOf, named, oneOf, ref, tagged } from './ref.ts'

const closed = { additionalProperties: false }
const Ids = Type.Array(Type.String())

/** What there may be none of; a description says when. */
function orNull<T extends TSchema>(schema: T, description: string) {
  return Type.Unsafe<Static<T> | null>({ anyOf: [schema, { type: 'null' }], description })
}

const From = named(
  'MarginSource',
  oneOf(['counts', 'fits'], {
    description:
      'What margins are made of. `counts`: what was said, pair by pair; ties are half a win for each, and a ranking says of ' +
      "all its pairs which is above. `fits`: the chances that each group's fitted (or given) rewards imply, so that pairs that " +
      'nobody compared have margins too. Default: counts, or with `rewards` fits.',
  }),
)

const Pooling = named(
  'MarginPooling',
  oneOf(['groups', 'pooled'], {
    default: 'groups',
    description:
      '`groups`: each group has margins from −1 to 1, its share of wins minus that of losses, and they are averaged by ' +
      'population; a pair that a group never compared has its margin 0. `pooled`: all comparisons in one heap, whoever ' +
      'made them; from counts the number of wins minus that of losses, from fits one fit of all. Populations then do not count.',
  }),
)

const MarginOptions = named(
  'MarginOptions',
  Type.Object({ from: Type.Optional(ref(From)), pooling: Type.Optional(ref(Pooling)) }, closed),
)

const VotingRule = named(
  'VotingRule',
  oneOf(['borda', 'copeland', 'schulze', 'ranked-pairs', 'split-cycle', 'kemeny', 'maximal-lotteries'], {
    description: 'A way to choose from the margins of all pairs.',
  }),
)

export const VoteRequest = named(
  'VoteRequest',
  Type.Object(
    {
      ...preferenceMembers,
      model: Type.Optional(ref(Model)),
      margins: Type.Optional(ref(MarginOptions)),
      rules: Type.Optional(
        Type.Array(ref(VotingRule), {
          minItems: 1,
          maxItems: 7,
          description: 'Which rules to answer with, each once, in this order. Default: all.',
        }),
      ),
      seed: Type.Optional(
        Type.Integer({
          minimum: 0,
          maximum: 4294967295,
          default: 0,
          description: 'Seed of whatever is sampled: where fits or the discovery of groups start from.',
        }),
      ),
    },
    closed,
  ),
)

const margin = Type.Number({ description: 'How far `winner` is preferred to `loser`.' })
const defeat = { winner: Type.String(), loser: Type.String(), margin }
const winners = Type.Array(Type.String(), { description: 'All items that win, in the order of the items.' })
const tooMany = 'null where there are more than 100 items.'

const ScoredItem = named(
  'ScoredItem',
  Type.Object({ item: Type.String(), rank: Type.Integer(), score: Type.Number() }, closed),
)
const PlacedItem = named('PlacedItem', Type.Object({ item: Type.String(), rank: Type.Integer() }, closed))
const Defeat = named('Defeat', Type.Object(defeat, closed))

const Borda = named(
  'BordaResult',
  Type.Object(
    {
      rule: Type.Literal('borda'),
      winners,
      ranking: Type.Array(ref(ScoredItem), {
        description: 'Scores are sums of margins over all other items.',
      }),
    },
    { ...closed, description: 'The largest sum of margins wins.' },
  ),
)

const Copeland = named(
  'CopelandResult',
  Type.Object(
    {
      rule: Type.Literal('copeland'),
      winners,
      ranking: Type.Array(
        Type.Object(
          {
            item: Type.String(),
            rank: Type.Integer(),
            score: Type.Integer({ description: 'Items beaten minus items lost to.' }),
            wins: Type.Integer(),
            losses: Type.Integer(),
            ties: Type.Integer(),
          },
          closed,
        ),
      ),
    },
    { ...closed, description: 'Whoever beats most of the others wins.' },
  ),
)

const Path = orNull(
  Ids,
  'Each item beats the next by at least the strength; null where there is no such path.',
)
const Schulze = named(
  'SchulzeResult',
  Type.Object(
    {
      rule: Type.Literal('schulze'),
      winners,
      ranking: Type.Array(ref(PlacedItem), {
        description: 'Ranks are 1 + how many items have a stronger path to the item than it has back.',
      }),
      strengths: orNull(
        mapOf(mapOf(Type.Number())),
        `From item, to item: the strength of the strongest path, 0 where there is none; ${tooMany}`,
      ),
      duels: orNull(
        Type.Array(
          Type.Object(
            {
              winner: Type.String(),
              other: Type.String(),
              strength: Type.Number({ description: 'The smallest margin on `path`.' }),
              path: Path,
              returnStrength: Type.Number({
                description: 'The smallest margin on `returnPath`; not larger.',
              }),
              returnPath: Path,
            },
            closed,
          ),
        ),
        `The proof: for every item but the first winner, the strongest paths between a winner that stands above it, or else the first winner, and the item; ${tooMany}`,
      ),
    },
    { ...closed, description: 'Whoever has to every other item at least as strong a path as back wins.' },
  ),
)

const RankedPairs = named(
  'RankedPairsResult',
  Type.Object(
    {
      rule: Type.Literal('ranked-pairs'),
      winners,
      ranking: Type.Array(ref(PlacedItem), {
        description: 'Ranks are 1 + how many items lead to the item through defeats that are locked in.',
      }),
      tieBreaking: Type.Literal('item-order', {
        description:
          'Of equally large margins that of the first winner is taken first, then that of the first loser, in the order of ' +
          'the items: as `items` lists them, else sorted.',
      }),
      possibleWinners: orNull(
        Ids,
        'All items that win for some order of equally large margins. Null where there are too many orders to go through.',
      ),
      locked: orNull(Type.Array(ref(Defeat)), `Defeats that were locked in, in that order; ${tooMany}`),
      rejected: orNull(
        Type.Array(
          Type.Object(
            {
              ...defeat,
              path: Type.Array(Type.String(), {
                description: 'Defeats locked in before lead from the loser to the winner.',
              }),
            },
            closed,
          ),
        ),
        `Defeats that would have closed a cycle, in order; ${tooMany}`,
      ),
    },
    { ...closed, description: 'Largest margins are locked in first, unless they close a cycle.' },
  ),
)

const SplitCycle = named(
  'SplitCycleResult',
  Type.Object(
    {
      rule: Type.Literal('split-cycle'),
      winners,
      defeats: orNull(Type.Array(ref(Defeat)), `Defeats that stand, the largest first; ${tooMany}`),
      discarded: orNull(
        Type.Array(
          Type.Object(
            {
              ...defeat,
              cycle: Type.Array(Type.String(), {
                description:
                  'Each item beats the next by at least the margin: of this cycle the pair is the weakest.',
              }),
            },
            closed,
          ),
        ),
        `Margins that are the smallest in some cycle, which makes them no defeats; ${tooMany}`,
      ),
    },
    { ...closed, description: 'Every cycle loses its smallest margin; whoever is then undefeated wins.' },
  ),
)

const Kemeny = named(
  'KemenyResult',
  Type.Object(
    {
      rule: Type.Literal('kemeny'),
      winners: orNull(Ids, 'The items that are first in some optimal order; null where none was found.'),
      order: orNull(Ids, 'An optimal order, best first; of several the first in the order of the items.'),
      score: orNull(
        Type.Number(),
        'The sum of margins of every item over all that are below it in the order.',
      ),
      optimalOrders: orNull(
        Type.Number(),
        'How many orders have this score. Null without an order, or beyond 1.8e308 of them.',
      ),
      unique: orNull(Type.Boolean(), 'Whether there is no other; null without an order.'),
      reason: orNull(Type.String(), 'Why there is no order; null where there is one.'),
    },
    { ...closed, description: 'The order that agrees most with the margins.' },
  ),
)

const MaximalLotteries = named(
  'MaximalLotteriesResult',
  Type.Object(
    {
      rule: Type.Literal('maximal-lotteries'),
      winners: Type.Array(Type.String(), { description: 'The items that some maximal lottery draws.' }),
      lottery: mapOf(Type.Number(), {
        description:
          'p; of several the one nearest to uniform (largest entropy), which draws what any of them does.',
      }),
      unique: Type.Boolean({ description: 'Whether there is no other.' }),
      certificate: Type.Object(
        {
          worstMargin: Type.Number({
            description:
              'min_j Σ_i p_i m_ij, recomputed from the numbers returned: no item is preferred to the lottery where this is 0, ' +
              'but for rounding (1e-12 of the largest margin).',
          }),
        },
        closed,
      ),
    },
    { ...closed, description: 'The lottery that nothing is preferred to.' },
  ),
)

const Cycle = named(
  'MajorityCycle',
  Type.Object(
    {
      items: Type.Array(Type.String(), {
        description: 'Each beats each other, if only through a chain of items that beat the next.',
      }),
      shortest: Type.Array(Type.String(), {
        description: 'A shortest cycle through the first of them, which begins and ends with it.',
      }),
      weakest: Type.Number({ description: 'The smallest margin on it.' }),
    },
    closed,
  ),
)

const Condorcet = named(
  'Condorcet',
  Type.Object(
    {
      winner: orNull(Type.String(), 'The item that beats every other; null where there is none.'),
      loser: orNull(Type.String(), 'The item that every other beats; null where there is none.'),
      smithSet: Type.Array(Type.String(), {
        description: 'The smallest set of items that beat everything outside it.',
      }),
      schwartzSet: Type.Array(Type.String(), {
        description: 'The items of all smallest sets that nothing outside beats; part of the Smith set.',
      }),
      tiers: Type.Array(Ids, {
        description: 'All items, the Smith set first: everything in one beats everything in the next.',
      }),
      cycles: Type.Array(ref(Cycle), { description: 'Where majorities go round in circles.' }),
    },
    { ...closed, description: 'What the majorities say together, before any rule.' },
  ),
)

const MarginGroup = named(
  'MarginGroup',
  Type.Object(
    {
      id: Type.String({ description: '"pooled" for all in one heap.' }),
      population: Type.Number({ description: 'How much its margins count; they sum to 1.' }),
      comparisons: orNull(Type.Number(), 'The sum of the counts; null where rewards were given.'),
      unseenItems: Type.Array(Type.String(), { description: 'Items that it never compared.' }),
      rewards: Type.Optional(mapOf(Type.Number(), { description: 'Where margins are from fits.' })),
      fit: Type.Optional(ref(FitSummary)),
    },
    { ...closed, description: 'Whom margins are from.' },
  ),
)

export const VoteResponse = named(
  'VoteResponse',
  Type.Object(
    {
      settings: Type.Object(
        {
          margins: Type.Object({ from: ref(From), pooling: ref(Pooling) }, closed),
          rules: Type.Array(ref(VotingRule)),
          model: Type.Optional(ref(ModelSettings)),
          seed: Type.Integer(),
        },
        closed,
      ),
      groups: Type.Array(ref(MarginGroup)),
      discovery: Type.Optional(ref(Discovery)),
      tolerance: Type.Number({
        description: 'Margins this close to each other, or to 0, count as equal; 0 where all are exact.',
      }),
      margins: orNull(
        mapOf(mapOf(Type.Number())),
        `Item, other item: how far the first is preferred, negative where the other is; ${tooMany}`,
      ),
      support: orNull(
        mapOf(mapOf(Type.Number())),
        'Item, other item: how often the two were compared, by anybody, weights included; null where rewards were given, and ' +
          tooMany,
      ),
      neverCompared: orNull(
        Type.Object(
          {
            pairs: Type.Integer({ description: 'How many.' }),
            examples: Type.Array(Ids, { description: 'The first of them, at most 100.' }),
          },
          closed,
        ),
        'Pairs that nobody compared: from counts their margin is 0 for want of evidence. Null where rewards were given.',
      ),
      condorcet: ref(Condorcet),
      results: Type.Array(
        tagged('rule', [Borda, Copeland, Schulze, RankedPairs, SplitCycle, Kemeny, MaximalLotteries]),
        { description: 'In the order of `rules`.' },
      ),
      data: Type.Optional(ref(DataUsed)),
    },
    closed,
  ),
)

/** What the catalogue tells of one rule. */
export const VotingRuleEntry = named(
  'VotingRuleEntry',
  Type.Object(
    {
      id: ref(VotingRule),
      meaning: Type.String({ description: 'What it does, in one sentence.' }),
      formula: Type.String(),
      invariantTo: Type.Array(Type.String(), {
        description: 'What may be done to the margins without changing who wins.',
      }),
      satisfies: Type.Array(Type.String()),
      fails: Type.Array(Type.String()),
      source: Type.String(),
    },
    closed,
  ),
)

export const VotingRuleList = named(
  'VotingRuleList',
  Type.Object({ rules: Type.Array(ref(VotingRuleEntry)) }, closed),
)

export type VotingRuleEntry = Static<typeof VotingRuleEntry>
export type VoteRequest = Static<typeof VoteRequest>
export type VoteResponse = Static<typeof VoteResponse>
export type RuleAnswer = VoteResponse['results'][number]
