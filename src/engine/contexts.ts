import type { Policy, PolicySettings } from '../../schemas/policy.ts'
import { keyedById } from './comparisons/ids.ts'
import { invalidRequest, pointer, type RequestError } from './problem.ts'

/** A situation in which a policy chooses, with items as indices. */
export type Context = {
  id: string
  /** w_q; the weights of all contexts sum to 1. */
  weight: number
  /** What can be chosen, in the order in which the request lists it. */
  items: Int32Array
  /** π^q over these items, sum 1. */
  reference: Float64Array
}

/** Every group has a utility of every item of every context. */
const TABLE_LIMIT = 20_000_000

/** The one context of all items that there is unless a request names others. */
export function onlyContext(reference: Float64Array): Context[] {
  return [{ id: '', weight: 1, items: Int32Array.from(reference.keys()), reference }]
}

/**
 * Reads the contexts of a request.
 *
 * @param reference the policy's own π, over all items
 * @throws Problem `invalid-request` where ids repeat or are unknown, some contexts have weights and others none, or a
 *   reference does not fit
 */
export function readContexts(
  given: NonNullable<Policy['contexts']>,
  items: readonly string[],
  reference: Float64Array,
  groups: number,
): Context[] {
  const index = new Map(items.map((id, i) => [id, i]))
  const errors: RequestError[] = []
  const at = (...steps: (string | number)[]) => pointer('policy', 'contexts', ...steps)
  const seen = new Set<string>()
  const weighted = given.filter(({ weight }) => weight !== undefined).length
  const total = given.reduce((sum, { weight = 1 }) => sum + weight, 0)
  const contexts = given.map((context, q): Context => {
    if (seen.has(context.id))
      errors.push({ pointer: at(q, 'id'), detail: `"${context.id}" is the id of another context too` })
    seen.add(context.id)
    if (context.weight === undefined && weighted > 0) {
      const detail = 'is required: other contexts have a weight, and all have one or none has'
      errors.push({ pointer: at(q, 'weight'), detail })
    }
    const own = context.items === undefined ? items.map((_, i) => i) : itemsOf(context.items, q)
    return {
      id: context.id,
      weight: (context.weight ?? 1) / total,
      items: Int32Array.from(own),
      reference: context.reference === undefined ? restricted(own) : referenceIn(context.reference, own, q),
    }
  })
  const columns = contexts.reduce((sum, context) => sum + context.items.length, 0)
  if (groups * columns > TABLE_LIMIT) {
    const detail = `have ${columns} items in all, which are ${groups * columns} with ${groups} groups; at most ${TABLE_LIMIT} are supported`
    errors.push({ pointer: at(), detail })
  }
  if (errors.length > 0) throw invalidRequest(errors)
  return contexts

  function itemsOf(ids: readonly string[], q: number): number[] {
    const own = new Set<number>()
    ids.forEach((id, k) => {
      const item = index.get(id)
      if (item === undefined)
        errors.push({ pointer: at(q, 'items', k), detail: `"${id}" is not an item of the request` })
      else if (own.has(item)) errors.push({ pointer: at(q, 'items', k), detail: `"${id}" is listed twice` })
      else own.add(item)
    })
    return Array.from(own)
  }

  function restricted(own: readonly number[]): Float64Array {
    const sum = own.reduce((total, i) => total + reference[i], 0)
    return Float64Array.from(own, (i) => reference[i] / sum)
  }

  function referenceIn(given: Record<string, number>, own: readonly number[], q: number): Float64Array {
    const before = errors.length
    const known = new Set(own.map((i) => items[i]))
    for (const id of Object.keys(given)) {
      if (!known.has(id))
        errors.push({ pointer: at(q, 'reference', id), detail: `"${id}" is not an item of the context` })
    }
    for (const id of known) {
      if (!Object.hasOwn(given, id)) {
        const detail = 'is missing: the reference of a context names every item of it'
        errors.push({ pointer: at(q, 'reference', id), detail })
      }
    }
    if (errors.length > before) return new Float64Array(own.length)
    const sum = own.reduce((total, i) => total + given[items[i]], 0)
    if (Math.abs(sum - 1) > 1e-6)
      errors.push({ pointer: at(q, 'reference'), detail: `must sum to 1 within 1e-6, and sums to ${sum}` })
    return Float64Array.from(own, (i) => given[items[i]] / sum)
  }
}

/** How often the reference policy chooses each item over all contexts; length n, sum 1. */
export function meanReference(contexts: readonly Context[], items: number): Float64Array {
  const mean = new Float64Array(items)
  for (const { weight, items: own, reference } of contexts)
    own.forEach((item, k) => {
      mean[item] += weight * reference[k]
    })
  return mean
}

/** The contexts with every default filled in. */
export function contextSettings(
  contexts: readonly Context[],
  items: readonly string[],
): NonNullable<PolicySettings['contexts']> {
  return contexts.map(({ id, weight, items: own, reference }) => {
    const names = Array.from(own, (i) => items[i])
    return { id, weight, items: names, reference: keyedById(names, (k) => reference[k]) }
  })
}
