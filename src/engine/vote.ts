import type { VoteRequest, VoteResponse } from '../../schemas/vote.ts'
import type { Observer, Reporter, Stage } from './aggregate.ts'
import { discoverGroups } from './annotators/discovered-groups.ts'
import { sizesOf } from './answers/aggregation.ts'
import { discoveryMember } from './answers/fits.ts'
import { inOneGroup, type StoredComparisons } from './comparisons/stored.ts'
import { type Needs, type Preferences, readPreferences } from './preferences.ts'
import { invalidRequest, pointer, type RequestError } from './problem.ts'
import { rewardsOf } from './rewards/rewards.ts'
import { discoverSettings, engineModel, modelSettings, needsOf } from './settings.ts'
import { describeVote } from './voting/answer.ts'
import { marginsFromCounts, marginsFromRewards } from './voting/source.ts'
import { RULES, type Rule, voteOn } from './voting/vote-on.ts'

/** All pairs are told apart, and paths through all items looked for. */
const ITEM_LIMIT = 1000
/** Every group has a margin for every pair. */
const MARGIN_LIMIT = 1e9
/** What happened to every single pair is told for so many items. */
const EVIDENCE_LIMIT = 100

/** What is read of comparisons of which only the counts matter. */
const COUNTS_ALONE: Needs = {
  positions: false,
  judgements: false,
  groupsDiscovered: null,
  squares: false,
  ties: true,
  rankingFaults: [],
}

/**
 * Who wins under the voting rules: preferences become margins between all pairs, and every rule chooses from these.
 *
 * @throws Problem
 */
export async function vote(
  request: VoteRequest,
  observe: Observer = () => {},
  report: Reporter = () => {},
): Promise<VoteResponse> {
  const within = (stage: Stage) => (fraction: number) => report({ stage, fraction })
  const settings = modelSettings(request.model)
  const discover = discoverSettings(request.groups, settings)
  const choices = marginChoices(request, discover !== null)
  const rules = rulesOf(request)
  const seed = request.seed ?? 0
  const model = engineModel(settings)
  const needs = choices.from === 'counts' && discover === null ? COUNTS_ALONE : needsOf(settings, discover)
  const read = readPreferences(request, needs, within('read'))
  requireVotable(request, read, choices.from)
  observe('read', sizesOf(read))
  report({ stage: 'fit', fraction: 0 })

  const { preferences, discovery } = discoverGroups(read, model, discover, seed)
  const pooled = choices.pooling === 'pooled'
  const voters = pooled ? readPreferences(inOneHeap(request), needs) : preferences
  const found =
    choices.from === 'counts'
      ? marginsFromCounts(voters, pooled)
      : marginsFromRewards(voters, await rewardsOf(voters, model, seed, within('fit')))
  const sizes = sizesOf(voters)
  observe('fit', sizes)

  const evidence = voters.items.length <= EVIDENCE_LIMIT
  const answer: VoteResponse = {
    settings: {
      margins: choices,
      rules,
      ...(read.source.kind === 'rewards' || needs === COUNTS_ALONE ? {} : { model: settings }),
      seed,
    },
    ...describeVote(voters, found, voteOn(found.margins, rules, evidence, within('solve')), evidence),
    ...discoveryMember(preferences, discovery),
  }
  observe('solve', sizes)
  return answer
}

type Choices = VoteResponse['settings']['margins']

/**
 * Where margins come from, with every default filled in.
 *
 * @throws Problem `invalid-request` where the source has no such margins, or another choice would have no effect
 */
function marginChoices(request: VoteRequest, discovered: boolean): Choices {
  const given = request.rewards !== undefined
  const choices: Choices = { from: given ? 'fits' : 'counts', pooling: 'groups', ...request.margins }
  const errors: RequestError[] = []
  const refuse = (detail: string, ...steps: string[]) => errors.push({ pointer: pointer(...steps), detail })
  if (given) {
    if (choices.from === 'counts')
      refuse('must be fits together with rewards: there is nothing to count', 'margins', 'from')
    if (choices.pooling === 'pooled')
      refuse(
        'must be groups together with rewards: there are no comparisons to put in one heap',
        'margins',
        'pooling',
      )
    if (request.model !== undefined)
      refuse('has no meaning together with rewards: nothing is fitted. Leave it out.', 'model')
  } else if (choices.from === 'counts' && !discovered && request.model !== undefined)
    refuse(
      'has no meaning with margins from counts: nothing is fitted. Leave it out, or ask for fits',
      'model',
    )
  if (choices.pooling === 'pooled') {
    if (discovered)
      refuse(
        'must be groups where groups are to be discovered: in one heap there are none',
        'margins',
        'pooling',
      )
    if (choices.from === 'fits' && request.model?.prior?.kind === 'pooled') {
      const detail =
        'cannot be pooled with pooled margins: it draws groups to each other, and there is but one heap. Use gaussian'
      refuse(detail, 'model', 'prior', 'kind')
    }
  }
  if (errors.length > 0) throw invalidRequest(errors)
  return choices
}

/** @throws Problem `invalid-request` where a rule is named twice */
function rulesOf({ rules = [...RULES] }: VoteRequest): Rule[] {
  const errors = rules.flatMap((rule, k) =>
    rules.indexOf(rule) < k ? [{ pointer: pointer('rules', k), detail: `"${rule}" is named twice` }] : [],
  )
  if (errors.length > 0) throw invalidRequest(errors)
  return rules
}

/** @throws Problem `invalid-request` where there are no items to vote on, or too many */
function requireVotable(
  request: VoteRequest,
  { items, groups, features, source }: Preferences,
  from: Choices['from'],
) {
  const member = (['items', 'comparisons', 'rankings', 'rewards', 'dataset'] as const).find(
    (name) => request[name] !== undefined,
  ) as string
  const refuse = (at: string, detail: string) => {
    throw invalidRequest([{ pointer: pointer(at), detail }])
  }
  const named = source.kind === 'rewards' || source.groups.every((group) => group.named)
  if (!named && (from === 'counts' || features === null)) {
    const detail =
      'bring feature differences of their own, which name no items to vote on: give items features, and ask for margins from fits'
    refuse('comparisons', detail)
  }
  if (items.length > ITEM_LIMIT)
    refuse(member, `are ${items.length}; at most ${ITEM_LIMIT} items can be voted on`)
  if (groups.length * items.length ** 2 > MARGIN_LIMIT) {
    const detail = `has ${groups.length} groups × ${items.length}² pairs; at most ${MARGIN_LIMIT} such margins are supported`
    refuse(member, detail)
  }
}

/** The id of all comparisons in one heap. */
const HEAP = 'pooled'

/** A request that was read before, as if all had come from one group. */
function inOneHeap({ groups: _, ...request }: VoteRequest): VoteRequest {
  if (request.dataset !== undefined) {
    const dataset = inOneGroup(request.dataset as unknown as StoredComparisons, HEAP)
    return { ...request, dataset: dataset as unknown as VoteRequest['dataset'] }
  }
  const comparisons: unknown = request.comparisons
  const rankings: unknown = request.rankings
  const rows = (list: unknown[]) => list.map((row) => ({ ...(row as object), group: HEAP }))
  if (Array.isArray(rankings)) return { ...request, rankings: rows(rankings) as VoteRequest['rankings'] }
  if (Array.isArray(comparisons))
    return { ...request, comparisons: rows(comparisons) as VoteRequest['comparisons'] }
  const columns = comparisons as { group: string[] }
  return {
    ...request,
    comparisons: { ...columns, group: columns.group.map(() => HEAP) } as VoteRequest['comparisons'],
  }
}
