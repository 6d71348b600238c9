import type { AggregateRequest, Settings } from '../../schemas/aggregate.ts'
import type { Model, ModelSettings } from '../../schemas/model.ts'
import type { DiscoverSettings } from './annotators/discover.ts'
import { keyedById } from './comparisons/ids.ts'
import { type Constraint, readConstraints } from './constraints.ts'
import { type Context, contextSettings, meanReference, onlyContext, readContexts } from './contexts.ts'
import type { Voters } from './fitted.ts'
import type { Needs } from './preferences.ts'
import { invalidRequest, pointer, type RequestError } from './problem.ts'
import type { Model as EngineModel } from './rewards/rewards.ts'
import type { Anchor } from './utilities/utilities.ts'

/** The model with every default filled in. */
export function modelSettings({ reliability, ...model }: Model = {}): ModelSettings {
  const settings: ModelSettings = {
    prior: { kind: 'none' },
    ties: 'half-win',
    positionEffect: false,
    standardErrors: 'fisher',
    ...model,
    ...(reliability === undefined ? {} : { reliability: reliabilitySettings(reliability, model) }),
  }
  if (settings.prior.kind === 'pooled' && settings.standardErrors !== 'fisher') {
    const detail =
      'must be fisher with a pooled prior: what is returned is a posterior, which has no sandwich. Use another prior for one'
    throw invalidRequest([{ pointer: '/model/standardErrors', detail }])
  }
  return settings
}

/**
 * How the reliability of annotators is estimated, with every default filled in.
 *
 * @throws Problem `invalid-request` where the rest of the model has no place for it
 */
function reliabilitySettings(
  given: NonNullable<Model['reliability']>,
  model: Omit<Model, 'reliability'>,
): ModelSettings['reliability'] {
  const reliability = { alpha: 10, beta: 1, starts: 5, ...given }
  const errors: RequestError[] = []
  const refuse = (member: string, detail: string) =>
    errors.push({ pointer: pointer('model', member), detail: `${detail}; leave reliability out for it` })
  if (reliability.alpha <= reliability.beta) {
    const detail =
      `must be larger than beta, and is ${reliability.alpha} where beta is ${reliability.beta}: otherwise nothing tells ` +
      'annotators who all mean what they say from annotators who all say the opposite'
    errors.push({ pointer: '/model/reliability/alpha', detail })
  }
  const { kind } = model.prior ?? { kind: 'none' }
  if (kind === 'firth' || kind === 'pooled')
    refuse(
      'prior',
      `cannot be ${kind} with reliability, which is estimated for each group with a prior of its own`,
    )
  if (model.ties === 'davidson')
    refuse('ties', 'must be half-win with reliability: the opposite of a tie is no outcome')
  if (model.positionEffect === true)
    refuse(
      'positionEffect',
      'must be false with reliability: to like what is shown first is no slip, and the two are not told apart',
    )
  if ((model.standardErrors ?? 'fisher') !== 'fisher')
    refuse(
      'standardErrors',
      'must be fisher with reliability: errors come from the curvature of the log-posterior',
    )
  if (errors.length > 0) throw invalidRequest(errors)
  return reliability
}

/**
 * How groups are to be discovered, with every default filled in; null where they are named.
 *
 * @throws Problem `invalid-request` where the model has no place for it
 */
export function discoverSettings(
  groups: AggregateRequest['groups'],
  { prior, standardErrors, reliability }: ModelSettings,
): DiscoverSettings | null {
  if (groups === undefined || Array.isArray(groups)) return null
  const errors: RequestError[] = []
  const refuse = (member: string, detail: string) =>
    errors.push({ pointer: pointer('model', member), detail: `${detail}; groups are to be discovered` })
  if (prior.kind === 'firth' || prior.kind === 'pooled')
    refuse('prior', `cannot be ${prior.kind}, which itself depends on what the groups are`)
  if (standardErrors === 'sandwich')
    refuse(
      'standardErrors',
      'cannot be sandwich, as it is annotators who belong to groups: use clustered, or fisher',
    )
  if (reliability !== undefined)
    refuse('reliability', 'must be left out, as it explains by slips what groups explain by taste')
  if (errors.length > 0) throw invalidRequest(errors)
  return { max: 6, starts: 10, ...groups.discover }
}

/** What a model needs of comparisons besides pair counts. */
export function needsOf(settings: ModelSettings, discover: DiscoverSettings | null = null): Needs {
  const { ties, positionEffect, standardErrors, reliability } = settings
  return {
    positions: positionEffect,
    judgements: standardErrors === 'clustered' || reliability !== undefined || discover !== null,
    groupsDiscovered: discover?.max ?? null,
    squares: standardErrors === 'sandwich',
    ties: ties === 'davidson',
    rankingFaults: rankingFaults(settings),
  }
}

/** What of a model has no meaning for rankings. */
function rankingFaults({ prior, positionEffect, reliability }: ModelSettings): RequestError[] {
  const faults: RequestError[] = []
  const refuse = (member: string, detail: string) =>
    faults.push({ pointer: pointer('model', member), detail })
  if (prior.kind === 'firth')
    refuse(
      'prior',
      'cannot be firth with rankings: that prior is worked out for comparisons of two items; pseudo-item does much the same',
    )
  if (positionEffect)
    refuse(
      'positionEffect',
      'must be false with rankings: they do not say in what order the items were shown',
    )
  if (reliability !== undefined)
    refuse('reliability', 'must be left out with rankings: it is for comparisons of two items')
  return faults
}

/** The model as the engine takes it. */
export function engineModel({ prior, reliability, ...rest }: ModelSettings): EngineModel {
  return {
    ...rest,
    reliability: reliability ?? null,
    prior:
      prior.kind === 'pooled'
        ? {
            kind: 'pooled',
            standardDeviation: prior.standardDeviation ?? null,
            populationDeviation: prior.populationDeviation ?? null,
          }
        : prior,
  }
}

/** The choices of a request, checked against its preferences and with every default filled in. */
export type Choices = {
  /** All of `settings` but the welfare function. */
  settings: Omit<Settings, 'welfare'>
  /** π, over all contexts; length n, sum 1. */
  reference: Float64Array
  /** β. */
  temperature: number
  contexts: readonly Context[]
  constraints: readonly Constraint[]
  anchor: Anchor
}

/** Win probabilities compare every item with every other. */
const WIN_PROBABILITY_LIMIT = 10_000

/**
 * Fills in the defaults of a request's model, utility, policy and constraints, and resolves what they name.
 *
 * @throws Problem `invalid-request`
 */
export function choicesOf(request: Omit<AggregateRequest, 'welfare'>, { groups, items }: Voters): Choices {
  const fitted = request.rewards === undefined
  if (!fitted && request.model !== undefined) {
    throw invalidRequest([
      { pointer: '/model', detail: 'has no meaning together with rewards: nothing is fitted. Leave it out.' },
    ])
  }
  const temperature = request.policy?.temperature ?? 0
  if (temperature !== 0 && temperature < 1e-6) {
    throw invalidRequest([
      { pointer: '/policy/temperature', detail: `must be 0 or from 1e-6 to 1e6, and is ${temperature}` },
    ])
  }
  const scale = request.utility?.scale ?? 'none'
  if (scale === 'win-probability' && items.length > WIN_PROBABILITY_LIMIT) {
    const detail = `win-probability is computed for at most ${WIN_PROBABILITY_LIMIT} items, and there are ${items.length}`
    throw invalidRequest([{ pointer: '/utility/scale', detail }])
  }
  const anchor = request.utility?.anchor ?? 'worst'
  const given = request.policy?.contexts
  const own = referenceOf(request.policy?.reference, items)
  const contexts = given === undefined ? onlyContext(own) : readContexts(given, items, own, groups.length)
  const discovered = request.groups !== undefined && !Array.isArray(request.groups)
  const named = readConstraints(
    request.constraints ?? [],
    discovered ? null : groups,
    items,
    contexts,
    given !== undefined,
  )
  return {
    settings: {
      ...(fitted ? { model: modelSettings(request.model) } : {}),
      utility: { scale, anchor },
      policy: {
        temperature,
        reference: keyedById(items, (i) => own[i]),
        ...(given === undefined ? {} : { contexts: contextSettings(contexts, items) }),
      },
      mode: request.mode ?? 'ex-ante',
      ...(request.constraints === undefined ? {} : { constraints: named.settings }),
      seed: request.seed ?? 0,
    },
    reference: given === undefined ? own : meanReference(contexts, items.length),
    temperature,
    contexts,
    constraints: named.constraints,
    anchor: typeof anchor === 'string' ? anchor : { item: itemOf(anchor.item, items) },
  }
}

function itemOf(id: string, items: readonly string[]): number {
  const item = items.indexOf(id)
  if (item < 0)
    throw invalidRequest([
      { pointer: '/utility/anchor/item', detail: `"${id}" is not an item of the request` },
    ])
  return item
}

function referenceOf(given: Record<string, number> | undefined, items: readonly string[]): Float64Array {
  if (given === undefined) return new Float64Array(items.length).fill(1 / items.length)
  const known = new Set(items)
  const errors: RequestError[] = []
  const fail = (detail: string, ...steps: string[]) =>
    errors.push({ pointer: pointer('policy', 'reference', ...steps), detail })
  for (const id of Object.keys(given)) if (!known.has(id)) fail(`"${id}" is not an item of the request`, id)
  for (const id of items)
    if (!Object.hasOwn(given, id)) fail('is missing: the reference policy names every item', id)
  if (errors.length === 0) {
    let sum = 0
    for (const id of items) sum += given[id]
    if (Math.abs(sum - 1) > 1e-6) fail(`must sum to 1 within 1e-6, and sums to ${sum}`)
    else return Float64Array.from(items, (id) => given[id] / sum)
  }
  throw invalidRequest(errors)
}
