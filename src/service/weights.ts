import type { FastifyReply, FastifyRequest } from 'fastify'
import { PageQuery } from '../../schemas/datasets.ts'
import {
  DifferenceQuery,
  type Pin,
  VersionQuery,
  VersionsQuery,
  type WeightsConfiguration,
  type WeightsDifference,
} from '../../schemas/weights.ts'
import { idFault } from '../engine/comparisons/ids.ts'
import { difference } from '../engine/difference.ts'
import { invalidRequest } from '../engine/problem.ts'
import type { Published } from '../store/weights.ts'
import { RETRY_AFTER } from './compute.ts'
import { parseJson } from './json.ts'
import type { Answer } from './operations.ts'
import { type Outcome, publish, refresh } from './publish.ts'
import { validateBody, validateQuery } from './validate.ts'

type OfDataset = { Params: { dataset: string } }
type OfWeights = { Params: { dataset: string; name: string } }

/** Computes weights by a configuration and publishes them: the first version, or the next. */
export async function publishWeights(request: FastifyRequest<OfWeights>, reply: FastifyReply) {
  const fault = idFault(request.params.name)
  if (fault !== null) throw invalidRequest([{ pointer: '/name', detail: fault }])
  const configuration = bodyOf(request) as WeightsConfiguration
  validateBody('WeightsConfiguration', configuration)
  if (configuration.welfare.function === 'pareto-front') {
    const detail = 'cannot be pareto-front, which has no weights to publish'
    throw invalidRequest([{ pointer: '/welfare/function', detail }])
  }
  const outcome = await publish(request.server, request.params, configuration, untilClosed(reply))
  return sendOutcome(request, reply, outcome)
}

/** Computes published weights anew; a failure is noted, and leaves the last version in place. */
export async function refreshWeights(request: FastifyRequest<OfWeights>, reply: FastifyReply) {
  const outcome = await refresh(request.server, request.params, untilClosed(reply))
  return sendOutcome(request, reply, outcome)
}

/** What a training job polls. */
export function readWeights(
  request: FastifyRequest<OfWeights & { Querystring: VersionQuery }>,
  reply: FastifyReply,
) {
  validateQuery(VersionQuery, request.query)
  return send(request, reply, request.query.version ?? null)
}

/** A page of the weights that a dataset publishes. */
export async function listWeights(request: FastifyRequest<OfDataset & { Querystring: PageQuery }>) {
  validateQuery(PageQuery, request.query)
  const { after = null, limit = 100 } = request.query
  const found = await request.server.store.weights.list(request.params.dataset, after, limit + 1)
  const weights = found.slice(0, limit).map((one) => ({ name: one.name, ...told(one) }))
  return { weights, next: found.length > limit ? found[limit - 1].name : null }
}

/** A page of the versions of published weights, the newest first. */
export async function listVersions(request: FastifyRequest<OfWeights & { Querystring: VersionsQuery }>) {
  validateQuery(VersionsQuery, request.query)
  const { before = null, limit = 100 } = request.query
  const { dataset, name } = request.params
  const found = await request.server.store.weights.versions(dataset, name, before, limit + 1)
  return { versions: found.slice(0, limit), next: found.length > limit ? found[limit - 1].version : null }
}

/** Serves one version, whatever comes. */
export async function pinWeights(request: FastifyRequest<OfWeights>, reply: FastifyReply) {
  const { dataset, name } = request.params
  const body = bodyOf(request) as Pin
  validateBody('Pin', body)
  await request.server.store.weights.pin(dataset, name, body.version)
  return send(request, reply, null)
}

/** Serves the latest version again. */
export async function unpinWeights(request: FastifyRequest<OfWeights>, reply: FastifyReply) {
  const { dataset, name } = request.params
  await request.server.store.weights.pin(dataset, name, null)
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
  const { weights } = request.server.store
  const [from, to] = await Promise.all(
    [request.query.from, request.query.to].map((version) => weights.version(dataset, name, version)),
  )
  const summary = ({ version, computedAt, fingerprint }: typeof from) => ({
    version,
    computedAt,
    fingerprint,
  })
  return {
    from: summary(from),
    to: summary(to),
    sameConfiguration: from.configuration === to.configuration,
    ...difference(JSON.parse(from.answer), JSON.parse(to.answer)),
  }
}

function bodyOf({ body }: FastifyRequest<OfWeights>): unknown {
  return parseJson((body ?? new Uint8Array(0)) as Uint8Array)
}

/** Aborts where the client goes away before it is answered. */
function untilClosed(reply: FastifyReply): AbortSignal {
  const abort = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) abort.abort()
  })
  return abort.signal
}

/** Answers with what is served now, or with the refusal. */
function sendOutcome(request: FastifyRequest<OfWeights>, reply: FastifyReply, outcome: Outcome) {
  if (outcome.status === 'refused') return sendRefusal(request, reply, outcome.answer)
  return send(request, reply.code(outcome.status === 'published' ? 201 : 200), null)
}

function sendRefusal(request: FastifyRequest, reply: FastifyReply, { status, body, kind, fault }: Answer) {
  if (kind !== null) request.facts.problem = kind
  if (fault !== null) request.log.error({ fault }, 'the engine failed')
  if (status === 503) reply.header('Retry-After', String(RETRY_AFTER))
  return reply.code(status).type('application/problem+json').send(Buffer.from(body))
}

/** Sends a version; null for the one that is served. */
function send(
  request: FastifyRequest<OfWeights>,
  reply: FastifyReply,
  version: number | null,
): FastifyReply | Promise<FastifyReply> {
  const { weights } = request.server.store
  const { dataset, name } = request.params
  const answer = (published: Published) => sendIfChanged(request, reply, published, version)
  // What is in memory is not waited for: promises would be a good part of what a poll costs.
  const known = weights.known(dataset, name)
  return known !== null ? answer(known) : weights.find(dataset, name).then(answer)
}

/**
 * Sends under a strong ETag: the number of the version, and the stamp of all else that the answer tells. A client that has it
 * gets a 304, for which nothing is read but a small row, as a rule from memory.
 */
function sendIfChanged(
  request: FastifyRequest<OfWeights>,
  reply: FastifyReply,
  published: Published,
  version: number | null,
): FastifyReply | Promise<FastifyReply> {
  const wanted = version ?? published.pinned ?? published.latest
  const tag = `"${wanted}-${published.stamp}"`
  reply.header('ETag', tag).header('Cache-Control', 'private, no-cache')
  const reads = request.method === 'GET' || request.method === 'HEAD'
  if (reads && matches(request.headers['if-none-match'], tag)) return reply.code(304).send()
  return sendWhole(request, reply, published, wanted)
}

async function sendWhole(
  { server, params }: FastifyRequest<OfWeights>,
  reply: FastifyReply,
  published: Published,
  version: number,
): Promise<FastifyReply> {
  const { dataset, name } = params
  const { answer, computedAt, fingerprint } = await server.store.weights.version(dataset, name, version)
  const head = JSON.stringify({ dataset, name, version, computedAt, fingerprint, ...told(published) })
  // The answer goes in as the text that it is kept as: it may be long, and a thousand jobs ask at once.
  return reply.type('application/json').send(Buffer.from(`${head.slice(0, -1)},"result":${answer}}`))
}

function told({ latest, pinned, schedule, lastRefresh }: Published) {
  const { everySeconds, afterComparisons } = schedule
  const refresh = {
    ...(everySeconds === null ? {} : { everySeconds }),
    ...(afterComparisons === null ? {} : { afterComparisons }),
  }
  const scheduled = Object.keys(refresh).length > 0
  return { latest, pinned, refresh: scheduled ? refresh : null, lastRefresh: JSON.parse(lastRefresh) }
}

/** Whether a client has what the tag stands for, by its If-None-Match (RFC 9110, 13.1.2). */
function matches(header: string | undefined, tag: string): boolean {
  if (header === undefined || header === tag) return header === tag
  return header
    .split(',')
    .map((one) => one.trim().replace(/^W\//, ''))
    .some((one) => one === tag || one === '*')
}
