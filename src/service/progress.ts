import type { Progress, Reporter } from '../engine/aggregate.ts'

/** Where a worker thread writes how far it has come, and whoever wants to know reads it at any time. */
export type ProgressBoard = SharedArrayBuffer

const STAGES = ['read', 'fit', 'solve'] as const
/** Atomic numbers are whole: the stage and the part that is done travel as one, the part in millionths. */
const PARTS = 1_000_000

/** A board on which nothing is done yet. */
export function progressBoard(): ProgressBoard {
  return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
}

/** What writes on a board. */
export function writerOn(board: ProgressBoard): Reporter {
  const cell = new Int32Array(board)
  return ({ stage, fraction }) => {
    const part = Math.min(PARTS - 1, Math.floor(PARTS * fraction))
    Atomics.store(cell, 0, STAGES.indexOf(stage) * PARTS + part)
  }
}

/** What is written on a board. */
export function readProgress(board: ProgressBoard): Progress {
  const value = Atomics.load(new Int32Array(board), 0)
  return { stage: STAGES[Math.floor(value / PARTS)], fraction: (value % PARTS) / PARTS }
}
