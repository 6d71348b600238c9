import { METHODS } from 'node:http'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { parse } from 'yaml'
import { problemNames } from '../../src/service/problems.ts'
import { build, post, refuses } from '../helpers/app.ts'

const app = await build(t)
const json = { 'content-type': 'application/json' }
const request = { rewards: { east: { a: 1, b: 0 }, west: { a: 0, b: 1 } }, welfare: { function: 'nash' } }

t.test('a body that is not JSON', async (t) => {
  const bodies: Record<string, [body: string | Buffer, says: RegExp]> = {
    empty: ['', /is empty; send a JSON object/],
    'a blank': [' \n', /is not JSON/],
    truncated: [JSON.stringify(request).slice(0, -9), /is not JSON/],
    'cut off in a text': ['{"rewards": {"ea', /is not JSON/],
    'a page': ['<html></html>', /is not JSON/],
    'a form': ['welfare=nash', /is not JSON/],
    'with a comment': ['{"welfare": {"function": "nash"} /* for now */}', /is not JSON/],
    'with a comma too many': ['{"rewards": {},}', /is not JSON/],
    'with NaN for a number': ['{"rewards": {"east": {"a": NaN, "b": 0}}}', /is not JSON/],
    'two objects, one after another': ['{}\n{}', /is not JSON/],
    'in Latin-1': [Buffer.from('{"rewards": {"S\xfcd": {}}}', 'latin1'), /is not UTF-8/],
    'in UTF-16': [Buffer.from('{"rewards": {}}', 'utf16le'), /is not (JSON|UTF-8)/],
    'zeros only': [Buffer.alloc(100), /is not JSON/],
  }
  for (const path of ['/aggregate', '/compare', '/fit']) {
    for (const [name, [body, says]] of Object.entries(bodies)) {
      const wanted = { status: 400, kind: 'malformed-body', at: '', says }
      refuses(t, await post(app, path, body), wanted, `${name}, to ${path}`)
    }
  }
  const nothing = await app.inject({ method: 'POST', url: '/aggregate' })
  refuses(t, nothing, { status: 400, kind: 'malformed-body', at: '', says: /is empty/ }, 'no body at all')
})

t.test('a body that is mostly brackets is refused before it fills the memory', async (t) => {
  const wanted = { status: 400, kind: 'malformed-body', at: '', says: /more brackets than a request/ }
  const floods = [
    '['.repeat(50_000),
    `${'['.repeat(25_000)}${']'.repeat(25_000)}`,
    `[${'{},'.repeat(30_000)}{}]`,
  ]
  for (const flood of floods) {
    refuses(t, await post(app, '/aggregate', flood), wanted, flood.slice(0, 5))
    refuses(t, await post(app, '/fit', `{"comparisons":${flood}}`), wanted, flood.slice(0, 5))
  }
  for (const open of ['[', '{"a":', '{"rewards":{"east":[']) {
    t.equal((await post(app, '/aggregate', open.repeat(400))).statusCode, 400, open)
  }

  const ids = Array.from({ length: 5000 }, (_, i) => String.fromCodePoint(0x100 + i))
  const brackets = '[{'.repeat(100)
  const dense = {
    items: ids.map((id) => ({ id })),
    comparisons: [{ group: brackets, winner: ids[0], loser: ids[1], tie: true }],
    welfare: { function: 'utilitarian' },
  }
  t.equal((await post(app, '/aggregate', dense)).statusCode, 200, 'a list of short ids is not too dense')
  const rows = Array.from({ length: 100 }, () => dense.comparisons[0])
  const named = await post(app, '/fit', { comparisons: rows })
  t.equal(named.statusCode, 200, 'brackets in names are no brackets')
})

t.test('a byte order mark is no part of the body', async (t) => {
  const plain = await post(app, '/aggregate', request)
  const marked = await post(app, '/aggregate', `\ufeff${JSON.stringify(request)}`)
  t.equal(marked.statusCode, 200)
  t.equal(marked.body, plain.body)
})

t.test('a body of another type', async (t) => {
  const body = JSON.stringify(request)
  const wanted = { status: 415, kind: 'unsupported-media-type', says: /Content-Type application\/json/ }
  for (const type of [
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/jsonl',
    'json',
    '*/*',
  ]) {
    refuses(t, await post(app, '/aggregate', body, { 'content-type': type }), wanted, type)
  }
  refuses(t, await post(app, '/aggregate', body, {}), wanted, 'no type')
  for (const type of ['application/json; charset=utf-8', 'Application/JSON']) {
    t.equal((await post(app, '/aggregate', body, { 'content-type': type })).statusCode, 200, type)
  }
  const packed = await post(app, '/aggregate', gzipSync(body), { ...json, 'content-encoding': 'gzip' })
  refuses(t, packed, { ...wanted, says: /without a Content-Encoding, and has gzip/ }, 'gzip')
})

t.test('a body that is too large', async (t) => {
  const app = await build(t, { BODY_LIMIT: '2000' })
  const wanted = { status: 413, kind: 'body-too-large', says: /larger than the 2000 bytes/ }
  refuses(t, await post(app, '/aggregate', ' '.repeat(2001)), wanted, 'by its length')
  const full = JSON.stringify(request).padEnd(2000)
  t.equal((await post(app, '/aggregate', full)).statusCode, 200, 'the limit itself is not too much')
})

t.test('paths that lead nowhere', async (t) => {
  const paths = [
    '/',
    '/nope',
    '/problems/__proto__',
    '/problems/constructor',
    '/aggregate/',
    '/Aggregate',
    '/docs/static/nope.js',
    '/docs/static/..%2fpackage.json',
  ]
  for (const url of [...paths, '/problems/nope', '/problems/%', '/%zz', `/problems/${'x'.repeat(500)}`]) {
    const answer = await app.inject({ url })
    refuses(t, answer, { status: 404, kind: 'not-found', says: /There is no/ }, url)
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'] as const) {
    const answer = await app.inject({
      method,
      url: '/nope',
      payload: '<',
      headers: { 'content-type': 'text/xml' },
    })
    refuses(t, answer, { status: 404, kind: 'not-found', says: /There is nothing at \/nope/ }, method)
  }
})

t.test('methods that a path does not take', async (t) => {
  for (const method of METHODS.filter((method) => method !== 'CONNECT' && method !== 'POST')) {
    const answer = await app.inject({ method: method as 'GET', url: '/aggregate' })
    t.match(answer, { statusCode: 405, headers: { allow: 'POST' } }, method)
  }
  const wanted = { status: 405, kind: 'method-not-allowed' }
  for (const url of ['/aggregate', '/compare', '/fit', '/fit?really=1']) {
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const) {
      const answer = await app.inject({ method, url })
      refuses(t, answer, { ...wanted, says: new RegExp(`takes POST, not ${method}`) }, `${method} ${url}`)
      t.equal(answer.headers.allow, 'POST')
    }
    const head = await app.inject({ method: 'HEAD', url })
    t.match(head, { statusCode: 405, body: '', headers: { allow: 'POST' } })
  }
  const readable = ['/welfare-functions', '/problems/overloaded', '/health/live', '/health/ready', '/metrics']
  for (const url of [...readable, '/openapi.json', '/openapi.yaml', '/docs', '/docs/static/index.css']) {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'] as const) {
      const answer = await app.inject({ method, url })
      refuses(t, answer, { ...wanted, says: /takes GET, HEAD, not/ }, `${method} ${url}`)
      t.equal(answer.headers.allow, 'GET, HEAD')
    }
    const [get, head] = [await app.inject({ url }), await app.inject({ method: 'HEAD', url })]
    t.equal(get.statusCode, 200, url)
    t.equal(head.statusCode, 200, `HEAD ${url}`)
    t.equal(head.body, '')
    t.equal(head.headers['content-type'], get.headers['content-type'])
  }
})

t.test('the pages of the service', async (t) => {
  const document = app.swagger()
  t.same((await app.inject('/openapi.json')).json(), JSON.parse(JSON.stringify(document)))
  const yaml = await app.inject('/openapi.yaml')
  t.match(yaml.headers['content-type'], /yaml/)
  t.same(parse(yaml.body), JSON.parse(JSON.stringify(document)))

  t.same((await app.inject('/docs/json')).json(), JSON.parse(JSON.stringify(document)))
  const docs = await app.inject('/docs')
  t.match(docs.headers['content-type'], /text\/html/)
  for (const [, path] of docs.body.matchAll(/(?:src|href)="(\/docs\/[^"]+)"/g)) {
    t.equal((await app.inject(path)).statusCode, 200, path)
  }
  t.match(await app.inject('/health/live'), { statusCode: 200, body: '{"status":"ok"}' })
  t.match(await app.inject('/health/ready'), { statusCode: 200, body: '{"status":"ok"}' })
})

t.test('every kind of problem has a page, at the path that its type names', async (t) => {
  for (const name of problemNames()) {
    const page = (await app.inject(`/problems/${name}`)).json()
    t.match(page, { type: `/problems/${name}`, title: /\w/, meaning: /\w/, remedy: /\w/ })
    t.ok(page.status >= 400 && page.status < 600)
  }
})

t.test('ids that other programs choke on do no harm, and come back as they are', async (t) => {
  const words = [
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'length',
    'null',
    '0',
    '-1',
    '<b>',
    '$&',
  ]
  const signs = [' ', '"', '\\', '/', '~1', 'é', 'e\u0301', '\u2028', '\u200b', '💧', '💧'.repeat(256)]
  const ids = [...words, ...signs]
  const keyed = (value: (k: number) => unknown) => Object.fromEntries(ids.map((id, k) => [id, value(k)]))
  const cycle = ids.map((winner, k) => ({ winner, loser: ids[(k + 1) % ids.length] }))
  const rows = ids.flatMap((group) =>
    cycle.map((pair) => ({ group, ...pair, annotator: group, context: group, first: pair.loser })),
  )
  const column = (member: keyof (typeof rows)[number]) => rows.map((row) => row[member])
  const sources = {
    rows: { comparisons: rows },
    columns: {
      comparisons: { group: column('group'), winner: column('winner'), loser: column('loser') },
    },
    rewards: { rewards: keyed((g) => keyed((i) => (i * 7 + g) % 5)) },
  }
  const declared = ids.map((id) => ({ id, population: 1 }))
  const choices = {
    groups: declared,
    items: ids.map((id) => ({ id })),
    policy: { temperature: 1, reference: keyed(() => 1 / ids.length) },
    utility: { anchor: { item: '__proto__' } },
    welfare: { function: 'utilitarian' },
  }
  const bodies = Object.entries(sources).flatMap(([name, source]) => [
    { name, declares: false, body: { ...source, welfare: { function: 'utilitarian' } } },
    { name: `${name}, declared`, declares: true, body: { ...source, ...choices } },
  ])
  for (const { name, declares, body } of bodies) {
    const answer = await post(app, '/aggregate', body)
    t.equal(answer.statusCode, 200, name)
    const { groups, weights, policy, rewards, ranking, settings } = answer.json()
    const order = declares ? ids : ids.toSorted((a, b) => (a < b ? -1 : 1))
    t.same(
      groups.map(({ id }: { id: string }) => id),
      order,
      name,
    )
    t.same(ranking.map(({ item }: { item: string }) => item).toSorted(), ids.toSorted())
    for (const map of [
      weights,
      policy,
      rewards,
      settings.policy.reference,
      groups[0].rewards,
      groups[0].utilities,
    ]) {
      t.same(Object.keys(map).sort(), ids.toSorted(), name)
      t.ok(Object.values(map).every((value) => typeof value === 'number'))
    }
    t.same(settings.utility.anchor, declares ? { item: '__proto__' } : 'worst')
  }
  t.equal(Object.keys(Object.prototype).length, 0)

  for (const member of ['__proto__', 'constructor', 'toString']) {
    for (const [text, at] of [
      [`{"${member}":{"a":1},`, `/${member}`],
      [`{"policy":{"${member}":1},`, `/policy/${member}`],
      [`{"model":{"prior":{"kind":"none","${member}":1}},`, `/model/prior/${member}`],
    ]) {
      const body = JSON.stringify({ comparisons: rows, welfare: request.welfare }).replace('{', text)
      const wanted = { status: 400, kind: 'invalid-request', at, says: /is not a member of/ }
      refuses(t, await post(app, '/aggregate', body), wanted, at)
    }
    const row = `{"${member}":{"count":5},"group":"g","winner":"a","loser":"b"}`
    const body = `{"comparisons":[${row}],"welfare":{"function":"nash"}}`
    const at = `/comparisons/0/${member}`
    refuses(
      t,
      await post(app, '/aggregate', body),
      { status: 400, kind: 'invalid-request', at, says: /not a member/ },
      at,
    )
  }
})
