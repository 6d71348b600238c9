import { Piscina } from 'piscina'
import { type Answer, answer, answerParsed, parse } from './operations.ts'
import { problemDetails } from './problems.ts'
import type { Operation } from './validate.ts'
import type { Task } from './worker.ts'

/** Where requests are answered: small ones at once, the others in worker threads. */
export type Pool = {
  /**
   * Answers a request.
   *
   * @param signal aborts the work: a waiting task is dropped, a running one is stopped with its thread
   */
  answer(operation: Operation, body: Uint8Array, signal: AbortSignal): Promise<Answer>
  /** Tasks that wait for a worker. */
  queueSize(): number
  /** Waits for the tasks that have begun, then ends the threads. */
  close(): Promise<void>
}

/** Up to these sizes an answer takes less than a hand-over to a thread and back (a fraction of a millisecond). */
const SMALL = { bytes: 16 * 1024, rows: 256, items: 64, groups: 16, functions: 5 }

/** Starts the worker threads. */
export function startPool(workers: number, queueLimit: number): Pool {
  const piscina = new Piscina({
    filename: new URL('./worker.ts', import.meta.url).href,
    minThreads: workers,
    maxThreads: workers,
    concurrentTasksPerWorker: 1,
  })
  /** Tasks that run or wait. Piscina's own limit of 0 would refuse a task and run it all the same. */
  let begun = 0
  return {
    async answer(operation, body, signal) {
      if (body.byteLength <= SMALL.bytes) {
        let parsed: unknown
        try {
          parsed = parse(body)
        } catch {
          return answer(operation, body)
        }
        if (isSmall(parsed)) return answerParsed(operation, parsed)
      }
      if (begun >= workers + queueLimit) {
        return unanswered('overloaded', 'All workers are busy and the queue is full.')
      }
      const moved = ownBuffer(body)
      const task: Task = { operation, body: moved }
      begun++
      try {
        return await piscina.run(task, { signal, transferList: [moved.buffer] })
      } catch (error) {
        if (signal.aborted) return unanswered('cancelled', 'The client closed the connection.')
        throw error
      } finally {
        begun--
      }
    },
    queueSize: () => piscina.queueSize,
    close: () => piscina.close(),
  }
}

/** Whether a parsed request is surely small work; whatever is malformed is, since it will only be refused. */
function isSmall(request: unknown): boolean {
  const { comparisons, rewards, items, welfare } = (request ?? {}) as Record<string, unknown>
  if (Array.isArray(items) && items.length > SMALL.items) return false
  const functions = Array.isArray(welfare) ? welfare : [welfare]
  if (functions.length > SMALL.functions) return false
  if (functions.some((choice) => (choice as { function?: unknown } | null)?.function === 'pareto-front'))
    return false

  if (typeof rewards === 'object' && rewards !== null) {
    const groups = Object.values(rewards)
    if (groups.length > SMALL.groups) return false
    return groups.every(
      (row) => typeof row !== 'object' || row === null || Object.keys(row).length <= SMALL.items,
    )
  }
  if (Array.isArray(comparisons)) {
    if (comparisons.length > SMALL.rows) return false
    const rows = comparisons.filter((row) => typeof row === 'object' && row !== null)
    return hasFew(
      rows.map((row) => row.group),
      [rows.map((row) => row.winner), rows.map((row) => row.loser)],
    )
  }
  const { group, winner, loser } = (comparisons ?? {}) as Record<string, unknown>
  if (!Array.isArray(group) || !Array.isArray(winner) || !Array.isArray(loser)) return true
  return winner.length <= SMALL.rows && loser.length <= SMALL.rows && hasFew(group, [winner, loser])
}

function hasFew(groups: unknown[], items: unknown[][]): boolean {
  return new Set(groups).size <= SMALL.groups && new Set(items.flat()).size <= SMALL.items
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
