import { type Head, headOf, nextBatch, noteBatches, publicBatch, requireSame } from './batches.ts'
import { NAME_KINDS, type Tables } from './counts.ts'
import type { Reader, Statements } from './database.ts'
import { StoreProblem } from './problem.ts'
import type { Batch, Identity } from './store.ts'
import type { Writing } from './tables.ts'
import type { Layout } from './upload/formats.ts'
import { badRows, type FileType, faultsIn, isBadRow, openFile, problemOfFile } from './upload/reading.ts'

/** A file of comparisons, and how it is to be read. */
export type Upload = { path: string; type: FileType; layout: Layout; limit: number }

/**
 * Stores the rows of a file, checking them on the way.
 *
 * @throws StoreProblem with the first bad rows
 */
export async function ingestFile(
  reader: Reader,
  writing: Writing,
  dataset: string,
  { path, type, layout, limit }: Upload,
  identity: Identity,
): Promise<Batch & { ignoredColumns: string[] }> {
  const reading = await openFile(reader, path, type, layout, limit)
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
    if (!isBadRow(error)) throw isOfFile(error) ? await problemOfFile(reader, path, type, error) : error
    const faults = await faultsIn(reader, reading)
    throw faults.length === 0 ? error : badRows(faults)
  }
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
  // A planner that takes new names for few compares each row with every one of them.
  await statements.run(`ANALYZE names_${key}`)
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
  const batch = nextBatch(head, identity, {
    comparisons: Number(facts.comparisons),
    ties: Boolean(facts.ties),
    preferences: Boolean(facts.preferences),
    copies: Boolean(facts.copies),
    weights: Boolean(facts.weights),
  })
  await noteBatches(statements, key, [batch])
  return publicBatch(batch)
}

/** Whether a failure is the file's: what the reader of files says, as opposed to faults of our own. */
function isOfFile(error: unknown): boolean {
  const kind = /^([A-Za-z ]+) Error: /.exec((error as Error).message ?? '')?.[1]
  const ours = ['TransactionContext', 'Constraint', 'Catalog', 'Binder', 'Parser', 'Dependency', 'Connection']
  return kind !== undefined && !ours.includes(kind) && !/^(Permission|Fatal|Interrupt)/i.test(kind)
}
