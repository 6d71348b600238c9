import Type, { type Static } from 'typebox'
import { AggregateRequest, ContextualOptimum, Optimum, Settings } from './aggregate.ts'
import { Discovery } from './fit.ts'
import { UtilitySettings } from './policy.ts'
import { DataUsed } from './preferences.ts'
import { mapOf, named, oneOf, ref } from './ref.ts'

const closed = { additionalProperties: false }
const byGroup = (description: string) => mapOf(Type.Number(), { description: `Group → ${description}` })
const byItem = (description: string) => mapOf(Type.Number(), { description: `Item → ${description}` })
const scale = { scale: UtilitySettings.properties.scale, anchor: UtilitySettings.properties.anchor }
const nullable = (description: string) =>
  Type.Unsafe<number | null>({ type: ['number', 'null'], description })

export const AuditRequest = named('AuditRequest', Type.Object(AggregateRequest.properties, closed))

const { policy, ...headline } = Type.Omit(Optimum, ['settings', 'groups', 'discovery']).properties

const Headline = named(
  'AuditedOptimum',
  Type.Object(
    {
      ...headline,
      policy: Type.Optional(policy),
      policies: Type.Optional(ContextualOptimum.properties.policies),
    },
    { ...closed, description: 'What is audited: the optimum, as in /aggregate.' },
  ),
)

const CHOICES = ['function', 'scale', 'anchor', 'population', 'temperature', 'constraints'] as const

const Change = named(
  'AuditChange',
  Type.Object(
    {
      choice: oneOf(CHOICES, { description: 'Which choice of the request.' }),
      instead: Type.String({ description: 'What is chosen instead, all else being the same.' }),
    },
    closed,
  ),
)

export const Finding = named(
  'AuditFinding',
  Type.Object(
    {
      code: oneOf([
        'winner-depends-on-units',
        'blocking-coalition',
        'everybody-could-gain',
        'core-undecided',
        'below-anchor',
        'below-fair-share',
        'transfers-disliked',
        'loses-by-growing',
        'outsized-influence',
        'little-influence',
        'mostly-overruled',
        'annotators-overruled',
        'several-optima',
        'indifferent-group',
      ]),
      severity: oneOf(['warning', 'notice', 'info']),
      groups: Type.Array(Type.String(), { description: 'Whom it is about; empty where it is about all.' }),
      message: Type.String({ description: 'The finding in a sentence.' }),
      cause: Type.String({ description: 'Which choice it hangs on, in a sentence.' }),
      removedBy: Type.Unsafe<Static<typeof Change>[] | null>({
        anyOf: [{ type: 'array', items: ref(Change) }, { type: 'null' }],
        description:
          'The changes of one choice after which the finding is gone, found by solving again. Empty where none of those that were ' +
          'tried removes it; null where they were not tried.',
      }),
    },
    { ...closed, description: 'Something that deserves attention.' },
  ),
)

const Influence = Type.Object(
  {
    method: oneOf(['exact', 'sampled'], {
      description: 'Whether every coalition was solved (up to 10 groups), or some orders of arrival drawn.',
    }),
    coalitions: Type.Integer({ description: 'How many coalitions were solved.' }),
    orders: Type.Integer({
      description: 'How many orders of arrival were drawn, half of them the others reversed; 0 where exact.',
    }),
    disagreeing: Type.Integer({
      description: 'Coalitions without a policy at which all of them gain; they count as having no say.',
    }),
    withoutAnybody: byItem(
      'probability where nobody has a say: the reference policy, if guardrails allow it.',
    ),
    groups: Type.Array(
      Type.Object(
        {
          id: Type.String(),
          population: Type.Number(),
          share: Type.Number({ description: '`reach` over the sum of all.' }),
          reach: Type.Number({ description: 'Half the sum of |influence| over the items of all contexts.' }),
          influence: byItem('Shapley value φ: what the group adds to its probability.'),
          standardErrors: Type.Optional(byItem('standard error of the influence; only where sampled.')),
        },
        closed,
      ),
    ),
  },
  {
    ...closed,
    description:
      'Whose doing the policy is: over the groups, influences add up to policy minus `withoutAnybody`.',
  },
)

const Deviation = named(
  'AuditDeviation',
  Type.Object(
    {
      groups: Type.Array(Type.String(), { description: 'The coalition.' }),
      population: Type.Number({ description: 'Its part of the population, n(S).' }),
      ratio: nullable(
        't: each member could have at least t times what it has. Null for "something instead of nothing".',
      ),
      policy: byItem('probability in the policy q that it would choose.'),
      utilities: byGroup('what it would have, n(S) times its utility of q.'),
      gains: byGroup('that minus what it has now.'),
    },
    { ...closed, description: 'What a coalition could have by deciding over its part of the lottery alone.' },
  ),
)

const Core = Type.Object(
  {
    stable: Type.Unsafe<boolean | null>({
      type: ['boolean', 'null'],
      description: 'Whether no coalition could do better alone; null where the search was given up.',
    }),
    method: oneOf(['every-coalition', 'integer-program'], {
      description:
        'Whether every coalition was gone through (up to 14 groups), or one searched for by integer programming.',
    }),
    solved: Type.Integer({ description: 'For how many coalitions a bound was not enough.' }),
    blocking: Type.Array(ref(Deviation), {
      description:
        'Coalitions that could do better, the largest ratio first: the ten strongest, or with an integer program one.',
    }),
    everybody: ref(Deviation),
  },
  closed,
)

const FairShare = Type.Object(
  {
    holds: Type.Boolean({ description: 'Whether it holds for all groups.' }),
    groups: Type.Array(
      Type.Object(
        {
          id: Type.String(),
          best: Type.Number({ description: 'The most that any policy gives the group.' }),
          fairShare: Type.Number({ description: 'population · best.' }),
          utility: Type.Number(),
          holds: Type.Boolean(),
        },
        closed,
      ),
    ),
  },
  closed,
)

const PigouDalton = Type.Object(
  {
    holds: Type.Boolean({ description: 'Whether no violation was found at this policy.' }),
    pairs: Type.Integer({ description: 'Pairs of groups of which one is better off.' }),
    violations: Type.Array(
      Type.Object(
        {
          from: Type.String({ description: 'The group that is better off.' }),
          to: Type.String({ description: 'The group that is worse off.' }),
          worthFrom: Type.Number({ description: 'λ/n: what a little more is worth for a member of `from`.' }),
          worthTo: Type.Number({ description: 'The same for `to`, and less.' }),
          amount: Type.Number({
            description:
              'The largest transfer that some policy makes, utility times population; 0 where none does.',
          }),
          loss: Type.Number({ description: 'By how much welfare falls then, at least.' }),
        },
        closed,
      ),
      { description: 'The twenty worst.' },
    ),
  },
  closed,
)

const Monotonicity = Type.Object(
  {
    holds: Type.Boolean({
      description: 'Whether no group had less in any of the trials; no proof of others.',
    }),
    factors: Type.Array(Type.Number(), {
      description: "What each group's number was multiplied by, one group at a time.",
    }),
    drops: Type.Array(
      Type.Object(
        {
          group: Type.String(),
          factor: Type.Number(),
          population: Type.Number({ description: 'Its part of the population then.' }),
          before: Type.Number(),
          after: Type.Number(),
        },
        closed,
      ),
    ),
  },
  closed,
)

const Regret = Type.Object(
  {
    groups: Type.Array(
      Type.Object(
        {
          id: Type.String(),
          best: Type.Number(),
          utility: Type.Number(),
          regret: Type.Number({ description: '`best` minus `utility`.' }),
          share: nullable('`regret` over the range of its utilities; null for an indifferent group.'),
          preferences: nullable(
            'Weighted number of preferences that its comparisons or rankings express, ties left aside; null where there are none, ' +
              'or where they name no items.',
          ),
          overruled: nullable('The share of these that the aggregated ranking has the other way round.'),
          overruledByItself: nullable("The same for the ranking by the group's own rewards."),
          annotators: Type.Unsafe<{ count: number; mostlyOverruled: number; quartiles: number[] } | null>({
            anyOf: [
              Type.Object(
                {
                  count: Type.Integer(),
                  mostlyOverruled: Type.Integer({
                    description: 'How many of them have more than half of their preferences overruled.',
                  }),
                  quartiles: Type.Array(Type.Number(), {
                    minItems: 5,
                    maxItems: 5,
                    description: 'Least, quartiles and largest share overruled.',
                  }),
                },
                closed,
              ),
              { type: 'null' },
            ],
            description: 'The same by annotator; null where comparisons do not say who judged.',
          }),
        },
        closed,
      ),
    ),
  },
  closed,
)

const Standing = Type.Object({ standing: Type.Number(), ...scale }, closed)

const Sensitivity = Type.Object(
  {
    sameWinner: Type.Boolean({
      description: 'Whether the winner is the same in all rows that have an answer.',
    }),
    farthest: Type.Object(
      { totalVariation: Type.Number(), ...scale },
      { ...closed, description: "The row whose policy differs most from the request's." },
    ),
    groups: Type.Array(Type.Object({ id: Type.String(), worst: Standing, best: Standing }, closed), {
      description:
        'Where each group stands worst and best: from 0, its worst item, to 1, its best, by its rewards.',
    }),
    rows: Type.Array(
      Type.Object(
        {
          ...scale,
          own: Type.Boolean({ description: "Whether it is the request's own." }),
          winner: Type.Optional(Type.String({ description: 'The item that the policy chooses most often.' })),
          totalVariation: Type.Optional(
            Type.Number({ description: "Total variation between the policy and the request's." }),
          ),
          weights: Type.Optional(byGroup('weight; they sum to 1.')),
          policy: Type.Optional(byItem('probability.')),
          refused: Type.Optional(Type.String({ description: 'Why there is no answer.' })),
        },
        closed,
      ),
    ),
  },
  closed,
)

const Alternative = Type.Object(
  {
    ...Change.properties,
    winner: Type.Optional(Type.String()),
    totalVariation: Type.Optional(Type.Number()),
    refused: Type.Optional(Type.String({ description: 'Why there is no answer.' })),
  },
  closed,
)

export const AuditResponse = named(
  'AuditResponse',
  Type.Object(
    {
      settings: ref(Settings),
      aggregation: ref(Headline),
      findings: Type.Array(ref(Finding), { description: 'What deserves attention, warnings first.' }),
      influence: Influence,
      core: Core,
      fairShare: FairShare,
      pigouDalton: PigouDalton,
      monotonicity: Monotonicity,
      regret: Regret,
      sensitivity: Sensitivity,
      alternatives: Type.Array(Alternative, {
        description: 'The requests with one choice changed that findings were put to.',
      }),
      discovery: Type.Optional(ref(Discovery)),
      data: Type.Optional(ref(DataUsed)),
    },
    closed,
  ),
)

export type AuditRequest = Static<typeof AuditRequest>
export type AuditResponse = Static<typeof AuditResponse>
export type Finding = Static<typeof Finding>
