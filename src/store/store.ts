import type { Readable } from 'node:stream'
import type { StoredComparisons } from '../engine/comparisons/stored.ts'
import type { Rows } from './rows.ts'
import type { Layout } from './upload/formats.ts'
import type { FileType } from './upload/reading.ts'
import type { Spooled } from './upload/spool.ts'
import type { Seen, WeightStore } from './weights.ts'

/** What is known of a dataset without counting anything. */
export type Dataset = {
  id: string
  description: string | null
  /** Further columns that comparisons have, by which they can be grouped. */
  covariates: string[]
  createdAt: string
  batches: number
  comparisons: number
}

/** Comparisons that were accepted together: all of them or none. */
export type Batch = { id: string; comparisons: number; acceptedAt: string }

/** Which of a dataset's comparisons are meant; what is left out does not restrict them. */
export type Filters = {
  groups?: string[]
  annotators?: string[]
  contexts?: string[]
  /** Both items must be among these. */
  items?: string[]
  /** From this time on, and up to but without that one (RFC 3339). */
  from?: string
  until?: string
  /** Only batches that had been accepted by then. */
  asOf?: string
}

/** Which counts of a dataset are wanted. */
export type CountsQuery = {
  dataset: string
  filters: Filters
  /** What makes the groups: the stored `group`, `annotator`, `context`, a covariate; null puts all into one group. */
  groupBy: string | null
  /** Whether it counts which item was shown first, who judged, and how the weights are spread. */
  positions: boolean
  annotators: boolean
  squares: boolean
}

/** What identifies a batch to a client that sends it again. */
export type Identity = {
  /** The client's key; null where it gave none. */
  key: string | null
  /** Digest of the content and of how it is to be read. */
  digest: string
}

export type FileFormat = 'ndjson' | 'csv' | 'parquet'

/**
 * Where comparisons are kept. What it accepts is there after a power cut, whole batches only; what it refuses leaves no
 * trace. All methods reject with a {@link StoreProblem}.
 */
export type Store = {
  kind: 'embedded' | 'postgresql'
  /** Where uploads are put while they are read. */
  spoolDirectory: string
  weights: WeightStore
  create(id: string, description: string | null, covariates: string[]): Promise<Dataset>
  /** In the order of ids, from the one after `after`. */
  list(after: string | null, limit: number): Promise<Dataset[]>
  find(id: string): Promise<Dataset>
  /** The covariates of a dataset, at less cost. */
  covariates(id: string): Promise<readonly string[]>
  remove(id: string): Promise<void>

  /**
   * Takes a key for as long as a batch is being read, in all replicas; null where somebody has it.
   *
   * @returns what gives it back
   */
  claim(dataset: string, key: string): Promise<(() => Promise<void>) | null>
  /** The batch that was accepted under a key, if any. */
  remembered(dataset: string, key: string): Promise<{ batch: Batch; digest: string } | null>
  /** Stores rows that have been read and checked; small batches that wait together become one transaction. */
  append(dataset: string, rows: Rows, identity: Identity): Promise<Batch>
  /** Stores the rows of a file, checking them on the way. */
  ingest(
    dataset: string,
    file: Spooled,
    type: FileType,
    layout: Layout,
    identity: Identity,
  ): Promise<Batch & { ignoredColumns: string[] }>
  /** Batches in the order in which they were accepted, from the one after `after`. */
  batches(dataset: string, after: string | null, limit: number): Promise<Batch[]>

  /** Removes a batch, or all that an annotator said; returns how many comparisons (rows) went. */
  eraseBatch(dataset: string, batch: string): Promise<number>
  eraseAnnotator(dataset: string, annotator: string): Promise<number>

  /** All rows, batch by batch. */
  export(dataset: string, format: FileFormat): Promise<Readable>
  /** The counts that a fit needs, reduced inside the database. */
  counts(query: CountsQuery): Promise<StoredComparisons>
  /** What counts would be of, without counting. */
  state(query: CountsQuery): Promise<Seen>
  /** First and last timestamp of the comparisons that have one, and how many annotators there are. */
  extent(dataset: string): Promise<{ first: string | null; last: string | null; annotators: number }>
  close(): Promise<void>
}
