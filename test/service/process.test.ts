import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { readConfig } from '../../src/service/config.ts'
import { build, post, serve, slow, start } from '../helpers/app.ts'

const secret = {
  comparisons: [
    {
      group: 'secret-group',
      winner: 'secret-item',
      loser: 'other-secret',
      annotator: 'secret-person',
      count: 3,
    },
    { group: 'secret-group', winner: 'other-secret', loser: 'secret-item', context: 'secret-prompt' },
  ],
  welfare: { function: 'nash' },
}

/** Sends a request over a real connection and reads the whole answer. */
async function ask(
  port: number,
  path: string,
  { method = 'GET', body = '', agent = new Agent(), headers = {} }: AskOptions = {},
) {
  const type = body === '' ? {} : { 'content-type': 'application/json' }
  const request = httpRequest({
    host: '127.0.0.1',
    port,
    path,
    method,
    agent,
    headers: { ...type, ...headers },
  })
  request.end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}
type AskOptions = { method?: string; body?: string; agent?: Agent; headers?: Record<string, string> }

t.test('the configuration has defaults, and reads what an operator sets', async (t) => {
  const defaults = readConfig({})
  t.match(defaults, { host: '127.0.0.1', port: 8080, bodyLimit: 64 * 1024 * 1024, logLevel: 'info' })
  t.ok(defaults.workers >= 1)
  t.same(
    readConfig({ HOST: '', PORT: '', BODY_LIMIT: '', WORKERS: '', QUEUE_LIMIT: '', LOG_LEVEL: '' }),
    defaults,
  )
  t.match(defaults, { dataDirectory: 'data', databaseUrl: null, uploadLimit: 4 * 1024 ** 3 })
  const set = { HOST: '::', PORT: '0', BODY_LIMIT: '1024', WORKERS: '3', QUEUE_LIMIT: '0', LOG_LEVEL: 'warn' }
  const read = { host: '::', port: 0, bodyLimit: 1024, workers: 3, queueLimit: 0, logLevel: 'warn' }
  const stores = { DATA_DIR: ':memory:', DATABASE_URL: 'postgresql://db/x', UPLOAD_LIMIT: '1024' }
  const stored = { dataDirectory: null, databaseUrl: 'postgresql://db/x', uploadLimit: 1024 }
  t.match(defaults, { jobLimit: 100, jobRetention: 86_400 })
  const jobs = { JOB_LIMIT: '5', JOB_RETENTION: '60', JOB_ABOVE: '0' }
  t.match(defaults, { clientTimeout: 30 })
  t.same(readConfig({ ...set, ...stores, ...jobs, STORE_MEMORY: '67108864', CLIENT_TIMEOUT: '5' }), {
    ...read,
    ...stored,
    jobLimit: 5,
    jobRetention: 60,
    jobAbove: 0,
    clientTimeout: 5,
    storeMemory: 64 * 1024 ** 2,
  })
})

t.test('a variable that cannot be is named, with what it could be', async (t) => {
  const faults: [name: string, values: string[], says: RegExp][] = [
    [
      'PORT',
      ['70000', '-1', '80.5', 'http', '0x50', ' 80', '1e3'],
      /PORT must be a whole number from 0 to 65535/,
    ],
    [
      'BODY_LIMIT',
      ['0', '1023', '64MiB', '2000000000'],
      /BODY_LIMIT must be a whole number from 1024 to 536870888/,
    ],
    ['WORKERS', ['0', '-2', 'many', '1025'], /WORKERS must be a whole number from 1 to 1024/],
    ['QUEUE_LIMIT', ['-1', 'none', '1000000'], /QUEUE_LIMIT must be a whole number from 0 to 100000/],
    ['CLIENT_TIMEOUT', ['0', '30s'], /CLIENT_TIMEOUT must be a whole number from 1 to 86400/],
    ['UPLOAD_LIMIT', ['1023', '4GiB'], /UPLOAD_LIMIT must be a whole number from 1024/],
    ['STORE_MEMORY', ['1024'], /STORE_MEMORY must be a whole number from 67108864/],
    ['DATABASE_URL', ['mysql://db/x', 'db'], /DATABASE_URL must begin with postgresql:/],
    [
      'LOG_LEVEL',
      ['loud', 'INFO'],
      /LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent/,
    ],
  ]
  for (const [name, values, says] of faults) {
    for (const value of values)
      t.throws(() => readConfig({ [name]: value }), { message: says }, `${name}=${value}`)
  }
  t.throws(() => readConfig({ PORT: 'x', WORKERS: '0' }), { message: /PORT .* "x"; WORKERS .* "0"/ })
})

/** What a service says that does not start, and its exit code. */
async function failure(t: Parameters<typeof start>[0], env: Record<string, string>) {
  const { child, exit } = start(t, env)
  const said = await text(child.stderr as NodeJS.ReadableStream)
  return { code: await exit, said }
}

t.test('a service that cannot start says why in one line, and exits with 1', async (t) => {
  const wrong = await failure(t, { PORT: 'http', LOG_LEVEL: 'loud' })
  t.equal(wrong.code, 1)
  t.match(wrong.said, /^commonweal: The configuration is not valid: PORT must .* LOG_LEVEL must [^\n]*\n$/)

  const app = await build(t)
  const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
  const taken = await failure(t, { PORT: port })
  t.equal(taken.code, 1)
  t.match(taken.said, new RegExp(`^commonweal: [^\\n]*address already in use[^\\n]*${port}\\n$`))
})

t.test('the log tells of every request what it was and took, and never whose preferences', async (t) => {
  const { port, log, child, exit } = await serve(t)
  const body = JSON.stringify(secret)
  const method = 'POST'
  const given = { 'x-request-id': 'my-request.7/a' }
  const answer = await ask(port, '/aggregate', { method, body, headers: given })
  t.equal(answer.status, 200)
  t.equal(answer.headers['x-request-id'], 'my-request.7/a')

  const unsafe = ['a b', 'a"b', 'x'.repeat(129), '<script>', 'ü'].map((id) => ({ 'x-request-id': id }))
  for (const headers of unsafe) {
    const { headers: told } = await ask(port, '/health/live', { headers })
    t.match(told['x-request-id'], /^[0-9a-f]{8}-[0-9a-f-]{27}$/, `${headers['x-request-id']} is replaced`)
  }
  const refused: [path: string, body: string][] = [
    ['/aggregate', body.replace('"count":3', '"count":"secret-count"')],
    ['/aggregate', body.replace('"other-secret","annotator"', '"secret-item","annotator"')],
    ['/aggregate', body.replace('"nash"', '"secret-function"')],
    ['/aggregate', body.slice(0, 60)],
    ['/fit', JSON.stringify({ comparisons: secret.comparisons.slice(0, 1) })],
    ['/fit', JSON.stringify({ comparisons: secret.comparisons, 'secret-member': 1 })],
  ]
  for (const [path, body] of refused) {
    const { status, headers } = await ask(port, path, { method, body })
    t.ok(status === 400 || status === 422, path)
    t.ok(headers['x-request-id'])
  }
  await ask(port, '/secret-path?token=secret-token')
  await ask(port, '/problems/%')
  child.kill('SIGTERM')
  t.equal(await exit, 0)

  const answered = log.filter(({ msg }) => msg === 'answered')
  t.equal(answered.length, 1 + unsafe.length + refused.length + 2, 'a line for every request')
  t.match(answered[0], {
    level: 'info',
    time: /^\d{4}-\d\d-\d\dT/,
    reqId: 'my-request.7/a',
    method: 'POST',
    route: '/aggregate',
    status: 200,
    bytes: body.length,
    groups: 1,
    items: 2,
    ms: Number,
    readMs: Number,
    fitMs: Number,
    solveMs: Number,
  })
  t.same(
    answered.slice(-8).map(({ status, problem }) => [status, problem]),
    [
      [400, 'invalid-request'],
      [400, 'invalid-request'],
      [400, 'invalid-request'],
      [400, 'malformed-body'],
      [422, 'no-finite-estimate'],
      [400, 'invalid-request'],
      [404, 'not-found'],
      [404, 'not-found'],
    ],
  )
  t.notMatch(JSON.stringify(log), /secret/)
})

t.test('the metrics count requests, stages and refusals', async (t) => {
  const app = await build(t)
  await post(app, '/aggregate', secret)
  await post(app, '/compare', { ...secret, welfare: [{ function: 'nash' }, { function: 'maximin' }] })
  await post(app, '/fit', { comparisons: secret.comparisons })
  await post(app, '/fit', { comparisons: secret.comparisons.slice(1) })
  await post(app, '/fit', {})
  await post(app, '/fit', '{')
  await app.inject('/nope')
  await app.inject('/problems/%')
  await app.inject({ method: 'DELETE', url: '/fit' })
  const answer = await app.inject('/metrics')
  t.match(answer.headers['content-type'], /^text\/plain/)
  const lines = new Set(answer.body.split('\n'))
  const count = (name: string, labels: string) => `commonweal_${name}_duration_seconds_count{${labels}}`
  for (const line of [
    `${count('request', 'method="POST",route="/aggregate",status="200"')} 1`,
    `${count('request', 'method="POST",route="/fit",status="200"')} 1`,
    `${count('request', 'method="POST",route="/fit",status="422"')} 1`,
    `${count('request', 'method="POST",route="/fit",status="400"')} 2`,
    `${count('request', 'method="GET",route="unknown",status="404"')} 2`,
    `${count('request', 'method="DELETE",route="unknown",status="405"')} 1`,
    `${count('read', 'operation="aggregate"')} 1`,
    `${count('read', 'operation="fit"')} 2`,
    `${count('fit', 'operation="fit"')} 1`,
    `${count('fit', 'operation="compare"')} 1`,
    `${count('solve', 'operation="aggregate"')} 1`,
    `${count('solve', 'operation="compare"')} 1`,
    'commonweal_refusals_total{kind="no-finite-estimate"} 1',
    'commonweal_refusals_total{kind="invalid-request"} 1',
    'commonweal_refusals_total{kind="malformed-body"} 1',
    'commonweal_refusals_total{kind="not-found"} 2',
    'commonweal_refusals_total{kind="method-not-allowed"} 1',
    'commonweal_queue_depth 0',
  ]) {
    t.ok(lines.has(line), line)
  }
  t.match(answer.body, /process_resident_memory_bytes \d/)
  t.notMatch(answer.body, /secret/)
})

t.test('SIGTERM lets what has begun end, refuses what is new, and exits with 0', async (t) => {
  const { port, child, exit, logged } = await serve(t)
  const body = slow(9)
  const calm = await build(t)
  const wanted = (await post(calm, '/aggregate', body)).body

  // A connection that lies idle must not hold up the end, nor one that is kept after its last answer.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const idle = new Agent({ keepAlive: true })
  t.teardown(() => {
    agent.destroy()
    idle.destroy()
  })
  await ask(port, '/health/live', { agent: idle })

  let over = false
  const answers = [agent, new Agent()].map((agent) =>
    ask(port, '/aggregate', { method: 'POST', body, agent }).finally(() => {
      over = true
    }),
  )
  await ask(port, '/health/live')
  child.kill('SIGTERM')
  await logged('shutting down')
  // A connection made in the moment of closing may still be taken, and answered with a 503 or cut.
  const outcome = () =>
    ask(port, '/health/ready').then(
      ({ status }) => status,
      ({ code }) => code,
    )
  let ready = await outcome()
  while (ready !== 'ECONNREFUSED') {
    t.ok([503, 'ECONNRESET'].includes(ready), `not ready: ${ready}`)
    ready = await outcome()
  }
  t.equal(over, false, 'nobody new is let in while the answers are still due')

  for (const { status, body } of await Promise.all(answers)) {
    t.equal(status, 200)
    t.equal(body, wanted)
  }
  t.equal(await exit, 0)
})

t.test('a service that drains is not ready, and refuses work, but is alive', async (t) => {
  const app = await build(t)
  app.drain()
  t.equal((await app.inject('/health/live')).statusCode, 200)
  for (const answer of [await app.inject('/health/ready'), await post(app, '/aggregate', secret)]) {
    t.equal(answer.statusCode, 503)
    t.match(answer.json(), { type: '/problems/shutting-down', status: 503, detail: /shutting down/ })
    t.match(answer.headers, {
      'retry-after': /^\d+$/,
      connection: 'close',
      'content-type': 'application/problem+json',
    })
  }
})
