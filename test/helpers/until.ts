import { setTimeout as pause } from 'node:timers/promises'

/** Looks until something is so. */
export async function until<T>(look: () => Promise<T>, so: (found: T) => boolean): Promise<T> {
  while (true) {
    const found = await look()
    if (so(found)) return found
    await pause(10)
  }
}
