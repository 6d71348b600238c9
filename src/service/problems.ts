import type { ProblemDetails, ProblemPage } from '../../schemas/problem.ts'
import { Problem, type ProblemKind, type RequestError } from '../engine/problem.ts'
import { StoreProblem, type StoreProblemKind } from '../store/problem.ts'

/** All kinds of problems: those of the engine, those of the store, and those of a service in front of them. */
export type ServiceProblemKind =
  | ProblemKind
  | StoreProblemKind
  | 'malformed-body'
  | 'malformed-message'
  | 'headers-too-large'
  | 'too-slow'
  | 'not-found'
  | 'method-not-allowed'
  | 'body-too-large'
  | 'unsupported-media-type'
  | 'overloaded'
  | 'refresh-in-flight'
  | 'shutting-down'
  | 'cancelled'
  | 'internal'

type Kind = { status: number; title: string; meaning: string; remedy: string }

const KINDS: Record<ServiceProblemKind, Kind> = {
  'invalid-request': {
    status: 400,
    title: 'The request is not valid',
    meaning:
      'A member of the request is missing, unknown, of the wrong type or out of range, or contradicts another.',
    remedy: 'Each entry of `errors` points at the member and says what would be right.',
  },
  'malformed-body': {
    status: 400,
    title: 'The body is not JSON',
    meaning:
      'The body is empty, cut off, not UTF-8, not JSON, nothing but brackets, or has an object with the same member twice.',
    remedy: 'Send one JSON object in UTF-8 with a Content-Type of application/json.',
  },
  'malformed-message': {
    status: 400,
    title: 'The message is not HTTP',
    meaning: 'The request line, a header or the framing of the body breaks the rules of HTTP/1.1.',
    remedy: 'Use an HTTP client, and let it set Content-Length.',
  },
  'headers-too-large': {
    status: 431,
    title: 'The headers are too large',
    meaning: 'The headers of the request are larger than 16 KiB in all.',
    remedy: 'Send fewer or shorter headers; this service needs a Content-Type only.',
  },
  'too-slow': {
    status: 408,
    title: 'The request took too long to arrive',
    meaning:
      'The headers were not complete after a minute, or the body stood still for longer than CLIENT_TIMEOUT.',
    remedy: 'Send the request in one go, over a connection that carries it.',
  },
  'no-finite-estimate': {
    status: 422,
    title: 'A group has no finite estimate',
    meaning:
      'The comparisons of a group fall into components between which all wins go one way (or there are none), so that the ' +
      'likelihood has no maximum (Ford 1957). `groups` lists the components, undefeated and winless items.',
    remedy: 'Collect comparisons between the components, leave items out, or declare a prior in `model`.',
  },
  'collinear-features': {
    status: 422,
    title: 'Features cannot be told apart',
    meaning:
      'Over the differences that a group compared, some features are linear combinations of others (or do not differ at all), ' +
      'so that infinitely many reward weights fit equally well. `features` lists their positions.',
    remedy: 'Leave those features out, or declare a gaussian prior in `model`.',
  },
  'no-acceptable-policy': {
    status: 422,
    title: 'No policy gives every group a gain',
    meaning:
      'Nash and power means below exponent 1 need a policy at which every group gains over its anchor, and a custom ' +
      'expression one at which its roots, logarithms and powers are defined. The weights in ' +
      '`certificate` prove that there is none: under them no item has a positive aggregated utility.',
    remedy: 'Choose another anchor, leave indifferent groups out, or use maximin or utilitarian.',
  },
  'constraints-conflict': {
    status: 422,
    title: 'The constraints conflict',
    meaning:
      'No policy keeps all constraints together, or none with anything to spare. `conflict` lists as few of them as ' +
      'contradict each other, with multipliers that prove it.',
    remedy: 'Loosen or leave out one of the constraints that are listed.',
  },
  'welfare-satiated': {
    status: 422,
    title: 'Welfare cannot be raised any further',
    meaning:
      'A custom welfare function has its largest value at the policies that are left, and nothing that a group gains raises ' +
      'it: all group weights are zero, and there is no reward to train with.',
    remedy:
      'Add a part that always rises, such as 0.01 * mean(x), or raise the levels at which the function is satisfied.',
  },
  'not-converged': {
    status: 422,
    title: 'No answer of the promised accuracy was found',
    meaning:
      'The numbers differ by more orders of magnitude than double precision resolves, so the certificate fails.',
    remedy: 'Bring weights closer together, choose a scale such as unit-range, or temperature 0.',
  },
  'invalid-rows': {
    status: 400,
    title: 'Rows of the batch are not valid',
    meaning:
      'Rows, or the columns of the file, are not what a comparison is. A batch is stored whole or not at all, so nothing of it was.',
    remedy:
      '`errors` lists the first 100 bad rows: `row` counts from 1, `member` is the member at fault. Mend them and send the batch again.',
  },
  'unreadable-file': {
    status: 400,
    title: 'The file cannot be read',
    meaning:
      'The body is not what its Content-Type or Content-Encoding says, is cut off, or says of itself what is not so.',
    remedy: 'Send NDJSON, CSV or Parquet with the Content-Type of it; gzip with Content-Encoding: gzip.',
  },
  'no-such-dataset': {
    status: 404,
    title: 'There is no such dataset',
    meaning: 'No dataset has this id, or it has been deleted.',
    remedy: 'GET /datasets lists the datasets; POST /datasets makes one.',
  },
  'no-such-batch': {
    status: 404,
    title: 'There is no such batch',
    meaning: 'No batch of the dataset has this id, or it has been erased.',
    remedy: 'GET /datasets/{id}/batches lists the batches.',
  },
  'no-such-weights': {
    status: 404,
    title: 'There are no such weights',
    meaning: 'The dataset publishes no weights of this name, or not this version of them.',
    remedy: 'PUT /datasets/{id}/weights/{name} publishes weights; …/versions lists what there is.',
  },
  'dataset-exists': {
    status: 409,
    title: 'There is such a dataset already',
    meaning: 'The id is taken.',
    remedy: 'Use the dataset that is there, delete it first, or choose another id.',
  },
  'batch-in-flight': {
    status: 409,
    title: 'The batch is being read',
    meaning: 'Another request with the same Idempotency-Key has not been answered yet.',
    remedy:
      'Wait for its answer, or send the request again a little later: then it is answered like the first.',
  },
  'refresh-in-flight': {
    status: 409,
    title: 'The weights are being computed',
    meaning:
      'Another request, or the schedule, is publishing or refreshing the same weights, here or in another replica.',
    remedy:
      'Wait a little, and read the weights: they are probably what you want. Otherwise send the request again.',
  },
  'idempotency-key-reused': {
    status: 422,
    title: 'The key belongs to another batch',
    meaning:
      'A batch with the same Idempotency-Key but another body, or other parameters, was accepted before.',
    remedy: 'Use a new key for each batch, and the same key only to send the same batch again.',
  },
  'upload-too-large': {
    status: 413,
    title: 'The upload is too large',
    meaning:
      'The upload, as it was sent or unpacked, is larger than the limit that the operator set (UPLOAD_LIMIT).',
    remedy: 'Send it in several batches, or ask the operator for a larger limit.',
  },
  'out-of-space': {
    status: 507,
    title: 'There is no room',
    meaning:
      'The disk that `detail` names, or the memory that the store may use, is full. Nothing of the request was stored; what was stored before can be read.',
    remedy: 'Have the operator make room (or raise STORE_MEMORY), and send the request again.',
  },
  'store-unavailable': {
    status: 503,
    title: 'The store does not answer',
    meaning:
      'The database cannot be reached, or closed the connection. A batch that was not acknowledged may or may not be there.',
    remedy:
      'Try again after the seconds in `Retry-After`, with an Idempotency-Key, so that nothing is stored twice.',
  },
  'no-such-job': {
    status: 404,
    title: 'There is no such job',
    meaning: 'No job has this id, or it was over so long ago that nothing is left of it.',
    remedy: 'GET /jobs lists the jobs.',
  },
  'job-not-finished': {
    status: 409,
    title: 'The job is not over',
    meaning: 'A job has an answer when its status is succeeded or failed; it still waits or runs.',
    remedy: 'Watch GET /jobs/{id} or GET /jobs/{id}/events until it is over.',
  },
  'job-answer-gone': {
    status: 410,
    title: 'The answer is gone',
    meaning:
      'The job was cancelled and has no answer, or its answer was kept until `expiresAt` (JOB_RETENTION) and is removed.',
    remedy: 'Send the request again.',
  },
  'job-abandoned': {
    status: 500,
    title: 'The job was given up',
    meaning: 'Each time that it was begun the process that ran it ended, for want of memory perhaps.',
    remedy: 'Make the request smaller, or ask the operator what the logs say.',
  },
  'too-many-jobs': {
    status: 503,
    title: 'Too many jobs wait',
    meaning: 'As many jobs wait or run as the operator allows (JOB_LIMIT).',
    remedy: 'Try again after the seconds in `Retry-After`, or cancel a job that is no longer needed.',
  },
  'not-found': {
    status: 404,
    title: 'There is nothing here',
    meaning: 'The path is none of this service.',
    remedy: '/docs lists the paths.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'The path does not take this method',
    meaning: 'The path exists, and the header `Allow` says which methods it takes.',
    remedy: 'Use one of these methods.',
  },
  'body-too-large': {
    status: 413,
    title: 'The body is too large',
    meaning: 'The body is larger than the limit that the operator set (BODY_LIMIT).',
    remedy:
      'Send counts instead of rows, or columns instead of rows, or ask the operator for a larger limit.',
  },
  'unsupported-media-type': {
    status: 415,
    title: 'The body is of a type that is not understood',
    meaning:
      'Bodies are read as application/json; comparisons for a dataset also as application/x-ndjson, text/csv or application/vnd.apache.parquet.',
    remedy: 'Set Content-Type to what the body is.',
  },
  overloaded: {
    status: 503,
    title: 'The queue is full',
    meaning: 'All workers are busy and as many requests wait as the operator allows (QUEUE_LIMIT).',
    remedy: 'Try again after the seconds in `Retry-After`.',
  },
  'shutting-down': {
    status: 503,
    title: 'The service is shutting down',
    meaning: 'The service finishes what it has begun and takes no more.',
    remedy: 'Try again after the seconds in `Retry-After`; another replica may answer at once.',
  },
  cancelled: {
    status: 499,
    title: 'The client went away',
    meaning:
      'The connection closed before the answer was ready, so the work was stopped. Seen only in logs and metrics.',
    remedy: 'Wait longer before closing the connection.',
  },
  internal: {
    status: 500,
    title: 'The service failed',
    meaning: 'A fault of the service, not of the request. The log has it under the request id.',
    remedy: 'Report it with the value of `X-Request-Id`.',
  },
}

/** The page on a kind, or null for a name that is none. */
export function problemPage(name: string): ProblemPage | null {
  if (!Object.hasOwn(KINDS, name)) return null
  return { type: typeOf(name), ...KINDS[name as ServiceProblemKind] }
}

/** The names of all kinds. */
export function problemNames(): string[] {
  return Object.keys(KINDS)
}

/** The body of an error response (RFC 9457). */
export function problemDetails(
  kind: ServiceProblemKind,
  detail: string,
  errors: readonly RequestError[] = [],
  evidence: Readonly<Record<string, unknown>> = {},
): ProblemDetails {
  const { status, title } = KINDS[kind]
  return {
    type: typeOf(kind),
    title,
    status,
    detail,
    ...(errors.length > 0 ? { errors: [...errors] } : {}),
    ...evidence,
  }
}

/** The kind and body that an error caught while answering amounts to. */
export function problemOf(error: unknown): { kind: ServiceProblemKind; details: ProblemDetails } {
  if (error instanceof ServiceProblem || error instanceof StoreProblem)
    return { kind: error.kind, details: problemDetails(error.kind, error.message, error.errors) }
  if (error instanceof Problem) {
    return {
      kind: error.kind,
      details: problemDetails(error.kind, error.message, error.errors, error.evidence),
    }
  }
  return {
    kind: 'internal',
    details: problemDetails('internal', 'Something went wrong here; the log of the service says what.'),
  }
}

/** A refusal by the service rather than by the engine. */
export class ServiceProblem extends Error {
  readonly kind: ServiceProblemKind
  readonly errors: readonly RequestError[]

  constructor(kind: ServiceProblemKind, detail: string, errors: readonly RequestError[] = []) {
    super(detail)
    this.name = 'ServiceProblem'
    this.kind = kind
    this.errors = errors
  }
}

function typeOf(kind: string): string {
  return `/problems/${kind}`
}
