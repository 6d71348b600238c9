import { invalidRequest, pointer } from '../problem.ts'

/** Names turned into integers 0 … n−1. A closed set was declared in the request and takes no further names. */
export type Ids = { names: string[]; index: Map<string, number>; closed: boolean }

/** An empty, open set of ids. */
export function openIds(): Ids {
  return { names: [], index: new Map(), closed: false }
}

/** The set of exactly these ids, in this order. */
export function closedIds(names: string[]): Ids {
  return { names, index: new Map(names.map((name, k) => [name, k])), closed: true }
}

/** Utilities and rewards are G × n tables, several of them, and all are returned by name. */
const TABLE_LIMIT = 2_000_000

/**
 * Refuses more groups × items than can be answered, before anything of that size is computed.
 *
 * @param member the member of the request that names them
 * @throws Problem `invalid-request`
 */
export function requireTable(groups: number, items: number, member: string): void {
  if (groups * items <= TABLE_LIMIT) return
  const detail = `has ${groups} groups × ${items} items; at most ${TABLE_LIMIT} such entries are supported`
  throw invalidRequest([{ pointer: pointer(member), detail }])
}

/** What is wrong with a would-be id, or null where it is fine: 1–256 characters of valid Unicode, none a control character. */
export function idFault(value: unknown): string | null {
  if (value === undefined) return 'is required'
  if (typeof value !== 'string') return 'must be a string'
  if (value.length === 0) return 'must not be empty'
  // Characters are code points, as in JSON Schema; counting them is needed only where there may be too many.
  const length = value.length > 256 ? Array.from(value).length : value.length
  if (length > 256) return `must have at most 256 characters, and has ${length}`
  if (/\p{Cc}/u.test(value)) return 'must not contain control characters'
  if (!value.isWellFormed()) return 'must be valid Unicode, and holds half a surrogate pair'
  return null
}

/**
 * Sorts an open set by name (UTF-16 code units), so that what is computed does not depend on the order of the rows.
 *
 * @returns for each old integer the new one
 */
export function sortIds(ids: Ids): Int32Array {
  const order = ids.names.map((_, k) => k).sort((a, b) => (ids.names[a] < ids.names[b] ? -1 : 1))
  const renumbered = new Int32Array(order.length)
  order.forEach((old, k) => {
    renumbered[old] = k
  })
  ids.names = order.map((old) => ids.names[old])
  ids.index = new Map(ids.names.map((name, k) => [name, k]))
  return renumbered
}

/** A map keyed by ids that any id, `__proto__` included, can be written to, and that JSON.stringify writes out. */
export function keyedById<T>(names: readonly string[], value: (k: number) => T): Record<string, T> {
  const map: Record<string, T> = {}
  for (let k = 0; k < names.length; k++) {
    // To assign this one would set the prototype, and the member would be lost.
    if (names[k] === '__proto__') define(map, names[k], value(k))
    else map[names[k]] = value(k)
  }
  return map
}

function define<T>(map: Record<string, T>, name: string, value: T): void {
  Object.defineProperty(map, name, { value, enumerable: true, configurable: true, writable: true })
}
