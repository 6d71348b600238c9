import { Piscina } from 'piscina'
import { answer } from './operations.ts'
import { type ProgressBoard, writerOn } from './progress.ts'
import type { Operation } from './validate.ts'

/** One task for a worker thread; the body's buffer is moved, not copied, and the board is shared. */
export type Task = { operation: Operation; body: Uint8Array<ArrayBuffer>; board: ProgressBoard }

/** Answers a task; the answer's buffer is moved back. */
export default async function work({ operation, body, board }: Task) {
  const result = await answer(operation, body, writerOn(board))
  const transferable = { [Piscina.transferableSymbol]: [result.body.buffer], [Piscina.valueSymbol]: result }
  // The types give the two symbols other names than the values have.
  return Piscina.move(transferable as unknown as Parameters<typeof Piscina.move>[0])
}
