import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
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

/**
 * Asks a program that answers every line of JSON with one: on all processors, each with its part of the questions.
 *
 * @param program a file of this folder, in Python
 */
export async function askInParallel<Answer>(program: string, questions: object[]): Promise<Answer[]> {
  const folder = import.meta.dirname
  const parts = Math.min(availableParallelism(), questions.length)
  const answers: Answer[] = new Array(questions.length)
  const ask = async (part: number) => {
    const own = questions.map((_, k) => k).filter((k) => k % parts === part)
    const asked = own.map((k) => JSON.stringify(questions[k])).join('\n')
    const found = await linesOf<Answer>(`${folder}/.venv/bin/python`, [`${folder}/${program}`], asked)
    if (found.length !== own.length) throw new Error(`${program} answered ${found.length} of ${own.length}`)
    own.forEach((k, at) => {
      answers[k] = found[at]
    })
  }
  await Promise.all(Array.from({ length: parts }, (_, part) => ask(part)))
  return answers
}

/** Sends a problem to peers.py, and returns the lines of JSON that it prints. */
function python<Line>(task: string, problem: object): Promise<Line[]> {
  const folder = import.meta.dirname
  return linesOf(`${folder}/.venv/bin/python`, [`${folder}/peers.py`, task], JSON.stringify(problem))
}

/** The same with peers.R. */
function r<Line>(task: string, problem: object): Promise<Line[]> {
  return linesOf('Rscript', ['--vanilla', `${import.meta.dirname}/peers.R`, task], JSON.stringify(problem))
}

/** Runs a program on what it reads from standard input, and returns the lines of JSON that it prints. */
async function linesOf<Line>(program: string, options: string[], input: string): Promise<Line[]> {
  const child = spawn(program, options, { stdio: ['pipe', 'pipe', 'inherit'] })
  const failed = new Promise<never>((_, reject) => child.once('error', reject))
  const lines: Line[] = []
  const read = (async () => {
    for await (const line of createInterface({ input: child.stdout })) lines.push(JSON.parse(line))
  })()
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  await Promise.race([read, failed])
  return lines
}
