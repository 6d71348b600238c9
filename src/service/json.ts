import { pointer } from '../engine/problem.ts'
import { ServiceProblem } from './problems.ts'

/**
 * A body has at most this many objects and arrays, and one more for so many bytes. A request has fewer (the shortest,
 * `{"id":"a"},`, takes 11 bytes); a body of brackets alone would take thirty times its size in memory.
 */
const CONTAINERS = { least: 1000, bytes: 10 }

/**
 * Reads a JSON body (RFC 8259) in UTF-8, with or without a byte order mark. An object that has a member twice is
 * refused: JSON.parse would drop the first of the two, and somebody's preferences with it.
 *
 * @throws ServiceProblem `malformed-body`
 */
export function parseJson(body: Uint8Array): unknown {
  if (body.byteLength === 0) throw malformed('', 'is empty; send a JSON object')
  const text = decode(body)
  // As a rule the only brackets and colons are those of the structure, and to find them all is the faster by far.
  const most = CONTAINERS.least + body.byteLength / CONTAINERS.bytes
  if (occurrences(text, '{') + occurrences(text, '[') > most && structureOf(body).containers > most) {
    throw malformed('', 'has more brackets than a request of its size can need')
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw malformed('', `is not JSON: ${(error as Error).message}`)
  }
  const kept = membersOf(value)
  if (occurrences(text, ':') !== kept && structureOf(body).members !== kept) {
    throw malformed(repeatedMember(text), 'is there twice; an object has each member once')
  }
  return value
}

function decode(body: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    throw malformed('', 'is not UTF-8')
  }
}

function malformed(path: string, detail: string): ServiceProblem {
  return new ServiceProblem('malformed-body', `${path || 'The body'} ${detail}.`, [{ pointer: path, detail }])
}

function occurrences(text: string, character: string): number {
  let count = 0
  for (let k = text.indexOf(character); k >= 0; k = text.indexOf(character, k + 1)) count++
  return count
}

/** How many members, and how many objects and arrays, a text has: its colons and opening brackets outside strings. */
function structureOf(text: Uint8Array): { members: number; containers: number } {
  const [quote, backslash, colon, brace, bracket] = Buffer.from('"\\:{[')
  let members = 0
  let containers = 0
  for (let k = 0; k < text.length; k++) {
    if (text[k] === colon) members++
    else if (text[k] === brace || text[k] === bracket) containers++
    else if (text[k] === quote) {
      k++
      while (k < text.length && text[k] !== quote) k += text[k] === backslash ? 2 : 1
    }
  }
  return { members, containers }
}

/** How many members the objects in a parsed value have. */
function membersOf(value: unknown): number {
  let members = 0
  const open = [value]
  // Not by recursion, which a body of many brackets would exhaust.
  while (open.length > 0) {
    const next = open.pop()
    if (typeof next !== 'object' || next === null) continue
    const children = Array.isArray(next) ? next : Object.values(next)
    if (children !== next) members += children.length
    for (const child of children) if (typeof child === 'object' && child !== null) open.push(child)
  }
  return members
}

/** The JSON pointer of the first member that its object has already, in a text that is well formed. */
function repeatedMember(text: string): string {
  /** The objects and arrays that are open: the members met so far, and the member or entry that is being read. */
  const open: { members: Set<string> | null; step: string | number }[] = []
  let last = ''
  for (let k = 0; k < text.length; k++) {
    const inner = open[open.length - 1]
    if (text[k] === '{') open.push({ members: new Set(), step: '' })
    else if (text[k] === '[') open.push({ members: null, step: 0 })
    else if (text[k] === '}' || text[k] === ']') open.pop()
    else if (text[k] === ',' && inner.members === null) inner.step = Number(inner.step) + 1
    else if (text[k] === '"') {
      const start = k++
      while (text[k] !== '"') k += text[k] === '\\' ? 2 : 1
      last = text.slice(start, k + 1)
    } else if (text[k] === ':') {
      const member = JSON.parse(last) as string
      inner.step = member
      if (inner.members?.has(member)) break
      inner.members?.add(member)
    }
  }
  return pointer(...open.map(({ step }) => step))
}
