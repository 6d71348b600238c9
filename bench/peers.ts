import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Timing } from './measure.ts'

/**
 * What a peer did with a problem: how long it took and its answer, or why there is none. The remark says where it solves
 * another problem than asked.
 */
export type PeerRun<Answer> =
  | { peer: string; timing: Timing; answer: Answer; remark: string | null }
  | { peer: string; failure: string }

/** Runs peers on a problem; null where they were not asked for. */
export type Peers =
  | (<Answer>(task: 'fit' | 'model' | 'welfare', problem: object) => Promise<PeerRun<Answer>[]>)
  | null

/** The packages whose versions matter to the peers' figures. */
const PACKAGES = [
  'choix',
  'evalica',
  'scikit-learn',
  'statsmodels',
  'firthmodels',
  'crowd-kit',
  'cvxpy',
  'numpy',
  'scipy',
  'clarabel',
  'highspy',
]

/** Runs the peers in the environment that peers.sh made. */
export const runPeers: NonNullable<Peers> = async (task, problem) => {
  try {
    return await python(task, problem)
  } catch (error) {
    return [{ peer: 'the peers', failure: (error as Error).message }]
  }
}

/** Runs the peers that are packages of R, where it is installed. */
export const runPeersOfR: NonNullable<Peers> = async (task, problem) => {
  try {
    return await r(task, problem)
  } catch {
    return [{ peer: 'R', failure: 'not installed' }]
  }
}

/** The versions of the peers and of what they are made of. */
export async function peerVersions(): Promise<Record<string, string>> {
  type Versions = Record<string, string>
  const ofPython = python<Versions>('versions', PACKAGES).catch((error: Error) => [{ Python: error.message }])
  const ofR = r<Versions>('versions', {}).catch(() => [{ R: 'not installed' }])
  const [[one], [other]] = await Promise.all([ofPython, ofR])
  return { ...one, ...other }
}

/** Sends a problem to peers.py, and returns the lines of JSON that it prints. */
function python<Line>(task: string, problem: object): Promise<Line[]> {
  const folder = import.meta.dirname
  return linesOf(`${folder}/.venv/bin/python`, [`${folder}/peers.py`, task], problem)
}

/** The same with peers.R. */
function r<Line>(task: string, problem: object): Promise<Line[]> {
  return linesOf('Rscript', ['--vanilla', `${import.meta.dirname}/peers.R`, task], problem)
}

/** Runs a program on a problem that it reads as JSON, and returns the lines of JSON that it prints. */
async function linesOf<Line>(program: string, options: string[], problem: object): Promise<Line[]> {
  const child = spawn(program, options, { stdio: ['pipe', 'pipe', 'inherit'] })
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
