import { once } from 'node:events'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { createGzip, gzipSync } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { LINGER_BYTES } from '../../src/service/linger.ts'
import { build, misfit, post, refuses, serve, start } from '../helpers/app.ts'

const ROWS = [
  { group: 'g', winner: 'a', loser: 'b', region: 'north' },
  { group: 'g', winner: 'b', loser: 'a', region: 'south', count: 2 },
  { group: 'h', winner: 'b', loser: 'a', region: 'north', count: 3, annotator: 'x' },
  { group: 'h', winner: 'a', loser: 'b', region: 'south', annotator: 'y' },
]
const CSV = { 'content-type': 'text/csv' }
const COMPARISONS = '/datasets/d/comparisons'

/** An app with a dataset `d`. */
async function withDataset(t: Test, env: Record<string, string> = {}): Promise<FastifyInstance> {
  const app = await build(t, env)
  const made = await post(app, '/datasets', { id: 'd', covariates: ['region'] })
  t.equal(made.statusCode, 201, made.body)
  return app
}

const get = (app: FastifyInstance, url: string) => app.inject({ method: 'GET', url })
const remove = (app: FastifyInstance, url: string) => app.inject({ method: 'DELETE', url })
const without = ({ region: _, ...row }: (typeof ROWS)[number]) => row

t.test('a dataset is made, filled, described, exported and deleted', async (t) => {
  const app = await build(t)
  const made = await post(app, '/datasets', { id: 'a/b ü', description: 'Trial', covariates: ['region'] })
  t.equal(made.statusCode, 201)
  t.equal(made.headers.location, '/datasets/a%2Fb%20%C3%BC')
  const path = String(made.headers.location)
  t.equal(misfit('DatasetSummary', made.json()), null)
  const added = await post(app, `${path}/comparisons`, { comparisons: ROWS })
  t.equal(added.statusCode, 201, added.body)
  t.equal(misfit('AcceptedBatch', added.json()), null)
  const described = await get(app, path)
  t.equal(misfit('DatasetDescription', described.json()), null)
  t.match(described.json(), {
    comparisons: 4,
    batches: 1,
    items: 2,
    annotators: 2,
    ungrouped: 0,
    groups: [
      { id: 'g', comparisons: 3, items: 2, pairs: 1, components: 1, undefeated: 0, winless: 0 },
      { id: 'h', comparisons: 4 },
    ],
    firstTimestamp: null,
  })
  t.match((await get(app, '/datasets')).json(), { datasets: [{ id: 'a/b ü' }], next: null })
  const file = await get(app, `${path}/comparisons?format=parquet`)
  t.equal(file.headers['content-type'], 'application/vnd.apache.parquet')
  const types = { 'content-type': 'application/vnd.apache.parquet' }
  await post(app, '/datasets', { id: 'copy', covariates: ['region'] })
  t.equal((await post(app, '/datasets/copy/comparisons', file.rawPayload, types)).statusCode, 201)
  const regions = { id: 'copy', groupBy: 'region' }
  t.equal((await post(app, '/fit', { dataset: regions })).statusCode, 200)
  const { batches } = (await get(app, `${path}/batches`)).json()
  t.same((await remove(app, `${path}/annotators/x`)).json(), { comparisons: 1 })
  t.same((await remove(app, `${path}/batches/${batches[0].id}`)).json(), { comparisons: 3 })
  t.match((await get(app, path)).json(), { comparisons: 0, groups: [] })
  t.equal((await remove(app, path)).statusCode, 204)
  refuses(t, await get(app, path), { status: 404, kind: 'no-such-dataset', says: /"a\/b ü"/ }, 'deleted')
})

t.test('lists come by pages', async (t) => {
  const app = await build(t)
  for (const id of ['c', 'a', 'b']) await post(app, '/datasets', { id })
  const page = (await get(app, '/datasets?limit=2')).json()
  t.match(page, { datasets: [{ id: 'a' }, { id: 'b' }], next: 'b' })
  t.match((await get(app, '/datasets?limit=2&after=b')).json(), { datasets: [{ id: 'c' }], next: null })
  for (const winner of ['x', 'y', 'z'])
    await post(app, '/datasets/a/comparisons', { comparisons: [{ group: 'g', winner, loser: 'l' }] })
  const first = (await get(app, '/datasets/a/batches?limit=2')).json()
  t.equal(first.batches.length, 2)
  const rest = (await get(app, `/datasets/a/batches?after=${first.next}`)).json()
  t.equal(rest.batches.length, 1)
  t.equal(rest.next, null)
})

t.test('a dataset is a source like comparisons in the request, and the answer says which data', async (t) => {
  const app = await withDataset(t)
  await post(app, COMPARISONS, { comparisons: ROWS.slice(0, 2) })
  await post(app, COMPARISONS, { comparisons: ROWS.slice(2) })
  const comparisons = ROWS.map(without)
  const bodies: [string, Record<string, unknown>, string][] = [
    ['/aggregate', { welfare: { function: 'utilitarian' } }, 'AggregateResponse'],
    [
      '/aggregate',
      { welfare: { function: 'pareto-front' }, policy: { temperature: 1 } },
      'AggregateResponse',
    ],
    ['/compare', { welfare: [{ function: 'nash' }, { function: 'maximin' }] }, 'CompareResponse'],
    ['/fit', { model: { standardErrors: 'sandwich' } }, 'FitResponse'],
    ['/fit', { groups: [{ id: 'h' }, { id: 'g' }], items: [{ id: 'b' }, { id: 'a' }] }, 'FitResponse'],
    ['/questions', { count: 1 }, 'QuestionsResponse'],
    ['/vote', {}, 'VoteResponse'],
    ['/vote', { margins: { pooling: 'pooled' } }, 'VoteResponse'],
    ['/vote', { margins: { from: 'fits', pooling: 'pooled' } }, 'VoteResponse'],
    ['/audit', { welfare: { function: 'nash' } }, 'AuditResponse'],
  ]
  for (const [path, body, schema] of bodies) {
    const stored = (await post(app, path, { dataset: 'd', ...body })).json()
    const sent = (await post(app, path, { comparisons, ...body })).json()
    const { data, ...rest } = stored
    t.same(rest, sent, path)
    t.match(data, { dataset: 'd', groupBy: 'group', comparisons: 7, fingerprint: /^[0-9a-f]{64}$/ })
    t.equal(misfit(schema, stored), null, path)
  }
  const groupBy = {
    dataset: { id: 'd', groupBy: 'region', annotators: ['x', 'y'] },
    model: { prior: { kind: 'firth' } },
  }
  const stored = (await post(app, '/fit', groupBy)).json()
  const regional = ROWS.slice(2).map((row) => ({ ...without(row), group: row.region }))
  const sent = (await post(app, '/fit', { comparisons: regional, model: groupBy.model })).json()
  t.same(stored.groups, sent.groups)
  const judged = {
    groups: { discover: { max: 1, starts: 1 } },
    model: { prior: { kind: 'pseudo-item', strength: 1 } },
  }
  const annotated = ROWS.slice(2).map(({ group: _, ...row }) => without(row as (typeof ROWS)[number]))
  const found = (await post(app, '/fit', { dataset: { id: 'd', annotators: ['x', 'y'] }, ...judged })).json()
  t.same(found.groups, (await post(app, '/fit', { comparisons: annotated, ...judged })).json().groups)
  t.equal(found.data.groupBy, null)
  t.equal((await post(app, '/fit', { dataset: 'd' })).body, (await post(app, '/fit', { dataset: 'd' })).body)
})

t.test('a request for a dataset that is too large for the event loop is answered by a thread', async (t) => {
  const app = await withDataset(t)
  const comparisons = Array.from({ length: 2000 }, (_, k) => ({
    group: 'g',
    winner: `item ${(k * 7) % 90}`,
    loser: `item ${(k * 7 + 1 + (k % 40)) % 90}`,
  }))
  t.equal((await post(app, COMPARISONS, { comparisons })).statusCode, 201, 'a batch of many kilobytes')
  const items = Array.from({ length: 90 }, (_, k) => ({ id: `item ${k}` }))
  const padding = Array.from({ length: 900 }, (_, k) => ({ item: `item ${k % 89}`, against: 'item 89' }))
  const model = { prior: { kind: 'pseudo-item', strength: 1 } }
  for (const body of [{ model }, { model, items, contrasts: padding }]) {
    const stored = await post(app, '/fit', { dataset: 'd', ...body })
    t.equal(stored.statusCode, 200, stored.body.slice(0, 300))
    t.same(stored.json().groups, (await post(app, '/fit', { comparisons, ...body })).json().groups)
  }
  t.match((await get(app, '/datasets/d')).json(), { groups: [{ id: 'g', comparisons: 2000, items: 90 }] })
  const bad = comparisons.map((row, k) => (k < 3 ? { ...row, tie: 'no' } : row))
  const at = [0, 1, 2].map((k) => `/comparisons/${k}/tie`)
  const refused = await post(app, COMPARISONS, { comparisons: bad })
  refuses(t, refused, { status: 400, kind: 'invalid-rows', at, says: /^3 rows are wrong/ }, 'in a thread')
})

t.test('kept fits answer as new ones do, and follow what is added and erased', async (t) => {
  const app = await withDataset(t)
  const rowsOf = (pairs: number, annotator: string) =>
    Array.from({ length: 2 * pairs }, (_, k) => ({
      group: k % 4 < 2 ? 'g' : 'h',
      winner: `item ${(k * 7) % 30}`,
      loser: `item ${(k * 7 + 1 + (k % 9)) % 30}`,
      annotator,
    }))
  // Little enough for the event loop, then too much.
  const batches = [rowsOf(60, 'x'), rowsOf(5, 'y'), rowsOf(300, 'z'), rowsOf(20, 'y')]
  const model = { prior: { kind: 'gaussian', standardDeviation: 1 } }
  const sent: ReturnType<typeof rowsOf> = []
  const agree = async (name: string) => {
    for (const welfare of ['nash', 'maximin']) {
      const stored = await post(app, '/aggregate', { dataset: 'd', model, welfare: { function: welfare } })
      const body = { comparisons: sent, model, welfare: { function: welfare } }
      const expected = (await post(app, '/aggregate', body)).json()
      const answer = stored.json()
      t.equal(stored.statusCode, 200, stored.body.slice(0, 300))
      t.equal(answer.data.comparisons, sent.length, name)
      for (const [id, weight] of Object.entries<number>(expected.weights))
        t.ok(Math.abs(answer.weights[id] - weight) < 1e-9, `${name}: weight of ${id} under ${welfare}`)
      for (const [id, reward] of Object.entries<number>(expected.rewards))
        t.ok(Math.abs(answer.rewards[id] - reward) < 1e-9, `${name}: reward of ${id} under ${welfare}`)
      t.same(answer.groups[0].fit.comparisons, expected.groups[0].fit.comparisons, name)
    }
  }
  for (const [k, comparisons] of batches.entries()) {
    t.equal((await post(app, COMPARISONS, { comparisons })).statusCode, 201)
    sent.push(...comparisons)
    await agree(`after batch ${k}`)
  }
  t.equal((await remove(app, '/datasets/d/annotators/y')).statusCode, 200)
  sent.splice(0, sent.length, ...sent.filter(({ annotator }) => annotator !== 'y'))
  await agree('after an erasure')
})

t.test('what a dataset cannot give is refused', async (t) => {
  const app = await withDataset(t)
  await post(app, COMPARISONS, { comparisons: [...ROWS, { winner: 'a', loser: 'c' }] })
  const invalid: [string, Record<string, unknown>, string | string[], RegExp][] = [
    [
      'comparisons too',
      { dataset: 'd', comparisons: ROWS },
      '/comparisons',
      /cannot be given together with dataset/,
    ],
    ['no group', { dataset: 'd' }, '/dataset', /1 comparisons without group/],
    ['no region', { dataset: { id: 'd', groupBy: 'region' } }, '/dataset', /1 comparisons without region/],
    [
      'no such column',
      { dataset: { id: 'd', groupBy: 'x' } },
      '/dataset/groupBy',
      /group, annotator, context, region/,
    ],
    ['no such member', { dataset: { id: 'd', group: 'g' } }, '/dataset/group', /is not a member/],
    ['no time', { dataset: { id: 'd', asOf: 'now' } }, '/dataset/asOf', /RFC 3339/],
    ['nothing', { dataset: { id: 'd', groups: ['none'] } }, '/dataset', /no comparisons that the filters/],
    [
      'an item',
      { dataset: { id: 'd', groups: ['g'] }, items: [{ id: 'a' }, { id: 'z' }] },
      '/dataset',
      /has "b"/,
    ],
    [
      'annotators',
      { dataset: { id: 'd', groups: ['g'] }, model: { standardErrors: 'clustered' } },
      '/dataset',
      /3 comparisons without annotator/,
    ],
    [
      'positions',
      { dataset: { id: 'd', groups: ['g'] }, model: { positionEffect: true } },
      '/dataset',
      /no comparison says which item was shown first/,
    ],
  ]
  for (const [name, body, at, says] of invalid)
    refuses(t, await post(app, '/fit', body), { status: 400, kind: 'invalid-request', at, says }, name)
  const none = await post(app, '/fit', { dataset: 'none' })
  refuses(t, none, { status: 404, kind: 'no-such-dataset', says: /"none"/ }, 'no such dataset')
})

t.test('what is wrong with a request for a dataset is said', async (t) => {
  const app = await withDataset(t)
  const cases: [string, Promise<Parameters<typeof refuses>[1]>, Parameters<typeof refuses>[2]][] = [
    [
      'an id twice',
      post(app, '/datasets', { id: 'd' }),
      { status: 409, kind: 'dataset-exists', says: /"d"/ },
    ],
    [
      'no id',
      post(app, '/datasets', {}),
      { status: 400, kind: 'invalid-request', at: '/id', says: /is required/ },
    ],
    [
      'covariates',
      post(app, '/datasets', { id: 'e', covariates: ['group', 'x', 'x'] }),
      { status: 400, kind: 'invalid-request', at: ['/covariates/0', '/covariates/2'], says: /have anyway/ },
    ],
    [
      'a limit',
      get(app, '/datasets?limit=0'),
      { status: 400, kind: 'invalid-request', at: '/limit', says: /from 1 to 1000/ },
    ],
    [
      'a parameter',
      get(app, '/datasets?x=1'),
      { status: 400, kind: 'invalid-request', at: '/x', says: /not a member/ },
    ],
    ['a batch', remove(app, '/datasets/d/batches/x'), { status: 404, kind: 'no-such-batch', says: /"x"/ }],
    [
      'no body',
      post(app, COMPARISONS, ''),
      { status: 400, kind: 'malformed-body', at: '', says: /is empty/ },
    ],
    [
      'no rows',
      post(app, COMPARISONS, {}),
      { status: 400, kind: 'invalid-request', at: '/comparisons', says: /is required/ },
    ],
    [
      'a member',
      post(app, COMPARISONS, { comparisons: ROWS, group: 'g' }),
      { status: 400, kind: 'invalid-request', at: '/group', says: /the one member is comparisons/ },
    ],
    [
      'a query with JSON',
      post(app, `${COMPARISONS}?winner=best`, { comparisons: ROWS }),
      { status: 400, kind: 'invalid-request', at: '/winner', says: /is for files/ },
    ],
    [
      'a format',
      post(app, `${COMPARISONS}?format=xml`, 'a', CSV),
      { status: 400, kind: 'invalid-request', at: '/format', says: /one of comparisons, winner-loser/ },
    ],
    [
      'a type',
      post(app, COMPARISONS, '<a/>', { 'content-type': 'text/xml' }),
      { status: 415, kind: 'unsupported-media-type', says: /application\/x-ndjson.*text\/xml/ },
    ],
    [
      'an encoding',
      post(app, COMPARISONS, 'a', { ...CSV, 'content-encoding': 'br' }),
      { status: 415, kind: 'unsupported-media-type', says: /has br/ },
    ],
    [
      'a key',
      post(
        app,
        COMPARISONS,
        { comparisons: ROWS },
        { 'content-type': 'application/json', 'idempotency-key': 'a b' },
      ),
      { status: 400, kind: 'invalid-request', at: '/Idempotency-Key', says: /visible ASCII/ },
    ],
    [
      'feature differences',
      post(app, COMPARISONS, { comparisons: [{ group: 'g', featureDifference: [1] }] }),
      { status: 400, kind: 'invalid-rows', at: '/comparisons/0/featureDifference', says: /cannot be stored/ },
    ],
  ]
  for (const [name, answer, refusal] of cases) refuses(t, await answer, refusal, name)
})

t.test('a batch that is sent again is stored once', async (t) => {
  const app = await withDataset(t)
  const send = (body: unknown, key: string, url = COMPARISONS, type = 'application/json') =>
    post(app, url, body, { 'content-type': type, 'idempotency-key': key })
  const first = await send({ comparisons: ROWS }, 'key')
  const again = await send({ comparisons: ROWS }, 'key')
  t.equal(again.statusCode, 201)
  t.equal(again.body, first.body, 'the same bytes')
  t.equal(again.headers['idempotency-replayed'], 'true')
  const other = await send({ comparisons: ROWS.slice(1) }, 'key')
  refuses(t, other, { status: 422, kind: 'idempotency-key-reused', says: /"key"/ }, 'another body')
  const csv = 'best,loser\na,b\n'
  const file = await send(csv, 'file', `${COMPARISONS}?winner=best`, 'text/csv')
  t.equal(file.statusCode, 201, file.body)
  const mapped = await send(csv, 'file', `${COMPARISONS}?winner=best&groupName=g`, 'text/csv')
  refuses(t, mapped, { status: 422, kind: 'idempotency-key-reused', says: /"file"/ }, 'read in another way')
  const bad = await send({ comparisons: [{ group: 'g', winner: 'a', loser: 'a' }] }, 'mended')
  t.equal(bad.statusCode, 400)
  t.equal((await send({ comparisons: ROWS }, 'mended')).statusCode, 201, 'a refused batch uses up no key')
  t.match((await get(app, '/datasets/d')).json(), { batches: 3 })
})

t.test('of two writers with one key, one writes', async (t) => {
  const app = await withDataset(t)
  const body = `group,winner,loser\n${'g,a,b\n'.repeat(5000)}`
  const headers = { ...CSV, 'idempotency-key': 'key' }
  const answers = await Promise.all(Array.from({ length: 8 }, () => post(app, COMPARISONS, body, headers)))
  const written = answers.filter(({ statusCode }) => statusCode === 201)
  t.ok(written.length >= 1)
  t.equal(new Set(written.map((answer) => answer.body)).size, 1, 'all that succeed tell of the same batch')
  for (const answer of answers.filter(({ statusCode }) => statusCode !== 201))
    refuses(t, answer, { status: 409, kind: 'batch-in-flight', says: /"key" is being read/ }, 'in flight')
  t.match((await get(app, '/datasets/d')).json(), { batches: 1, comparisons: 5000 })
})

t.test('files may be packed', async (t) => {
  const app = await withDataset(t)
  const packed = { 'content-encoding': 'gzip' }
  const ndjson = gzipSync(ROWS.map((row) => JSON.stringify(row)).join('\n'))
  const types = { 'content-type': 'application/x-ndjson', ...packed }
  t.equal((await post(app, COMPARISONS, ndjson, types)).statusCode, 201)
  const json = gzipSync(JSON.stringify({ comparisons: ROWS }))
  t.equal(
    (await post(app, COMPARISONS, json, { 'content-type': 'application/json', ...packed })).statusCode,
    201,
  )
  const refusal = { status: 400, kind: 'unreadable-file', says: /not gzip that can be unpacked/ }
  refuses(t, await post(app, COMPARISONS, 'plain', types), refusal, 'not packed')
  refuses(t, await post(app, COMPARISONS, ndjson.subarray(0, 40), types), refusal, 'cut off')
  t.match((await get(app, '/datasets/d')).json(), { batches: 2, comparisons: 8 })
})

/** Sends a stream to a service that listens; resolves with the answer even where the service stopped listening. */
async function send(port: number, headers: Record<string, string>, body: Readable | null, key = '') {
  const request = httpRequest({
    port,
    host: '127.0.0.1',
    method: 'POST',
    path: COMPARISONS,
    headers: { ...headers, ...(key === '' ? {} : { 'idempotency-key': key }) },
  })
  const answered = once(request, 'response') as Promise<[IncomingMessage]>
  if (body === null) request.flushHeaders()
  else pipeline(body, request).catch(() => {})
  const [response] = await answered
  const answer = { status: response.statusCode, ...JSON.parse(await text(response)) }
  request.destroy()
  return answer
}

const MIB = 1024 ** 2

/** So many mebibytes of CSV. */
async function* csvOf(mebibytes: number) {
  yield 'group,winner,loser\n'
  const block = 'g,a,b\n'.repeat(Math.floor(MIB / 6))
  for (let k = 0; k < mebibytes; k++) yield block
}

t.test('an upload beyond the limit is refused, however it comes, and takes no memory', async (t) => {
  const home = t.testdir()
  const service = await serve(t, { DATA_DIR: home, UPLOAD_LIMIT: String(8 * MIB) })
  const url = `http://127.0.0.1:${service.port}`
  const headers = { 'content-type': 'application/json' }
  await fetch(`${url}/datasets`, { method: 'POST', headers, body: '{"id":"d"}' })
  const wanted = { status: 413, type: '/problems/upload-too-large', detail: /8388608 bytes/ }
  const ten = String(10 * 1024 ** 3)
  t.match(
    await send(service.port, { ...CSV, 'content-length': ten }, null),
    wanted,
    'ten gigabytes, by what it says',
  )
  const large = () => Readable.from(csvOf(64))
  t.match(await send(service.port, CSV, large()), wanted, 'in chunks, without end in sight')
  const bomb = () => Readable.from(csvOf(512)).pipe(createGzip())
  const packed = { ...CSV, 'content-encoding': 'gzip' }
  t.match(await send(service.port, packed, bomb()), { ...wanted, detail: /unpacked, is larger/ }, 'a bomb')
  t.match(
    await send(service.port, { 'content-type': 'application/json' }, large()),
    wanted,
    'JSON, which is read into memory',
  )
  t.equal((await send(service.port, CSV, Readable.from(csvOf(7)))).status, 201, 'what fits is taken')
  const left = readdirSync(join(home, 'uploads'))
  t.same(
    left.filter((name) => name !== 'spill'),
    [],
    'nothing is left behind',
  )
  service.child.kill('SIGTERM')
  t.equal(await service.exit, 0)
})

/** A service that listens within this process, with a dataset `d`. */
async function listening(t: Test, env: Record<string, string>) {
  const app = await withDataset(t, env)
  const sockets: Socket[] = []
  app.server.on('connection', (socket) => sockets.push(socket))
  await app.listen({ host: '127.0.0.1', port: 0 })
  return { app, sockets, port: (app.server.address() as AddressInfo).port }
}

/** The head of an upload, byte by byte what is sent. */
function headOf(path: string, headers: Record<string, string>): string {
  const lines = Object.entries({ host: 'localhost', ...headers }).map(([name, value]) => `${name}: ${value}`)
  return `POST ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`
}

/** The answer that bytes hold: its status, and its body. */
function answerIn(bytes: string) {
  const [head, body] = bytes.split('\r\n\r\n')
  return {
    status: Number(head.split(' ')[1]),
    closes: /^connection: close/im.test(head),
    ...JSON.parse(body),
  }
}

const CHUNKED = { 'transfer-encoding': 'chunked' }
const TEN_GIGABYTES = { 'content-length': String(10 * 1024 ** 3) }
const piece = 'g,a,b\n'.repeat(MIB / 6)
const pieces = { chunked: `${piece.length.toString(16)}\r\n${piece}\r\n`, whole: piece }

t.test('a client that is refused while it writes reads why, although it writes on', async (t) => {
  const { port } = await listening(t, { UPLOAD_LIMIT: String(2 * MIB), BODY_LIMIT: String(MIB) })
  const gzip = { 'content-encoding': 'gzip' }
  const json = { 'content-type': 'application/json' }
  const cases: [string, string, Record<string, string>, number, string][] = [
    ['too large by its length', COMPARISONS, { ...CSV, ...TEN_GIGABYTES }, 413, 'upload-too-large'],
    ['too large in chunks', COMPARISONS, { ...CSV, ...CHUNKED }, 413, 'upload-too-large'],
    ['JSON by its length', COMPARISONS, { ...json, ...TEN_GIGABYTES }, 413, 'upload-too-large'],
    ['JSON in chunks', COMPARISONS, { ...json, ...CHUNKED }, 413, 'upload-too-large'],
    ['a request by its length', '/aggregate', { ...json, ...TEN_GIGABYTES }, 413, 'body-too-large'],
    ['a request in chunks', '/aggregate', { ...json, ...CHUNKED }, 413, 'body-too-large'],
    ['no dataset', '/datasets/e/comparisons', { ...CSV, ...CHUNKED }, 404, 'no-such-dataset'],
    ['no path', '/nowhere', { ...CSV, ...CHUNKED }, 404, 'not-found'],
    ['no such type', COMPARISONS, { 'content-type': 'text/html', ...CHUNKED }, 415, 'unsupported-media-type'],
    ['a wrong parameter', `${COMPARISONS}?format=x`, { ...CSV, ...CHUNKED }, 400, 'invalid-request'],
    ['no gzip', COMPARISONS, { ...CSV, ...gzip, ...CHUNKED }, 400, 'unreadable-file'],
    ['no gzip in JSON', COMPARISONS, { ...json, ...gzip, ...CHUNKED }, 413, 'upload-too-large'],
  ]
  for (const [name, path, headers, status, kind] of cases) {
    const client = connect(port, '127.0.0.1')
    client.write(headOf(path, headers))
    // More than the buffers of the two sockets hold, before anything is read.
    const part = 'content-length' in headers ? pieces.whole : pieces.chunked
    for (let k = 0; k < 32; k++)
      await new Promise<void>((sent, failed) =>
        client.write(part, (error) => (error ? failed(error) : sent())),
      )
    const answer = answerIn(await text(client))
    t.match(answer, { status, closes: true, type: `/problems/${kind}` }, name)
    client.destroy()
  }
})

t.test('a client that is refused and never stops is cut off', async (t) => {
  const { port } = await listening(t, {})
  for (const headers of [CHUNKED, TEN_GIGABYTES]) {
    const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    client.write(headOf('/datasets/e/comparisons', { ...CSV, ...headers }))
    let heard = ''
    client.on('data', (bytes) => {
      heard += bytes
    })
    const cut = new Promise((wake) => client.once('error', () => {}).once('close', wake))
    const part = 'content-length' in headers ? pieces.whole : pieces.chunked
    const write = () => {
      if (client.writable) client.write(part, () => setImmediate(write))
    }
    write()
    await cut
    t.match(answerIn(heard), { status: 404, type: '/problems/no-such-dataset' })
    t.ok(client.bytesWritten > LINGER_BYTES, 'not at once')
    t.ok(client.bytesWritten < 2 * LINGER_BYTES, 'but soon')
  }
})

t.test('where little of a refused body is to come, the connection stays open', async (t) => {
  const { port } = await listening(t, {})
  const client = connect(port, '127.0.0.1')
  client.write(headOf('/datasets/e/comparisons', { ...CSV, 'content-length': '6' }))
  const [first] = await once(client, 'data')
  t.match(answerIn(String(first)), { status: 404, closes: false })
  client.write(`g,a,b\n${headOf(COMPARISONS, { ...CSV, 'content-length': '25' })}group,winner,loser\ng,a,b\n`)
  const [second] = await once(client, 'data')
  t.match(answerIn(String(second)), { status: 201, batch: { comparisons: 1 } })
  client.destroy()
})

t.test(
  'a client that stands still in the middle of a body is refused, and keeps nobody waiting',
  async (t) => {
    const home = t.testdir()
    const { app, port } = await listening(t, {
      CLIENT_TIMEOUT: '1',
      DATA_DIR: home,
      UPLOAD_LIMIT: TEN_GIGABYTES['content-length'],
    })
    const key = { 'idempotency-key': 'key' }
    const json = { 'content-type': 'application/json' }
    const cases: [string, string, Record<string, string>][] = [
      ['a file', COMPARISONS, { ...CSV, ...key, ...TEN_GIGABYTES }],
      ['a packed file', COMPARISONS, { ...CSV, ...key, ...CHUNKED, 'content-encoding': 'gzip' }],
      ['JSON', COMPARISONS, { ...json, ...key, 'content-length': '100000' }],
      ['JSON in chunks', COMPARISONS, { ...json, ...key, ...CHUNKED }],
      ['a request', '/aggregate', { ...json, 'content-length': '100000' }],
    ]
    const clients = cases.flatMap(([name, path, headers]) =>
      [false, true].map((drips) => {
        const client = connect(port, '127.0.0.1')
        const byte = 'content-length' in headers ? ' ' : '1\r\n \r\n'
        const gzip = 'content-encoding' in headers ? '1\r\n\x1f\r\n1\r\n\x8b\r\n' : byte
        client.write(Buffer.from(`${headOf(path, headers)}${gzip}`, 'latin1'))
        const timer = drips && gzip === byte ? setInterval(() => client.write(byte), 20) : undefined
        client.once('close', () => clearInterval(timer)).on('error', () => {})
        return { name: `${name}, ${drips ? 'byte by byte' : 'and then nothing'}`, answer: text(client) }
      }),
    )
    // All of them have begun, one as soon as its file is there.
    const files = () => readdirSync(join(home, 'uploads')).filter((name) => name.startsWith('upload-'))
    while (files().length < 4) await new Promise((wake) => setTimeout(wake, 5))
    const stored = await post(app, COMPARISONS, { comparisons: ROWS }, { ...json, ...key })
    t.equal(stored.statusCode, 201, 'a batch with the same key is stored meanwhile')
    t.equal(files().length, 4, 'while they stand still')
    for (const { name, answer } of clients) {
      const told = answerIn(await answer)
      t.match(told, { status: 408, closes: true, type: '/problems/too-slow', detail: /in 1 seconds/ }, name)
    }
    t.same(files(), [], 'nothing of them is left')
    t.match((await get(app, '/datasets/d')).json(), { batches: 1 })
  },
)

t.test(
  'a client that does not read its answer holds neither memory nor a lock, and is cut off',
  async (t) => {
    const { app, sockets, port } = await listening(t, { CLIENT_TIMEOUT: '1' })
    const rows = `group,winner,loser\n${'g,a,b\n'.repeat(700_000)}`
    t.equal((await post(app, COMPARISONS, rows, CSV)).statusCode, 201)
    const size = (await get(app, COMPARISONS)).rawPayload.length
    t.ok(size > 24 * MIB, 'far more than sockets hold')
    const client = connect(port, '127.0.0.1')
    client.pause()
    client.write(`GET ${COMPARISONS} HTTP/1.1\r\nhost: localhost\r\n\r\n`)
    await once(app.server, 'request')
    const [socket] = sockets
    let held = 0
    socket.on('timeout', () => {
      held = socket.writableLength
    })
    const cut = once(socket, 'close')
    t.equal((await post(app, COMPARISONS, { comparisons: ROWS })).statusCode, 201, 'others write')
    t.equal((await remove(app, '/datasets/d')).statusCode, 204, 'or delete it')
    await cut
    t.ok(held > 0, 'there was more to send')
    t.ok(held < MIB, `${held} of ${size} bytes were held for it`)
    client.destroy()
  },
)

t.test('a service killed while it reads has every batch that it acknowledged, and no half one', async (t) => {
  const home = t.testdir()
  const first = await serve(t, { DATA_DIR: home, UPLOAD_LIMIT: String(1024 * MIB) })
  const headers = { 'content-type': 'application/json' }
  const url = `http://127.0.0.1:${first.port}`
  await fetch(`${url}/datasets`, { method: 'POST', headers, body: '{"id":"d"}' })
  const body = JSON.stringify({ comparisons: Array(7).fill({ group: 'small', winner: 'a', loser: 'b' }) })
  let acknowledged = 0
  let sent = 0
  const small = Array.from({ length: 8 }, async () => {
    while (true) {
      sent++
      const answer = await fetch(`${url}${COMPARISONS}`, { method: 'POST', headers, body }).catch(() => null)
      if (answer?.status !== 201) return
      acknowledged++
    }
  })
  let answered = 0
  const large = Array.from({ length: 2 }, () =>
    send(first.port, CSV, Readable.from(csvOf(24)))
      .catch(() => null)
      .finally(() => {
        answered++
      }),
  )
  while (acknowledged < 20) await new Promise((wake) => setTimeout(wake, 5))
  // Once an upload is complete, it is being read.
  const uploads = join(home, 'uploads')
  const complete = () =>
    readdirSync(uploads).some((name) => {
      const file = join(uploads, name)
      return name.startsWith('upload-') && existsSync(file) && statSync(file).size > 23 * MIB
    })
  while (!complete() && answered === 0) await new Promise((wake) => setTimeout(wake, 2))
  first.child.kill('SIGKILL')
  const big = (await Promise.all(large)).filter((answer) => answer?.status === 201).length
  await Promise.all(small)
  await first.exit

  const second = await serve(t, { DATA_DIR: home })
  const answer = await fetch(`http://127.0.0.1:${second.port}/datasets/d`)
  const dataset = (await answer.json()) as { groups: { id: string; comparisons: number }[] }
  const counts = Object.fromEntries(dataset.groups.map(({ id, comparisons }) => [id, comparisons]))
  t.equal(counts.small % 7, 0, 'no half batch')
  t.ok(counts.small / 7 >= acknowledged, `${counts.small / 7} stored, ${acknowledged} acknowledged`)
  t.ok(counts.small / 7 <= sent)
  const rows = 24 * Math.floor(MIB / 6)
  t.equal((counts.g ?? 0) % rows, 0, 'no half file')
  t.ok((counts.g ?? 0) / rows >= big)
  t.same(
    readdirSync(uploads).filter((name) => name !== 'spill'),
    [],
    'and no half upload lies about',
  )
})

t.test('a second service on the same folder says who has it, and does not start', async (t) => {
  const home = t.testdir()
  const first = await serve(t, { DATA_DIR: home })
  const { child, exit } = start(t, { DATA_DIR: home })
  const said = await text(child.stderr as Readable)
  t.equal(await exit, 1)
  t.match(said, new RegExp(`^commonweal: the store .* is in use by another process \\(${first.child.pid}\\)`))
  t.match(said, /DATA_DIR.*DATABASE_URL/)
  const again = await fetch(`http://127.0.0.1:${first.port}/datasets`)
  t.equal(again.status, 200, 'the first goes on')
})
