import type { Tables } from './counts.ts'
import type { Database, Statements } from './database.ts'
import { StoreProblem } from './problem.ts'
import type { Turns } from './turns.ts'

type Work<T> = (statements: Statements, tables: Tables) => Promise<T>

/** Reads a dataset as it is at one moment. */
export type Reading = <T>(id: string, work: Work<T>) => Promise<T>

/** Has a dataset to itself among writers, in one transaction. */
export type Writing = <T>(id: string, work: Work<T>) => Promise<T>

/** How the parts of the store come by the tables of a dataset. */
export type Access = {
  reading: Reading
  writing: Writing
  /** Is told that a dataset is gone. */
  forget(id: string): void
}

/**
 * Writers of one dataset take turns, so that batches have positions without gaps in
 * the order in which they became visible: who has read up to a position has seen all before it.
 */
export function accessTo(database: Database, turns: Turns<number>): Access {
  /** What datasets were when they were last looked at; whoever writes looks again. */
  const known = new Map<string, Tables>()

  const reading: Reading = (id, work) =>
    database.snapshot(async (statements) => work(statements, await tablesOf(statements, id)))

  const writing: Writing = async (id, work) => {
    const { key } = known.get(id) ?? (await reading(id, async (_, tables) => tables))
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
  return { reading, writing, forget: (id) => known.delete(id) }
}

/** @throws StoreProblem where there is no such dataset */
export async function tablesOf(statements: Statements, id: string): Promise<Tables> {
  const [row] = await statements.run('SELECT key, covariates FROM datasets WHERE id = $1::text', [id])
  if (row === undefined) throw noDataset(id)
  return { key: Number(row.key), id, covariates: JSON.parse(String(row.covariates)) }
}

/** The refusal where there is no such dataset. */
export function noDataset(id: string): StoreProblem {
  return new StoreProblem('no-such-dataset', `There is no dataset "${id}".`)
}
