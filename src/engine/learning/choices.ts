import type { LearnRequest } from '../../../schemas/learn.ts'
import { closedIds, type Ids, idFault } from '../comparisons/ids.ts'
import { invalidRequest, MAX_ERRORS, pointer, type RequestError } from '../problem.ts'

/** Choices between two vectors of utilities, with ids turned into integers; equal ones are one, K of them. */
export type Choices = {
  /** Ids of the groups, G of them: in the order declared, else sorted. */
  groups: readonly string[]
  /** log x of what was preferred, K × G, row-major. */
  preferred: Float64Array
  /** log y of what was rejected, K × G. */
  rejected: Float64Array
  /** Σ count · weight; length K. */
  mass: Float64Array
  /** Σ count. */
  made: number
  /** Whether some weight is not 1. */
  weighted: boolean
}

/** Utilities farther apart than this factor would make powers of them overflow. */
const FARTHEST = 1e12
/** Fits visit every choice, and every pair of groups in it, some ten thousand times. */
const WORK = 200_000

/**
 * Reads the choices of a request, and adds equal ones together.
 *
 * @throws Problem `invalid-request`
 */
export function readChoices({ groups: declared, choices }: LearnRequest): Choices {
  const errors: RequestError[] = []
  const fail = (detail: string, ...steps: (string | number)[]) => {
    errors.push({ pointer: pointer(...steps), detail })
    if (errors.length === MAX_ERRORS) throw invalidRequest(errors)
  }
  const { names } = groupsOf(declared, choices, fail)
  const extremes = { low: Number.POSITIVE_INFINITY, high: 0 }
  const read = (side: 'preferred' | 'rejected', k: number): number[] => {
    const given = choices[k][side]
    for (const id of Object.keys(given))
      if (!names.includes(id)) fail(`"${id}" is not a group of the other choices`, 'choices', k, side, id)
    return names.map((id) => {
      const value = Object.hasOwn(given, id) ? given[id] : undefined
      if (value === undefined)
        fail('is missing: every choice has the utilities of all groups', 'choices', k, side, id)
      else if (!(value > 0)) {
        const detail = `must be above 0, and is ${value}: power means are of positive utilities. Count them from a lower anchor`
        fail(detail, 'choices', k, side, id)
      } else {
        extremes.low = Math.min(extremes.low, value)
        extremes.high = Math.max(extremes.high, value)
      }
      return Math.log(value ?? 1)
    })
  }
  const merged = new Map<string, { preferred: number[]; rejected: number[]; mass: number }>()
  let made = 0
  let weighted = false
  choices.forEach(({ count = 1, weight = 1 }, k) => {
    const preferred = read('preferred', k)
    const rejected = read('rejected', k)
    const key = [...preferred, ...rejected].join()
    const known = merged.get(key)
    if (known === undefined) merged.set(key, { preferred, rejected, mass: count * weight })
    else known.mass += count * weight
    made += count
    weighted ||= weight !== 1
  })
  if (errors.length > 0) throw invalidRequest(errors)
  if (extremes.high > FARTHEST * extremes.low) {
    const detail = `has utilities from ${extremes.low} to ${extremes.high}; they may differ by a factor of ${FARTHEST} at most`
    throw invalidRequest([{ pointer: '/choices', detail }])
  }
  const list = Array.from(merged.values())
  if (list.length * names.length ** 2 > WORK) {
    const detail = `has ${list.length} different choices between utilities of ${names.length} groups; at most ${WORK} choices × groups² are fitted`
    throw invalidRequest([{ pointer: '/choices', detail }])
  }
  return {
    groups: names,
    preferred: Float64Array.from(list.flatMap(({ preferred }) => preferred)),
    rejected: Float64Array.from(list.flatMap(({ rejected }) => rejected)),
    mass: Float64Array.from(list, ({ mass }) => mass),
    made,
    weighted,
  }
}

/** The groups that are declared, or else those of the first choice, sorted. */
function groupsOf(
  declared: LearnRequest['groups'],
  choices: LearnRequest['choices'],
  fail: (detail: string, ...steps: (string | number)[]) => void,
): Ids {
  if (declared !== undefined) {
    const ids = declared.map(({ id }) => id)
    ids.forEach((id, k) => {
      const fault = idFault(id) ?? (ids.indexOf(id) < k ? `"${id}" is declared twice` : null)
      if (fault !== null) fail(fault, 'groups', k, 'id')
    })
    return closedIds(ids)
  }
  const ids = Object.keys(choices[0].preferred).sort((a, b) => (a < b ? -1 : 1))
  if (ids.length === 0) fail('must hold the utility of at least one group', 'choices', 0, 'preferred')
  for (const id of ids) {
    const fault = idFault(id)
    if (fault !== null) fail(fault, 'choices', 0, 'preferred', id)
  }
  return closedIds(ids)
}
