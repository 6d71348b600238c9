import type { AuditRequest, AuditResponse } from '../../../schemas/audit.ts'
import { aggregationOf, type Observer, type Reporter, type Stage } from '../aggregate.ts'
import type { Discovery } from '../annotators/discover.ts'
import { discoverGroups } from '../annotators/discovered-groups.ts'
import { requireAnswerable } from '../answerable.ts'
import { sizesOf } from '../answers/aggregation.ts'
import { discoveryMember } from '../answers/fits.ts'
import { describeOptimum } from '../answers/optimum.ts'
import { keyedById } from '../comparisons/ids.ts'
import { plainRewards } from '../fitted.ts'
import { inParts } from '../parts.ts'
import { type Needs, type Preferences, readPreferences } from '../preferences.ts'
import { invalidRequest, pointer } from '../problem.ts'
import { rewardsOf } from '../rewards/rewards.ts'
import {
  type Choices,
  choicesOf,
  discoverSettings,
  engineModel,
  modelSettings,
  needsOf,
} from '../settings.ts'
import { rangesOf } from '../welfare/table.ts'
import { type Alternative, alternativesTo, rescaled } from './alternatives.ts'
import { policyOfNobody } from './coalitions.ts'
import { type Core, coreOf, type Deviation } from './core.ts'
import { type FairShare, fairSharesOf } from './fair-share.ts'
import { type Found, findingsOf } from './findings.ts'
import { type Influence, influenceOf, reachOf } from './influence.ts'
import { type Drop, dropsOf, FACTORS } from './monotonicity.ts'
import { type Judged, judgedIn, quartilesOf } from './regret.ts'
import { type Sensitivity, sensitivityOf } from './sensitivity.ts'
import { overItems, type Situation, situationOf, totalVariation, winnerOf } from './situation.ts'
import { type Transfers, transfersOf } from './transfers.ts'

/** An audit solves thousands of problems: each has at most so many groups, and so many groups × items. */
const MOST_GROUPS = 50
const MOST_ENTRIES = 10_000
/** What is counted as done: alternatives, influence, core, transfers, monotonicity and findings. */
const PARTS = 6

/**
 * Audits an aggregation: who moved the policy, who could do better alone, who is short of what, and which of the choices
 * that were made is the cause.
 *
 * @throws Problem
 */
export async function audit(
  request: AuditRequest,
  observe: Observer = () => {},
  report: Reporter = () => {},
): Promise<AuditResponse> {
  const within = (stage: Stage) => (fraction: number) => report({ stage, fraction })
  const { welfare } = request
  if (welfare.function === 'pareto-front') {
    const detail = 'must be one that chooses: a pareto-front has no policy to audit'
    throw invalidRequest([{ pointer: '/welfare/function', detail }])
  }
  if (request.mode === 'ex-post') {
    const detail = 'must be ex-ante: influence, core and transfers are about what groups expect'
    throw invalidRequest([{ pointer: '/mode', detail }])
  }
  if (welfare.function === 'custom') {
    const detail =
      'cannot be custom: an audit asks what would happen without some of the groups, and an expression may name them'
    throw invalidRequest([{ pointer: '/welfare/function', detail }])
  }
  requireAnswerable(request, [welfare], () => ['welfare'])
  const model = modelSettings(request.model)
  const discover = discoverSettings(request.groups, model)
  const needs = needsOf(model, discover)
  const needed: Needs = { ...needs, judgements: needs.judgements || 'where-named' }
  const read = readPreferences(request, needed, within('read'))
  const choices = choicesOf(request, read)
  const { seed } = choices.settings
  observe('read', sizesOf(read))
  within('fit')(0)

  const { preferences, discovery } = discoverGroups(read, engineModel(model), discover, seed)
  requireFew(request, preferences, choices)
  const fitted = await rewardsOf(preferences, engineModel(model), seed, within('fit'))
  const rewards = plainRewards(preferences, fitted)
  observe('fit', sizesOf(preferences))

  const parts = inParts(PARTS, within('solve'))
  parts(0)(0)
  const situation = await situationOf(aggregationOf(preferences, choices, rewards), welfare)
  const { rule, optimum, aggregation } = situation
  const { problem } = aggregation
  const table = await rescaled(situation, parts(0))
  const alternatives = await alternativesTo(situation, table)
  const homes = homesOf(preferences, discovery)
  const found: Found = {
    influence: await influenceOf(problem, rule, seed, parts(1)),
    core: await coreOf(problem, optimum.utilities, parts(2)),
    fairShares: fairSharesOf(problem, optimum.utilities),
    transfers: await transfersOf(problem, optimum, parts(3)),
    drops: await dropsOf(problem, rule, optimum.utilities, undefined, parts(4)),
    judged: judgedIn(situation, preferences.source, homes),
    sensitivity: sensitivityOf(situation, table),
    source: preferences.source,
    homes,
  }
  const findings = await findingsOf(situation, found, alternatives, seed, parts(5))
  const { settings, groups: _, ...headline } = describeOptimum(aggregation, welfare, optimum)
  observe('solve', sizesOf(preferences))
  return {
    settings,
    aggregation: headline,
    findings,
    influence: describeInfluence(situation, found.influence),
    core: describeCore(situation, found.core),
    fairShare: describeFairShares(preferences, found.fairShares),
    pigouDalton: describeTransfers(preferences, found.transfers),
    monotonicity: describeDrops(preferences, found.drops),
    regret: describeRegret(situation, found.fairShares, found.judged),
    sensitivity: describeSensitivity(situation, found.sensitivity),
    alternatives: alternatives.map((alternative) => describeAlternative(situation, alternative)),
    ...discoveryMember(preferences, discovery),
  }
}

/** @throws Problem `invalid-request` where an audit would take too long */
function requireFew(request: AuditRequest, { groups }: Preferences, { contexts }: Choices): void {
  const columns = contexts.reduce((sum, { items }) => sum + items.length, 0)
  if (groups.length <= MOST_GROUPS && groups.length * columns <= MOST_ENTRIES) return
  const source = (['rewards', 'comparisons', 'rankings', 'dataset'] as const).find(
    (member) => request[member] !== undefined,
  )
  const detail =
    `has ${groups.length} groups and ${columns} items, counting an item once in each context; an audit solves thousands of ` +
    `problems, and is made for at most ${MOST_GROUPS} groups and ${MOST_ENTRIES} groups × items. Merge groups, or leave ` +
    'items out'
  throw invalidRequest([{ pointer: pointer(source ?? 'groups'), detail }])
}

/** The group of every annotator, the likeliest where groups were discovered; null where they were named. */
function homesOf({ groups, annotators }: Preferences, discovery: Discovery | null): Int32Array | null {
  if (discovery === null) return null
  const { responsibilities } = discovery
  return Int32Array.from(annotators, (_, a) => {
    let home = 0
    for (let g = 1; g < groups.length; g++) {
      const at = a * groups.length
      if (responsibilities[at + g] > responsibilities[at + home]) home = g
    }
    return home
  })
}

function lottery({ aggregation }: Situation, policy: Float64Array): Record<string, number> {
  const shares = overItems(aggregation, policy)
  return keyedById(aggregation.preferences.items, (i) => shares[i])
}

function describeInfluence(situation: Situation, influence: Influence): AuditResponse['influence'] {
  const { problem, preferences } = situation.aggregation
  const { values, errors, coalitions, orders, disagreeing } = influence
  const reach = reachOf(problem, influence)
  const sum = reach.reduce((a, b) => a + b)
  const row = (table: Float64Array, g: number) =>
    lottery(situation, table.subarray(g * problem.items, (g + 1) * problem.items))
  return {
    method: errors === null ? 'exact' : 'sampled',
    coalitions,
    orders,
    disagreeing,
    withoutAnybody: lottery(situation, policyOfNobody(problem)),
    groups: preferences.groups.map((id, g) => ({
      id,
      population: problem.population[g],
      share: sum === 0 ? 0 : reach[g] / sum,
      reach: reach[g],
      influence: row(values, g),
      ...(errors === null ? {} : { standardErrors: row(errors, g) }),
    })),
  }
}

function describeCore(situation: Situation, core: Core): AuditResponse['core'] {
  const { groups } = situation.aggregation.preferences
  const now = situation.optimum.utilities
  const described = ({ members, population, ratio, policy, utilities }: Deviation) => {
    const ids = members.map((g) => groups[g])
    return {
      groups: ids,
      population,
      ratio: Number.isFinite(ratio) ? ratio : null,
      policy: lottery(situation, policy),
      utilities: keyedById(ids, (k) => utilities[k]),
      gains: keyedById(ids, (k) => utilities[k] - now[members[k]]),
    }
  }
  const { stable, method, solved, blocking, everybody } = core
  return { stable, method, solved, blocking: blocking.map(described), everybody: described(everybody) }
}

function describeFairShares(
  { groups }: Preferences,
  shares: readonly FairShare[],
): AuditResponse['fairShare'] {
  return {
    holds: shares.every(({ holds }) => holds),
    groups: shares.map(({ best, fair, utility, holds }, g) => ({
      id: groups[g],
      best,
      fairShare: fair,
      utility,
      holds,
    })),
  }
}

function describeTransfers(
  { groups }: Preferences,
  { pairs, violations }: Transfers,
): AuditResponse['pigouDalton'] {
  return {
    holds: violations.length === 0,
    pairs,
    violations: violations.map(({ from, to, ...rest }) => ({ from: groups[from], to: groups[to], ...rest })),
  }
}

function describeDrops({ groups }: Preferences, drops: readonly Drop[]): AuditResponse['monotonicity'] {
  return {
    holds: drops.length === 0,
    factors: FACTORS,
    drops: drops.map(({ group, ...rest }) => ({ group: groups[group], ...rest })),
  }
}

function describeRegret(
  { aggregation: { problem, preferences } }: Situation,
  shares: readonly FairShare[],
  judged: readonly Judged[],
): AuditResponse['regret'] {
  const ranges = rangesOf(problem)
  return {
    groups: preferences.groups.map((id, g) => {
      const { best, utility } = shares[g]
      const { all, byItself, annotators } = judged[g]
      const part = (some: Judged['all']) =>
        some === null || some.preferences === 0 ? null : some.overruled / some.preferences
      return {
        id,
        best,
        utility,
        regret: best - utility,
        share: ranges[g] === 0 ? null : (best - utility) / ranges[g],
        preferences: all?.preferences ?? null,
        overruled: part(all),
        overruledByItself: part(byItself),
        annotators:
          annotators === null || annotators.length === 0
            ? null
            : {
                count: annotators.length,
                mostlyOverruled: annotators.filter((own) => 2 * own.overruled > own.preferences).length,
                quartiles: quartilesOf(annotators),
              },
      }
    }),
  }
}

function describeSensitivity(situation: Situation, found: Sensitivity): AuditResponse['sensitivity'] {
  const { groups, items } = situation.aggregation.preferences
  const { rows, sameWinner, farthest, worst, best } = found
  const standing = ({ scale, anchor, standing }: Sensitivity['rows'][number], g: number) => ({
    standing: standing?.[g] ?? 0,
    scale,
    anchor,
  })
  return {
    sameWinner,
    farthest: { totalVariation: farthest.move ?? 0, scale: farthest.scale, anchor: farthest.anchor },
    groups: groups.map((id, g) => ({ id, worst: standing(worst[g], g), best: standing(best[g], g) })),
    rows: rows.map(({ scale, anchor, own, situation: other, winner, move, refusal }) => {
      if (other === null || winner === null || move === null)
        return { scale, anchor, own, refused: refusal ?? '' }
      const { weights, policy } = other.optimum
      const sum = weights.reduce((a, b) => a + b)
      return {
        scale,
        anchor,
        own,
        winner: items[winner],
        totalVariation: move,
        weights: keyedById(groups, (g) => weights[g] / sum),
        policy: lottery(other, policy),
      }
    }),
  }
}

function describeAlternative(
  situation: Situation,
  { choice, instead, situation: other, refusal }: Alternative,
): AuditResponse['alternatives'][number] {
  if (other === null) return { choice, instead, refused: refusal ?? '' }
  return {
    choice,
    instead,
    winner: situation.aggregation.preferences.items[winnerOf(other)],
    totalVariation: totalVariation(situation, other),
  }
}
