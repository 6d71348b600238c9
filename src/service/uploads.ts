import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { UploadQuery } from '../../schemas/datasets.ts'
import { invalidRequest } from '../engine/problem.ts'
import { StoreProblem } from '../store/problem.ts'
import type { Batch, Identity, Store } from '../store/store.ts'
import { type Layout, MEMBERS, type Member } from '../store/upload/formats.ts'
import type { FileType } from '../store/upload/reading.ts'
import { collect, spool } from '../store/upload/spool.ts'
import { ServiceProblem } from './problems.ts'
import { validateQuery } from './validate.ts'

/** What the body of an upload may be. */
export const UPLOAD_TYPES: Record<string, FileType | 'json'> = {
  'application/json': 'json',
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'text/csv': 'csv',
  'application/vnd.apache.parquet': 'parquet',
  'application/x-parquet': 'parquet',
}

/** Refuses a body of any other type. */
export async function refuseUploadType({ headers }: FastifyRequest): Promise<never> {
  const types = [...new Set(Object.keys(UPLOAD_TYPES))].join(', ')
  const detail = `Comparisons are sent as one of ${types}, and not as ${headers['content-type']}.`
  throw new ServiceProblem('unsupported-media-type', detail)
}

type UploadRequest = FastifyRequest<{ Params: { dataset: string }; Querystring: UploadQuery }>

/**
 * Stores a batch of comparisons, or answers for one that came before under the same key.
 *
 * The body is read as a stream: into memory up to BODY_LIMIT where it is JSON, else into a file.
 */
export async function upload(request: UploadRequest, reply: FastifyReply) {
  const { store } = request.server
  const { dataset } = request.params
  const query = request.query as Record<string, string>
  validateQuery(UploadQuery, query)
  const key = idempotencyKey(request)
  const covariates = await store.covariates(dataset)
  const { batch, replayed, ignoredColumns } = await accept(request, dataset, covariates, key, query)
  if (replayed) reply.header('Idempotency-Replayed', 'true')
  reply.code(201).header('Location', `/datasets/${encodeURIComponent(dataset)}/batches/${batch.id}`)
  return { dataset, batch, ...(ignoredColumns.length > 0 ? { ignoredColumns } : {}) }
}

type Accepted = { batch: Batch; replayed: boolean; ignoredColumns: string[] }

async function accept(
  request: UploadRequest,
  dataset: string,
  covariates: readonly string[],
  key: string | null,
  query: Record<string, string>,
): Promise<Accepted> {
  const { store, initialConfig } = request.server
  const { uploadLimit } = request.server.settings
  const body = request.body as Readable
  const type = UPLOAD_TYPES[(request.headers['content-type'] ?? '').split(';', 1)[0].trim().toLowerCase()]
  const gzip = isGzip(request)
  const identified = (digest: string): Identity => ({
    key,
    digest: createHash('sha256')
      .update(JSON.stringify([digest, type, Object.entries(query).sort()]))
      .digest('hex'),
  })

  if (type === 'json') {
    if (Object.keys(query).length > 0) {
      const detail = 'is for files: JSON has the members of a comparison as they are'
      throw invalidRequest(Object.keys(query).map((name) => ({ pointer: `/${name}`, detail })))
    }
    const limit = Math.min(initialConfig.bodyLimit ?? uploadLimit, uploadLimit)
    requireLength(request, limit)
    const bytes = await collect(body, limit, gzip)
    const identity = identified(createHash('sha256').update(bytes).digest('hex'))
    return once(store, dataset, identity, async () => {
      const rows = await request.server.pool.readBatch(bytes, covariates)
      return { ...(await store.append(dataset, rows, identity)), ignoredColumns: [] }
    })
  }
  requireLength(request, uploadLimit)
  const file = await spool(body, store.spoolDirectory, uploadLimit, gzip)
  try {
    const identity = identified(file.digest)
    return await once(store, dataset, identity, () =>
      store.ingest(dataset, file, type, layoutOf(query, covariates), identity),
    )
  } finally {
    await file.remove()
  }
}

/**
 * Stores a batch, unless one with its key has been stored. The key is taken only now that the whole batch is here: who sends
 * slowly keeps nobody waiting.
 */
async function once(
  store: Store,
  dataset: string,
  { key, digest }: Identity,
  write: () => Promise<Batch & { ignoredColumns: string[] }>,
): Promise<Accepted> {
  const written = async (): Promise<Accepted> => {
    const { ignoredColumns, ...batch } = await write()
    return { batch, replayed: false, ignoredColumns }
  }
  if (key === null) return written()
  const release = await store.claim(dataset, key)
  if (release === null) {
    const detail = `A batch with the Idempotency-Key "${key}" is being read at the moment.`
    throw new StoreProblem('batch-in-flight', detail)
  }
  try {
    const found = await store.remembered(dataset, key)
    if (found === null) return await written()
    if (found.digest === digest) return { batch: found.batch, replayed: true, ignoredColumns: [] }
    const detail = `The Idempotency-Key "${key}" was used for another batch.`
    throw new StoreProblem('idempotency-key-reused', detail)
  } finally {
    await release()
  }
}

/** How the rows of a file are laid out, by the query. */
function layoutOf(query: Record<string, string>, covariates: readonly string[]): Layout {
  const columns: Partial<Record<Member, string>> = {}
  for (const member of MEMBERS) if (query[member] !== undefined) columns[member] = query[member]
  const format = (query.format ?? 'comparisons') as Layout['format']
  if (query.groupName !== undefined && columns.group !== undefined) {
    const detail = 'cannot be given together with group: all rows are of one group, or a column tells it'
    throw invalidRequest([{ pointer: '/groupName', detail }])
  }
  return { format, columns, group: query.groupName ?? null, covariates }
}

function idempotencyKey({ headers }: FastifyRequest): string | null {
  const key = headers['idempotency-key']
  if (key === undefined) return null
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(key)) {
    const detail = 'must be 1 to 255 visible ASCII characters'
    throw invalidRequest([{ pointer: '/Idempotency-Key', detail: `the header ${detail}` }])
  }
  return key
}

function isGzip({ headers }: FastifyRequest): boolean {
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding === 'identity') return false
  if (encoding === 'gzip' || encoding === 'x-gzip') return true
  const detail = `The body must come as it is or with Content-Encoding: gzip, and has ${encoding}.`
  throw new ServiceProblem('unsupported-media-type', detail)
}

/** Refuses what says itself that it is too large, before any of it is read. */
function requireLength({ headers }: FastifyRequest, limit: number): void {
  if (Number(headers['content-length'] ?? 0) <= limit) return
  throw new StoreProblem(
    'upload-too-large',
    `The upload is larger than the ${limit} bytes that are accepted.`,
  )
}
