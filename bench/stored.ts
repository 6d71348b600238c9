import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import duckdb from '@duckdb/node-api'
import { writeFiles } from './comparison-files.ts'
import { ingestEmbedded, ingestPostgres, type StoreUnderTest } from './ingest.ts'
import { option } from './option.ts'
import { ask, startDatabase } from './postgres.ts'
import { report, type Section } from './report.ts'
import { jobsAndIdling } from './standing-costs.ts'
import { otherSteps, stepsOfStore, storeStepsSection } from './steps.ts'
import { storedRequests } from './stored-requests.ts'

/**
 * The service over HTTP on stored comparisons, on either store, and what each step of its work costs; prints the report and
 * keeps it in STORED.md.
 *
 * `npm run bench:stored -- --comparisons 1e7`, which is what the targets are about, takes some minutes; a million if not said.
 * `--rounds` is how often each file is ingested into the embedded store, once if not said. Needs PostgreSQL's programs.
 */

const comparisons = Number(option('comparisons') ?? 1e6)
const rounds = Number(option('rounds') ?? 1)
if (!(comparisons >= 1e6)) throw new Error('with fewer than a million comparisons some items never win')
const MEMORY = 1024 ** 3
const folder = mkdtempSync(join(tmpdir(), 'commonweal-bench-'))
const step = <T>(name: string, work: () => Promise<T>): Promise<T> => {
  process.stderr.write(`${name} …\n`)
  return work()
}

const database = await startDatabase()
try {
  const embedded: StoreUnderTest = {
    name: 'embedded',
    env: { DATA_DIR: join(folder, 'data'), STORE_MEMORY: String(MEMORY) },
    dataset: 'd',
  }
  const postgres: StoreUnderTest = {
    name: 'PostgreSQL',
    env: { DATABASE_URL: database.url, STORE_MEMORY: String(MEMORY) },
    dataset: 'd',
  }
  const files = await step('files', () => writeFiles(folder, comparisons))
  const sections: Section[] = []
  sections.push(
    await step('ingest, embedded', () =>
      ingestEmbedded(embedded, files, comparisons, { folder, memory: MEMORY, rounds }),
    ),
    await step('ingest, PostgreSQL', () => ingestPostgres(postgres, files, comparisons)),
  )
  const onEmbedded = await step('requests, embedded', () => storedRequests(embedded, comparisons))
  const onPostgres = await step('requests, PostgreSQL', () => storedRequests(postgres, comparisons))
  const steps = await step('steps, embedded', () => stepsOfStore(embedded, comparisons, MEMORY))
  const stepsToo = await step('steps, PostgreSQL', () => stepsOfStore(postgres, comparisons, MEMORY))
  sections.push(
    onEmbedded.section,
    onPostgres.section,
    storeStepsSection(comparisons, [
      [embedded.name, steps],
      [postgres.name, stepsToo],
    ]),
    await step('other steps', () => otherSteps(steps.counts, onEmbedded.cold, onEmbedded.answer, folder)),
    await step('jobs', () => jobsAndIdling([embedded, postgres])),
  )
  const [{ server_version }] = await ask(database.url, 'SHOW server_version')
  const versions = { DuckDB: duckdb.version(), PostgreSQL: String(server_version) }
  const command = `npm run bench:stored -- --comparisons ${comparisons} --rounds ${rounds}`
  const text = report('Benchmarks on stored comparisons', command, sections, versions)
  writeFileSync(new URL('STORED.md', import.meta.url), text)
  process.stdout.write(text)
} finally {
  await database.stop()
  rmSync(folder, { recursive: true, force: true })
}
