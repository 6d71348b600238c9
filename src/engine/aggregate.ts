import type {
  AggregateRequest,
  AggregateResponse,
  CompareRequest,
  CompareResponse,
} from '../../schemas/aggregate.ts'
import type { Welfare } from '../../schemas/welfare.ts'
import { requireAnswerable } from './answerable.ts'
import { type Aggregation, sizesOf } from './answers/aggregation.ts'
import { describeFront } from './answers/front.ts'
import { describeExPost, describeOptimum } from './answers/optimum.ts'
import {
  belowAnchorProblem,
  conflictProblem,
  noGainsProblem,
  outOfDomainProblem,
} from './answers/refusals.ts'
import { type Fitted, fitPreferences, type Memory, NO_MEMORY, type Rewards, type Voters } from './fitted.ts'
import { type Done, inParts, untold } from './parts.ts'
import { Conflict, pose } from './pose.ts'
import { type Preferences, readPreferences } from './preferences.ts'
import { pointer } from './problem.ts'
import { type Choices, choicesOf, discoverSettings, engineModel, modelSettings, needsOf } from './settings.ts'
import { utilitiesOf } from './utilities/utilities.ts'
import { pooledMember } from './voting/pooled.ts'
import { checkExpression } from './welfare/custom/custom.ts'
import { OutOfDomain } from './welfare/custom/start.ts'
import { BelowAnchor } from './welfare/ex-post.ts'
import { paretoFront } from './welfare/front/pareto-front.ts'
import { NoGains } from './welfare/gains.ts'
import type { Optimum, WelfareProblem } from './welfare/problem.ts'
import { type ExPostRule, exPostRuleOf, type Rule, ruleOf } from './welfare/rule.ts'

/** The stages of an aggregation, announced as each ends to whoever wants to time them. */
export type Stage = 'read' | 'fit' | 'solve'
export type Observer = (stage: Stage, sizes: { groups: number; items: number }) => void

/** How far work has come: the stage that it is in, and the part of this stage that is done, from 0 to 1. */
export type Progress = { stage: Stage; fraction: number }
/** Told of progress while it is made, often enough to watch: some hundreds of times at most a stage. */
export type Reporter = (progress: Progress) => void

/**
 * From preferences to the weights, policy and aggregated reward that are optimal under one welfare function.
 *
 * @throws Problem
 */
export async function aggregate(
  request: AggregateRequest,
  observe: Observer = () => {},
  report: Reporter = () => {},
  memory: Memory = NO_MEMORY,
): Promise<AggregateResponse> {
  const { results, ...beside } = await answersTo(
    request,
    [request.welfare],
    () => ['welfare'],
    observe,
    report,
    memory,
  )
  return { ...results[0], ...beside }
}

/**
 * The same for several welfare functions, on one fit.
 *
 * @throws Problem
 */
export async function compare(
  request: CompareRequest,
  observe: Observer = () => {},
  report: Reporter = () => {},
  memory: Memory = NO_MEMORY,
): Promise<CompareResponse> {
  return answersTo(request, request.welfare, (k) => ['welfare', k], observe, report, memory)
}

async function answersTo(
  request: Omit<CompareRequest, 'welfare'>,
  welfare: readonly Welfare[],
  at: (k: number) => (string | number)[],
  observe: Observer,
  report: Reporter,
  memory: Memory,
): Promise<CompareResponse> {
  report({ stage: 'read', fraction: 0 })
  const settings = modelSettings(request.model)
  const model = engineModel(settings)
  requireAnswerable(request, welfare, at)
  const discover = discoverSettings(request.groups, settings)
  const reading = (fraction: number) => report({ stage: 'read', fraction })
  const read = memory.same ?? readPreferences(request, needsOf(settings, discover), reading)
  const choices = choicesOf(request, read)
  const { seed } = choices.settings
  const known = discover === null ? { ids: read.groups, population: read.population } : null
  for (const [k, each] of welfare.entries()) await checkExpression(each, known, pointer(...at(k)))
  observe('read', sizesOf(read))

  const fitted = 'rewards' in read ? read : await fit(read)
  const sizes = sizesOf(fitted)
  observe('fit', sizes)

  const parts = inParts(1 + welfare.length, (fraction) => report({ stage: 'solve', fraction }))
  const aggregation = aggregationOf(fitted, choices, fitted.rewards, parts(0))
  const results: AggregateResponse[] = []
  for (const each of welfare) {
    const solved = parts(1 + results.length)
    solved(0)
    results.push(await answerOf(aggregation, each, solved))
  }
  observe('solve', sizes)
  return { results, ...fitted.discovery, ...pooledMember(fitted.items, fitted.heap, results) }

  async function fit(preferences: Preferences): Promise<Fitted> {
    const done = (fraction: number) => report({ stage: 'fit', fraction })
    done(0)
    const found = await fitPreferences(preferences, model, discover, seed, memory.before, done)
    memory.keep(found)
    return found
  }
}

/** The answer of one welfare function. */
async function answerOf(
  aggregation: Aggregation,
  welfare: Welfare,
  solved: (fraction: number) => void,
): Promise<AggregateResponse> {
  const { mode, seed } = aggregation.choices.settings
  if (mode === 'ex-post') {
    const rule = exPostRuleOf(welfare) as ExPostRule
    return describeExPost(aggregation, welfare, await named(aggregation, welfare, rule))
  }
  const rule = ruleOf(welfare, aggregation.preferences.groups)
  if (rule === null) return describeFront(aggregation, paretoFront(aggregation.problem, seed, solved))
  return describeOptimum(aggregation, welfare, await optimumOf(aggregation, welfare, rule))
}

/**
 * The utilities that follow from rewards, and the problem that they pose.
 *
 * @param done told which part of the groups has its utilities
 * @throws Problem `constraints-conflict`
 */
export function aggregationOf(
  preferences: Voters,
  choices: Choices,
  rewards: Rewards[],
  done: Done = untold,
): Aggregation {
  const { population } = preferences
  const { reference, temperature, anchor, contexts, constraints } = choices
  const { scale } = choices.settings.utility
  const situations = choices.settings.policy.contexts === undefined ? null : contexts
  const utilities = rewards.map((group, g) => {
    done(g / rewards.length)
    return utilitiesOf(group, scale, anchor, reference, situations)
  })
  try {
    const values = utilities.map((group) => group.values)
    const { problem, ...posed } = pose({ utilities: values, population, temperature, contexts, constraints })
    return { preferences, choices, rewards, utilities, problem, ...posed }
  } catch (error) {
    throw error instanceof Conflict ? conflictProblem(choices, error) : error
  }
}

/**
 * The optimum of one welfare function.
 *
 * @throws Problem that tells in the names of the request why there is none
 */
export async function optimumOf(aggregation: Aggregation, welfare: Welfare, rule: Rule): Promise<Optimum> {
  return named(aggregation, welfare, rule)
}

/** What a rule chooses, with its refusals told in the names of the request. */
async function named<T>(
  aggregation: Aggregation,
  welfare: Welfare,
  rule: (problem: WelfareProblem) => T | Promise<T>,
): Promise<T> {
  try {
    return await rule(aggregation.problem)
  } catch (error) {
    if (error instanceof NoGains) throw noGainsProblem(aggregation, welfare, error)
    if (error instanceof OutOfDomain) throw outOfDomainProblem(aggregation, welfare, error)
    throw error instanceof BelowAnchor ? belowAnchorProblem(aggregation, welfare, error) : error
  }
}
