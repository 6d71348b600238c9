import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { Test } from 'tap'
import type { JobDescription } from '../schemas/jobs.ts'
import { type Served, serve } from '../test/helpers/app.ts'
import { startPostgres } from '../test/helpers/postgres.ts'
import { quantile } from './measure.ts'
import { figure } from './report.ts'

/**
 * How soon after `DELETE /jobs/{id}` nothing computes any more: the time until the thread that did the job has had its
 * last moment of a processor, as the operating system counts; `held` is how long this process, which looks every
 * millisecond, was itself kept from a processor. On PostgreSQL the request goes to a replica that does not run the job.
 *
 * Run by hand, on Linux: `node bench/cancel.ts [runs]`, 20 if not said.
 */

/** A thread that has had no processor for so long computes no more. */
const QUIET_MS = 500
const runs = Number(process.argv[2] ?? 20)
const print = (line: string) => process.stdout.write(`${line}\n`)
const ends: (() => unknown)[] = []
const t = { teardown: (end: () => unknown) => ends.push(end) } as unknown as Test

/** Win probabilities of so many items that a group takes about a second. */
function loop(): string {
  const row = Object.fromEntries(Array.from({ length: 9000 }, (_, i) => [`i${i}`, ((i * 7919) % 1000) / 500]))
  const rewards = Object.fromEntries(Array.from({ length: 60 }, (_, g) => [`g${g}`, row]))
  return JSON.stringify({
    rewards,
    utility: { scale: 'win-probability' },
    welfare: { function: 'utilitarian' },
  })
}

/** An audit, which solves linear programs in compiled code. */
function programs(): string {
  const noise = (k: number) => Math.abs((Math.sin(k * 12.9898) * 43758.5453) % 1)
  const rewards = Object.fromEntries(
    Array.from({ length: 30 }, (_, g) => [
      `g${g}`,
      Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`i${i}`, noise(g * 300 + i)])),
    ]),
  )
  return JSON.stringify({ rewards, welfare: { function: 'nash' } })
}

/** Comparisons that take a second to parse and to check. */
function rows(): string {
  const row = (k: number) => `{"group":"g","winner":"i${k % 1000}","loser":"i${(k + 1 + (k % 998)) % 1000}"}`
  const list = Array.from({ length: 900_000 }, (_, k) => row(k))
  return `{"comparisons":[${list.join()}],"welfare":{"function":"nash"}}`
}

const address = (served: Served, path: string) => `http://127.0.0.1:${served.port}${path}`

/** Nanoseconds that each worker thread of a process has had of a processor. */
function threadTimes(pid: number): Map<string, number> {
  const times = new Map<string, number>()
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      // Those of V8 and of libuv outlive every job.
      if (!readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8').startsWith('WorkerThread')) continue
      times.set(thread, Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]))
    } catch {
      // It has just ended.
    }
  }
  return times
}

/** The replica and the thread that do the job: those that compute most. */
async function busiest(replicas: readonly Served[]): Promise<{ replica: Served; thread: string }> {
  const before = replicas.map(({ child }) => threadTimes(child.pid as number))
  await pause(500)
  return replicas
    .flatMap((replica, k) =>
      Array.from(threadTimes(replica.child.pid as number), ([thread, time]) => ({
        replica,
        thread,
        busy: time - (before[k].get(thread) ?? time),
      })),
    )
    .reduce((most, other) => (other.busy > most.busy ? other : most))
}

async function cancelOne(replicas: readonly Served[], path: string, body: string) {
  const headers = { 'content-type': 'application/json', prefer: 'respond-async' }
  const accepted = await fetch(address(replicas[0], path), { method: 'POST', headers, body })
  const job = String(accepted.headers.get('location'))
  while (true) {
    const { status } = (await (await fetch(address(replicas[0], job))).json()) as JobDescription
    if (status === 'running') break
    if (status !== 'queued') throw new Error(`the job has ${status}`)
    await pause(10)
  }
  const { replica, thread } = await busiest(replicas)
  const asked = replicas.find((other) => other !== replica) ?? replica
  const since = performance.now()
  let answered = Number.NaN
  const answer = fetch(address(asked, job), { method: 'DELETE' }).then(() => {
    answered = performance.now() - since
  })
  let stopped = 0
  let time = 0
  let held = 0
  for (let last = since; performance.now() - since < stopped + QUIET_MS; ) {
    const now = threadTimes(replica.child.pid as number).get(thread) ?? time
    if (now > time) stopped = performance.now() - since
    time = now
    await pause(1)
    held = Math.max(held, performance.now() - last)
    last = performance.now()
  }
  await answer
  return { answered, stopped, held }
}

async function measured(name: string, replicas: readonly Served[]) {
  for (const [work, path, body] of [
    ['a loop', '/aggregate', loop()],
    ['linear programs', '/audit', programs()],
    ['reading 50 MB', '/aggregate', rows()],
  ]) {
    const found: Awaited<ReturnType<typeof cancelOne>>[] = []
    for (let run = 0; run < runs; run++) found.push(await cancelOne(replicas, path, body))
    const figures = (['answered', 'stopped'] as const).flatMap((member) => {
      const sorted = found.map((one) => one[member]).sort((a, b) => a - b)
      return [quantile(sorted, 0.5), quantile(sorted, 1)].map(figure)
    })
    const held = figure(Math.max(...found.map((one) => one.held)))
    print(`| ${[name, work, ...figures, held].join(' | ')} |`)
  }
}

try {
  print(`Milliseconds from DELETE, ${runs} runs each\n`)
  print('| store | work | answered, median | worst | stopped, median | worst | held, worst |')
  print('| --- | --- | --- | --- | --- | --- | --- |')
  await measured('embedded', [await serve(t, { WORKERS: '1' })])
  const DATABASE_URL = await (await startPostgres(t)).database()
  await measured(
    'PostgreSQL',
    await Promise.all([1, 2, 3].map(() => serve(t, { WORKERS: '1', DATABASE_URL }))),
  )
} finally {
  for (const end of ends.reverse()) await end()
}
