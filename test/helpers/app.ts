import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Ajv, type ValidateFunction } from 'ajv'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import type { ProblemDetails } from '../../schemas/problem.ts'
import { components } from '../../schemas/ref.ts'
import { buildApp } from '../../src/service/app.ts'
import { readConfig } from '../../src/service/config.ts'

/** The app with a silent log and one worker thread, unless `env` says otherwise; closed at the end of the test. */
export async function build(t: Test, env: Record<string, string> = {}): Promise<FastifyInstance> {
  const app = await buildApp(readConfig({ LOG_LEVEL: 'silent', WORKERS: '1', DATA_DIR: ':memory:', ...env }))
  t.teardown(() => app.close())
  await app.ready()
  return app
}

/** Posts a body to an app that does not listen; text and bytes are sent as they are. */
export function post(
  app: FastifyInstance,
  path: string,
  body: unknown,
  headers: Record<string, string> = { 'content-type': 'application/json' },
): Promise<LightMyRequestResponse> {
  const payload = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
  return app.inject({ method: 'POST', url: path, payload, headers })
}

/**
 * Asserts that an answer is a refusal of one kind, as RFC 9457 has it.
 *
 * @param at the JSON pointers of `errors`, in their order; none where there is nothing to point at
 * @param says what its detail says would be right
 */
export function refuses(
  t: Test,
  answer: LightMyRequestResponse,
  { status, kind, at, says }: { status: number; kind: string; at?: string | string[]; says: RegExp },
  name: string,
): ProblemDetails & Record<string, unknown> {
  const problem = answer.json()
  t.equal(answer.statusCode, status, `${name}: status`)
  t.equal(answer.headers['content-type'], 'application/problem+json', `${name}: content type`)
  t.match(problem, { type: `/problems/${kind}`, title: /^[A-Z]/, status, detail: says }, name)
  t.same(
    (problem.errors ?? []).map(({ pointer }: { pointer: string }) => pointer),
    [at ?? []].flat(),
    `${name}: pointers`,
  )
  return problem
}

const ajv = new Ajv({ discriminator: true, strict: false, validateFormats: false })
for (const [name, schema] of components) ajv.addSchema(schema, name)

/** What is wrong with an answer by the schema that is published for it (a null among the numbers, say), or null. */
export function misfit(schema: string, answer: unknown): string | null {
  const check = ajv.getSchema(schema) as ValidateFunction
  return check(answer) ? null : ajv.errorsText(check.errors)
}

/** The service as a process of its own, on a free port. */
export type Served = {
  port: number
  child: ChildProcess
  /** Its log so far, a parsed line each. */
  log: Record<string, unknown>[]
  /** Resolves with the first line of its log, earlier or later, that has this message. */
  logged(message: string): Promise<Record<string, unknown>>
  /** Resolves with the exit code. */
  exit: Promise<number | null>
}

/** Starts `node src/server.ts` and waits until it listens; it is killed at the end of the test if it still runs. */
export async function serve(t: Test, env: Record<string, string> = {}, node?: string[]): Promise<Served> {
  const { child, exit } = start(t, env, node)
  const log: Record<string, unknown>[] = []
  const waiting: (() => void)[] = []
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
    log.push(JSON.parse(line))
    for (const wake of waiting.splice(0)) wake()
  })
  const logged = async (message: string) => {
    while (true) {
      const line = log.find(({ msg }) => (msg as string).startsWith(message))
      if (line !== undefined) return line
      await new Promise<void>((wake) => waiting.push(wake))
    }
  }
  const listening = await Promise.race([logged('Server listening'), exit])
  if (listening === null || typeof listening === 'number') throw new Error('the service did not start')
  return { port: Number(/:(\d+)$/.exec(listening.msg as string)?.[1]), child, log, logged, exit }
}

/**
 * Starts `node src/server.ts`, whatever comes of it.
 *
 * @param node the command that stands for `node`
 */
export function start(t: Test, env: Record<string, string>, node: string[] = [process.execPath]) {
  const child = spawn(node[0], [...node.slice(1), 'src/server.ts'], {
    env: {
      ...process.env,
      HOST: '127.0.0.1',
      PORT: '0',
      LOG_LEVEL: 'info',
      WORKERS: '1',
      DATA_DIR: ':memory:',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const exit = once(child, 'exit').then(([code]) => code as number | null)
  return { child, exit }
}

/**
 * A request that keeps a worker busy, for about a twentieth of a second a group: win probabilities of 3,000 items
 * compare every item with every other.
 */
export function slow(groups: number): string {
  const row = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`i${i}`, ((i * 7919) % 1000) / 500]))
  const rewards = Object.fromEntries(Array.from({ length: groups }, (_, g) => [`g${g}`, row]))
  return JSON.stringify({
    rewards,
    utility: { scale: 'win-probability' },
    welfare: { function: 'utilitarian' },
  })
}
