import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { Test } from 'tap'

/** A PostgreSQL server of the test's own. */
export type PostgresServer = {
  /** Makes an empty database; resolves with its URL. */
  database(): Promise<string>
  /** Stops the server as a crash would, and starts it again. */
  restart(): Promise<void>
}

/** Starts a server on a socket in a folder of its own; both are gone at the end of the test. */
export async function startPostgres(t: Pick<Test, 'teardown'>): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), 'commonweal-postgres-'))
  // PostgreSQL does not run as root.
  const owner = process.getuid?.() === 0 ? ownerOf('postgres') : null
  if (owner !== null) chownSync(folder, owner.uid, owner.gid)
  const data = join(folder, 'data')
  execFileSync(binary('initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync'], {
    cwd: folder,
    stdio: 'ignore',
    ...owner,
  })
  const launch = async () => {
    const options = ['-D', data, '-k', folder, '-c', 'listen_addresses=', '-c', 'max_connections=60']
    const child = spawn(binary('postgres'), options, { cwd: folder, stdio: 'ignore', ...owner })
    await untilReady(url('postgres'))
    return child
  }
  const url = (name: string) => `postgresql://postgres@/${name}?host=${encodeURIComponent(folder)}`
  let server = await launch()
  const stop = async () => {
    const exit = once(server, 'exit')
    server.kill('SIGQUIT')
    await exit
  }
  t.teardown(async () => {
    await stop()
    rmSync(folder, { recursive: true, force: true })
  })
  let made = 0
  return {
    async database() {
      const name = `test_${++made}`
      await run(url('postgres'), `CREATE DATABASE ${name}`)
      return url(name)
    },
    async restart() {
      await stop()
      server = await launch()
    },
  }
}

async function untilReady(url: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await run(url, 'SELECT 1')
      return
    } catch (error) {
      if (tries === 1200) throw error
      await new Promise((wake) => setTimeout(wake, 50))
    }
  }
}

async function run(url: string, sql: string): Promise<void> {
  const client = new pg.Client(url)
  try {
    await client.connect()
    await client.query(sql)
  } finally {
    await client.end().catch(() => {})
  }
}

/** Debian keeps the server's programs out of the way, a folder a version. */
function binary(name: string): string {
  const home = '/usr/lib/postgresql'
  const versions = existsSync(home) ? readdirSync(home).sort((a, b) => Number(b) - Number(a)) : []
  const found = versions.map((version) => join(home, version, 'bin', name)).find(existsSync)
  return found ?? name
}

function ownerOf(user: string): { uid: number; gid: number } {
  const id = (flag: string) => Number(execFileSync('id', [flag, user], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}
