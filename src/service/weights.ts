import type { FastifyReply, FastifyRequest } from 'fastify'
import type { OptimumResult } from '../../schemas/aggregate.ts'
import {
  DifferenceQuery,
  type Pin,
  VersionQuery,
  type WeightsConfiguration,
  type WeightsDifference,
} from '../../schemas/weights.ts'
import { idFault, keyedById } from '../engine/comparisons/ids.ts'
import { invalidRequest } from '../engine/problem.ts'
import type { Published, Version } from '../store/weights.ts'
import { parseJson } from './json.ts'
import type { Answer } from './operations.ts'
import { validateBody, validateQuery } from './validate.ts'

type OfWeights = { Params: { dataset: string; name: string } }

/** A client may use what it has for so long, in seconds, before it asks again. */
const MAX_AGE = 5

/** Computes weights by a configuration and publishes them: the first version, or the next. */
export async function publishWeights(request: FastifyRequest<OfWeights>, reply: FastifyReply) {
  const { store } = request.server
  const { dataset, name } = request.params
  const fault = idFault(name)
  if (fault !== null) throw invalidRequest([{ pointer: '/name', detail: fault }])
  const configuration = parseJson((request.body ?? new Uint8Array(0)) as Uint8Array) as WeightsConfiguration
  validateBody('WeightsConfiguration', configuration)
  if (configuration.welfare.function === 'pareto-front') {
    const detail = 'cannot be pareto-front, which has no weights to publish'
    throw invalidRequest([{ pointer: '/welfare/function', detail }])
  }
  const answer = await computed(request, configuration)
  if (answer.status !== 200) return sendProblem(reply, answer)
  const text = new TextDecoder().decode(answer.body)
  if (JSON.parse(text).weights === undefined) {
    const detail = 'is answered without group weights in this mode, so that there is nothing to publish'
    throw invalidRequest([{ pointer: '/welfare', detail }])
  }
  const { added } = await store.weights.publish(
    dataset,
    name,
    JSON.stringify(configuration),
    text,
    fingerprintOf(text),
  )
  return send(request, reply.code(added ? 201 : 200), null)
}

/** Computes published weights anew; a failure is noted, and leaves the last version in place. */
export async function refreshWeights(request: FastifyRequest<OfWeights>, reply: FastifyReply) {
  const { store } = request.server
  const { dataset, name } = request.params
  const { configuration } = await store.weights.find(dataset, name)
  const answer = await computed(request, JSON.parse(configuration))
  const text = new TextDecoder().decode(answer.body)
  if (answer.status !== 200) {
    const failure = { at: new Date().toISOString(), problem: JSON.parse(text) }
    await store.weights.fail(dataset, name, JSON.stringify(failure))
    return sendProblem(reply, answer)
  }
  const { added } = await store.weights.publish(dataset, name, configuration, text, fingerprintOf(text))
  return send(request, reply.code(added ? 201 : 200), null)
}

/** What a training job polls. */
export async function readWeights(
  request: FastifyRequest<OfWeights & { Querystring: VersionQuery }>,
  reply: FastifyReply,
) {
  validateQuery(VersionQuery, request.query)
  return send(request, reply, request.query.version ?? null)
}

/** All versions of published weights. */
export async function listVersions(request: FastifyRequest<OfWeights>) {
  const { dataset, name } = request.params
  return { versions: await request.server.store.weights.versions(dataset, name) }
}

/** Serves one version, whatever comes, or the latest again. */
export async function pinWeights(request: FastifyRequest<OfWeights>, reply: FastifyReply) {
  const { dataset, name } = request.params
  const body = parseJson((request.body ?? new Uint8Array(0)) as Uint8Array) as Pin
  validateBody('Pin', body)
  await request.server.store.weights.pin(dataset, name, body.version)
  return send(request, reply, null)
}

/** Publishes no longer. */
export async function deleteWeights(request: FastifyRequest<OfWeights>, reply: FastifyReply) {
  const { dataset, name } = request.params
  await request.server.store.weights.remove(dataset, name)
  return reply.code(204).send()
}

/** How one version differs from another. */
export async function compareVersions(
  request: FastifyRequest<OfWeights & { Querystring: DifferenceQuery }>,
): Promise<WeightsDifference> {
  validateQuery(DifferenceQuery, request.query)
  const { dataset, name } = request.params
  const { from, to } = request.query
  const { weights } = request.server.store
  const [before, after] = await Promise.all(
    [from, to].map(
      async (version) => JSON.parse((await weights.version(dataset, name, version)).answer) as OptimumResult,
    ),
  )
  const groups = [...new Set([...Object.keys(before.weights), ...Object.keys(after.weights)])]
  const [old, now] = [before, after].map(({ rewards }) => Object.keys(rewards))
  const both = now.filter((item) => Object.hasOwn(before.rewards, item))
  const of = (map: Record<string, number>, id: string) => (Object.hasOwn(map, id) ? map[id] : 0)
  return {
    from,
    to,
    weights: keyedById(groups, (g) => of(after.weights, groups[g]) - of(before.weights, groups[g])),
    rewards: keyedById(both, (i) => difference(after.rewards[both[i]], before.rewards[both[i]])),
    temperature: after.temperature - before.temperature,
    welfare: after.welfare - before.welfare,
    itemsAdded: now.filter((item) => !Object.hasOwn(before.rewards, item)),
    itemsRemoved: old.filter((item) => !Object.hasOwn(after.rewards, item)),
    settingsChanged: JSON.stringify(before.settings) !== JSON.stringify(after.settings),
  }
}

/** What one has more than the other; null where either is banned and has none. */
function difference(later: number | null, earlier: number | null): number | null {
  return later === null || earlier === null ? null : later - earlier
}

function computed(request: FastifyRequest<OfWeights>, configuration: WeightsConfiguration): Promise<Answer> {
  const { pool, store } = request.server
  const { dataset: selection, ...rest } = configuration
  const body = { ...rest, dataset: { ...selection, id: request.params.dataset } }
  const bytes = new TextEncoder().encode(JSON.stringify(body))
  return pool.answer('aggregate', bytes, new AbortController().signal, store.counts)
}

function fingerprintOf(answer: string): string {
  return JSON.parse(answer).data.fingerprint
}

function sendProblem(reply: FastifyReply, { status, body }: Answer) {
  return reply.code(status).type('application/problem+json').send(Buffer.from(body))
}

/**
 * Sends a version with a strong ETag: the version, and what else the answer tells. Where the client has it, nothing but the
 * two small rows that make the tag is read.
 */
async function send(request: FastifyRequest<OfWeights>, reply: FastifyReply, version: number | null) {
  const { weights } = request.server.store
  const { dataset, name } = request.params
  const published = await weights.find(dataset, name)
  const wanted = version ?? published.pinned ?? published.latest
  const tag = tagOf(published, wanted)
  reply.header('ETag', tag).header('Cache-Control', `private, max-age=${MAX_AGE}`)
  if (request.method === 'GET' && matches(request.headers['if-none-match'], tag))
    return reply.code(304).send()
  return tell(dataset, name, published, await weights.version(dataset, name, wanted))
}

function tell(dataset: string, name: string, published: Published, found: Version) {
  const { version, computedAt, fingerprint, answer } = found
  const { latest, pinned, failure } = published
  const refreshFailure = failure === null ? null : JSON.parse(failure)
  const result = JSON.parse(answer)
  return { dataset, name, version, computedAt, fingerprint, latest, pinned, refreshFailure, result }
}

function tagOf({ series, latest, pinned, failure }: Published, version: number): string {
  const failed = failure === null ? '' : `-failed-${Date.parse(JSON.parse(failure).at)}`
  return `"${series}-${version}-of-${latest}${pinned === null ? '' : `-pinned-${pinned}`}${failed}"`
}

function matches(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false
  return header
    .split(',')
    .map((one) => one.trim().replace(/^W\//, ''))
    .some((one) => one === tag || one === '*')
}
