import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Timing } from './measure.ts'

/** What a peer did with a problem: how long it took and its answer, or why there is none. */
export type PeerRun<Answer> =
  | { peer: string; timing: Timing; answer: Answer }
  | { peer: string; failure: string }

/** Runs peers on a problem; null where they were not asked for. */
export type Peers = (<Answer>(task: 'fit' | 'welfare', problem: object) => Promise<PeerRun<Answer>[]>) | null

/** The packages whose versions matter to the peers' figures. */
const PACKAGES = ['choix', 'evalica', 'cvxpy', 'numpy', 'scipy', 'clarabel', 'highspy']

/** Runs the peers in the environment that peers.sh made. */
export const runPeers: NonNullable<Peers> = async (task, problem) => {
  try {
    return await python(task, problem)
  } catch (error) {
    return [{ peer: 'the peers', failure: (error as Error).message }]
  }
}

/** The versions of the peers and of what they are made of. */
export async function peerVersions(): Promise<Record<string, string>> {
  try {
    const [versions] = await python<Record<string, string>>('versions', PACKAGES)
    return versions
  } catch (error) {
    return { Python: (error as Error).message }
  }
}

/** Sends a problem to peers.py, and returns the lines of JSON that it prints. */
async function python<Line>(task: string, problem: object): Promise<Line[]> {
  const folder = import.meta.dirname
  const child = spawn(`${folder}/.venv/bin/python`, [`${folder}/peers.py`, task], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const failed = new Promise<never>((_, reject) => child.once('error', reject))
  const lines: Line[] = []
  const read = (async () => {
    for await (const line of createInterface({ input: child.stdout })) lines.push(JSON.parse(line))
  })()
  child.stdin.on('error', () => {})
  child.stdin.end(JSON.stringify(problem))
  await Promise.race([read, failed])
  return lines
}
