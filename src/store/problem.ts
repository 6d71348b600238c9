import type { RequestError } from '../engine/problem.ts'

/** What a store may have to refuse; the service gives each kind its status, title and page. */
export type StoreProblemKind =
  | 'invalid-rows'
  | 'unreadable-file'
  | 'no-such-dataset'
  | 'no-such-batch'
  | 'no-such-weights'
  | 'dataset-exists'
  | 'batch-in-flight'
  | 'idempotency-key-reused'
  | 'upload-too-large'
  | 'out-of-space'
  | 'store-unavailable'
  | 'no-such-job'
  | 'job-not-finished'
  | 'job-answer-gone'
  | 'job-abandoned'
  | 'too-many-jobs'

/** A fault in one row of a batch: its number, counted from 1, and the member that is wrong; null where it is the whole row. */
export type RowError = RequestError & { row: number; member: string | null }

/** As many bad rows of a batch as are listed. */
export const MAX_BAD_ROWS = 100

/** A refusal by the store. */
export class StoreProblem extends Error {
  readonly kind: StoreProblemKind
  readonly errors: readonly RequestError[]

  constructor(kind: StoreProblemKind, detail: string, errors: readonly RequestError[] = []) {
    super(detail)
    this.name = 'StoreProblem'
    this.kind = kind
    this.errors = errors
  }
}

/** The disk on which uploads are, and the embedded store. */
export const SERVICE_DISK = 'The disk of the service (of DATA_DIR, or, with PostgreSQL, of TMPDIR)'

/** The refusal that a full disk amounts to; `disk` says which one is full. */
export function diskFull(disk: string): StoreProblem {
  const detail = `${disk} is full, and nothing was stored: make room on it, and send the request again.`
  return new StoreProblem('out-of-space', detail)
}

/** The refusal of a batch, of which nothing is stored. */
export function invalidRows(errors: readonly RowError[], complete: boolean): StoreProblem {
  const rows = new Set(errors.map(({ row }) => row)).size
  const { row, member, detail } = errors[0]
  const more = complete ? '' : ' and more'
  const subject = rows === 1 && complete ? '1 row is' : `${rows}${more} rows are`
  return new StoreProblem(
    'invalid-rows',
    `${subject} wrong, and nothing of the batch was stored. Row ${row}${member === null ? '' : `, ${member}`}: ${detail}`,
    errors,
  )
}
