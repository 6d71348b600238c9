import type { Database } from './database.ts'
import type { JobQueue } from './jobs.ts'

const RETRY_MS = 1000

/**
 * The line of a process that has its jobs to itself. It is in memory: at the start it is what the database says was
 * waiting, or running when the process ended, oldest first.
 *
 * @param slots how many jobs are handed out at once
 */
export function embeddedQueue(database: Database, slots: number): JobQueue {
  const line: string[] = []
  const out = new Set<Promise<void>>()
  let perform: ((id: string) => Promise<void>) | null = null

  function handOut() {
    while (perform !== null && out.size < slots && line.length > 0) {
      const id = line.shift() as string
      const done: Promise<void> = perform(id)
        .catch(() => {
          // The database had no room, say: it may have by and by.
          setTimeout(() => {
            line.push(id)
            handOut()
          }, RETRY_MS).unref()
        })
        .then(() => {
          out.delete(done)
          handOut()
        })
      out.add(done)
    }
  }

  return {
    shared: false,
    async add() {},
    added(id) {
      line.push(id)
      handOut()
    },
    // There is no other process.
    async tellCancelled() {},
    async start(work) {
      // Where there is no room to say so, what ran waits all the same.
      const again = "UPDATE jobs SET status = 'queued' WHERE status = 'running'"
      await database.transaction((statements) => statements.run(again)).catch(() => {})
      const waiting = await database.snapshot((statements) =>
        statements.run("SELECT id FROM jobs WHERE status IN ('queued', 'running') ORDER BY id"),
      )
      line.unshift(...waiting.map(({ id }) => String(id)).filter((id) => !line.includes(id)))
      perform = work
      handOut()
    },
    async stop() {
      perform = null
    },
    async close() {
      await Promise.all(out)
    },
  }
}
