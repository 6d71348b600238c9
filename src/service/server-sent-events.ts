import type { JobDescription } from '../../schemas/jobs.ts'

/** After so many milliseconds a client whose connection broke off connects again. */
const RECONNECT_MS = 2000

/**
 * The life of a job as server-sent events (WHATWG HTML, 9.2): `progress` with each change, then `end`. Each event has the
 * whole job, so that the last one tells as much as all before it, and its id says what it has told: who comes back with
 * the id of the last one is told what has changed since. Null where that was the end.
 *
 * @param first the job as it is
 * @param lastId the id of the last event that the client has; null for none
 * @param look looks at the job again
 * @param wait waits until it is time to look; false ends the stream early, and the client will come back
 * @param looks how many looks without news a heartbeat follows
 */
export function eventsOf(
  first: JobDescription,
  lastId: string | null,
  look: () => Promise<JobDescription>,
  wait: () => Promise<boolean>,
  looks: number,
): AsyncGenerator<string> | null {
  if (isOver(first) && lastId === idOf(first)) return null
  async function* events() {
    yield `retry: ${RECONNECT_MS}\n\n`
    let job = first
    let told = lastId
    let quiet = 0
    while (true) {
      const id = idOf(job)
      if (id !== told) {
        yield `id: ${id}\nevent: ${isOver(job) ? 'end' : 'progress'}\ndata: ${JSON.stringify(job)}\n\n`
        told = id
        quiet = 0
      } else if (++quiet % looks === 0) yield ': still here\n\n'
      if (isOver(job) || !(await wait())) return
      job = await look()
    }
  }
  return events()
}

const isOver = ({ status }: JobDescription) => status !== 'queued' && status !== 'running'

function idOf({ status, attempts, stage, fraction }: JobDescription): string {
  return [status, attempts, ...(stage === null ? [] : [stage, fraction])].join('-')
}
