import { randomUUID } from 'node:crypto'
import type { Tables } from './counts.ts'
import type { Database, Row, Statements } from './database.ts'
import { StoreProblem } from './problem.ts'

/** When published weights are computed anew without being asked: null where they are not. */
export type Schedule = { everySeconds: number | null; afterComparisons: number | null }

/** Weights that are published under a name: which version is served, and what became of the last refresh. */
export type Published = {
  name: string
  latest: number
  /** The version that is served whatever comes; null where it is the latest. */
  pinned: number | null
  schedule: Schedule
  /** What became of the last refresh, as JSON. */
  lastRefresh: string
  /** Of the comparisons that the latest version was computed from. */
  fingerprint: string
  /** Changes with anything that is told of these weights, and never comes back. */
  stamp: string
}

/** One version; it never changes. */
export type Version = {
  version: number
  computedAt: string
  fingerprint: string
  /** What it was computed by, as JSON. */
  configuration: string
  /** The answer of the engine, as JSON. */
  answer: string
}

/** What a query sees of a dataset: how many erasures and batches there have been, and the fingerprint of what they leave. */
export type Seen = { epoch: number; upTo: number; fingerprint: string }

/** The newest version there is, and how it is published. */
export type Latest = { published: Published; version: Version }

/** Where published weights are kept. */
export type WeightStore = {
  /** What is served under a name. Of what another replica changed it may not hear for {@link FRESH_MS}. */
  find(dataset: string, name: string): Promise<Published>
  /** What `find` would find, where it is in memory; null where it would have to ask. */
  known(dataset: string, name: string): Published | null
  /** The latest version as it is now, whichever is served; null where nothing is published under the name. */
  latest(dataset: string, name: string): Promise<Latest | null>
  /** By name, from the one after `after`. */
  list(dataset: string, after: string | null, limit: number): Promise<Published[]>
  version(dataset: string, name: string, version: number): Promise<Version>
  /** Without configurations and answers, the newest first, from the one before `before`. */
  versions(
    dataset: string,
    name: string,
    before: number | null,
    limit: number,
  ): Promise<Pick<Version, 'version' | 'computedAt' | 'fingerprint'>[]>
  /**
   * Adds a version, the first or the next, and serves it unless one is pinned.
   *
   * @param seen what the dataset was before its comparisons were counted
   */
  publish(
    dataset: string,
    name: string,
    version: Omit<Version, 'version'>,
    schedule: Schedule,
    lastRefresh: string,
    seen: Seen,
  ): Promise<void>
  /** Notes that a refresh made no version: what is to be told of it, and when the next one is due. */
  note(dataset: string, name: string, schedule: Schedule, lastRefresh: string, seen: Seen): Promise<void>
  /** Serves one version from now on; null serves the latest again. */
  pin(dataset: string, name: string, version: number | null): Promise<void>
  remove(dataset: string, name: string): Promise<void>
  /** Weights whose schedule says that they are to be computed anew. */
  due(): Promise<{ dataset: string; name: string }[]>
}

/** The tables of published weights, where `text` is the type of names. */
export function weightsSql(text: string): string[] {
  return [
    `CREATE TABLE IF NOT EXISTS published (dataset INT NOT NULL, name ${text} NOT NULL, latest INT NOT NULL, pinned INT, ` +
      'every_seconds FLOAT8, after_comparisons FLOAT8, due_at TEXT, seen_epoch INT NOT NULL, seen_up_to INT NOT NULL, ' +
      'last_refresh TEXT NOT NULL, fingerprint TEXT NOT NULL, stamp TEXT NOT NULL)',
    'CREATE INDEX IF NOT EXISTS published_by_name ON published (dataset, name)',
    `CREATE TABLE IF NOT EXISTS published_versions (dataset INT NOT NULL, name ${text} NOT NULL, version INT NOT NULL, ` +
      'computed_at TEXT NOT NULL, fingerprint TEXT NOT NULL, configuration TEXT NOT NULL, answer TEXT NOT NULL)',
    'CREATE INDEX IF NOT EXISTS published_versions_by_name ON published_versions (dataset, name, version)',
  ]
}

/** How long what another replica may have changed is believed, in milliseconds. */
export const FRESH_MS = 1000
/** As many names as are kept in memory. */
const KEPT_MOST = 10_000
/** As many versions of a name as are kept, besides the one that is pinned. */
export const VERSIONS_MOST = 1000

const COLUMNS =
  'name, latest, pinned, every_seconds, after_comparisons, last_refresh, fingerprint, stamp, seen_epoch, seen_up_to'
const WHERE = 'WHERE dataset = $1::int AND name = $2::text'

/** What is looked for, what was found once it was, and until when it is believed. */
type Kept = { found: Promise<Published>; published: Published | null; until: number }

/** Keeps published weights in the database of the datasets. */
export function createWeightStore(
  database: Database,
  tablesOf: (statements: Statements, id: string) => Promise<Tables>,
  inTurn: <T>(id: string, work: (statements: Statements, tables: Tables) => Promise<T>) => Promise<T>,
): WeightStore & { forget(): void } {
  // What polls ask for again and again. Other replicas do not tell of their changes, so there it is kept for a moment only.
  const freshFor = database.kind === 'embedded' ? Number.POSITIVE_INFINITY : FRESH_MS
  const kept = new Map<string, Kept>()
  const writing: typeof inTurn = async (id, work) => {
    try {
      return await inTurn(id, work)
    } finally {
      kept.clear()
    }
  }
  const idOf = (dataset: string, name: string) => JSON.stringify([dataset, name])
  const fresh = (dataset: string, name: string): Kept | null => {
    const entry = kept.get(idOf(dataset, name))
    return entry !== undefined && performance.now() < entry.until ? entry : null
  }
  const reading = <T>(id: string, work: (statements: Statements, key: number) => Promise<T>) =>
    database.snapshot(async (statements) => work(statements, (await tablesOf(statements, id)).key))

  return {
    find(dataset, name) {
      const known = fresh(dataset, name)
      if (known !== null) return known.found
      const found = reading(dataset, async (statements, key) =>
        publishedOf(await rowOf(statements, key, name)),
      )
      if (kept.size >= KEPT_MOST) kept.clear()
      // Kept before it is there, so that all who ask meanwhile wait for one answer, and a change in between drops it.
      const entry: Kept = { found, published: null, until: performance.now() + freshFor }
      const id = idOf(dataset, name)
      kept.set(id, entry)
      found.then(
        (published) => {
          entry.published = published
        },
        () => {
          if (kept.get(id) === entry) kept.delete(id)
        },
      )
      return found
    },

    known: (dataset, name) => fresh(dataset, name)?.published ?? null,

    latest: (dataset, name) =>
      reading(dataset, async (statements, key) => {
        const [row] = await statements.run(`SELECT ${COLUMNS} FROM published ${WHERE}`, [key, name])
        if (row === undefined) return null
        const published = publishedOf(row)
        return { published, version: await versionAt(statements, key, name, published.latest) }
      }),

    list: (dataset, after, limit) =>
      reading(dataset, async (statements, key) => {
        const rows = await statements.run(
          `SELECT ${COLUMNS} FROM published WHERE dataset = $1::int AND name > $2::text ORDER BY name LIMIT $3::int`,
          [key, after ?? '', limit],
        )
        return rows.map(publishedOf)
      }),

    version: (dataset, name, version) =>
      reading(dataset, (statements, key) => versionAt(statements, key, name, version)),

    versions: (dataset, name, before, limit) =>
      reading(dataset, async (statements, key) => {
        const { latest } = await rowOf(statements, key, name)
        const rows = await statements.run(
          `SELECT version, computed_at, fingerprint FROM published_versions ${WHERE} AND version < $3::int ` +
            'ORDER BY version DESC LIMIT $4::int',
          [key, name, before ?? Number(latest) + 1, limit],
        )
        return rows.map((row) => ({
          version: Number(row.version),
          computedAt: String(row.computed_at),
          fingerprint: String(row.fingerprint),
        }))
      }),

    publish: (dataset, name, version, schedule, lastRefresh, seen) =>
      writing(dataset, async (statements, { key }) => {
        const [known] = await statements.run(`SELECT latest, pinned FROM published ${WHERE}`, [key, name])
        const next = Number(known?.latest ?? 0) + 1
        await statements.run(
          'INSERT INTO published_versions (dataset, name, version, computed_at, fingerprint, configuration, answer) ' +
            'VALUES ($1::int, $2::text, $3::int, $4::text, $5::text, $6::text, $7::text)',
          [key, name, next, version.computedAt, version.fingerprint, version.configuration, version.answer],
        )
        if (known === undefined) {
          await statements.run(
            'INSERT INTO published (dataset, name, latest, fingerprint, last_refresh, stamp, seen_epoch, seen_up_to) ' +
              "VALUES ($1::int, $2::text, $3::int, $4::text, '', '', 0, 0)",
            [key, name, next, version.fingerprint],
          )
        } else {
          await statements.run(`UPDATE published SET latest = $3::int, fingerprint = $4::text ${WHERE}`, [
            key,
            name,
            next,
            version.fingerprint,
          ])
          await statements.run(
            `DELETE FROM published_versions ${WHERE} AND version <= $3::int AND version <> $4::int`,
            [key, name, next - VERSIONS_MOST, Number(known.pinned ?? 0)],
          )
        }
        await noteRefresh(statements, key, name, schedule, lastRefresh, seen)
      }),

    note: (dataset, name, schedule, lastRefresh, seen) =>
      writing(dataset, async (statements, { key }) => {
        const row = await rowOf(statements, key, name)
        const { schedule: before } = publishedOf(row)
        const same =
          row.last_refresh === lastRefresh &&
          before.everySeconds === schedule.everySeconds &&
          before.afterComparisons === schedule.afterComparisons
        await noteRefresh(
          statements,
          key,
          name,
          schedule,
          lastRefresh,
          seen,
          same ? String(row.stamp) : undefined,
        )
      }),

    pin: (dataset, name, version) =>
      writing(dataset, async (statements, { key }) => {
        const { pinned } = await rowOf(statements, key, name)
        if (version !== null) {
          const [found] = await statements.run(
            `SELECT version FROM published_versions ${WHERE} AND version = $3::int`,
            [key, name, version],
          )
          if (found === undefined) throw noVersion(name, version)
        }
        if ((pinned === null ? null : Number(pinned)) === version) return
        await statements.run(`UPDATE published SET pinned = $3::int, stamp = $4::text ${WHERE}`, [
          key,
          name,
          version,
          randomUUID(),
        ])
      }),

    remove: (dataset, name) =>
      writing(dataset, async (statements, { key }) => {
        await rowOf(statements, key, name)
        await statements.run(`DELETE FROM published ${WHERE}`, [key, name])
        await statements.run(`DELETE FROM published_versions ${WHERE}`, [key, name])
      }),

    due: () =>
      database.snapshot(async (statements) => {
        const rows = await statements.run(
          'SELECT d.id, p.name FROM published p JOIN datasets d ON d.key = p.dataset WHERE p.due_at <= $1::text ' +
            'OR (p.after_comparisons IS NOT NULL AND (d.epoch <> p.seen_epoch OR p.after_comparisons <= ' +
            '(SELECT coalesce(sum(b.comparisons), 0) FROM batches b WHERE b.dataset = p.dataset AND b.position > p.seen_up_to))) ' +
            'ORDER BY p.due_at, d.id, p.name',
          [new Date().toISOString()],
        )
        return rows.map(({ id, name }) => ({ dataset: String(id), name: String(name) }))
      }),

    forget: () => kept.clear(),
  }
}

async function rowOf(statements: Statements, key: number, name: string): Promise<Row> {
  const [row] = await statements.run(`SELECT ${COLUMNS} FROM published ${WHERE}`, [key, name])
  if (row === undefined)
    throw new StoreProblem('no-such-weights', `The dataset publishes no weights "${name}".`)
  return row
}

/** Notes what became of a refresh, under a new stamp if none is given, and when the next one is due. */
async function noteRefresh(
  statements: Statements,
  key: number,
  name: string,
  { everySeconds, afterComparisons }: Schedule,
  lastRefresh: string,
  { epoch, upTo }: Seen,
  stamp = randomUUID() as string,
): Promise<void> {
  const dueAt = everySeconds === null ? null : new Date(Date.now() + 1000 * everySeconds).toISOString()
  await statements.run(
    'UPDATE published SET every_seconds = $3::float8, after_comparisons = $4::float8, due_at = $5::text, ' +
      `last_refresh = $6::text, seen_epoch = $7::int, seen_up_to = $8::int, stamp = $9::text ${WHERE}`,
    [key, name, everySeconds, afterComparisons, dueAt, lastRefresh, epoch, upTo, stamp],
  )
}

function publishedOf(row: Row): Published {
  const number = (value: Row[string]) => (value === null ? null : Number(value))
  return {
    name: String(row.name),
    latest: Number(row.latest),
    pinned: number(row.pinned),
    schedule: {
      everySeconds: number(row.every_seconds),
      afterComparisons: number(row.after_comparisons),
    },
    lastRefresh: String(row.last_refresh),
    fingerprint: String(row.fingerprint),
    stamp: String(row.stamp),
  }
}

async function versionAt(
  statements: Statements,
  key: number,
  name: string,
  version: number,
): Promise<Version> {
  const [row] = await statements.run(
    `SELECT computed_at, fingerprint, configuration, answer FROM published_versions ${WHERE} AND version = $3::int`,
    [key, name, version],
  )
  if (row === undefined) {
    await rowOf(statements, key, name)
    throw noVersion(name, version)
  }
  return {
    version,
    computedAt: String(row.computed_at),
    fingerprint: String(row.fingerprint),
    configuration: String(row.configuration),
    answer: String(row.answer),
  }
}

function noVersion(name: string, version: number): StoreProblem {
  return new StoreProblem('no-such-weights', `There is no version ${version} of the weights "${name}".`)
}
