import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import { seededRandom } from '../../src/engine/numeric/random.ts'
import { build, post, refuses, slow } from '../helpers/app.ts'

const json = { 'content-type': 'application/json' }
const quick = { rewards: { east: { a: 1, b: 0 }, west: { a: 0, b: 1 } }, welfare: { function: 'nash' } }

/** So many games between strangers, among them a cycle through all items, as rows or as columns. */
function games(seed: number, items: number, count: number, shape: 'rows' | 'columns') {
  const random = seededRandom(seed)
  const draw = (n: number) => Math.floor(random() * n)
  const rows = Array.from({ length: count }, (_, k) => {
    const winner = k < 2 * items ? k % items : draw(items)
    const loser = k < 2 * items ? (k + 1) % items : (winner + 1 + draw(items - 1)) % items
    const group = k < 2 * items ? `g${Math.floor(k / items)}` : `g${draw(2)}`
    return { group, winner: `i${winner}`, loser: `i${loser}`, count: 1 + draw(3) }
  })
  if (shape === 'rows') return rows
  const column = (member: keyof (typeof rows)[number]) => rows.map((row) => row[member])
  return { group: column('group'), winner: column('winner'), loser: column('loser'), count: column('count') }
}

function rewards(seed: number, groups: number, items: number) {
  const random = seededRandom(seed)
  const row = () => Object.fromEntries(Array.from({ length: items }, (_, i) => [`i${i}`, random() * 5]))
  return Object.fromEntries(Array.from({ length: groups }, (_, g) => [`g${g}`, row()]))
}

t.test('fifty requests at once are answered with the bytes that they get one at a time', async (t) => {
  const functions = ['utilitarian', 'nash', 'maximin', 'pareto-front'].map((name) => ({ function: name }))
  const requests = Array.from({ length: 50 }, (_, k) => {
    const size = [3, 10, 30, 80, 160][k % 5]
    const shape = k % 2 === 0 ? 'rows' : 'columns'
    const policy = { temperature: k % 3 === 0 ? 0 : 0.3 }
    const welfare = functions[Math.floor(k / 5) % 4]
    switch (k % 7) {
      case 0:
      case 1:
        return { path: '/fit', body: { comparisons: games(k, size, 20 * size, shape) } }
      case 2:
      case 3:
        return {
          path: '/aggregate',
          body: { comparisons: games(k, size, 20 * size, shape), policy, welfare },
        }
      case 4:
        return { path: '/aggregate', body: { rewards: rewards(k, 4, size), policy, welfare, seed: k } }
      case 5:
        return { path: '/compare', body: { rewards: rewards(k, 3, size), policy, welfare: functions } }
      default:
        return { path: '/aggregate', body: { comparisons: games(k, size, size - 1, shape), welfare } }
    }
  })
  const bytes = requests.map(({ body }) => JSON.stringify(body).length)
  t.ok(bytes.some((length) => length < 2000) && bytes.some((length) => length > 50_000), 'of all sizes')

  const calm = await build(t)
  const alone: LightMyRequestResponse[] = []
  for (const { path, body } of requests) alone.push(await post(calm, path, body))
  t.ok(alone.filter(({ statusCode }) => statusCode === 200).length >= 40)

  const busy = await build(t, { WORKERS: '2', QUEUE_LIMIT: '100' })
  const together = await Promise.all(requests.map(({ path, body }) => post(busy, path, body)))
  together.forEach(({ statusCode, rawPayload }, k) => {
    const same = statusCode === alone[k].statusCode && rawPayload.equals(alone[k].rawPayload)
    t.ok(same, `request ${k}, ${requests[k].path} with ${bytes[k]} bytes`)
  })
})

/** Resolves once the metrics have a line. */
async function shows(app: FastifyInstance, line: string): Promise<void> {
  while (!(await app.inject('/metrics')).body.includes(`${line}\n`)) await setTimeout(5)
}

t.test('a worker answers with the bytes that the event loop answers with', async (t) => {
  const app = await build(t)
  const bodies = [
    quick,
    { comparisons: games(1, 4, 20, 'rows'), welfare: { function: 'maximin' } },
    { seed: -1 },
  ]
  for (const body of bodies) {
    const text = JSON.stringify(body)
    const [here, there] = [
      await post(app, '/aggregate', text),
      await post(app, '/aggregate', text.padEnd(20_000)),
    ]
    t.equal(here.statusCode, there.statusCode)
    t.equal(here.body, there.body)
  }
})

t.test('a full queue refuses, and takes requests again once it is not full', async (t) => {
  for (const [limit, statuses] of [
    ['0', [200, 503, 503]],
    ['1', [200, 200, 503]],
  ] as const) {
    const app = await build(t, { WORKERS: '1', QUEUE_LIMIT: limit })
    const answers = await Promise.all([1, 2, 3].map(() => post(app, '/aggregate', slow(1))))
    t.same(answers.map(({ statusCode }) => statusCode).sort(), statuses, `QUEUE_LIMIT ${limit}`)
    for (const answer of answers.filter(({ statusCode }) => statusCode === 503)) {
      refuses(
        t,
        answer,
        { status: 503, kind: 'overloaded', says: /the queue is full/ },
        `QUEUE_LIMIT ${limit}`,
      )
      t.match(answer.headers['retry-after'], /^[1-9]\d*$/)
    }
    t.equal((await post(app, '/aggregate', slow(1))).statusCode, 200)
    t.match((await app.inject('/metrics')).body, /commonweal_refusals_total\{kind="overloaded"\} [12]\n/)
  }
})

t.test('while a worker is busy the queue can be read, and small requests are answered', async (t) => {
  const app = await build(t, { WORKERS: '1' })
  let over = false
  const heavy = Promise.all([slow(8), slow(1)].map((body) => post(app, '/aggregate', body))).then(
    (answers) => {
      over = true
      return answers
    },
  )
  // Both bodies have arrived once the second of them waits.
  await shows(app, 'commonweal_queue_depth 1')
  for (const url of ['/health/live', '/health/ready', '/welfare-functions']) {
    t.equal((await app.inject(url)).statusCode, 200, url)
  }
  t.equal((await post(app, '/aggregate', quick)).statusCode, 200)
  t.equal(over, false, 'all before the slow answers')
  t.same(
    (await heavy).map(({ statusCode }) => statusCode),
    [200, 200],
  )
  t.match((await app.inject('/metrics')).body, /commonweal_queue_depth 0\n/)
})

/** The app on a real port, and a way to post to it over a connection that can be cut. */
async function listen(t: Test, env: Record<string, string>) {
  const app = await build(t, env)
  const port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
  const open = (headers: Record<string, string | number> = {}) => {
    const request = httpRequest({
      port,
      method: 'POST',
      path: '/aggregate',
      headers: { ...json, ...headers },
    })
    // What is cut here ends in an error there.
    request.on('error', () => {})
    return request
  }
  return { app, port, open }
}

t.test('a client that disconnects cancels its work, whether it waits or runs', async (t) => {
  const { app, open } = await listen(t, { WORKERS: '1', QUEUE_LIMIT: '1' })
  const [running, waiting] = [open(), open()]
  for (const request of [running, waiting]) request.end(slow(150))
  await shows(app, 'commonweal_queue_depth 1')
  waiting.destroy()
  await shows(app, 'commonweal_refusals_total{kind="cancelled"} 1')
  t.match((await app.inject('/metrics')).body, /commonweal_queue_depth 0\n/)
  running.destroy()
  await shows(app, 'commonweal_refusals_total{kind="cancelled"} 2')

  const after = await Promise.all([1, 2].map(() => post(app, '/aggregate', slow(1))))
  t.same(
    after.map(({ statusCode }) => statusCode),
    [200, 200],
    'the worker and the place in the queue are free again',
  )
})

t.test('a client that disconnects in the middle of its body is no fault of the service', async (t) => {
  const { app, open } = await listen(t, { WORKERS: '1' })
  const request = open({ 'content-length': 1000, expect: '100-continue' })
  request.write('{"rewards"')
  await once(request, 'continue')
  request.destroy()
  await shows(app, 'commonweal_refusals_total{kind="cancelled"} 1')
  const metrics = (await app.inject('/metrics')).body
  t.match(
    metrics,
    /commonweal_request_duration_seconds_count\{method="POST",route="\/aggregate",status="499"\} 1\n/,
  )
  t.notMatch(metrics, /kind="internal"/)
  t.equal((await post(app, '/aggregate', quick)).statusCode, 200)
})

t.test('a body without a length is cut off at the limit', async (t) => {
  const { open } = await listen(t, { WORKERS: '1', BODY_LIMIT: '2000' })
  const request = open({ 'transfer-encoding': 'chunked' })
  request.write(' '.repeat(2000))
  request.write(' ')
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  t.equal(response.statusCode, 413)
  t.equal(response.headers['content-type'], 'application/problem+json')
  t.match(JSON.parse(await text(response)), { type: '/problems/body-too-large', status: 413 })
})

t.test('what is not HTTP is answered with a problem too', async (t) => {
  const { app, port } = await listen(t, { WORKERS: '1' })
  const messages: Record<string, [message: string, status: number, kind: string]> = {
    'no HTTP': ['hello\r\n\r\n', 400, 'malformed-message'],
    'a method that is none': ['BREW /fit HTTP/1.1\r\nHost: a\r\n\r\n', 400, 'malformed-message'],
    'two lengths': [
      'POST /fit HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'malformed-message',
    ],
    'headers without end': [
      `GET /fit HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'headers-too-large',
    ],
  }
  for (const [name, [message, status, kind]] of Object.entries(messages)) {
    const socket = connect(port, '127.0.0.1')
    socket.write(message)
    const [head, body] = (await text(socket)).split('\r\n\r\n')
    t.match(head, new RegExp(`^HTTP/1.1 ${status} .*\r\nContent-Type: application/problem\\+json\r\n`), name)
    t.match(JSON.parse(body), { type: `/problems/${kind}`, status }, name)
  }
  await shows(app, 'commonweal_refusals_total{kind="malformed-message"} 3')

  const slow = connect(port, '127.0.0.1')
  const [connection] = (await once(app.server, 'connection')) as [Socket]
  app.server.emit('clientError', Object.assign(new Error(), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), connection)
  t.match(await text(slow), /^HTTP\/1.1 408 Request Timeout\r\n.*"\/problems\/too-slow"/s)
  t.equal((await post(app, '/aggregate', quick)).statusCode, 200)
})
