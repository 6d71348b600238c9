import { statSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'

/** The types of file, and how DuckDB writes and reads each. */
const TYPES = {
  parquet: { options: 'FORMAT parquet', reader: 'read_parquet', media: 'application/vnd.apache.parquet' },
  ndjson: { options: 'FORMAT json', reader: 'read_json_auto', media: 'application/x-ndjson' },
  csv: { options: 'FORMAT csv, HEADER', reader: 'read_csv', media: 'text/csv' },
}

/** The same comparisons in one type of file. */
export type ComparisonFile = { type: keyof typeof TYPES; media: string; path: string; bytes: number }

export const GROUPS = 10
export const ITEMS = 1000
const ANNOTATORS = 5000

/**
 * Writes comparisons of random pairs, decided by Bradley–Terry with rewards of each group's own from N(0, 1), in all types of
 * file.
 */
export async function writeFiles(folder: string, comparisons: number): Promise<ComparisonFile[]> {
  return withDuckDb(join(folder, 'source'), 4 * 1024 ** 3, async (run) => {
    const uniform = (...terms: (string | number)[]) => `((hash(${terms.join(', ')}) % 1000003 + 1) / 1000004)`
    await run(
      `CREATE TEMP TABLE rewards AS SELECT g, item, sqrt(-2 * ln(${uniform('g', 'item', 1)})) * ` +
        `cos(2 * pi() * ${uniform('g', 'item', 2)}) AS reward FROM range(${GROUPS}) x(g), range(${ITEMS}) y(item)`,
    )
    await run(
      `CREATE TEMP TABLE source AS SELECT 'group' || p.g AS "group", 'item' || CASE WHEN won THEN a ELSE b END AS winner, ` +
        `'item' || CASE WHEN won THEN b ELSE a END AS loser, 'annotator' || (i % ${ANNOTATORS}) AS annotator FROM ` +
        `(SELECT d.*, ${uniform('i', 3)} < 1 / (1 + exp(y.reward - x.reward)) AS won FROM ` +
        `(SELECT i, i % ${GROUPS} AS g, hash(i, 1) % ${ITEMS} AS a, ` +
        `(hash(i, 1) % ${ITEMS} + 1 + hash(i, 2) % ${ITEMS - 1}) % ${ITEMS} AS b FROM range(${comparisons}) r(i)) d ` +
        'JOIN rewards x ON x.g = d.g AND x.item = d.a JOIN rewards y ON y.g = d.g AND y.item = d.b) p',
    )
    const files: ComparisonFile[] = []
    for (const [type, { options, media }] of Object.entries(TYPES)) {
      const path = join(folder, `comparisons.${type}`)
      await run(`COPY source TO '${path}' (${options})`)
      files.push({ type: type as ComparisonFile['type'], media, path, bytes: statSync(path).size })
    }
    return files
  })
}

/** How long DuckDB alone takes to make a table of a file, in a database of its own, in milliseconds. */
export async function createTableAs(folder: string, file: ComparisonFile, memory: number): Promise<number> {
  return withDuckDb(join(folder, 'own'), memory, async (run) => {
    const since = performance.now()
    await run(`CREATE OR REPLACE TABLE own AS SELECT * FROM ${TYPES[file.type].reader}('${file.path}')`)
    return performance.now() - since
  })
}

/** Opens a database of DuckDB's for as long as some work takes, whose statements resolve with their rows. */
export async function withDuckDb<T>(
  path: string,
  memory: number,
  work: (run: (sql: string) => Promise<Record<string, unknown>[]>) => Promise<T>,
): Promise<T> {
  const instance = await DuckDBInstance.create(path, {
    memory_limit: `${Math.floor(memory / 1024)}KiB`,
    temp_directory: `${path}.spill`,
  })
  const connection = await instance.connect()
  try {
    return await work(async (sql) => (await connection.runAndReadAll(sql)).getRowObjectsJS())
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}
