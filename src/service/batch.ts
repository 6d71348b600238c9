import { invalidRequest, Problem, type ProblemKind, type RequestError } from '../engine/problem.ts'
import { StoreProblem, type StoreProblemKind } from '../store/problem.ts'
import { type Rows, readBatch } from '../store/rows.ts'
import { parseJson } from './json.ts'
import { ServiceProblem, type ServiceProblemKind } from './problems.ts'

/** What a thread makes of a batch: rows, or a problem taken apart, since classes do not survive the way back. */
export type BatchRead = { rows: Rows; problem: null } | { rows: null; problem: PlainProblem }

type PlainProblem = { name: string; kind: string; message: string; errors: readonly RequestError[] }

/**
 * Reads a batch in JSON: an object with the one member `comparisons`.
 *
 * @throws ServiceProblem, StoreProblem or Problem
 */
export function readBatchBody(body: Uint8Array, covariates: readonly string[]): Rows {
  const batch = parseJson(body)
  const members =
    typeof batch === 'object' && batch !== null && !Array.isArray(batch) ? Object.keys(batch) : []
  const others = members.filter((member) => member !== 'comparisons')
  if (others.length > 0) {
    const detail = 'is not a member of a batch; the one member is comparisons'
    throw invalidRequest(others.map((member) => ({ pointer: `/${member}`, detail })))
  }
  if (members.length === 0) {
    const detail = 'is required: rows or columns of comparisons, as in a request to /fit'
    throw invalidRequest([{ pointer: '/comparisons', detail }])
  }
  return readBatch((batch as { comparisons: unknown }).comparisons, covariates)
}

/** The same, without throwing what is a refusal. */
export function tryReadBatch(body: Uint8Array, covariates: readonly string[]): BatchRead {
  try {
    return { rows: readBatchBody(body, covariates), problem: null }
  } catch (error) {
    if (error instanceof Problem || error instanceof StoreProblem || error instanceof ServiceProblem) {
      const { name, kind, message, errors } = error
      return { rows: null, problem: { name, kind, message, errors } }
    }
    throw error
  }
}

/** A problem put together again. */
export function revived({ name, kind, message, errors }: PlainProblem): Error {
  if (name === 'StoreProblem') return new StoreProblem(kind as StoreProblemKind, message, errors)
  if (name === 'ServiceProblem') return new ServiceProblem(kind as ServiceProblemKind, message, errors)
  return new Problem(kind as ProblemKind, message, { errors: [...errors] })
}
