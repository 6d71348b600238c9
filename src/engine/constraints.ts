import type { Constraint as Given } from '../../schemas/constraints.ts'
import type { Context } from './contexts.ts'
import { invalidRequest, pointer, type RequestError } from './problem.ts'

/** A constraint of a request, with its name, and groups, items and context as indices. */
export type Constraint = { name: string; context: number | null } & (
  | { kind: 'floor'; group: number; minimum: number | null; shareOfBest: number | null }
  | { kind: 'ceiling'; costs: Float64Array; maximum: number }
  | { kind: 'ban'; items: Int32Array }
  | { kind: 'minimum-share'; items: Int32Array; minimum: number }
)

/**
 * Reads the constraints of a request, and gives those without a name one.
 *
 * @returns what the engine needs, and the request's own with their names
 * @throws Problem `invalid-request` where names repeat, a group, item or context is unknown, a floor has no limit or two, or
 *   bans leave a context nothing
 */
export function readConstraints(
  given: readonly Given[],
  groups: readonly string[] | null,
  items: readonly string[],
  contexts: readonly Context[],
  contextsGiven: boolean,
): { constraints: Constraint[]; settings: Given[] } {
  const errors: RequestError[] = []
  const fail = (k: number, detail: string, ...steps: (string | number)[]) =>
    errors.push({ pointer: pointer('constraints', k, ...steps), detail })
  const itemIndex = new Map(items.map((id, i) => [id, i]))
  const names = new Set<string>()

  const settings = given.map((constraint, k) => {
    const name = constraint.name ?? `${constraint.kind} ${k + 1}`
    if (names.has(name)) fail(k, `"${name}" is the name of another constraint too`, 'name')
    names.add(name)
    return { ...constraint, name }
  })
  const constraints = settings.map(resolved)
  if (errors.length === 0) requireChoice()
  if (errors.length > 0) throw invalidRequest(errors)
  return { constraints, settings }

  function resolved(constraint: (typeof settings)[number], k: number): Constraint {
    const common = { name: constraint.name, context: contextOf(constraint.context, k) }
    switch (constraint.kind) {
      case 'floor': {
        const { minimum, shareOfBest } = constraint
        if (minimum === undefined && shareOfBest === undefined)
          fail(k, 'needs a limit: give minimum, in utilities, or shareOfBest')
        if (minimum !== undefined && shareOfBest !== undefined)
          fail(k, 'has no meaning together with minimum; give one of the two', 'shareOfBest')
        const group = groupOf(constraint.group, k)
        return {
          ...common,
          kind: 'floor',
          group,
          minimum: minimum ?? null,
          shareOfBest: shareOfBest ?? null,
        }
      }
      case 'ceiling': {
        const costs = new Float64Array(items.length)
        for (const [id, cost] of Object.entries(constraint.costs)) {
          const item = itemIndex.get(id)
          if (item === undefined) fail(k, `"${id}" is not an item of the request`, 'costs', id)
          else costs[item] = cost
        }
        return { ...common, kind: 'ceiling', costs, maximum: constraint.maximum }
      }
      case 'ban':
        return { ...common, kind: 'ban', items: itemsOf(constraint.items, k) }
      case 'minimum-share': {
        const { minimum } = constraint
        return { ...common, kind: 'minimum-share', items: itemsOf(constraint.items, k), minimum }
      }
    }
  }

  function contextOf(id: string | undefined, k: number): number | null {
    if (id === undefined) return null
    const found = contextsGiven ? contexts.findIndex((context) => context.id === id) : -1
    if (found < 0) fail(k, `"${id}" is not a context of policy.contexts`, 'context')
    return found
  }

  function groupOf(id: string, k: number): number {
    if (groups === null) {
      fail(k, 'cannot be named: groups are to be discovered, and nobody knows yet which there are', 'group')
      return -1
    }
    const found = groups.indexOf(id)
    if (found < 0) fail(k, `"${id}" is not a group of the request`, 'group')
    return found
  }

  function itemsOf(ids: readonly string[], k: number): Int32Array {
    const found = new Set<number>()
    ids.forEach((id, place) => {
      const item = itemIndex.get(id)
      if (item === undefined) fail(k, `"${id}" is not an item of the request`, 'items', place)
      else if (found.has(item)) fail(k, `"${id}" is listed twice`, 'items', place)
      else found.add(item)
    })
    return Int32Array.from(found)
  }

  function requireChoice(): void {
    contexts.forEach(({ id, items: own }, q) => {
      const left = new Set(own)
      constraints.forEach((constraint, k) => {
        if (constraint.kind !== 'ban' || (constraint.context ?? q) !== q || left.size === 0) return
        for (const item of constraint.items) left.delete(item)
        const where = contextsGiven ? `the context "${id}"` : 'the policy'
        if (left.size === 0) fail(k, `leaves ${where} no item to choose`, 'items')
      })
    })
  }
}
