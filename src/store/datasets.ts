import { NAME_KINDS, type Tables } from './counts.ts'
import type { Row, Statements } from './database.ts'
import { StoreProblem } from './problem.ts'
import { tablesSql, withoutIndexes } from './schema.ts'
import type { Dataset } from './store.ts'
import { noDataset } from './tables.ts'

/**
 * Makes an empty dataset.
 *
 * @param indexed whether its tables have indexes
 */
export async function makeDataset(
  statements: Statements,
  indexed: boolean,
  id: string,
  description: string | null,
  covariates: string[],
): Promise<Dataset> {
  const createdAt = new Date().toISOString()
  const known = await statements.run('SELECT key FROM datasets WHERE id = $1::text', [id])
  if (known.length > 0) throw new StoreProblem('dataset-exists', `There is a dataset "${id}" already.`)
  const [{ key }] = await statements.run('UPDATE counters SET value = value + 1 RETURNING value AS key')
  await statements.run(
    'INSERT INTO datasets (key, id, description, covariates, created_at) ' +
      'VALUES ($1::int, $2::text, $3::text, $4::text, $5::text)',
    [Number(key), id, description, JSON.stringify(covariates), createdAt],
  )
  const tables = tablesSql(Number(key), covariates.length)
  for (const sql of indexed ? tables : withoutIndexes(tables)) await statements.run(sql)
  return { id, description, covariates, createdAt, batches: 0, comparisons: 0 }
}

/** Datasets in the order of ids, from the one after `after`. */
export async function listDatasets(
  statements: Statements,
  after: string | null,
  limit: number,
): Promise<Dataset[]> {
  const rows = await statements.run(
    `${DATASETS} WHERE d.id > $1::text GROUP BY ${COLUMNS} ORDER BY d.id LIMIT $2::int`,
    [after ?? '', limit],
  )
  return rows.map(datasetOf)
}

/** @throws StoreProblem where there is no such dataset */
export async function findDataset(statements: Statements, id: string): Promise<Dataset> {
  const [row] = await statements.run(`${DATASETS} WHERE d.id = $1::text GROUP BY ${COLUMNS}`, [id])
  if (row === undefined) throw noDataset(id)
  return datasetOf(row)
}

/** Removes a dataset with all in it. */
export async function removeDataset(statements: Statements, key: number): Promise<void> {
  await statements.run(`DROP TABLE rows_${key}`)
  await statements.run(`DROP TABLE names_${key}`)
  for (const table of ['batches', 'published', 'published_versions'])
    await statements.run(`DELETE FROM ${table} WHERE dataset = $1::int`, [key])
  await statements.run('DELETE FROM datasets WHERE key = $1::int', [key])
}

/** First and last timestamp of the comparisons that have one, and how many annotators there are. */
export async function extentOf(statements: Statements, { key }: Tables) {
  const [row] = await statements.run(
    `SELECT min(made_at)::float8 AS first, max(made_at)::float8 AS last FROM rows_${key}`,
  )
  const [names] = await statements.run(
    `SELECT count(*)::int AS annotators FROM names_${key} WHERE kind = ${NAME_KINDS.annotator}`,
  )
  const time = (value: Row[string]) => (value === null ? null : new Date(Number(value) / 1000).toISOString())
  return { first: time(row.first), last: time(row.last), annotators: Number(names.annotators) }
}

const COLUMNS = 'd.id, d.description, d.covariates, d.created_at'
const DATASETS =
  `SELECT ${COLUMNS}, count(b.position)::int AS batches, coalesce(sum(b.comparisons), 0)::float8 AS comparisons ` +
  'FROM datasets d LEFT JOIN batches b ON b.dataset = d.key AND NOT b.erased'

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
