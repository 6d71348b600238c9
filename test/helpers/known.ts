import type { AggregateRequest } from '../../schemas/aggregate.ts'
import { seededRandom } from '../../src/engine/numeric/random.ts'
import { validate } from '../../src/service/validate.ts'
import { type Problem, requestOf } from './judge.ts'
import { drawMember, FAMILIES } from './welfare-functions.ts'

const plain: Problem = {
  rewards: { a: { x: 1, y: 0 }, b: { x: 0, y: 1 } },
  groups: [
    { id: 'a', population: 1 },
    { id: 'b', population: 1 },
  ],
  policy: { temperature: 0, reference: { x: 0.5, y: 0.5 } },
}

/** Whether the service takes such a request. */
function isKnown(request: AggregateRequest): boolean {
  try {
    validate('aggregate', request)
    return true
  } catch {
    return false
  }
}

/** Whether requests may have contexts, and constraints. */
export function knownFeatures(): { contexts: boolean; constraints: boolean } {
  const nash = { welfare: { function: 'nash' } }
  const contexts = [{ id: 'q', weight: 1, items: ['x', 'y'] }]
  return {
    contexts: isKnown(requestOf({ ...plain, policy: { ...plain.policy, contexts } }, nash)),
    constraints: isKnown(requestOf({ ...plain, constraints: [{ kind: 'ban', items: ['x'] }] }, nash)),
  }
}

/** The names of the welfare functions that requests may name, and of all else that they may not have. */
export function knownFamilies(): { known: string[]; missing: string[] } {
  const names = new Map(
    FAMILIES.map((family) => [family.name, isKnown(requestOf(plain, drawMember(family, seededRandom(1))))]),
  )
  const features = Object.entries(knownFeatures())
  const pick = (wanted: boolean) => [...names].filter(([, is]) => is === wanted).map(([name]) => name)
  return {
    known: pick(true),
    missing: [...pick(false), ...features.filter(([, is]) => !is).map(([name]) => name)],
  }
}
