import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Jobs } from '../store/jobs.ts'
import type { Answer } from './operations.ts'
import type { Pool } from './pool.ts'
import type { ServiceProblemKind } from './problems.ts'
import type { Operation } from './validate.ts'

/** What Prometheus can read of one app. */
export type Metrics = {
  registry: Registry
  /** Counts one HTTP response. */
  request(method: string, route: string, status: number, seconds: number): void
  /** Counts what an answer took, stage by stage. */
  answer(operation: Operation, answer: Answer): void
  /** Counts a refusal. */
  refusal(kind: ServiceProblemKind): void
}

const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** A registry of its own for each app, so that several can live in one process. */
export function createMetrics(pool: Pool, jobs: Jobs): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const requests = new Histogram({
    name: 'commonweal_request_duration_seconds',
    help: 'Time from the last byte of a request to the last byte of its response.',
    labelNames: ['method', 'route', 'status'],
    buckets: BUCKETS,
    registers: [registry],
  })
  const stages = {
    read: stage('read', 'reading and checking the preferences'),
    fit: stage('fit', 'fitting rewards'),
    solve: stage('solve', 'solving for the welfare optimum'),
  }
  const refusals = new Counter({
    name: 'commonweal_refusals_total',
    help: 'Responses that are problems, by kind.',
    labelNames: ['kind'],
    registers: [registry],
  })
  new Gauge({
    name: 'commonweal_queue_depth',
    help: 'Requests that wait for a worker thread.',
    registers: [registry],
    collect() {
      this.set(pool.queueSize())
    },
  })
  new Gauge({
    name: 'commonweal_task_progress',
    help: 'Of each task that a worker thread does or that waits for one: the part of its stage that is done, from 0 to 1.',
    labelNames: ['place', 'operation', 'stage'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { place, operation, progress } of pool.tasks())
        this.set({ place: String(place), operation, stage: progress.stage }, progress.fraction)
    },
  })

  new Gauge({
    name: 'commonweal_jobs',
    help: 'Jobs in the store, by status; the same from every replica.',
    labelNames: ['status'],
    registers: [registry],
    async collect() {
      this.reset()
      // Where the store does not answer, the other series still do.
      const counts = await jobs.counts().catch(() => null)
      for (const [status, count] of Object.entries(counts ?? {})) this.set({ status }, count)
    },
  })

  function stage(name: string, what: string) {
    return new Histogram({
      name: `commonweal_${name}_duration_seconds`,
      help: `Time spent on ${what}.`,
      labelNames: ['operation'],
      buckets: BUCKETS,
      registers: [registry],
    })
  }

  return {
    registry,
    request: (method, route, status, seconds) => requests.observe({ method, route, status }, seconds),
    answer(operation, { seconds }) {
      for (const name of ['read', 'fit', 'solve'] as const) {
        if (seconds[name] !== undefined) stages[name].observe({ operation }, seconds[name])
      }
    },
    refusal: (kind) => refusals.inc({ kind }),
  }
}
