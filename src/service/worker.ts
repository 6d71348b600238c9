import { Piscina } from 'piscina'
import type { StoredComparisons } from '../engine/comparisons/stored.ts'
import { describe as describeStored } from '../engine/describe.ts'
import { type BatchRead, tryReadBatch } from './batch.ts'
import type { Known } from './fits.ts'
import { answer } from './operations.ts'
import { type ProgressBoard, writerOn } from './progress.ts'
import type { Operation } from './validate.ts'

/** One task for a worker thread; the body's buffer is moved, not copied, and counts and the board are in shared memory. */
export type Task = {
  operation: Operation
  body: Uint8Array<ArrayBuffer>
  known: Known | null
  board: ProgressBoard
}

/** Answers a task; the answer's buffer is moved back. */
export default async function work({ operation, body, known, board }: Task) {
  const found = await answer(operation, body, known, writerOn(board))
  const result = 'wants' in found ? { ...found, body } : found
  const transferable = { [Piscina.transferableSymbol]: [result.body.buffer], [Piscina.valueSymbol]: result }
  // The types give the two symbols other names than the values have.
  return Piscina.move(transferable as unknown as Parameters<typeof Piscina.move>[0])
}

/** Describes what a store counted. */
export function describe(stored: StoredComparisons) {
  return describeStored(stored)
}

/** Reads the comparisons of a batch. */
export function readBatch({
  body,
  covariates,
}: {
  body: Uint8Array
  covariates: readonly string[]
}): BatchRead {
  return tryReadBatch(body, covariates)
}
