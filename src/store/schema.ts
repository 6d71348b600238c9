import { weightsSql } from './weights.ts'

/** The tables that tell what there is; made where they are missing. */
export function schemaSql(text: string): string[] {
  return [
    'CREATE TABLE IF NOT EXISTS counters (value INT NOT NULL)',
    'INSERT INTO counters SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM counters)',
    `CREATE TABLE IF NOT EXISTS datasets (key INT NOT NULL, id ${text} NOT NULL, description TEXT, ` +
      'covariates TEXT NOT NULL, created_at TEXT NOT NULL, epoch INT NOT NULL DEFAULT 0, erasures TEXT)',
    'CREATE UNIQUE INDEX IF NOT EXISTS datasets_by_key ON datasets (key)',
    'CREATE UNIQUE INDEX IF NOT EXISTS datasets_by_id ON datasets (id)',
    `CREATE TABLE IF NOT EXISTS batches (dataset INT NOT NULL, position INT NOT NULL, id TEXT NOT NULL, ` +
      'comparisons FLOAT8 NOT NULL, accepted_at TEXT NOT NULL, digest TEXT NOT NULL, chain TEXT NOT NULL, client_key TEXT, ' +
      'ties BOOLEAN NOT NULL, preferences BOOLEAN NOT NULL, copies BOOLEAN NOT NULL, weights BOOLEAN NOT NULL, ' +
      'erased BOOLEAN NOT NULL DEFAULT false)',
    'CREATE UNIQUE INDEX IF NOT EXISTS batches_by_position ON batches (dataset, position)',
    'CREATE INDEX IF NOT EXISTS batches_by_key ON batches (dataset, client_key)',
    ...weightsSql(text),
  ]
}

/**
 * A schema without its indexes, for the embedded database: where a commit that changes a table with an index finds no room,
 * DuckDB may end the process. It knows which parts of a table a value may be in, and writers take turns anyway.
 */
export function withoutIndexes(schema: readonly string[]): string[] {
  return schema.filter((sql) => !/^CREATE (UNIQUE )?INDEX /.test(sql))
}

/** The tables of one dataset. Items, groups and annotators are integers; `made_at` is in microseconds since 1970. */
export function tablesSql(key: number, covariates: number): string[] {
  const further = Array.from({ length: covariates }, (_, k) => `, c${k} TEXT COLLATE "C"`).join('')
  return [
    `CREATE TABLE names_${key} (kind INT NOT NULL, name TEXT COLLATE "C" NOT NULL, code INT NOT NULL)`,
    `CREATE UNIQUE INDEX ON names_${key} (name, kind)`,
    `CREATE TABLE rows_${key} (batch INT NOT NULL, grp INT, winner INT NOT NULL, loser INT NOT NULL, annotator INT, ` +
      'tie BOOLEAN, preference FLOAT8, copies FLOAT8, weight FLOAT8, shown INT, made_at BIGINT, ' +
      `context TEXT COLLATE "C"${further})`,
    // Without it PostgreSQL would read past all rows to find those of one batch.
    `CREATE INDEX ON rows_${key} USING brin (batch) WITH (pages_per_range = 32, autosummarize = on)`,
  ]
}
