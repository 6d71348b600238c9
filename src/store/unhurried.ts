import { setImmediate } from 'node:timers/promises'

/** Takes steps with room for others between them: all else that the process does would wait for millions of entries. */
export async function unhurried<T>(steps: Generator<void, T>): Promise<T> {
  while (true) {
    const step = steps.next()
    if (step.done === true) return step.value
    await setImmediate()
  }
}
