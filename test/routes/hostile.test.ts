import fc from 'fast-check'
import t from 'tap'
import { problemPage } from '../../src/service/problems.ts'
import { build, misfit, post } from '../helpers/app.ts'

const app = await build(t)

const rows = [
  { group: 'east', winner: 'a', loser: 'b', count: 3 },
  { group: 'east', winner: 'b', loser: 'a', weight: 0.5, annotator: 'r1', first: 'b', context: 'p' },
  { group: 'west', winner: 'a', loser: 'b', tie: true, timestamp: '2026-01-01T00:00:00Z' },
  { group: 'west', winner: 'b', loser: 'a', preference: 0.8 },
]
const columns = {
  group: ['east', 'east', 'west', 'west'],
  winner: ['a', 'b', 'c', 'a'],
  loser: ['b', 'a', 'a', 'c'],
  count: [1, 2, null, 3],
  tie: [false, null, true, false],
}
const rewards = { east: { a: 3, b: 1, c: 0 }, west: { a: 0, b: 1, c: 2 } }
const groups = [
  { id: 'east', population: 2 },
  { id: 'west', population: 1 },
]
const items = [{ id: 'a' }, { id: 'b' }, { id: 'c' }]
const model = {
  prior: { kind: 'gaussian', standardDeviation: 2 },
  ties: 'half-win',
  standardErrors: 'fisher',
}
const reference = { a: 0.5, b: 0.25, c: 0.25 }
const welfares = [
  { function: 'utilitarian' },
  { function: 'nash' },
  { function: 'maximin' },
  { function: 'power-mean', exponent: -1 },
  { function: 'pareto-front' },
]

/** Requests that are answered, and what their answers must look like. */
const valid: { path: string; body: unknown; schema: string }[] = [
  ...welfares.map((welfare) => ({
    path: '/aggregate',
    body: { rewards, welfare },
    schema: 'AggregateResponse',
  })),
  ...welfares.map((welfare) => ({
    path: '/aggregate',
    body: {
      rewards,
      groups,
      items,
      utility: { scale: 'unit-range', anchor: { item: 'b' } },
      policy: { temperature: 0.5, reference },
      welfare,
      seed: 7,
    },
    schema: 'AggregateResponse',
  })),
  { path: '/aggregate', body: { comparisons: rows, welfare: welfares[1] }, schema: 'AggregateResponse' },
  {
    path: '/aggregate',
    body: {
      comparisons: columns,
      groups,
      items,
      model,
      utility: { scale: 'win-probability', anchor: 'reference' },
      policy: { temperature: 0.1, reference },
      welfare: welfares[2],
    },
    schema: 'AggregateResponse',
  },
  { path: '/compare', body: { comparisons: columns, model, welfare: welfares }, schema: 'CompareResponse' },
  {
    path: '/compare',
    body: { rewards, policy: { temperature: 1 }, welfare: welfares },
    schema: 'CompareResponse',
  },
  { path: '/fit', body: { comparisons: rows, groups }, schema: 'FitResponse' },
  { path: '/fit', body: { comparisons: columns, items, model }, schema: 'FitResponse' },
]

/** Stands for 1e999, which JSON can say and JSON.stringify cannot. */
const INFINITE = 'the number 1e999'
const textOf = (body: unknown) => JSON.stringify(body)?.replaceAll(`"${INFINITE}"`, '1e999') ?? ''

const numbers = fc.oneof(
  fc.constantFrom<unknown>(
    0,
    -1,
    1,
    2,
    0.25,
    0.5,
    1e-6,
    1e-12,
    1e-320,
    1e12,
    -1e12,
    1e15,
    1e308,
    2 ** 53,
    INFINITE,
  ),
  fc.integer({ min: -2, max: 9 }),
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.double(),
)
const texts = fc.oneof(
  fc.constantFrom(
    '',
    'a',
    'b',
    'c',
    'd',
    'east',
    'west',
    '__proto__',
    '\u0000',
    '\u2028',
    '\ud800',
    'x'.repeat(257),
  ),
  fc.constantFrom(
    'none',
    'zero',
    'worst',
    'reference',
    'unit-range',
    'standard-deviation',
    'gaussian',
    'nash',
  ),
  fc.string(),
)
const values = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    [],
    {},
    [null],
    [[]],
    [1],
    { a: 1 },
    { id: 'a' },
    { item: 'a' },
  ),
  fc.constantFrom<unknown>(...welfares, rows[0], rows, columns, rewards, {
    kind: 'pseudo-item',
    strength: 1,
  }),
  numbers,
  texts,
  fc.anything({ maxDepth: 2 }),
)
const names = fc.oneof(
  fc.constantFrom(
    'a',
    'b',
    'd',
    'east',
    'north',
    'id',
    'item',
    'kind',
    'function',
    'exponent',
    'strength',
    'population',
  ),
  fc.constantFrom(
    'count',
    'weight',
    'tie',
    'preference',
    'first',
    'rewards',
    'comparisons',
    'temperature',
    'seed',
    'prior',
  ),
  fc.constantFrom('__proto__', 'constructor', 'toString', '', '/', '~', '\u2028', '0', 'length'),
  fc.string(),
)
const mutation = fc.record({
  place: fc.nat(),
  kind: fc.constantFrom('drop', 'alike', 'alike', 'alike', 'replace', 'insert', 'repeat'),
  name: names,
  number: numbers,
  text: texts,
  value: values,
})
type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never

type Container = Record<string, unknown> | unknown[]

/** Every object and array of a body, with each of its keys. */
function placesOf(value: unknown, found: [Container, string][] = []): [Container, string][] {
  if (typeof value !== 'object' || value === null) return found
  for (const key of Object.keys(value)) {
    found.push([value as Container, key])
    placesOf((value as Record<string, unknown>)[key], found)
  }
  return found
}

/** JSON.parse makes a member of any name; an assignment to `__proto__` would not. */
function setMember(container: Container, name: string, value: unknown): void {
  Object.defineProperty(container, name, { value, writable: true, enumerable: true, configurable: true })
}

/** Drops a member, replaces it by something (of the same type, where it is `alike`), or puts one more beside it. */
function mutate(body: unknown, mutations: Mutation[]): unknown {
  const copy = structuredClone(body)
  for (const { place, kind, name, number, text, value } of mutations) {
    const places = placesOf(copy)
    if (places.length === 0) continue
    const [container, key] = places[place % places.length]
    const before = (container as Record<string, unknown>)[key]
    const like = typeof before === 'number' ? number : typeof before === 'string' ? text : value
    // A value that is drawn may be part of a valid body, which must stay as it is.
    const put = structuredClone(
      { drop: null, alike: like, replace: value, insert: value, repeat: before }[kind],
    )
    if (kind === 'alike' || kind === 'replace') setMember(container, key, put)
    else if (Array.isArray(container) && kind === 'drop') container.splice(Number(key), 1)
    else if (Array.isArray(container)) container.splice(Number(key), 0, put)
    else if (kind === 'drop') delete container[key]
    else setMember(container, name, put)
  }
  return copy
}

/** Whether a JSON pointer leads into the request, or to where one member more would be. */
function leadsInto(pointer: string, request: unknown): boolean {
  if (pointer === '') return true
  const steps = pointer
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
  let at = request
  for (const step of steps.slice(0, -1)) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return false
    at = (at as Record<string, unknown>)[step]
  }
  return typeof at === 'object' && at !== null
}

/** What is wrong with how the service answers a body, or null. */
async function faultOf(
  path: string,
  text: string | Buffer,
  schema: string,
  met: Map<number, number>,
): Promise<string | null> {
  const answer = await post(app, path, text)
  met.set(answer.statusCode, (met.get(answer.statusCode) ?? 0) + 1)
  const type = answer.headers['content-type']
  const body = answer.json()
  if (answer.statusCode === 200) return type === 'application/json' ? misfit(schema, body) : `type ${type}`
  if (answer.statusCode !== 400 && answer.statusCode !== 422) return `status ${answer.statusCode}`
  if (type !== 'application/problem+json') return `type ${type}`
  const wrong = misfit('Problem', body)
  if (wrong !== null) return wrong
  const page = problemPage(body.type.replace('/problems/', ''))
  if (page?.status !== answer.statusCode || body.status !== page.status) return `type ${body.type}`
  if (body.type === '/problems/invalid-request') {
    const request = JSON.parse(text.toString())
    const lost = body.errors.find(({ pointer }: { pointer: string }) => !leadsInto(pointer, request))
    if (lost !== undefined) return `pointer ${lost.pointer}`
  }
  return null
}

t.test('what is mutated here is valid to begin with', async (t) => {
  for (const { path, body, schema } of valid) {
    const answer = await post(app, path, body)
    t.equal(answer.statusCode, 200, `${path} ${JSON.stringify(body)}`)
    t.equal(misfit(schema, answer.json()), null)
  }
})

t.test(
  'whatever is dropped, replaced or inserted, there is an answer or a refusal that points at it',
  async (t) => {
    const met = new Map<number, number>()
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...valid),
        fc.array(mutation, { minLength: 1, maxLength: 2 }),
        async ({ path, body, schema }, mutations) => {
          const text = textOf(mutate(body, mutations))
          const fault = await faultOf(path, text, schema, met)
          if (fault !== null) throw new Error(`${fault}, for ${text}`)
        },
      ),
      { seed: 4, numRuns: 1500 },
    )
    for (const status of [200, 400, 422])
      t.ok((met.get(status) ?? 0) > 10, `${met.get(status)} times ${status}`)
  },
)

t.test('whatever happens to the bytes, there is an answer or a refusal', async (t) => {
  const met = new Map<number, number>()
  const bytes = fc.oneof(
    fc
      .constantFrom('', '0', '1', '-', '.', 'e9', ',', '"', '\\', ' ', '[', '}')
      .map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 3 }),
  )
  const edits = fc.array(fc.record({ at: fc.nat(), drop: fc.nat(2), put: bytes }), {
    minLength: 1,
    maxLength: 2,
  })
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...valid), edits, async ({ path, body, schema }, edits) => {
      let bytes = [...Buffer.from(JSON.stringify(body))]
      for (const { at, drop, put } of edits) bytes = bytes.toSpliced(at % (bytes.length + 1), drop, ...put)
      const fault = await faultOf(path, Buffer.from(bytes), schema, met)
      if (fault !== null) throw new Error(`${fault}, for ${Buffer.from(bytes).toString('latin1')}`)
    }),
    { seed: 5, numRuns: 800 },
  )
  for (const status of [200, 400]) t.ok((met.get(status) ?? 0) > 20, `${met.get(status)} times ${status}`)
})

t.test(
  'numbers of all sizes within the limits give an answer that holds numbers only, or a refusal',
  async (t) => {
    const met = new Map<number, number>()
    const sized = (low: number, high: number) =>
      fc
        .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: low, max: high }))
        .map(([k, e]) => k * 10 ** e)
    const reward = fc.oneof(
      fc.tuple(fc.constantFrom(-1, 1), sized(-9, 11)).map(([sign, size]) => sign * size),
      fc.integer({ min: -9, max: 9 }),
      fc.constantFrom(0, 1, 1 + 2 ** -52, 1e-90),
    )
    const share = fc.oneof(sized(-3, 3), sized(-12, 14))
    const row = fc.record({ a: reward, b: reward, c: reward })
    const request = fc.record({
      rewards: fc.record({ east: row, west: row, north: row }),
      groups: fc
        .record({ east: share, west: share, north: share })
        .map((populations) => Object.entries(populations).map(([id, population]) => ({ id, population }))),
      utility: fc.record({
        scale: fc.constantFrom('none', 'unit-range', 'standard-deviation', 'win-probability'),
        anchor: fc.constantFrom('worst', 'zero', 'reference', { item: 'b' }),
      }),
      policy: fc.record({
        temperature: fc.oneof(fc.constant(0), sized(-6, 5)),
        reference: share.map((third) => ({
          a: 0.25,
          b: 0.75 - Math.min(third, 0.7),
          c: Math.min(third, 0.7),
        })),
      }),
      welfare: fc.oneof(
        fc.constantFrom(...welfares),
        fc
          .double({ min: -1000, max: 1, noNaN: true })
          .map((exponent) => ({ function: 'power-mean', exponent })),
      ),
    })
    await fc.assert(
      fc.asyncProperty(request, async (body) => {
        const fault = await faultOf('/aggregate', JSON.stringify(body), 'AggregateResponse', met)
        if (fault !== null) throw new Error(fault)
      }),
      { seed: 6, numRuns: 1000 },
    )
    for (const status of [200, 422]) t.ok((met.get(status) ?? 0) > 100, `${met.get(status)} times ${status}`)
  },
)
