import type { Db } from 'pg-boss'
import type { Parameter, Statements } from './database.ts'
import type { JobQueue } from './jobs.ts'

const QUEUE = 'engine'
/** A process that gives no sign for so long is taken for dead, and its jobs are handed to others. */
const HEARTBEAT = { heartbeatSeconds: 10, heartbeatRefreshSeconds: 3 }
/** Of the connections that others have, a job's line takes these few. */
const CONNECTIONS = 3
const DAY = 86_400
/** Where replicas tell each other which jobs were cancelled. */
const CANCELLED = 'commonweal_cancelled'

/**
 * The line that replicas share: pg-boss, in a schema of its own. What a job is, was sent and answers is in our tables;
 * pg-boss hands its id to one replica at a time, and to another one where that died.
 *
 * @param slots how many jobs are handed out to this process at once
 * @param warn is told of what pg-boss could not do for now
 */
export async function postgresQueue(
  url: string,
  slots: number,
  warn: (error: Error) => void,
): Promise<JobQueue> {
  const { PgBoss } = await import('pg-boss')
  const boss = new PgBoss({
    connectionString: url,
    schema: 'commonweal_jobs',
    max: CONNECTIONS,
    schedule: false,
    useListenNotify: true,
    superviseIntervalSeconds: 1,
    monitorIntervalSeconds: 1,
    registerInstance: false,
  })
  boss.on('error', warn)
  await boss.start()
  await boss.createQueue(QUEUE, {
    heartbeatSeconds: HEARTBEAT.heartbeatSeconds,
    notify: true,
    // How often a job may be begun is counted with the job.
    retryLimit: 1000,
    retryDelay: 0,
    expireInSeconds: DAY - 1,
    retentionSeconds: 365 * DAY,
    deleteAfterSeconds: 3600,
  })
  let stopListening = async () => {}
  return {
    shared: true,
    async add(id, statements) {
      await boss.send(QUEUE, null, { id, db: within(statements) })
    },
    added() {},
    async tellCancelled(id, statements) {
      await statements.run('SELECT pg_notify($1::text, $2::text)', [CANCELLED, id])
    },
    async start(perform, cancelled) {
      // On a connection of its own, which pg-boss makes anew whenever it breaks.
      const listening = await boss.getDb().listen?.(CANCELLED, cancelled, () => {})
      stopListening = async () => listening?.close()
      const options = {
        batchSize: 1,
        pollingIntervalSeconds: 1,
        // Jobs that come back after a death are not announced.
        notifyPollingIntervalSeconds: 1,
        heartbeatRefreshSeconds: HEARTBEAT.heartbeatRefreshSeconds,
      }
      for (let slot = 0; slot < slots; slot++) {
        const worker: string = await boss.work(QUEUE, options, async ([{ id }]) => {
          await perform(id)
          // Jobs that came together were announced together: who has done one looks for the next at once.
          boss.notifyWorker(worker)
        })
      }
    },
    async stop() {
      await boss.offWork(QUEUE, { wait: false })
    },
    async close() {
      await stopListening()
      await boss.stop({ graceful: true, timeout: 20_000 })
    },
  }
}

/** Has pg-boss write in a transaction of the store. */
function within(statements: Statements): Db {
  return {
    executeSql: async (sql, values) => ({
      rows: await statements.run(sql, values as Parameter[] | undefined),
    }),
  }
}
