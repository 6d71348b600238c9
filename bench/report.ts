import { readFileSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'
import type { Timing } from './measure.ts'

/** One table of results. */
export type Section = { title: string; about: string; header: string[]; rows: string[][]; targets: Target[] }

/** What was aimed at, and what came of it; `met` is null where nothing could be compared. */
export type Target = { aim: string; measured: string; met: boolean | null }

/** A target for a number that must be at least, or at most, so much. */
export function target(
  aim: string,
  value: number,
  sense: 'at least' | 'at most',
  limit: number,
  unit = '',
): Target {
  const met = sense === 'at least' ? value >= limit : value <= limit
  const short = sense === 'at least' ? limit / value : value / limit
  const miss = met ? '' : `; missed by a factor of ${figure(short)}`
  return { aim, measured: `${figure(value)}${unit}${miss}`, met }
}

/**
 * The whole report, as Markdown.
 *
 * @param command what wrote it
 * @param versions of whatever is measured beside us; null where the peers did not run
 */
export function report(
  title: string,
  command: string,
  sections: Section[],
  versions: Record<string, string> | null,
): string {
  const targets = sections.flatMap(({ title, targets }) =>
    targets.map(({ aim, measured, met }) => [
      title,
      aim,
      measured,
      met === null ? '–' : met ? 'met' : 'missed',
    ]),
  )
  return [
    `# ${title}`,
    '',
    `Written by \`${command}\` on ${new Date().toISOString().slice(0, 10)}.`,
    '',
    ...machine(versions).map((line) => `- ${line}`),
    '',
    'A time is the median of several runs after one that warms up; "first" is that one. Where the first takes more ' +
      'than three seconds it is the only one. All figures come from one run on one machine: compare ratios, not times.',
    '',
    '## Targets',
    '',
    ...table(['', 'target', 'measured', ''], targets),
    ...sections.flatMap(({ title, about, header, rows }) => [
      '',
      `## ${title}`,
      '',
      about,
      '',
      ...table(header, rows),
    ]),
    '',
  ].join('\n')
}

function machine(versions: Record<string, string> | null): string[] {
  const processors = cpus()
  const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'))
  const packages = ['fastify', 'ajv', 'piscina', 'highs', 'autocannon'].map(
    (name) => `${name} ${lock.packages[`node_modules/${name}`]?.version ?? 'absent'}`,
  )
  const peers = Object.entries(versions ?? {}).map(([name, version]) => `${name} ${version}`)
  return [
    `Machine: ${processors[0].model.trim()}, ${processors.length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()} ${release()}`,
    `Node ${process.versions.node}; ${packages.join(', ')}`,
    `Peers: ${versions === null ? 'not run; `npm run bench:peers` does' : peers.join(', ')}`,
  ]
}

function table(header: string[], rows: string[][]): string[] {
  const lines = [header, ...rows]
  const widths = header.map((_, c) => Math.max(3, ...lines.map((line) => [...line[c]].length)))
  const line = (cells: string[]) => `| ${cells.map((cell, c) => cell.padEnd(widths[c])).join(' | ')} |`
  return [line(header), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)]
}

/** The columns that {@link timingCells} fills. */
export const TIMING_HEADER = ['median', 'min – max', 'runs', 'first']

/** A timing as cells of a table; dashes where there is none. */
export function timingCells(timing: Timing | null): string[] {
  if (timing === null) return ['–', '–', '–', '–']
  const { median, min, max, runs, first } = timing
  return [
    milliseconds(median),
    `${milliseconds(min)} – ${milliseconds(max)}`,
    String(runs),
    milliseconds(first),
  ]
}

/** A duration given in milliseconds. */
export function milliseconds(value: number): string {
  return value >= 10_000 ? `${figure(value / 1000)} s` : `${figure(value)} ms`
}

/** Three significant digits. */
export function figure(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value)
  if (Math.abs(value) < 1e-3) return value.toExponential(1)
  return Math.abs(value) >= 100
    ? Math.round(value).toLocaleString('en')
    : String(Number(value.toPrecision(3)))
}

/** Two significant digits, as a power of ten. */
export function scientific(value: number): string {
  return value === 0 ? '0' : value.toExponential(1)
}
