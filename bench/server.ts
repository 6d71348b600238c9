import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'

/** A server in a process of its own. */
export type Server = {
  url: string
  /** The most memory that was ever resident, in bytes, all threads included; null where the system does not tell. */
  peakMemory(): number | null
  stop(): Promise<void>
}

/** Starts the service, with a store in memory unless `env` says otherwise. */
export const startService = (env: Record<string, string> = {}) =>
  start(new URL('../src/server.ts', import.meta.url), env)

/** Starts the route that only validates and echoes. */
export const startEcho = () => start(new URL('echo.ts', import.meta.url))

/** Starts the route that only compares a tag. */
export const startPoll = () => start(new URL('poll.ts', import.meta.url))

async function start(script: URL, env: Record<string, string> = {}): Promise<Server> {
  const port = await freePort()
  const child = spawn(process.execPath, [script.pathname], {
    env: {
      ...process.env,
      HOST: '127.0.0.1',
      PORT: String(port),
      LOG_LEVEL: 'silent',
      DATA_DIR: ':memory:',
      ...env,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const url = `http://127.0.0.1:${port}`
  await answering(`${url}/health/live`, child)
  return {
    url,
    peakMemory: () => peakMemory(child.pid as number),
    async stop() {
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}

/** A connection that is kept open from request to request. */
export type Client = { send(url: string, body?: Buffer): Promise<Buffer>; close(): void }

/** Opens a client; its requests go one after another over one connection. */
export function openClient(): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const headers = { 'Content-Type': 'application/json' }
  return {
    send: (url, body) =>
      new Promise((resolve, reject) => {
        const sent = request(
          url,
          { agent, method: body ? 'POST' : 'GET', headers: body ? headers : {} },
          (response) => {
            const chunks: Buffer[] = []
            response.on('data', (chunk: Buffer) => chunks.push(chunk))
            response.on('end', () => {
              const answer = Buffer.concat(chunks)
              if (response.statusCode === 200) resolve(answer)
              else
                reject(
                  new Error(`${url} answered ${response.statusCode}: ${answer.toString('utf8', 0, 500)}`),
                )
            })
            response.on('error', reject)
          },
        )
        sent.on('error', reject)
        sent.end(body)
      }),
    close: () => agent.destroy(),
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

async function answering(url: string, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (child.exitCode !== null) break
    try {
      await fetch(url)
      return
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  throw new Error(`no server came up at ${url}`)
}

function peakMemory(pid: number): number | null {
  try {
    const kilobytes = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return kilobytes && 1024 * Number(kilobytes[1])
  } catch {
    return null
  }
}
