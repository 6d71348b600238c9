import type { Reading } from './upload/reading.ts'

/** A value of a statement, for $1, $2, …; lists are passed as arrays and taken apart by unnest. */
export type Parameter = string | number | boolean | null | readonly string[]

export type Row = Record<string, string | number | boolean | null>

/** A column to be inserted: one value a row, null where it has none. */
export type Column = {
  name: string
  type: 'int' | 'float' | 'text' | 'bool'
  values: ArrayLike<string | number | boolean | null>
}

/** Statements of one transaction. Texts are SQL that both DuckDB and PostgreSQL understand. */
export type Statements = {
  /** Runs a statement; resolves with its rows, whose numbers must be cast to `int` or `float8`. */
  run(sql: string, parameters?: readonly Parameter[]): Promise<Row[]>
  /**
   * The rows of a query as columns of numbers: `int` ones as Int32Array, `float8` ones as Float64Array.
   *
   * @param order columns by which the rows are to come where the database sorts faster than whoever asks, who does not count
   *   on it
   */
  numbers(
    sql: string,
    parameters: readonly Parameter[],
    types: readonly ('int' | 'float')[],
    order: readonly string[],
  ): Promise<(Int32Array | Float64Array)[]>
  /** Appends rows; the columns that are not named are null. */
  insert(table: string, columns: readonly Column[]): Promise<void>
  /** Makes a file readable: relations of its rows and of the different ids in them, each a name or a query in parentheses. */
  stage(reading: Reading): Promise<{ rows: string; names: string }>
  /** Has other writers of a dataset, in whatever process, wait for this transaction. */
  lock(dataset: number): Promise<void>
}

/** What a store asks of a database. */
export type Database = {
  kind: 'embedded' | 'postgresql'
  spoolDirectory: string
  /** All or nothing; durable when it resolves. */
  transaction<T>(work: (statements: Statements) => Promise<T>): Promise<T>
  /** Reads that all see the same moment. */
  snapshot<T>(work: (statements: Statements) => Promise<T>): Promise<T>
  /** Takes a name in all processes that use the database; null where somebody has it. */
  claim(name: string): Promise<(() => Promise<void>) | null>
  reader: Reader
  /** Makes the rows of a query readable for the reader: a relation, and what removes it. */
  dump(
    query: string,
    types: Readonly<Record<string, string>>,
  ): Promise<{ relation: string; remove(): Promise<void> }>
  close(): Promise<void>
}

/** The embedded engine that reads and writes files, for either store. */
export type Reader = {
  run(sql: string): Promise<Row[]>
  /** The texts of a query of one column, some at a time, for as long as somebody reads them. */
  texts(sql: string): AsyncGenerator<string>
}
