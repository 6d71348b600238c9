import type { FastifyReply, FastifyRequest } from 'fastify'
import { type DatasetDescription, ExportQuery, type NewDataset, PageQuery } from '../../schemas/datasets.ts'
import { idFault } from '../engine/comparisons/ids.ts'
import { invalidRequest, pointer, type RequestError } from '../engine/problem.ts'
import { MEMBERS } from '../store/upload/formats.ts'
import { parseJson } from './json.ts'
import { validateBody, validateQuery } from './validate.ts'

type OfDataset = { Params: { dataset: string } }

/** Makes an empty dataset. */
export async function createDataset(request: FastifyRequest, reply: FastifyReply) {
  const body = parseJson((request.body ?? new Uint8Array(0)) as Uint8Array) as NewDataset
  validateBody('NewDataset', body)
  const { id, description = null, covariates = [] } = body
  const errors: RequestError[] = []
  covariates.forEach((name, k) => {
    const known = [...MEMBERS, 'featureDifference', 'ranking'] as string[]
    const fault = known.includes(name)
      ? `"${name}" is a member that comparisons have anyway`
      : covariates.indexOf(name) < k
        ? `"${name}" is there twice`
        : idFault(name)
    if (fault !== null) errors.push({ pointer: pointer('covariates', k), detail: fault })
  })
  if (errors.length > 0) throw invalidRequest(errors)
  const dataset = await request.server.store.create(id, description, covariates)
  reply.code(201).header('Location', `/datasets/${encodeURIComponent(id)}`)
  return dataset
}

/** A page of datasets. */
export async function listDatasets(request: FastifyRequest<{ Querystring: PageQuery }>) {
  validateQuery(PageQuery, request.query)
  const { after = null, limit = 100 } = request.query
  const found = await request.server.store.list(after, limit + 1)
  return { datasets: found.slice(0, limit), next: found.length > limit ? found[limit - 1].id : null }
}

/** All that is known of a dataset. */
export async function describeDataset(request: FastifyRequest<OfDataset>): Promise<DatasetDescription> {
  const { store, pool } = request.server
  const { dataset: id } = request.params
  const dataset = await store.find(id)
  const { first, last, annotators } = await store.extent(id)
  const counts = await store.counts({
    dataset: id,
    filters: {},
    groupBy: 'group',
    positions: false,
    annotators: false,
    squares: false,
  })
  return {
    ...dataset,
    ...(await pool.describe(counts)),
    annotators,
    firstTimestamp: first,
    lastTimestamp: last,
    fingerprint: counts.source.fingerprint,
  }
}

/** Deletes a dataset and all in it. */
export async function deleteDataset(request: FastifyRequest<OfDataset>, reply: FastifyReply) {
  await request.server.store.remove(request.params.dataset)
  return reply.code(204).send()
}

/** A page of batches, in the order in which they were accepted. */
export async function listBatches(request: FastifyRequest<OfDataset & { Querystring: PageQuery }>) {
  validateQuery(PageQuery, request.query)
  const { after = null, limit = 100 } = request.query
  const found = await request.server.store.batches(request.params.dataset, after, limit + 1)
  return { batches: found.slice(0, limit), next: found.length > limit ? found[limit - 1].id : null }
}

/** Removes one batch. */
export async function eraseBatch(request: FastifyRequest<{ Params: { dataset: string; batch: string } }>) {
  const { dataset, batch } = request.params
  return { comparisons: await request.server.store.eraseBatch(dataset, batch) }
}

/** Removes all that an annotator said. */
export async function eraseAnnotator(
  request: FastifyRequest<{ Params: { dataset: string; annotator: string } }>,
) {
  const { dataset, annotator } = request.params
  return { comparisons: await request.server.store.eraseAnnotator(dataset, annotator) }
}

const EXPORT_TYPES = {
  ndjson: 'application/x-ndjson',
  csv: 'text/csv; charset=utf-8',
  parquet: 'application/vnd.apache.parquet',
}

/** All comparisons of a dataset as a file. */
export async function exportDataset(
  request: FastifyRequest<OfDataset & { Querystring: ExportQuery }>,
  reply: FastifyReply,
) {
  validateQuery(ExportQuery, request.query)
  const { format = 'ndjson' } = request.query
  const file = await request.server.store.export(request.params.dataset, format)
  return reply.type(EXPORT_TYPES[format]).send(file)
}
