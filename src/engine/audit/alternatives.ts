import type { UtilitySettings } from '../../../schemas/policy.ts'
import type { Welfare } from '../../../schemas/welfare.ts'
import { aggregationOf } from '../aggregate.ts'
import type { Aggregation } from '../answers/aggregation.ts'
import { type Done, untold } from '../parts.ts'
import { Problem } from '../problem.ts'
import type { Anchor } from '../utilities/utilities.ts'
import { type Situation, situationOf } from './situation.ts'

/** The choices that a request makes. */
export type Choice = 'function' | 'scale' | 'anchor' | 'population' | 'temperature' | 'constraints'

/** The request with one choice made otherwise, solved on the same fit. */
export type Alternative = {
  choice: Choice
  /** What was chosen instead, in the words of a request. */
  instead: string
  /** Null where that has no answer. */
  situation: Situation | null
  /** Why it has none. */
  refusal: string | null
}

type Scale = UtilitySettings['scale']

const SCALES: readonly Scale[] = ['none', 'unit-range', 'standard-deviation', 'win-probability']
const ANCHORS = ['worst', 'zero', 'reference'] as const
const FUNCTIONS = ['utilitarian', 'nash', 'maximin'] as const

/** Utilities on one scale and from one anchor, and what follows from them. */
export type Rescaled = Omit<Alternative, 'choice' | 'instead'> & {
  scale: Scale
  anchor: UtilitySettings['anchor']
  /** Whether it is the request's own scale and anchor. */
  own: boolean
}

/**
 * The same under every scale and anchor; an item's anchor is among them where the request has one.
 *
 * @param done told which part of them has been solved
 */
export async function rescaled(situation: Situation, done: Done = untold): Promise<Rescaled[]> {
  const { aggregation, welfare } = situation
  const { settings } = aggregation.choices
  const anchors =
    typeof settings.utility.anchor === 'string' ? ANCHORS : [...ANCHORS, settings.utility.anchor]
  const table: Rescaled[] = []
  for (const scale of SCALES) {
    for (const anchor of anchors) {
      done(table.length / (SCALES.length * anchors.length))
      const own = scale === settings.utility.scale && anchor === settings.utility.anchor
      const solved = own
        ? { situation, refusal: null }
        : await attempt(() => situationOf(withUtility(aggregation, scale, anchor), welfare))
      table.push({ scale, anchor, own, ...solved })
    }
  }
  return table
}

/**
 * The request with each of its choices made otherwise, one at a time: other functions, scales and anchors, equal
 * populations, temperature 0, no constraints.
 *
 * @param table what {@link rescaled} found
 */
export async function alternativesTo(
  situation: Situation,
  table: readonly Rescaled[],
): Promise<Alternative[]> {
  const { aggregation, welfare } = situation
  const { preferences, choices, rewards, problem } = aggregation
  const { utility } = choices.settings
  const list: Alternative[] = []
  const add = async (choice: Choice, instead: string, changed: Aggregation, other = welfare) => {
    list.push({ choice, instead, ...(await attempt(() => situationOf(changed, other))) })
  }
  for (const name of FUNCTIONS) {
    const other: Welfare = { function: name }
    if (name !== welfare.function) await add('function', name, aggregation, other)
  }
  for (const { scale, anchor, situation, refusal } of table) {
    if (anchor === utility.anchor && scale !== utility.scale)
      list.push({ choice: 'scale', instead: scale, situation, refusal })
    if (scale === utility.scale && anchor !== utility.anchor)
      list.push({ choice: 'anchor', instead: wordOf(anchor), situation, refusal })
  }
  const { groups } = preferences
  const equal = new Float64Array(groups.length).fill(1 / groups.length)
  if (preferences.population.some((n) => Math.abs(n * groups.length - 1) > 1e-9))
    await add(
      'population',
      'equal populations',
      aggregationOf({ ...preferences, population: equal }, choices, rewards),
    )
  if (problem.temperature > 0) {
    const policy = { ...choices.settings.policy, temperature: 0 }
    const cold = { ...choices, temperature: 0, settings: { ...choices.settings, policy } }
    await add('temperature', '0', aggregationOf(preferences, cold, rewards))
  }
  const { constraints, ...others } = choices.settings
  const free = { ...choices, constraints: [], settings: others }
  if (constraints !== undefined) await add('constraints', 'none', aggregationOf(preferences, free, rewards))
  return list
}

/** An anchor in words. */
export function wordOf(anchor: UtilitySettings['anchor']): string {
  return typeof anchor === 'string' ? anchor : `the item "${anchor.item}"`
}

function withUtility(
  { preferences, choices, rewards }: Aggregation,
  scale: Scale,
  anchor: UtilitySettings['anchor'],
): Aggregation {
  const resolved: Anchor = typeof anchor === 'string' ? anchor : choices.anchor
  const settings = { ...choices.settings, utility: { scale, anchor } }
  return aggregationOf(preferences, { ...choices, settings, anchor: resolved }, rewards)
}

async function attempt(solve: () => Promise<Situation>): Promise<Pick<Alternative, 'situation' | 'refusal'>> {
  try {
    return { situation: await solve(), refusal: null }
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return { situation: null, refusal: error.message }
  }
}
