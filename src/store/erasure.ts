import { randomUUID } from 'node:crypto'
import { findBatch } from './batches.ts'
import { NAME_KINDS, type Tables } from './counts.ts'
import type { Statements } from './database.ts'

/** Removes the comparisons of a batch; returns how many rows went. */
export async function eraseBatch(statements: Statements, { key }: Tables, batch: string): Promise<number> {
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
}

/** Removes all that an annotator said; returns how many rows went. */
export async function eraseAnnotator(
  statements: Statements,
  { key }: Tables,
  annotator: string,
): Promise<number> {
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
