import type { RuleAnswer, VoteResponse } from '../../../schemas/vote.ts'
import { fitSummary } from '../answers/fits.ts'
import { unseenItems } from '../answers/members.ts'
import { keyedById } from '../comparisons/ids.ts'
import type { Preferences } from '../preferences.ts'
import type { Condorcet } from './condorcet.ts'
import { KEMENY_LIMIT } from './kemeny.ts'
import type { Margins } from './margins.ts'
import type { FoundMargins } from './source.ts'
import type { RuleResult, Vote } from './vote-on.ts'

/** As many pairs that nobody compared as a person wants to see. */
const EXAMPLES = 100

type Told = Omit<VoteResponse, 'settings' | 'discovery'>

/**
 * Tells a vote in the names of the request.
 *
 * @param evidence whether to tell the margin of every single pair
 */
export function describeVote(
  preferences: Preferences,
  found: FoundMargins,
  vote: Vote,
  evidence: boolean,
): Told {
  const { items } = preferences
  const { margins, support } = found
  return {
    groups: groupsOf(preferences, found),
    tolerance: margins.tolerance,
    margins: evidence ? matrix(items, margins.values) : null,
    support: evidence && support !== null ? matrix(items, support) : null,
    neverCompared: support === null ? null : neverCompared(items, support),
    condorcet: describeCondorcet(items, margins, vote.condorcet),
    results: vote.results.map((result) => describeRule(items, margins, result, evidence)),
  }
}

function groupsOf(
  { groups, items, population, source }: Preferences,
  { rewards }: FoundMargins,
): Told['groups'] {
  return groups.map((id, g) => {
    const data = source.kind === 'comparisons' ? source.groups[g] : null
    const own = rewards?.[g] ?? null
    const seen = new Uint8Array(items.length)
    if (data?.named) for (const item of data.counts.items) seen[item] = 1
    return {
      id,
      population: population[g],
      comparisons: data?.counts.comparisons ?? null,
      unseenItems: unseenItems(own?.seen ?? seen, items),
      ...(own === null ? {} : { rewards: keyedById(items, (i) => own.values[i]) }),
      ...(own?.fitted == null ? {} : { fit: fitSummary(own.fitted) }),
    }
  })
}

/** Item → other item → entry. */
function matrix(items: readonly string[], values: Float64Array): Record<string, Record<string, number>> {
  const n = items.length
  return keyedById(items, (i) => {
    const others = items.flatMap((_, j) => (j === i ? [] : [j]))
    return keyedById(
      others.map((j) => items[j]),
      (k) => values[i * n + others[k]],
    )
  })
}

function neverCompared(items: readonly string[], support: Float64Array): Told['neverCompared'] {
  const n = items.length
  const examples: string[][] = []
  let pairs = 0
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      if (support[i * n + j] > 0) continue
      pairs++
      if (examples.length < EXAMPLES) examples.push([items[i], items[j]])
    }
  }
  return { pairs, examples }
}

function describeCondorcet(
  items: readonly string[],
  { items: n, values }: Margins,
  { winner, loser, tiers, schwartz, cycles }: Condorcet,
): Told['condorcet'] {
  const named = tiers.map((tier) => namesOf(items, tier))
  return {
    winner: winner === null ? null : items[winner],
    loser: loser === null ? null : items[loser],
    smithSet: named[0],
    schwartzSet: namesOf(items, schwartz),
    tiers: named,
    cycles: cycles.map((cycle) => ({
      items: namesOf(items, cycle.items),
      shortest: namesOf(items, cycle.shortest),
      weakest: cycle.shortest.slice(1).reduce((least, b, k) => {
        return Math.min(least, values[cycle.shortest[k] * n + b])
      }, Number.POSITIVE_INFINITY),
    })),
  }
}

function describeRule(
  items: readonly string[],
  { items: n, values, strengths }: Margins,
  result: RuleResult,
  evidence: boolean,
): RuleAnswer {
  const names = (indices: readonly number[]) => namesOf(items, indices)
  const defeat = ({ winner, loser }: { winner: number; loser: number }) => ({
    winner: items[winner],
    loser: items[loser],
    margin: values[winner * n + loser],
  })
  const placed = (ranks: Int32Array) => byRank(ranks).map((i) => ({ item: items[i], rank: ranks[i] }))
  switch (result.rule) {
    case 'borda': {
      const { rule, winners, ranks, scores } = result
      const ranking = byRank(ranks).map((i) => ({ item: items[i], rank: ranks[i], score: scores[i] }))
      return { rule, winners: names(winners), ranking }
    }
    case 'copeland': {
      const { rule, winners, ranks, wins, losses } = result
      const ranking = byRank(ranks).map((i) => ({
        item: items[i],
        rank: ranks[i],
        score: wins[i] - losses[i],
        wins: wins[i],
        losses: losses[i],
        ties: n - 1 - wins[i] - losses[i],
      }))
      return { rule, winners: names(winners), ranking }
    }
    case 'schulze': {
      const { rule, winners, ranks, strongest, duels } = result
      const strength = (a: number, b: number) => strengths[strongest[a * n + b]]
      return {
        rule,
        winners: names(winners),
        ranking: placed(ranks),
        strengths: evidence
          ? matrix(
              items,
              Float64Array.from(strongest, (level) => strengths[level]),
            )
          : null,
        duels:
          duels?.map(({ winner, other, path, back }) => ({
            winner: items[winner],
            other: items[other],
            strength: strength(winner, other),
            path: path === null ? null : names(path),
            returnStrength: strength(other, winner),
            returnPath: back === null ? null : names(back),
          })) ?? null,
      }
    }
    case 'ranked-pairs': {
      const { rule, winners, ranks, possibleWinners, locked, rejected } = result
      return {
        rule,
        winners: names(winners),
        ranking: placed(ranks),
        tieBreaking: 'item-order',
        possibleWinners: possibleWinners === null ? null : names(possibleWinners),
        locked: locked?.map(defeat) ?? null,
        rejected: rejected?.map((pair) => ({ ...defeat(pair), path: names(pair.path) })) ?? null,
      }
    }
    case 'split-cycle': {
      const { rule, winners, defeats, discarded } = result
      return {
        rule,
        winners: names(winners),
        defeats: defeats?.map(defeat) ?? null,
        discarded: discarded?.map((pair) => ({ ...defeat(pair), cycle: names(pair.cycle) })) ?? null,
      }
    }
    case 'kemeny': {
      const { rule, winners, order, score, orders, largest } = result
      return {
        rule,
        winners: winners === null ? null : names(winners),
        order: order === null ? null : names(order),
        score,
        optimalOrders: orders === Number.POSITIVE_INFINITY ? null : orders,
        unique: orders === null ? null : orders === 1,
        reason:
          order === null
            ? `${largest} items tie or go round in circles (\`condorcet.tiers\`), so that they have to be ordered as a whole, ` +
              `which is done exactly for at most ${KEMENY_LIMIT}. Leave items out, or use ranked-pairs or schulze.`
            : null,
      }
    }
    case 'maximal-lotteries': {
      const { rule, winners, lottery, worst, unique } = result
      return {
        rule,
        winners: names(winners),
        lottery: keyedById(items, (i) => lottery[i]),
        unique,
        certificate: { worstMargin: worst },
      }
    }
  }
}

function namesOf(items: readonly string[], indices: readonly number[]): string[] {
  return indices.map((i) => items[i])
}

/** The items by rank, those of one rank in their own order. */
function byRank(ranks: Int32Array): number[] {
  return Array.from(ranks.keys()).sort((a, b) => ranks[a] - ranks[b] || a - b)
}
