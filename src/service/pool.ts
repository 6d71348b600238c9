import { Piscina } from 'piscina'
import type { Progress } from '../engine/aggregate.ts'
import type { StoredComparisons } from '../engine/comparisons/stored.ts'
import { type Description, describe } from '../engine/describe.ts'
import type { Rows } from '../store/rows.ts'
import type { Store } from '../store/store.ts'
import { type BatchRead, readBatchBody, revived } from './batch.ts'
import { type Known, keepFits } from './fits.ts'
import { parseJson } from './json.ts'
import { type Answer, answer, answerParsed, refusal, type Wants } from './operations.ts'
import { problemDetails, ServiceProblem } from './problems.ts'
import { type ProgressBoard, progressBoard, readProgress } from './progress.ts'
import type { Operation } from './validate.ts'
import type { Task } from './worker.ts'

/** Where requests are answered: small ones at once, the others in worker threads. */
export type Pool = {
  /**
   * Answers a request.
   *
   * @param signal aborts the work: a waiting task is dropped, a running one is stopped with its thread
   * @param store counts what a request wants
   * @param board where to write how far it is
   */
  answer(
    operation: Operation,
    body: Uint8Array,
    signal: AbortSignal,
    store: Pick<Store, 'counts' | 'state'>,
    board?: ProgressBoard,
  ): Promise<Answer>
  /**
   * Reads the comparisons of a batch.
   *
   * @throws a problem of the service, the store or the engine
   */
  readBatch(body: Uint8Array, covariates: readonly string[]): Promise<Rows>
  /** Describes what a store counted. */
  describe(stored: StoredComparisons): Promise<Description>
  /** Tasks that wait for a worker. */
  queueSize(): number
  /** The tasks that run or wait, each in a place of its own, and how far they are. */
  tasks(): { place: number; operation: Operation; progress: Progress }[]
  /** Waits for the tasks that have begun, then ends the threads. */
  close(): Promise<void>
}

/**
 * Up to these sizes an answer takes about a millisecond, which the event loop can spare and which is not much more than
 * a hand-over to a thread and back. Entries are groups × items × welfare functions.
 */
const SMALL = { bytes: 16 * 1024, rows: 256, items: 64, entries: 1024 }

/** Operations that take longer than their input lets expect, so that no request to them is small. */
const NEVER_SMALL = new Set<Operation>(['audit', 'vote', 'learn'])

const OVERLOADED = 'All workers are busy and the queue is full.'

/** Starts the worker threads. */
export function startPool(workers: number, queueLimit: number): Pool {
  const piscina = new Piscina({
    filename: new URL('./worker.ts', import.meta.url).href,
    minThreads: workers,
    maxThreads: workers,
    concurrentTasksPerWorker: 1,
  })
  const fits = keepFits()
  /** Tasks that run or wait, by their places. Piscina's own limit of 0 would refuse a task and run it all the same. */
  const begun = new Map<number, { operation: Operation; board: ProgressBoard } | null>()
  /** Runs a task in a place of its own until it ends. */
  async function placed<Result>(
    task: { operation: Operation; board: ProgressBoard } | null,
    work: () => Promise<Result>,
  ): Promise<Result> {
    let place = 0
    while (begun.has(place)) place++
    begun.set(place, task)
    try {
      return await work()
    } finally {
      begun.delete(place)
    }
  }
  /** Answers once, in the way that suits the size of the work. */
  async function attempt(
    operation: Operation,
    body: Uint8Array,
    known: Known | null,
    signal: AbortSignal,
    board: ProgressBoard,
  ): Promise<Answer | Wants> {
    if (body.byteLength <= SMALL.bytes && !NEVER_SMALL.has(operation)) {
      let parsed: unknown
      try {
        parsed = parseJson(body)
      } catch {
        return answer(operation, body, known)
      }
      if (isSmall(parsed, known)) return answerParsed(operation, parsed, known)
    }
    if (begun.size >= workers + queueLimit) {
      return unanswered('overloaded', OVERLOADED)
    }
    const moved = ownBuffer(body)
    const task: Task = { operation, body: moved, known, board }
    try {
      return await placed(task, () => piscina.run(task, { signal, transferList: [moved.buffer] }))
    } catch (error) {
      if (signal.aborted) return unanswered('cancelled', 'The client closed the connection.')
      throw error
    }
  }

  /** Runs another function of the worker. */
  async function run<Result>(name: string, task: unknown): Promise<Result> {
    if (begun.size >= workers + queueLimit) throw new ServiceProblem('overloaded', OVERLOADED)
    return placed(null, () => piscina.run(task, { name }))
  }

  return {
    async answer(operation, body, signal, store, board = progressBoard()) {
      const first = await attempt(operation, body, null, signal, board)
      if (!('wants' in first)) return first
      const { wants } = first
      let known: Known
      try {
        known = await fits.recall(wants, store)
      } catch (error) {
        return refusal(error, null, {})
      }
      if (signal.aborted) return unanswered('cancelled', 'The client closed the connection.')
      const { fitted, ...rest } = (await attempt(
        operation,
        first.body ?? body,
        known,
        signal,
        board,
      )) as Answer
      if (fitted !== undefined) fits.keep(wants, known.source, fitted)
      return rest
    },
    async readBatch(body, covariates) {
      if (body.byteLength <= SMALL.bytes) return readBatchBody(body, covariates)
      const { rows, problem } = await run<BatchRead>('readBatch', { body, covariates })
      if (rows === null) throw revived(problem)
      return rows
    },
    describe: (stored) =>
      stored.i.length <= SMALL.entries ? Promise.resolve(describe(stored)) : run('describe', stored),
    queueSize: () => piscina.queueSize,
    tasks: () =>
      Array.from(begun).flatMap(([place, task]) =>
        task === null ? [] : [{ place, operation: task.operation, progress: readProgress(task.board) }],
      ),
    close: () => piscina.close(),
  }
}

/** Whether a parsed request is surely small work; one that is malformed only has to be refused. */
function isSmall(request: unknown, known: Known | null): boolean {
  const { comparisons, rewards, items, welfare } = (request ?? {}) as Record<string, unknown>
  const functions = Array.isArray(welfare) ? welfare : [welfare]
  if (functions.some((choice) => choice?.function === 'pareto-front')) return false
  const met =
    known !== null
      ? sizesOfKnown(known)
      : rewards === undefined
        ? sizesOfComparisons(comparisons)
        : sizesOfRewards(rewards)
  const itemCount = Math.max(met.items, Array.isArray(items) ? items.length : 0)
  return (
    met.rows <= SMALL.rows &&
    itemCount <= SMALL.items &&
    met.groups * itemCount * functions.length <= SMALL.entries
  )
}

type Sizes = { rows: number; groups: number; items: number }

function sizesOfKnown({ stored, same }: Known): Sizes {
  const { groups, items } = (stored ?? same) as { groups: readonly string[]; items: readonly string[] }
  return { rows: stored?.i.length ?? 0, groups: groups.length, items: items.length }
}

function sizesOfRewards(rewards: unknown): Sizes {
  const rows = Object.values(rewards ?? {})
  const items = rows.reduce((most, row) => Math.max(most, Object.keys(row ?? {}).length), 0)
  return { rows: 0, groups: rows.length, items }
}

function sizesOfComparisons(comparisons: unknown): Sizes {
  const [group, winner, loser] = ['group', 'winner', 'loser'].map((member): unknown[] => {
    if (Array.isArray(comparisons)) return comparisons.map((row) => row?.[member])
    const column = (comparisons as Record<string, unknown> | undefined)?.[member]
    return Array.isArray(column) ? column : []
  })
  const rows = Math.max(group.length, winner.length, loser.length)
  return { rows, groups: new Set(group).size, items: new Set([...winner, ...loser]).size }
}

/** The body in a buffer that nothing else shares, so that it can be moved to a thread. */
function ownBuffer(body: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = body.buffer instanceof ArrayBuffer && body.byteLength === body.buffer.byteLength
  return whole ? new Uint8Array(body.buffer as ArrayBuffer) : new Uint8Array(body)
}

function unanswered(kind: 'cancelled' | 'overloaded', detail: string): Answer {
  const details = problemDetails(kind, detail)
  const body = new TextEncoder().encode(JSON.stringify(details))
  return { status: details.status, body, kind, sizes: null, seconds: {}, fault: null }
}
