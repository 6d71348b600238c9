import { setTimeout } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { type Computing, refresh } from './publish.ts'

/** How often it is looked which weights are due, in milliseconds. */
const LOOK_MS = 1000
/** How long weights are left alone whose refresh broke off in a way that is not the data's, in milliseconds. */
const REST_MS = 60_000

/**
 * Refreshes published weights as their schedules say, one after another, so that a long one leaves the other workers to
 * requests. Every replica does so; which of them refreshes is decided by who claims the weights first.
 *
 * @returns what ends it, and resolves when nothing of it is under way any more
 */
export function startSchedule(computing: Computing, log: FastifyBaseLogger): () => Promise<void> {
  const stopping = new AbortController()
  const { signal } = stopping
  /** Until when weights are left alone. */
  const resting = new Map<string, number>()

  async function look(): Promise<void> {
    for (const named of await computing.store.weights.due()) {
      if (signal.aborted) return
      const key = JSON.stringify([named.dataset, named.name])
      if ((resting.get(key) ?? 0) > performance.now()) continue
      resting.delete(key)
      try {
        const outcome = await refresh(computing, named, signal)
        const told = outcome.status === 'refused' ? { problem: outcome.answer.kind } : {}
        log.info({ ...named, status: outcome.status, ...told }, 'weights refreshed on schedule')
      } catch (error) {
        // Another replica has it, or it is gone since.
        if (
          ['refresh-in-flight', 'no-such-weights', 'no-such-dataset'].includes(
            (error as { kind?: string }).kind ?? '',
          )
        )
          continue
        resting.set(key, performance.now() + REST_MS)
        log.error({ err: error, ...named }, 'weights could not be refreshed')
      }
    }
  }

  async function run(): Promise<void> {
    let answered = true
    while (!signal.aborted) {
      await setTimeout(LOOK_MS, undefined, { ref: false, signal }).catch(() => {})
      if (signal.aborted) return
      try {
        await look()
        answered = true
      } catch (error) {
        if (answered) log.error({ err: error }, 'the store does not say which weights are due')
        answered = false
      }
    }
  }

  const running = run()
  return () => {
    stopping.abort()
    return running
  }
}
