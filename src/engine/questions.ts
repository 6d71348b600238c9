import type { Question, QuestionsRequest, QuestionsResponse } from '../../schemas/questions.ts'
import type { Welfare } from '../../schemas/welfare.ts'
import { aggregationOf, type Observer, optimumOf, type Reporter } from './aggregate.ts'
import { connectivity, namedConnectivity } from './comparisons/connectivity.ts'
import { beatsOf, overItems } from './comparisons/counts.ts'
import { keyedById } from './comparisons/ids.ts'
import { plainRewards } from './fitted.ts'
import { type Done, inParts } from './parts.ts'
import { type GroupData, type Preferences, readPreferences } from './preferences.ts'
import { invalidRequest, Problem, pointer, type RequestError } from './problem.ts'
import { connectingPairs, type Link } from './questions/connecting.ts'
import { everyDifference, newDesign } from './questions/design.ts'
import { type Knowledge, knowledgeOf } from './questions/knowledge.ts'
import { planQuestions } from './questions/plan.ts'
import { contestOf, winnerAgainstRivals } from './questions/rivals.ts'
import { type FittedGroup, type GroupRewards, type Model, rewardsOf } from './rewards/rewards.ts'
import { type Choices, choicesOf, engineModel, modelSettings, needsOf } from './settings.ts'
import { checkExpression } from './welfare/custom/custom.ts'
import { type Rule, ruleOf } from './welfare/rule.ts'

/** All pairs of a group's items are weighed, with their covariance as a matrix. */
const ITEM_LIMIT = 1000
/** With a welfare function those of all groups at once. */
const TABLE_LIMIT = 20_000_000
/** All pairs are weighed anew for every comparison. */
const WORK_LIMIT = 1e9

/** One group, with the items that it may be asked about. */
type Group = {
  id: string
  data: GroupData
  /** Ascending, as indices into the items of the request. */
  items: readonly number[]
  /** What connects the items that it compared; empty where they have an estimate. */
  broken: Link[]
}

/** What there is to ask: of each group for itself, or of all for a welfare function. */
type Plan = Pick<QuestionsResponse, 'questions' | 'winner' | 'variance'> & {
  variances: QuestionsResponse['groups'][number]['variance'][]
}

/**
 * The comparisons whose answers would tell most.
 *
 * Every answer is expected to add its Fisher information at the estimate, so that the covariance after it is known
 * beforehand, whatever it is. Questions are chosen one after the other, each the best after all before it.
 *
 * @throws Problem
 */
export async function questions(
  request: QuestionsRequest,
  observe: Observer = () => {},
  report: Reporter = () => {},
): Promise<QuestionsResponse> {
  const settings = modelSettings(request.model)
  requirePlannable(request)
  const model = engineModel(settings)
  const preferences = readPreferences(request, needsOf(settings), (fraction) =>
    report({ stage: 'read', fraction }),
  )
  const { items, features } = preferences
  const choices = request.welfare === undefined ? null : choicesOf(request, preferences)
  if (request.welfare !== undefined) {
    const { groups: ids, population } = preferences
    await checkExpression(request.welfare, { ids, population }, '/welfare')
  }
  const count = request.count ?? 10
  const groups = askable(request, preferences, model, count)
  const sizes = { groups: groups.length, items: items.length }
  observe('read', sizes)

  const fitting = inParts(2, (fraction) => report({ stage: 'fit', fraction }))
  const rewards = await fitted(preferences, groups, model, fitting(0))
  const known = groups.map((group, g) => {
    fitting(1)(g / groups.length)
    const own = rewards[g]
    if (own === null) return null
    const knowledge = knowledgeOf(own.fitted as FittedGroup, own.values, group.items, features, model)
    if (knowledge === null) throw singular(group.id)
    return knowledge
  })
  observe('fit', sizes)

  const { welfare } = request
  const planned = (fraction: number) => report({ stage: 'solve', fraction })
  planned(0)
  const plan =
    welfare === undefined || choices === null
      ? planByGroup(groups, known, items, count, planned)
      : await planForWinner(preferences, choices, welfare, groups, rewards, known, count, planned)
  observe('solve', sizes)
  const { variances, ...rest } = plan
  return {
    settings: {
      model: settings,
      count,
      ...(choices === null
        ? {}
        : { welfare, utility: choices.settings.utility, policy: choices.settings.policy }),
    },
    ...rest,
    groups: groups.map(({ id, data, items: own, broken }, g) => ({
      id,
      variance: variances[g],
      ...(broken.length === 0
        ? {}
        : { connectivity: namedConnectivity(connectivity(beatsOf(data.counts)), data.counts.items, items) }),
      unseenItems: unseenOf(data, own).map((item) => items[item]),
    })),
  }
}

/** @throws Problem `invalid-request` where questions cannot be planned under the model, or not for the welfare function */
function requirePlannable({ model, welfare, utility, policy }: QuestionsRequest): void {
  const errors: RequestError[] = []
  const refuse = (detail: string, ...steps: string[]) => errors.push({ pointer: pointer(...steps), detail })
  if ((model?.standardErrors ?? 'fisher') !== 'fisher') {
    const detail = 'must be fisher: questions are planned by what the model itself expects of an answer'
    refuse(detail, 'model', 'standardErrors')
  }
  if (model?.reliability !== undefined)
    refuse('must be left out: what an answer tells depends on who gives it', 'model', 'reliability')
  if (policy?.contexts !== undefined)
    refuse('must be left out: questions are planned for one policy over all items', 'policy', 'contexts')
  if (welfare === undefined) {
    const detail = 'has no meaning without a welfare function; leave it out'
    if (utility !== undefined) refuse(detail, 'utility')
    if (policy !== undefined) refuse(detail, 'policy')
  } else {
    if (welfare.function === 'pareto-front')
      refuse('must be one that chooses: a pareto-front has no winner', 'welfare', 'function')
    if (utility?.scale === 'win-probability')
      refuse('must be linear in the rewards, as win-probability is not', 'utility', 'scale')
    if (model?.prior?.kind === 'pooled') {
      const detail =
        'cannot be pooled together with a welfare function: the errors of groups must be independent'
      refuse(detail, 'model', 'prior', 'kind')
    }
  }
  if (errors.length > 0) throw invalidRequest(errors)
}

/**
 * What each group may be asked about: all items where they are declared, or where a model or a welfare function speaks of
 * all; otherwise those that it compared.
 *
 * @throws Problem `invalid-request` where there are no items to ask about, or too many for so many questions
 */
function askable(request: QuestionsRequest, preferences: Preferences, model: Model, count: number): Group[] {
  const { groups, items, features, source } = preferences
  if (source.kind !== 'comparisons') throw new Error('questions are asked about comparisons')
  const { prior } = model
  const at = pointer(request.items === undefined ? 'comparisons' : 'items')
  const all =
    request.items !== undefined ||
    request.welfare !== undefined ||
    features !== null ||
    prior.kind === 'pooled'
  const everything = items.map((_, i) => i)
  const found = source.groups.map((data, g): Group => {
    if (!data.named && features === null) {
      const detail =
        'bring feature differences of their own, so that nothing is known of what else could be compared: give items features'
      throw invalidRequest([{ pointer: '/comparisons', detail }])
    }
    const own = all ? everything : Array.from(data.counts.items)
    if (own.length > ITEM_LIMIT) {
      const detail = `questions are planned for at most ${ITEM_LIMIT} items a group, and "${groups[g]}" has ${own.length}`
      throw invalidRequest([{ pointer: at, detail }])
    }
    return { id: groups[g], data, items: own, broken: missingLinks(data, own, model) }
  })
  if (request.welfare !== undefined && groups.length * items.length ** 2 > TABLE_LIMIT) {
    const detail = `questions for a welfare function are planned for at most ${TABLE_LIMIT} groups × items², and there are ${groups.length} × ${items.length}²`
    throw invalidRequest([{ pointer: at, detail }])
  }
  const pairs =
    request.welfare !== undefined
      ? items.length ** 2
      : found.reduce((sum, group) => sum + group.items.length ** 2, 0)
  const most = Math.floor(WORK_LIMIT / pairs)
  if (count > most) {
    const detail = `must be at most ${most} for so many groups and items, and is ${count}: ask for fewer at a time`
    throw invalidRequest([{ pointer: '/count', detail }])
  }
  return found
}

/** What must be asked before the items that a group compared have a finite estimate. */
function missingLinks(data: GroupData, items: readonly number[], { prior }: Model): Link[] {
  if (data.features !== null || (prior.kind !== 'none' && prior.kind !== 'firth')) return []
  const whoever = prior.kind === 'firth'
  const { components, pieces } = connectivity(beatsOf(data.counts))
  return (whoever ? pieces : components.length) > 1
    ? connectingPairs(beatsOf(overItems(data.counts, items)), whoever)
    : []
}

/** The rewards of the groups that have an estimate; null for the others. */
async function fitted(
  preferences: Preferences,
  groups: readonly Group[],
  model: Model,
  done: Done,
): Promise<(GroupRewards | null)[]> {
  const whole = groups.filter(({ broken }) => broken.length === 0)
  const rewards =
    whole.length === 0
      ? []
      : await rewardsOf(
          {
            ...preferences,
            groups: whole.map(({ id }) => id),
            source: { kind: 'comparisons', groups: whole.map(({ data }) => data) },
          },
          model,
          0,
          done,
        )
  return groups.map((group) => rewards[whole.indexOf(group)] ?? null)
}

/** For each group the questions that lower the mean variance of its differences most. */
function planByGroup(
  groups: readonly Group[],
  known: readonly (Knowledge | null)[],
  items: readonly string[],
  count: number,
  done: Done,
): Plan {
  const byGroup = inParts(groups.length, done)
  const questions: Question[] = []
  const variances: Plan['variances'] = []
  groups.forEach((group, g) => {
    const knowledge = known[g]
    const links = knowledge === null ? group.broken : knowledge.links
    const { asked, left } = upTo(links, count)
    questions.push(...asked.map((link) => connecting(group, link, items)))
    if (knowledge === null || asked.length < links.length) {
      variances.push(null)
      return
    }
    const { covariance, information } = knowledge
    const design = newDesign(covariance, information, everyDifference(group.items.length))
    const before = design.loss
    for (const { i, j, times, gain } of planQuestions([design], left, byGroup(g))) {
      questions.push({
        group: group.id,
        items: [i, j].map((k) => items[group.items[k]]),
        times,
        gain: gain / before,
        reason: 'variance',
      })
    }
    variances.push({ before, after: design.loss })
  })
  return { questions, variances }
}

/** Over all groups the questions that lower the variance between the winner and its likeliest rivals most. */
async function planForWinner(
  preferences: Preferences,
  choices: Choices,
  welfare: Welfare,
  groups: readonly Group[],
  rewards: readonly (GroupRewards | null)[],
  known: readonly (Knowledge | null)[],
  count: number,
  done: Done,
): Promise<Plan> {
  const { items } = preferences
  const links = groups.flatMap((group, g) =>
    (known[g]?.links ?? group.broken).map((link) => ({ ...link, group })),
  )
  const { asked, left } = upTo(links, count)
  const questions: Question[] = asked.map((link) => connecting(link.group, link, items))
  const complete = known.filter((knowledge) => knowledge !== null)
  if (complete.length < groups.length) return { questions, variances: groups.map(() => null) }

  const aggregation = aggregationOf(
    preferences,
    choices,
    plainRewards(preferences, rewards as GroupRewards[]),
  )
  const { weights } = await optimumOf(aggregation, welfare, ruleOf(welfare, preferences.groups) as Rule)
  const sum = weights.reduce((a, b) => a + b)
  const factors = weights.map(
    (weight, g) => (weight / sum) * (aggregation.utilities[g].scaleFactor as number),
  )
  const parts = complete.map((knowledge, g) => ({ ...knowledge, factor: factors[g] }))
  const contest = contestOf(parts)
  const winner = {
    item: items[contest.winner],
    rivals: keyedById(
      items.filter((_, i) => i !== contest.winner),
      (k) => contest.better[k < contest.winner ? k : k + 1],
    ),
  }
  if (asked.length < links.length) return { questions, winner, variances: groups.map(() => null) }

  const designs = parts.map(({ covariance, information, factor }) =>
    newDesign(covariance, information, winnerAgainstRivals(contest, factor)),
  )
  const losses = designs.map(({ loss }) => loss)
  const before = losses.reduce((a, b) => a + b)
  for (const { design, i, j, times, gain } of planQuestions(designs, left, done)) {
    questions.push({
      group: groups[design].id,
      items: [items[i], items[j]],
      times,
      gain: gain / before,
      reason: 'winner',
    })
  }
  const after = designs.reduce((total, { loss }) => total + loss, 0)
  return {
    questions,
    winner,
    variance: { before, after },
    variances: designs.map(({ loss }, g) => ({ before: losses[g], after: loss })),
  }
}

/** The first links, as long as there are questions for them; a last one may be asked less often than it should. */
function upTo<T extends Link>(links: readonly T[], count: number): { asked: T[]; left: number } {
  const asked: T[] = []
  let left = count
  for (const link of links) {
    if (left === 0) break
    const times = Math.min(link.times, left)
    asked.push({ ...link, times })
    left -= times
  }
  return { asked, left }
}

function connecting({ id, items: own }: Group, { a, b, times }: Link, items: readonly string[]): Question {
  return { group: id, items: [items[own[a]], items[own[b]]], times, gain: null, reason: 'connects' }
}

/** The items that a group may be asked about and never compared. */
function unseenOf({ named, counts }: GroupData, items: readonly number[]): number[] {
  const seen = new Set(named ? counts.items : [])
  return items.filter((item) => !seen.has(item))
}

function singular(group: string): Problem {
  return new Problem(
    'not-converged',
    `The curvature of the likelihood of the group "${group}" is singular to rounding, so that nothing is known of how certain ` +
      'its estimate is: its comparisons, or their weights, differ by too many orders of magnitude.',
  )
}
