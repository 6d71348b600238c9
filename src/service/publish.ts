import type { LastRefresh, WeightsConfiguration } from '../../schemas/weights.ts'
import type { CountsQuery, Store } from '../store/store.ts'
import type { Latest, Schedule, Seen } from '../store/weights.ts'
import { countsWanted } from './dataset-source.ts'
import type { Answer } from './operations.ts'
import type { Pool } from './pool.ts'
import { ServiceProblem } from './problems.ts'
import { validate } from './validate.ts'

/** What publishing and refreshing need: where the data are, and who computes. */
export type Computing = { store: Store; pool: Pool }

/** Whether there is a new version; where the answer is a refusal there is none. */
export type Outcome = { status: 'published' | 'unchanged' } | { status: 'refused'; answer: Answer }

/** Weights by their dataset and name. */
export type Named = { dataset: string; name: string }

const decoder = new TextDecoder()

/**
 * Computes weights by a configuration and publishes them, as version 1 or the next one. Where neither the configuration nor
 * the data have changed since the latest version there is no other. A refusal changes nothing.
 *
 * @throws problems of the engine, the store and the service
 */
export function publish(
  computing: Computing,
  named: Named,
  { refresh, ...configuration }: WeightsConfiguration,
  signal: AbortSignal,
): Promise<Outcome> {
  const { everySeconds = null, afterComparisons = null } = refresh ?? {}
  const schedule = { everySeconds, afterComparisons }
  return alone(computing.store, named, async () => {
    const latest = await computing.store.weights.latest(named.dataset, named.name)
    const step = { configuration: canonical(configuration), schedule, latest }
    return (await advance(computing, named, step, signal)).outcome
  })
}

/**
 * Computes published weights anew from the data as they are now. A failure leaves the last version in place, and is noted
 * unless it is one that passes by itself.
 *
 * @throws problems of the engine, the store and the service
 */
export function refresh(computing: Computing, named: Named, signal: AbortSignal): Promise<Outcome> {
  const { weights } = computing.store
  const { dataset, name } = named
  return alone(computing.store, named, async () => {
    const latest = (await weights.latest(dataset, name)) ?? (await refuseUnknown(computing, named))
    const { configuration } = latest.version
    const { schedule, lastRefresh } = latest.published
    const { outcome, seen } = await advance(computing, named, { configuration, schedule, latest }, signal)
    if (outcome.status !== 'refused' || passes(outcome.answer)) return outcome
    const { type, title, status, detail, errors } = JSON.parse(decoder.decode(outcome.answer.body))
    const failure: LastRefresh = {
      status: 'failed',
      at: new Date().toISOString(),
      problem: { type, title, status, detail, errors },
    }
    // What fails again in the same way is no news.
    const again =
      JSON.stringify((JSON.parse(lastRefresh) as LastRefresh).problem) === JSON.stringify(failure.problem)
    await weights.note(dataset, name, schedule, again ? lastRefresh : JSON.stringify(failure), seen)
    return outcome
  })
}

/** One step of a publication: what it is computed by, and what there is already. */
type Step = { configuration: string; schedule: Schedule; latest: Latest | null }

/**
 * Makes the next version. Where it would be the same as the latest only the schedule is set, and a failure that was noted is
 * over.
 */
async function advance(
  { store, pool }: Computing,
  { dataset, name }: Named,
  { configuration, schedule, latest }: Step,
  signal: AbortSignal,
): Promise<{ outcome: Outcome; seen: Seen }> {
  const { dataset: selection, ...rest } = JSON.parse(configuration) as WeightsConfiguration
  const request = { ...rest, dataset: { ...selection, id: dataset } }
  validate('aggregate', request)
  const seen = await store.state(countsWanted('aggregate', request) as CountsQuery)
  if (latest?.version.configuration === configuration && latest.version.fingerprint === seen.fingerprint) {
    const { lastRefresh } = latest.published
    const failed = (JSON.parse(lastRefresh) as LastRefresh).status === 'failed'
    await store.weights.note(dataset, name, schedule, failed ? succeeded() : lastRefresh, seen)
    return { outcome: { status: 'unchanged' }, seen }
  }
  const body = new TextEncoder().encode(JSON.stringify(request))
  const answer = await pool.answer('aggregate', body, signal, store)
  if (answer.status !== 200) return { outcome: { status: 'refused', answer }, seen }
  const text = decoder.decode(answer.body)
  const { fingerprint } = JSON.parse(text).data
  const version = { computedAt: new Date().toISOString(), fingerprint, configuration, answer: text }
  await store.weights.publish(dataset, name, version, schedule, succeeded(), seen)
  return { outcome: { status: 'published' }, seen }
}

function succeeded(): string {
  const lastRefresh: LastRefresh = { status: 'succeeded', at: new Date().toISOString(), problem: null }
  return JSON.stringify(lastRefresh)
}

/** Says what is missing: the weights. */
async function refuseUnknown({ store }: Computing, { dataset, name }: Named): Promise<never> {
  await store.weights.find(dataset, name)
  throw new Error('weights that are not there were found')
}

/** Does something for weights while nobody else does, in whatever replica. */
async function alone<T>(store: Store, { dataset, name }: Named, work: () => Promise<T>): Promise<T> {
  // No Idempotency-Key, which shares the names that are claimed, has a space in it.
  const release = await store.claim(dataset, `weights ${name}`)
  if (release === null) {
    const detail = `The weights "${name}" are being computed at the moment.`
    throw new ServiceProblem('refresh-in-flight', detail)
  }
  try {
    return await work()
  } finally {
    await release()
  }
}

/** Refusals that say nothing of the data: a full queue, a client that went away, a database that does not answer. */
function passes({ kind }: Answer): boolean {
  return kind === 'overloaded' || kind === 'cancelled' || kind === 'store-unavailable'
}

/** JSON with the members of all objects in one order, so that equal configurations are equal texts. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, one) =>
    one !== null && typeof one === 'object' && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  )
}
