import type { Welfare } from '../../../schemas/welfare.ts'
import { keyedById } from '../comparisons/ids.ts'
import type { Conflict, Limit } from '../pose.ts'
import { MAX_ERRORS, Problem } from '../problem.ts'
import type { Choices } from '../settings.ts'
import type { OutOfDomain } from '../welfare/custom/start.ts'
import type { BelowAnchor } from '../welfare/ex-post.ts'
import type { NoGains } from '../welfare/gains.ts'
import type { Aggregation } from './aggregation.ts'

/** The refusal where the constraints leave no room, with the names and multipliers that prove it. */
export function conflictProblem({ constraints }: Choices, conflict: Conflict): Problem {
  const named = conflict.constraints.map(({ constraint, multiplier }) => ({
    name: constraints[constraint].name,
    multiplier,
  }))
  const names = named.map(({ name }) => `"${name}"`).join(', ')
  const alone = named.length === 1
  const why =
    conflict.room < 0
      ? `No policy keeps ${alone ? 'the constraint' : 'these constraints together'}: ${names}.`
      : `Policies that keep ${alone ? 'the constraint' : 'these constraints'} have nothing to spare: ${names}. ` +
        'Prices of limits that leave no room are not defined.'
  return new Problem('constraints-conflict', `${why} Loosen ${alone ? 'it' : 'or leave out one of them'}.`, {
    evidence: { conflict: { constraints: named, largestSlack: conflict.room } },
  })
}

/** The refusal where no policy gives every group a gain, with the weights and prices that prove it. */
export function noGainsProblem(
  { preferences, choices, utilities, limits }: Aggregation,
  welfare: Welfare,
  proof: NoGains,
): Problem {
  const { groups } = preferences
  const indifferent = groups.filter((_, g) => utilities[g].indifferent)
  const because =
    indifferent.length > 0
      ? `All items are the same to ${indifferent.map((id) => `"${id}"`).join(', ')}, so that no policy gives it a gain. ` +
        'Leave indifferent groups out, or use maximin or utilitarian.'
      : limits.length > 0
        ? 'At the weights and prices in `certificate` no policy within the constraints has a positive aggregated utility. ' +
          'Loosen the constraints, choose another anchor, or maximin or utilitarian.'
        : 'At the weights in `certificate` no item has a positive aggregated utility, so that no lottery over items can give ' +
          'every group a gain over its anchor. Choose another anchor (`worst` always leaves room), or maximin or utilitarian.'
  return new Problem(
    'no-acceptable-policy',
    `${welfare.function} needs a policy at which every group gains, and there is none. ${because}`,
    {
      evidence: {
        function: welfare.function,
        indifferentGroups: indifferent,
        certificate: {
          weights: keyedById(groups, (g) => proof.weights[g]),
          ...(limits.length === 0 ? {} : { prices: pricesByName(choices, limits, proof.prices) }),
          largestAggregatedUtility: proof.bound,
        },
      },
    },
  )
}

/** The refusal where no policy reaches the domain of a custom expression, with the tangent that proves it. */
export function outOfDomainProblem(
  { preferences }: Aggregation,
  welfare: Welfare,
  { proof, bound, parts }: OutOfDomain,
): Problem {
  const { weights, level } = proof.tangent
  const are = parts.length > 1 ? 'are' : 'is'
  return new Problem(
    'no-acceptable-policy',
    `The expression is defined only where ${parts.join(' and ')} ${are} above 0 (a logarithm, root, product, or power below 1 ` +
      'is taken of it), and no policy within the constraints makes it so. Choose another anchor, add a constant to what is ' +
      'taken of, or leave indifferent groups out.',
    {
      evidence: {
        function: welfare.function,
        expressions: parts,
        certificate: {
          weights: keyedById(preferences.groups, (g) => weights[g]),
          constant: level,
          largest: bound,
        },
      },
    },
  )
}

/** The refusal where items have no welfare ex post, with the names of those that leave a group below its anchor. */
export function belowAnchorProblem(
  { preferences, columns }: Aggregation,
  welfare: Welfare,
  { cases }: BelowAnchor,
): Problem {
  const { groups, items } = preferences
  const pairs = new Map(cases.map(({ column, group }) => [`${columns[column]} ${group}`, { column, group }]))
  const named = Array.from(pairs.values(), ({ column, group }) => ({
    item: items[columns[column]],
    group: groups[group],
  }))
  const { item, group } = named[0]
  const more = named.length > 1 ? ` (and ${named.length - 1} more such pairs)` : ''
  return new Problem(
    'no-acceptable-policy',
    `${welfare.function} is not defined where a group has less than its anchor, and ex post it is applied to every single ` +
      `item: "${item}" gives "${group}" less${more}. Choose the anchor worst, ban such items, or leave mode out.`,
    { evidence: { function: welfare.function, belowAnchor: named.slice(0, MAX_ERRORS) } },
  )
}

/** Prices by the names of the constraints; those that rule items out have none. */
function pricesByName(
  { constraints }: Choices,
  limits: readonly Limit[],
  prices: Float64Array,
): Record<string, number> {
  const priced = limits.flatMap(({ guardrail }, k) => (guardrail === null ? [] : [{ k, guardrail }]))
  return keyedById(
    priced.map(({ k }) => constraints[k].name),
    (at) => prices[priced[at].guardrail],
  )
}
