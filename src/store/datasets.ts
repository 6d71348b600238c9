import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { CountsCache } from './cache.ts'
import { countStored, NAME_KINDS, type Span, sortedFilters, type Tables } from './counts.ts'
import type { Column, Database, Row, Statements } from './database.ts'
import { exportQuery } from './export.ts'
import { invalidRows, StoreProblem } from './problem.ts'
import type { Rows } from './rows.ts'
import type { Batch, CountsQuery, Dataset, Identity, Store } from './store.ts'
import { Groups, Turns } from './turns.ts'
import { faultsIn, isBadRow, openFile, problemOfFile } from './upload/reading.ts'
import { literal } from './upload/sql.ts'
import { createWeightStore, type Seen, weightsSql } from './weights.ts'

/**
 * The store, written once over either database.
 *
 * `datasets` and `batches` tell what there is; each dataset has a table `rows_<key>` of its comparisons and a table
 * `names_<key>` of the ids in them, which rows have as integers. Writers of one dataset take turns, so that batches have
 * positions without gaps in the order in which they became visible: who has read up to a position has seen all before it.
 */
export function createStore(database: Database, uploadLimit: number): Store {
  const turns = new Turns<number>()
  const cache = new CountsCache()
  const inFlight = new Set<string>()
  const { reader, spoolDirectory } = database

  async function tablesOf(statements: Statements, id: string): Promise<Tables> {
    const [row] = await statements.run('SELECT key, covariates FROM datasets WHERE id = $1::text', [id])
    if (row === undefined) throw noDataset(id)
    return { key: Number(row.key), id, covariates: JSON.parse(String(row.covariates)) }
  }

  /** What datasets were when they were last looked at; whoever writes looks again. */
  const known = new Map<string, Tables>()

  async function lookedUp(id: string): Promise<Tables> {
    const found = known.get(id) ?? (await database.snapshot((statements) => tablesOf(statements, id)))
    known.set(id, found)
    return found
  }

  /** Has a dataset to itself among writers, in one transaction. */
  async function writing<T>(
    id: string,
    work: (statements: Statements, tables: Tables) => Promise<T>,
  ): Promise<T> {
    const { key } = await lookedUp(id)
    const outcome = await turns.take(key, () =>
      database.transaction(async (statements) => {
        await statements.lock(key)
        known.delete(id)
        const tables = await tablesOf(statements, id)
        known.set(id, tables)
        // Deleted and made anew: then it is another one's turn.
        return tables.key === key ? { result: await work(statements, tables) } : null
      }),
    )
    return outcome === null ? writing(id, work) : outcome.result
  }

  const groups = new Groups<string, { rows: Rows; identity: Identity }, Batch>((id, items) =>
    writing(id, async (statements, tables) => {
      const head = await headOf(statements, tables.key)
      return writeRows(statements, tables, head, items)
    }),
  )

  // Many small writers ask at once. Those who ask while a question is on its way share the next one, so that each hears of
  // what was there when it asked.
  const covariates = new Groups<string, null, readonly string[]>(async (id, items) => {
    const tables = await database.snapshot((statements) => tablesOf(statements, id))
    return items.map(() => tables.covariates)
  })
  const remembered = new Groups<string, string, { batch: Batch; digest: string } | null>((id, keys) =>
    database.snapshot(async (statements) => {
      const { key } = await tablesOf(statements, id)
      const rows = await statements.run(
        `SELECT ${BATCH_COLUMNS}, digest, client_key FROM batches WHERE dataset = $1::int AND ` +
          'client_key IN (SELECT unnest($2::text[]))',
        [key, keys],
      )
      const found = new Map(rows.map((row) => [row.client_key, row]))
      return keys.map((name) => {
        const row = found.get(name)
        return row === undefined ? null : { batch: batchOf(row), digest: String(row.digest) }
      })
    }),
  )

  const weights = createWeightStore(database, tablesOf, writing)

  return {
    kind: database.kind,
    spoolDirectory,
    weights,

    async create(id, description, covariates) {
      const createdAt = new Date().toISOString()
      await turns.take(0, () =>
        database.transaction(async (statements) => {
          await statements.lock(0)
          const known = await statements.run('SELECT key FROM datasets WHERE id = $1::text', [id])
          if (known.length > 0)
            throw new StoreProblem('dataset-exists', `There is a dataset "${id}" already.`)
          const [{ key }] = await statements.run(
            'UPDATE counters SET value = value + 1 RETURNING value AS key',
          )
          await statements.run(
            'INSERT INTO datasets (key, id, description, covariates, created_at) ' +
              'VALUES ($1::int, $2::text, $3::text, $4::text, $5::text)',
            [Number(key), id, description, JSON.stringify(covariates), createdAt],
          )
          for (const sql of tablesSql(Number(key), covariates.length)) await statements.run(sql)
        }),
      )
      return { id, description, covariates, createdAt, batches: 0, comparisons: 0 }
    },

    list: (after, limit) =>
      database.snapshot(async (statements) => {
        const rows = await statements.run(
          `${DATASETS} WHERE d.id > $1::text GROUP BY ${DATASET_COLUMNS} ORDER BY d.id LIMIT $2::int`,
          [after ?? '', limit],
        )
        return rows.map(datasetOf)
      }),

    find: (id) =>
      database.snapshot(async (statements) => {
        const [row] = await statements.run(`${DATASETS} WHERE d.id = $1::text GROUP BY ${DATASET_COLUMNS}`, [
          id,
        ])
        if (row === undefined) throw noDataset(id)
        return datasetOf(row)
      }),

    async remove(id) {
      const key = await writing(id, async (statements, { key }) => {
        known.delete(id)
        await statements.run(`DROP TABLE rows_${key}`)
        await statements.run(`DROP TABLE names_${key}`)
        for (const table of ['batches', 'published', 'published_versions'])
          await statements.run(`DELETE FROM ${table} WHERE dataset = $1::int`, [key])
        await statements.run('DELETE FROM datasets WHERE key = $1::int', [key])
        return key
      })
      cache.forget(key)
      weights.forget()
    },

    async claim(dataset, key) {
      const name = JSON.stringify([dataset, key])
      if (inFlight.has(name)) return null
      inFlight.add(name)
      try {
        const release = await database.claim(name)
        if (release === null) {
          inFlight.delete(name)
          return null
        }
        return async () => {
          inFlight.delete(name)
          await release()
        }
      } catch (error) {
        inFlight.delete(name)
        throw error
      }
    },

    covariates: (id) => covariates.add(id, null),

    remembered: (dataset, key) => remembered.add(dataset, key),

    append: (dataset, rows, identity) => groups.add(dataset, { rows, identity }),

    async ingest(dataset, file, type, layout, identity) {
      const reading = await openFile(reader, file.path, type, layout, uploadLimit)
      try {
        return await writing(dataset, async (statements, tables) => {
          requireSame(dataset, layout.covariates, tables.covariates)
          const head = await headOf(statements, tables.key)
          const staged = await statements.stage(reading)
          const batch = await writeStaged(statements, tables, head, staged, reading.columns, identity)
          return { ...batch, ignoredColumns: reading.ignoredColumns }
        })
      } catch (error) {
        if (error instanceof StoreProblem) throw error
        if (!isBadRow(error))
          throw isOfFile(error) ? await problemOfFile(reader, file.path, type, error) : error
        const faults = await faultsIn(reader, reading)
        if (faults.length === 0) throw error
        const bad = new Set(faults.map(({ row }) => row)).size
        throw invalidRows(faults, bad < 100)
      }
    },

    batches: (dataset, after, limit) =>
      database.snapshot(async (statements) => {
        const { key } = await tablesOf(statements, dataset)
        let from = 0
        if (after !== null) from = Number((await findBatch(statements, key, after)).position)
        const rows = await statements.run(
          `SELECT ${BATCH_COLUMNS} FROM batches WHERE dataset = $1::int AND position > $2::int AND NOT erased ` +
            'ORDER BY position LIMIT $3::int',
          [key, from, limit],
        )
        return rows.map(batchOf)
      }),

    eraseBatch: (dataset, batch) =>
      writing(dataset, async (statements, { key }) => {
        const { position, comparisons } = await findBatch(statements, key, batch)
        await statements.run(`DELETE FROM rows_${key} WHERE batch = $1::int`, [Number(position)])
        // What is left of the batch is that it was; its key may be used again.
        await statements.run(
          "UPDATE batches SET erased = true, client_key = NULL, digest = '', comparisons = 0 " +
            'WHERE dataset = $1::int AND position = $2::int',
          [key, Number(position)],
        )
        await forgetNames(statements, key)
        await noteErasure(statements, key)
        return Number(comparisons)
      }),

    eraseAnnotator: (dataset, annotator) =>
      writing(dataset, async (statements, { key }) => {
        const [name] = await statements.run(
          `SELECT code FROM names_${key} WHERE kind = ${NAME_KINDS.annotator} AND name = $1::text`,
          [annotator],
        )
        if (name === undefined) return 0
        const code = Number(name.code)
        const counts = await statements.run(
          `SELECT batch, count(*)::float8 AS comparisons FROM rows_${key} WHERE annotator = $1::int GROUP BY batch`,
          [code],
        )
        await statements.run(`DELETE FROM rows_${key} WHERE annotator = $1::int`, [code])
        let erased = 0
        for (const { batch, comparisons } of counts) {
          erased += Number(comparisons)
          await statements.run(
            'UPDATE batches SET comparisons = comparisons - $3::float8 WHERE dataset = $1::int AND position = $2::int',
            [key, Number(batch), Number(comparisons)],
          )
        }
        await forgetNames(statements, key)
        await noteErasure(statements, key)
        return erased
      }),

    async export(dataset, format) {
      const query = await database.snapshot(async (statements) =>
        exportQuery(statements, await tablesOf(statements, dataset)),
      )
      const dumped = await database.dump(query.sql, query.types)
      const path = join(spoolDirectory, `export-${randomUUID()}`)
      try {
        await reader.run(
          `COPY (${query.written(dumped.relation)}) TO ${literal(path)} (${FILE_OPTIONS[format]})`,
        )
      } catch (error) {
        await rm(path, { force: true })
        throw error
      } finally {
        await dumped.remove()
      }
      const stream = createReadStream(path)
      stream.once('close', () => rm(path, { force: true }))
      return stream
    },

    counts: (query) =>
      database.snapshot(async (statements) => {
        const tables = await tablesOf(statements, query.dataset)
        const { epoch, upTo, fingerprint } = await stateOf(statements, tables.key, query)
        const count = (span: Span) => countStored(statements, tables, query, span, fingerprint)
        return cache.read(tables.key, query, { epoch, upTo }, count, fingerprint)
      }),

    state: (query) =>
      database.snapshot(async (statements) =>
        stateOf(statements, (await tablesOf(statements, query.dataset)).key, query),
      ),

    extent: (dataset) =>
      database.snapshot(async (statements) => {
        const { key } = await tablesOf(statements, dataset)
        const [row] = await statements.run(
          `SELECT min(made_at)::float8 AS first, max(made_at)::float8 AS last FROM rows_${key}`,
        )
        const [names] = await statements.run(
          `SELECT count(*)::int AS annotators FROM names_${key} WHERE kind = ${NAME_KINDS.annotator}`,
        )
        const time = (value: Row[string]) =>
          value === null ? null : new Date(Number(value) / 1000).toISOString()
        return { first: time(row.first), last: time(row.last), annotators: Number(names.annotators) }
      }),

    close: () => database.close(),
  }
}

const FILE_OPTIONS = { ndjson: 'FORMAT json', csv: 'FORMAT csv, HEADER', parquet: 'FORMAT parquet' }

const DATASET_COLUMNS = 'd.id, d.description, d.covariates, d.created_at'
const DATASETS =
  `SELECT ${DATASET_COLUMNS}, count(b.position)::int AS batches, coalesce(sum(b.comparisons), 0)::float8 AS comparisons ` +
  'FROM datasets d LEFT JOIN batches b ON b.dataset = d.key AND NOT b.erased'
const BATCH_COLUMNS = 'id, position, comparisons, accepted_at'

/** The tables that tell what there is; made where they are missing. */
export function schemaSql(text: string): string[] {
  return [
    'CREATE TABLE IF NOT EXISTS counters (value INT NOT NULL)',
    'INSERT INTO counters SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counters)',
    `CREATE TABLE IF NOT EXISTS datasets (key INT PRIMARY KEY, id ${text} NOT NULL UNIQUE, description TEXT, ` +
      'covariates TEXT NOT NULL, created_at TEXT NOT NULL, epoch INT NOT NULL DEFAULT 0, erasures TEXT)',
    `CREATE TABLE IF NOT EXISTS batches (dataset INT NOT NULL, position INT NOT NULL, id TEXT NOT NULL, ` +
      'comparisons FLOAT8 NOT NULL, accepted_at TEXT NOT NULL, digest TEXT NOT NULL, chain TEXT NOT NULL, client_key TEXT, ' +
      'ties BOOLEAN NOT NULL, preferences BOOLEAN NOT NULL, copies BOOLEAN NOT NULL, weights BOOLEAN NOT NULL, ' +
      'erased BOOLEAN NOT NULL DEFAULT false, PRIMARY KEY (dataset, position))',
    'CREATE INDEX IF NOT EXISTS batches_by_key ON batches (dataset, client_key)',
    ...weightsSql(text),
  ]
}

/** The tables of one dataset. Items, groups and annotators are integers; `made_at` is in microseconds since 1970. */
function tablesSql(key: number, covariates: number): string[] {
  const further = Array.from({ length: covariates }, (_, k) => `, c${k} TEXT COLLATE "C"`).join('')
  return [
    `CREATE TABLE names_${key} (kind INT NOT NULL, name TEXT COLLATE "C" NOT NULL, code INT NOT NULL)`,
    `CREATE TABLE rows_${key} (batch INT NOT NULL, grp INT, winner INT NOT NULL, loser INT NOT NULL, annotator INT, ` +
      'tie BOOLEAN, preference FLOAT8, copies FLOAT8, weight FLOAT8, shown INT, made_at BIGINT, ' +
      `context TEXT COLLATE "C"${further})`,
  ]
}

type Head = { position: number; acceptedAt: string; chain: string }

async function headOf(statements: Statements, key: number): Promise<Head> {
  const [row] = await statements.run(
    'SELECT position, accepted_at, chain FROM batches WHERE dataset = $1::int ORDER BY position DESC LIMIT 1',
    [key],
  )
  if (row === undefined) return { position: 0, acceptedAt: '', chain: '' }
  return { position: Number(row.position), acceptedAt: String(row.accepted_at), chain: String(row.chain) }
}

/** What is to be known of a new batch. */
type NewBatch = Batch & {
  position: number
  digest: string
  chain: string
  key: string | null
  ties: boolean
  preferences: boolean
  copies: boolean
  weights: boolean
}

function chained(chain: string, digest: string): string {
  return createHash('sha256').update(`${chain}\n${digest}`).digest('hex')
}

/** Later than the batch before, whatever the clock says. */
function acceptedAfter({ acceptedAt }: Head): string {
  const now = new Date().toISOString()
  return now > acceptedAt ? now : acceptedAt
}

async function noteBatches(
  statements: Statements,
  dataset: number,
  batches: readonly NewBatch[],
): Promise<void> {
  const column = (name: string, type: Column['type'], value: (batch: NewBatch) => Row[string]): Column => ({
    name,
    type,
    values: batches.map(value),
  })
  await statements.insert('batches', [
    column('dataset', 'int', () => dataset),
    column('position', 'int', ({ position }) => position),
    column('id', 'text', ({ id }) => id),
    column('comparisons', 'float', ({ comparisons }) => comparisons),
    column('accepted_at', 'text', ({ acceptedAt }) => acceptedAt),
    column('digest', 'text', ({ digest }) => digest),
    column('chain', 'text', ({ chain }) => chain),
    column('client_key', 'text', ({ key }) => key),
    column('ties', 'bool', ({ ties }) => ties),
    column('preferences', 'bool', ({ preferences }) => preferences),
    column('copies', 'bool', ({ copies }) => copies),
    column('weights', 'bool', ({ weights }) => weights),
    column('erased', 'bool', () => false),
  ])
}

/** Writes several batches that have been read, each with a position of its own. */
async function writeRows(
  statements: Statements,
  { key, id, covariates }: Tables,
  head: Head,
  items: readonly { rows: Rows; identity: Identity }[],
): Promise<Batch[]> {
  for (const { rows } of items) requireSame(id, rows.covariateNames, covariates)
  const codes = await codesOf(
    statements,
    key,
    items.map(({ rows }) => rows),
  )
  const acceptedAt = acceptedAfter(head)
  let { chain } = head
  const batches = items.map(({ rows, identity }, k): NewBatch => {
    chain = chained(chain, identity.digest)
    return {
      id: randomUUID(),
      position: head.position + 1 + k,
      comparisons: rows.length,
      acceptedAt,
      digest: identity.digest,
      chain,
      key: identity.key,
      ties: rows.tie !== null,
      preferences: rows.preference !== null,
      copies: rows.count !== null,
      weights: rows.weight !== null,
    }
  })
  const total = items.reduce((sum, { rows }) => sum + rows.length, 0)
  const columns: Column[] = []
  /** A column of all batches; left out where no batch has it. */
  const column = (
    name: string,
    type: Column['type'],
    value: (rows: Rows, batch: number) => ((k: number) => Row[string]) | null,
  ) => {
    const of = items.map(({ rows }, b) => value(rows, b))
    if (of.every((read) => read === null)) return
    const values = new Array<Row[string]>(total)
    let at = 0
    items.forEach(({ rows }, b) => {
      const read = of[b]
      for (let k = 0; k < rows.length; k++) values[at++] = read === null ? null : read(k)
    })
    columns.push({ name, type, values })
  }
  const coded = (names: readonly string[], index: Int32Array, kind: number) => {
    const own = names.map((name) => codes[kind].get(name) as number)
    return (k: number) => (index[k] < 0 ? null : own[index[k]])
  }
  column('batch', 'int', (_rows, b) => () => head.position + 1 + b)
  column('grp', 'int', ({ groups, group }) => (groups.length === 0 ? null : coded(groups, group, 0)))
  column('winner', 'int', ({ items, winner }) => coded(items, winner, 1))
  column('loser', 'int', ({ items, loser }) => coded(items, loser, 1))
  column('annotator', 'int', ({ annotators, annotator }) =>
    annotators.length === 0 ? null : coded(annotators, annotator, 2),
  )
  column('tie', 'bool', ({ tie }) => (tie === null ? null : (k) => tie[k] === 1))
  column('preference', 'float', ({ preference }) =>
    preference === null ? null : (k) => (Number.isNaN(preference[k]) ? null : preference[k]),
  )
  column('copies', 'float', ({ count }) => (count === null ? null : (k) => count[k]))
  column('weight', 'float', ({ weight }) => (weight === null ? null : (k) => weight[k]))
  column('shown', 'int', ({ first }) =>
    first === null || !first.some((z) => z !== 0) ? null : (k) => (first[k] === 0 ? null : first[k]),
  )
  column('made_at', 'int', ({ at }) => (at === null ? null : (k) => at[k]))
  column('context', 'text', ({ context }) => (context === null ? null : (k) => context[k]))
  covariates.forEach((_, c) => {
    column(`c${c}`, 'text', ({ covariates }) => {
      const values = covariates[c]
      return values === null ? null : (k) => values[k]
    })
  })
  await statements.insert(`rows_${key}`, columns)
  await noteBatches(statements, key, batches)
  return batches.map(publicBatch)
}

function publicBatch({ id, comparisons, acceptedAt }: Batch): Batch {
  return { id, comparisons, acceptedAt }
}

/** The integers of all names in some rows, by kind; new names get the next ones. */
async function codesOf(
  statements: Statements,
  key: number,
  rows: readonly Rows[],
): Promise<Map<string, number>[]> {
  const wanted = [
    rows.flatMap(({ groups }) => groups),
    rows.flatMap(({ items }) => items),
    rows.flatMap(({ annotators }) => annotators),
  ].map((names) => [...new Set(names)])
  const codes = wanted.map(() => new Map<string, number>())
  const known = await statements.run(
    `SELECT kind, name, code FROM names_${key} WHERE name IN (SELECT unnest($1::text[]))`,
    [[...new Set(wanted.flat())]],
  )
  for (const { kind, name, code } of known) codes[Number(kind)].set(String(name), Number(code))
  const added = wanted.map((names, kind) => names.filter((name) => !codes[kind].has(name)))
  if (added.every((names) => names.length === 0)) return codes
  const tops = await statements.run(`SELECT kind, max(code) AS top FROM names_${key} GROUP BY kind`)
  const next = [0, 0, 0]
  for (const { kind, top } of tops) next[Number(kind)] = Number(top) + 1
  const entries = added.flatMap((names, kind) => names.map((name) => ({ kind, name, code: next[kind]++ })))
  for (const { kind, name, code } of entries) codes[kind].set(name, code)
  await statements.insert(`names_${key}`, [
    { name: 'kind', type: 'int', values: entries.map(({ kind }) => kind) },
    { name: 'name', type: 'text', values: entries.map(({ name }) => name) },
    { name: 'code', type: 'int', values: entries.map(({ code }) => code) },
  ])
  return codes
}

/** Writes one batch from a relation that the database can read. */
async function writeStaged(
  statements: Statements,
  { key }: Tables,
  head: Head,
  staged: { rows: string; names: string },
  columns: readonly string[],
  identity: Identity,
): Promise<Batch> {
  const position = head.position + 1
  await statements.run(
    `INSERT INTO names_${key} (kind, name, code) SELECT n.kind, n.name, ` +
      `(coalesce(t.top, -1) + row_number() OVER (PARTITION BY n.kind ORDER BY n.name))::int ` +
      `FROM ${staged.names} n LEFT JOIN names_${key} o ON o.kind = n.kind AND o.name = n.name ` +
      `LEFT JOIN (SELECT kind, max(code) AS top FROM names_${key} GROUP BY kind) t ON t.kind = n.kind ` +
      'WHERE o.name IS NULL',
  )
  const has = new Set(columns)
  const into: [column: string, value: string][] = [
    ['batch', `${position}`],
    ['winner', 'w.code'],
    ['loser', 'l.code'],
  ]
  const joins = [
    `JOIN names_${key} w ON w.kind = ${NAME_KINDS.item} AND w.name = s.winner`,
    `JOIN names_${key} l ON l.kind = ${NAME_KINDS.item} AND l.name = s.loser`,
  ]
  for (const [member, column, kind] of [
    ['group', 'grp', NAME_KINDS.group],
    ['annotator', 'annotator', NAME_KINDS.annotator],
  ] as const) {
    if (!has.has(member)) continue
    into.push([column, `n${kind}.code`])
    joins.push(`LEFT JOIN names_${key} n${kind} ON n${kind}.kind = ${kind} AND n${kind}.name = s."${member}"`)
  }
  const renamed = { count: 'copies', first: 'shown', timestamp: 'made_at' } as Record<string, string>
  for (const member of columns) {
    if (['group', 'winner', 'loser', 'annotator'].includes(member)) continue
    into.push([renamed[member] ?? member, `s."${member}"`])
  }
  await statements.run(
    `INSERT INTO rows_${key} (${into.map(([column]) => column).join(', ')}) ` +
      `SELECT ${into.map(([, value]) => value).join(', ')} FROM ${staged.rows} s ${joins.join(' ')}`,
  )
  const [facts] = await statements.run(
    'SELECT count(*)::float8 AS comparisons, coalesce(bool_or(tie), false) AS ties, count(preference) > 0 AS preferences, ' +
      `count(copies) > 0 AS copies, count(weight) > 0 AS weights FROM rows_${key} WHERE batch = $1::int`,
    [position],
  )
  if (facts.comparisons === 0) throw new StoreProblem('invalid-rows', 'The file holds no comparison.')
  const batch: NewBatch = {
    id: randomUUID(),
    position,
    acceptedAt: acceptedAfter(head),
    digest: identity.digest,
    chain: chained(head.chain, identity.digest),
    key: identity.key,
    comparisons: Number(facts.comparisons),
    ties: Boolean(facts.ties),
    preferences: Boolean(facts.preferences),
    copies: Boolean(facts.copies),
    weights: Boolean(facts.weights),
  }
  await noteBatches(statements, key, [batch])
  return publicBatch(batch)
}

/** Which batches a query sees, and the fingerprint of what it sees. */
async function stateOf(statements: Statements, key: number, query: CountsQuery): Promise<Seen> {
  const [{ epoch, erasures }] = await statements.run(
    'SELECT epoch, erasures FROM datasets WHERE key = $1::int',
    [key],
  )
  const asOf = query.filters.asOf
  const [head] = await statements.run(
    `SELECT position, chain FROM batches WHERE dataset = $1::int AND accepted_at <= $2::text ORDER BY position DESC LIMIT 1`,
    [key, asOf === undefined ? '9' : new Date(asOf).toISOString()],
  )
  const { asOf: _, ...filters } = query.filters
  const fingerprint = createHash('sha256')
    .update(
      JSON.stringify([query.dataset, head?.chain ?? '', erasures, query.groupBy, sortedFilters(filters)]),
    )
    .digest('hex')
  return { epoch: Number(epoch), upTo: Number(head?.position ?? 0), fingerprint }
}

async function findBatch(statements: Statements, key: number, id: string): Promise<Row> {
  const [row] = await statements.run(
    'SELECT position, comparisons FROM batches WHERE dataset = $1::int AND id = $2::text AND NOT erased',
    [key, id],
  )
  if (row === undefined) throw new StoreProblem('no-such-batch', `There is no batch "${id}" in this dataset.`)
  return row
}

/** Removes the names that no row has any more. */
async function forgetNames(statements: Statements, key: number): Promise<void> {
  const uses = [
    [NAME_KINDS.group, 'grp'],
    [NAME_KINDS.item, 'winner'],
    [NAME_KINDS.item, 'loser'],
    [NAME_KINDS.annotator, 'annotator'],
  ] as const
  const used = uses
    .map(([kind, column]) => `SELECT ${kind} AS kind, ${column} AS code FROM rows_${key}`)
    .join(' UNION ')
  await statements.run(
    `DELETE FROM names_${key} n WHERE NOT EXISTS (SELECT 1 FROM (${used}) u WHERE u.kind = n.kind AND u.code = n.code)`,
  )
}

/** Makes counts and fingerprints from before an erasure void. What was erased leaves no trace: the note is random. */
async function noteErasure(statements: Statements, key: number): Promise<void> {
  await statements.run('UPDATE datasets SET epoch = epoch + 1, erasures = $2::text WHERE key = $1::int', [
    key,
    randomUUID(),
  ])
}

function datasetOf(row: Row): Dataset {
  return {
    id: String(row.id),
    description: row.description as string | null,
    covariates: JSON.parse(String(row.covariates)),
    createdAt: String(row.created_at),
    batches: Number(row.batches),
    comparisons: Number(row.comparisons),
  }
}

function batchOf(row: Row): Batch {
  return { id: String(row.id), comparisons: Number(row.comparisons), acceptedAt: String(row.accepted_at) }
}

/** Refuses a batch that was read for a dataset which has been deleted and made anew since. */
function requireSame(id: string, read: readonly string[], now: readonly string[]): void {
  if (read.length === now.length && read.every((name, k) => name === now[k])) return
  const detail = `The dataset "${id}" was made anew, with other covariates, while the batch was being read.`
  throw new StoreProblem('no-such-dataset', detail)
}

function noDataset(id: string): StoreProblem {
  return new StoreProblem('no-such-dataset', `There is no dataset "${id}".`)
}

/** Whether a failure is the file's: what the reader of files says, as opposed to faults of our own. */
function isOfFile(error: unknown): boolean {
  const kind = /^([A-Za-z ]+) Error: /.exec((error as Error).message ?? '')?.[1]
  const ours = ['TransactionContext', 'Constraint', 'Catalog', 'Binder', 'Parser', 'Dependency', 'Connection']
  return kind !== undefined && !ours.includes(kind) && !/^(Permission|Fatal|Interrupt)/i.test(kind)
}
