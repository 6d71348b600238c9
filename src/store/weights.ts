import { randomUUID } from 'node:crypto'
import type { Tables } from './counts.ts'
import type { Database, Row, Statements } from './database.ts'
import { StoreProblem } from './problem.ts'

/** Weights that are published under a name, from a dataset by one configuration. */
export type Published = {
  /** What they are computed by, as JSON. */
  configuration: string
  /** What tells these versions from those of an earlier publication under the same name. */
  series: string
  latest: number
  /** The version that is served; null for the latest. */
  pinned: number | null
  /** Why the last refresh made no version, as JSON; null where it made one. */
  failure: string | null
}

/** One version; it never changes. */
export type Version = {
  version: number
  /** The answer of the engine, as JSON. */
  answer: string
  fingerprint: string
  computedAt: string
}

/** Where published weights are kept. */
export type WeightStore = {
  /**
   * Adds a version and clears the failure of the last refresh. Where configuration and data are those of the latest version
   * nothing is added.
   *
   * @returns the version, and whether it is new
   */
  publish(
    dataset: string,
    name: string,
    configuration: string,
    answer: string,
    fingerprint: string,
  ): Promise<{ version: Version; added: boolean }>
  /** Notes that a refresh made no version. */
  fail(dataset: string, name: string, failure: string): Promise<void>
  find(dataset: string, name: string): Promise<Published>
  /** A version; null for the one that is served. */
  version(dataset: string, name: string, version: number | null): Promise<Version>
  /** All versions without their answers, the newest first. */
  versions(dataset: string, name: string): Promise<Omit<Version, 'answer'>[]>
  /** Serves one version from now on; null serves the latest again. */
  pin(dataset: string, name: string, version: number | null): Promise<void>
  remove(dataset: string, name: string): Promise<void>
}

/** The tables of published weights. */
export const WEIGHTS_SCHEMA = [
  'CREATE TABLE IF NOT EXISTS published (dataset INT NOT NULL, name TEXT NOT NULL, configuration TEXT NOT NULL, ' +
    'series TEXT NOT NULL, pinned INT, failure TEXT, PRIMARY KEY (dataset, name))',
  'CREATE TABLE IF NOT EXISTS published_versions (dataset INT NOT NULL, name TEXT NOT NULL, version INT NOT NULL, ' +
    'configuration TEXT NOT NULL, answer TEXT NOT NULL, fingerprint TEXT NOT NULL, computed_at TEXT NOT NULL, ' +
    'PRIMARY KEY (dataset, name, version))',
]

/** How long what another replica may have changed is believed, in milliseconds. */
const FRESH_MS = 1000
const KEPT_MOST = 10_000

const WHERE = 'WHERE dataset = $1::int AND name = $2::text'

/** Keeps published weights in the database of the datasets. */
export function createWeightStore(
  database: Database,
  tablesOf: (statements: Statements, id: string) => Promise<Tables>,
  inTurn: <T>(id: string, work: (statements: Statements, tables: Tables) => Promise<T>) => Promise<T>,
): WeightStore & { forget(): void } {
  // What polls ask for again and again. Other replicas do not tell of their changes, so there it is kept for a moment only.
  const freshFor = database.kind === 'embedded' ? Number.POSITIVE_INFINITY : FRESH_MS
  const kept = new Map<string, { published: Published; until: number }>()
  let changes = 0
  const forget = () => {
    changes++
    kept.clear()
  }
  const writing: typeof inTurn = async (id, work) => {
    try {
      return await inTurn(id, work)
    } finally {
      forget()
    }
  }
  const reading = <T>(id: string, work: (statements: Statements, key: number) => Promise<T>) =>
    database.snapshot(async (statements) => work(statements, (await tablesOf(statements, id)).key))

  return {
    publish: (dataset, name, configuration, answer, fingerprint) =>
      writing(dataset, async (statements, { key }) => {
        const [known] = await statements.run(`SELECT pinned FROM published ${WHERE}`, [key, name])
        if (known === undefined) {
          await statements.run(
            'INSERT INTO published (dataset, name, configuration, series) VALUES ($1::int, $2::text, $3::text, $4::text)',
            [key, name, configuration, randomUUID()],
          )
        } else {
          await statements.run(`UPDATE published SET configuration = $3::text, failure = NULL ${WHERE}`, [
            key,
            name,
            configuration,
          ])
        }
        const [last] = await statements.run(
          `SELECT version, configuration, answer, fingerprint, computed_at FROM published_versions ${WHERE} ` +
            'ORDER BY version DESC LIMIT 1',
          [key, name],
        )
        if (last?.configuration === configuration && last.fingerprint === fingerprint)
          return { version: versionOf(last), added: false }
        const version = {
          version: Number(last?.version ?? 0) + 1,
          answer,
          fingerprint,
          computedAt: new Date().toISOString(),
        }
        await statements.run(
          'INSERT INTO published_versions (dataset, name, version, configuration, answer, fingerprint, computed_at) ' +
            'VALUES ($1::int, $2::text, $3::int, $4::text, $5::text, $6::text, $7::text)',
          [key, name, version.version, configuration, answer, fingerprint, version.computedAt],
        )
        return { version, added: true }
      }),

    fail: (dataset, name, failure) =>
      writing(dataset, async (statements, { key }) => {
        await statements.run(`UPDATE published SET failure = $3::text ${WHERE}`, [key, name, failure])
      }),

    forget,

    async find(dataset, name) {
      const id = JSON.stringify([dataset, name])
      const found = kept.get(id)
      if (found !== undefined && performance.now() < found.until) return found.published
      const before = changes
      const published = await reading(dataset, (statements, key) => publishedOf(statements, key, name))
      // What was read before a change must not outlive it.
      if (changes === before) {
        if (kept.size >= KEPT_MOST) kept.clear()
        kept.set(id, { published, until: performance.now() + freshFor })
      }
      return published
    },

    version: (dataset, name, version) =>
      reading(dataset, async (statements, key) => {
        const { latest, pinned } = await publishedOf(statements, key, name)
        const wanted = version ?? pinned ?? latest
        const [row] = await statements.run(
          `SELECT version, answer, fingerprint, computed_at FROM published_versions ${WHERE} AND version = $3::int`,
          [key, name, wanted],
        )
        if (row === undefined) throw noVersion(name, wanted)
        return versionOf(row)
      }),

    versions: (dataset, name) =>
      reading(dataset, async (statements, key) => {
        await publishedOf(statements, key, name)
        const rows = await statements.run(
          `SELECT version, fingerprint, computed_at FROM published_versions ${WHERE} ORDER BY version DESC`,
          [key, name],
        )
        return rows.map((row) => {
          const { answer: _, ...rest } = versionOf(row)
          return rest
        })
      }),

    pin: (dataset, name, version) =>
      writing(dataset, async (statements, { key }) => {
        const { latest } = await publishedOf(statements, key, name)
        if (version !== null && (version < 1 || version > latest)) throw noVersion(name, version)
        await statements.run(`UPDATE published SET pinned = $3::int ${WHERE}`, [key, name, version])
      }),

    remove: (dataset, name) =>
      writing(dataset, async (statements, { key }) => {
        await publishedOf(statements, key, name)
        await statements.run(`DELETE FROM published ${WHERE}`, [key, name])
        await statements.run(`DELETE FROM published_versions ${WHERE}`, [key, name])
      }),
  }
}

async function publishedOf(statements: Statements, key: number, name: string): Promise<Published> {
  const [row] = await statements.run(
    `SELECT configuration, series, pinned, failure, (SELECT max(version) FROM published_versions ${WHERE}) AS latest ` +
      `FROM published ${WHERE}`,
    [key, name],
  )
  if (row === undefined)
    throw new StoreProblem('no-such-weights', `The dataset publishes no weights "${name}".`)
  return {
    configuration: String(row.configuration),
    series: String(row.series),
    latest: Number(row.latest),
    pinned: row.pinned === null ? null : Number(row.pinned),
    failure: row.failure as string | null,
  }
}

function versionOf(row: Row): Version {
  return {
    version: Number(row.version),
    answer: String(row.answer),
    fingerprint: String(row.fingerprint),
    computedAt: String(row.computed_at),
  }
}

function noVersion(name: string, version: number): StoreProblem {
  return new StoreProblem('no-such-weights', `There is no version ${version} of the weights "${name}".`)
}
