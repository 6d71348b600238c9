import { constants } from 'node:buffer'
import { availableParallelism } from 'node:os'

/** What an operator can set. */
export type Config = {
  host: string
  port: number
  /** Largest body, in bytes. */
  bodyLimit: number
  /** Worker threads. */
  workers: number
  /** Requests that may wait for a worker. */
  queueLimit: number
  logLevel: string
  /** The folder of the embedded store; null for one in memory that is gone at the end. */
  dataDirectory: string | null
  /** The PostgreSQL database that is used instead; null for the embedded store. */
  databaseUrl: string | null
  /** How long a client may stand still in the middle of a body or of an answer, in seconds. */
  clientTimeout: number
  /** Largest upload to a dataset, packed or unpacked, in bytes. */
  uploadLimit: number
  /** The most memory that the embedded database takes, as a store or to read files, in bytes. */
  storeMemory: number
  /** Jobs that may wait or run, in all replicas together. */
  jobLimit: number
  /** How long the answer of a job is kept, in seconds. */
  jobRetention: number
  /** A body larger than so many bytes becomes a job without being asked. */
  jobAbove: number
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

/**
 * Reads the configuration from environment variables.
 *
 * @throws Error whose message names every variable that is wrong and says what would be right
 */
export function readConfig(env: Record<string, string | undefined>): Config {
  const faults: string[] = []
  const integer = (name: string, fallback: number, low: number, high: number) => {
    const text = env[name]
    if (text === undefined || text === '') return fallback
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < low || value > high) {
      faults.push(`${name} must be a whole number from ${low} to ${high}, and is "${text}"`)
    }
    return value
  }
  const config = {
    host: env.HOST || '127.0.0.1',
    port: integer('PORT', 8080, 0, 65535),
    bodyLimit: integer('BODY_LIMIT', 64 * 1024 * 1024, 1024, constants.MAX_STRING_LENGTH),
    workers: integer('WORKERS', availableParallelism(), 1, 1024),
    queueLimit: integer('QUEUE_LIMIT', 16, 0, 100_000),
    logLevel: env.LOG_LEVEL || 'info',
    dataDirectory: env.DATA_DIR === ':memory:' ? null : env.DATA_DIR || 'data',
    databaseUrl: env.DATABASE_URL || null,
    clientTimeout: integer('CLIENT_TIMEOUT', 30, 1, 86_400),
    uploadLimit: integer('UPLOAD_LIMIT', 4 * 1024 ** 3, 1024, Number.MAX_SAFE_INTEGER),
    storeMemory: integer('STORE_MEMORY', 1024 ** 3, 64 * 1024 ** 2, Number.MAX_SAFE_INTEGER),
    jobLimit: integer('JOB_LIMIT', 100, 1, 100_000),
    jobRetention: integer('JOB_RETENTION', 86_400, 1, 365 * 86_400),
    jobAbove: integer('JOB_ABOVE', constants.MAX_STRING_LENGTH, 0, constants.MAX_STRING_LENGTH),
  }
  if (config.databaseUrl !== null && !/^postgres(ql)?:\/\//.test(config.databaseUrl)) {
    faults.push('DATABASE_URL must begin with postgresql://')
  }
  if (!LOG_LEVELS.includes(config.logLevel)) {
    faults.push(`LOG_LEVEL must be one of ${LOG_LEVELS.join(', ')}, and is "${config.logLevel}"`)
  }
  if (faults.length > 0) throw new Error(`The configuration is not valid: ${faults.join('; ')}.`)
  return config
}
