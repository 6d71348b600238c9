import { createHash, randomUUID } from 'node:crypto'
import type { Tables } from './counts.ts'
import type { Column, Row, Statements } from './database.ts'
import { StoreProblem } from './problem.ts'
import type { Batch, Identity } from './store.ts'

/** The batch that was accepted last, after which the next one comes. */
export type Head = { position: number; acceptedAt: string; chain: string }

export async function headOf(statements: Statements, key: number): Promise<Head> {
  const [row] = await statements.run(
    'SELECT position, accepted_at, chain FROM batches WHERE dataset = $1::int ORDER BY position DESC LIMIT 1',
    [key],
  )
  if (row === undefined) return { position: 0, acceptedAt: '', chain: '' }
  return { position: Number(row.position), acceptedAt: String(row.accepted_at), chain: String(row.chain) }
}

/** What is to be known of a new batch. */
export type NewBatch = Batch & {
  position: number
  digest: string
  chain: string
  key: string | null
  ties: boolean
  preferences: boolean
  copies: boolean
  weights: boolean
}

/** What else is to be known of a new batch: how many comparisons it has, and of which kinds. */
type Content = Pick<NewBatch, 'comparisons' | 'ties' | 'preferences' | 'copies' | 'weights'>

/** Gives a batch the place after another one. */
export function nextBatch(head: Head, identity: Identity, content: Content): NewBatch {
  let acceptedAt = new Date().toISOString()
  // Later than the batch before, whatever the clock says.
  if (acceptedAt < head.acceptedAt) acceptedAt = head.acceptedAt
  return {
    id: randomUUID(),
    position: head.position + 1,
    acceptedAt,
    digest: identity.digest,
    chain: createHash('sha256').update(`${head.chain}\n${identity.digest}`).digest('hex'),
    key: identity.key,
    ...content,
  }
}

/** Writes down that batches were accepted. */
export async function noteBatches(
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

/** A batch, as others are told of it. */
export function publicBatch({ id, comparisons, acceptedAt }: Batch): Batch {
  return { id, comparisons, acceptedAt }
}

/** Batches in the order in which they were accepted, from the one after `after`. */
export async function listBatches(
  statements: Statements,
  { key }: Tables,
  after: string | null,
  limit: number,
): Promise<Batch[]> {
  let from = 0
  if (after !== null) from = Number((await findBatch(statements, key, after)).position)
  const rows = await statements.run(
    `SELECT ${COLUMNS} FROM batches WHERE dataset = $1::int AND position > $2::int AND NOT erased ` +
      'ORDER BY position LIMIT $3::int',
    [key, from, limit],
  )
  return rows.map(batchOf)
}

/** The batches that were accepted under clients' keys; null for a key that has none. */
export async function rememberedBatches(
  statements: Statements,
  { key }: Tables,
  keys: readonly string[],
): Promise<({ batch: Batch; digest: string } | null)[]> {
  const rows = await statements.run(
    `SELECT ${COLUMNS}, digest, client_key FROM batches WHERE dataset = $1::int AND ` +
      'client_key IN (SELECT unnest($2::text[]))',
    [key, keys],
  )
  const found = new Map(rows.map((row) => [row.client_key, row]))
  return keys.map((name) => {
    const row = found.get(name)
    return row === undefined ? null : { batch: batchOf(row), digest: String(row.digest) }
  })
}

/** The position of a batch, and how many comparisons it has. */
export async function findBatch(statements: Statements, key: number, id: string): Promise<Row> {
  const [row] = await statements.run(
    'SELECT position, comparisons FROM batches WHERE dataset = $1::int AND id = $2::text AND NOT erased',
    [key, id],
  )
  if (row === undefined) throw new StoreProblem('no-such-batch', `There is no batch "${id}" in this dataset.`)
  return row
}

const COLUMNS = 'id, position, comparisons, accepted_at'

function batchOf(row: Row): Batch {
  return { id: String(row.id), comparisons: Number(row.comparisons), acceptedAt: String(row.accepted_at) }
}

/** Refuses a batch that was read for a dataset which has been deleted and made anew since. */
export function requireSame(id: string, read: readonly string[], now: readonly string[]): void {
  if (read.length === now.length && read.every((name, k) => name === now[k])) return
  const detail = `The dataset "${id}" was made anew, with other covariates, while the batch was being read.`
  throw new StoreProblem('no-such-dataset', detail)
}
