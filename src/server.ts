import { buildApp } from './service/app.ts'
import { readConfig } from './service/config.ts'

/** Longest wait for what has begun before a shutdown gives up on it. */
const DRAIN_SECONDS = 30

try {
  const config = readConfig(process.env)
  const app = await buildApp(config)
  let stopping = false
  const stop = async (signal: string) => {
    if (stopping) return
    stopping = true
    app.log.info({ signal }, 'shutting down: finishing what has begun')
    app.drain()
    // A connection whose last answer was on its way already stays open, and would keep the server from closing.
    setInterval(() => app.server.closeIdleConnections(), 200).unref()
    setTimeout(() => {
      app.log.error(`gave up after ${DRAIN_SECONDS} seconds`)
      process.exit(1)
    }, DRAIN_SECONDS * 1000).unref()
    await app.close()
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  await app.listen({ host: config.host, port: config.port })
} catch (error) {
  process.stderr.write(`commonweal: ${(error as Error).message}\n`)
  process.exit(1)
}
