import { createHash } from 'node:crypto'
import { sortedFilters } from './counts.ts'
import type { Statements } from './database.ts'
import type { CountsQuery } from './store.ts'
import type { Seen } from './weights.ts'

/** Which batches a query sees, and the fingerprint of what it sees. */
export async function stateOf(statements: Statements, key: number, query: CountsQuery): Promise<Seen> {
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
