import type { Database } from './database.ts'

/**
 * Has names taken by one at a time, in all processes that use a database.
 *
 * @returns what takes a name, and resolves with what gives it back; with null where somebody has it
 */
export function claimsIn(database: Database): (name: string) => Promise<(() => Promise<void>) | null> {
  // Within this process the database need not be asked.
  const taken = new Set<string>()
  return async (name) => {
    if (taken.has(name)) return null
    taken.add(name)
    try {
      const release = await database.claim(name)
      if (release === null) {
        taken.delete(name)
        return null
      }
      return async () => {
        taken.delete(name)
        await release()
      }
    } catch (error) {
      taken.delete(name)
      throw error
    }
  }
}
