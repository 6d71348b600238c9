import type { FastifyBaseLogger } from 'fastify'
import { pino } from 'pino'

/** The log: JSON lines on standard output, with level names and ISO times that log collectors read as they are. */
export function createLogger(level: string): FastifyBaseLogger {
  return pino({
    level,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  })
}
