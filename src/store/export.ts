import { NAME_KINDS, type Tables } from './counts.ts'
import type { Statements } from './database.ts'
import { identifier } from './upload/sql.ts'

/** How a dataset is written to a file. */
export type Export = {
  /** The rows under the names of a comparison's members, in the database's types. */
  sql: string
  /** The reader's types of the columns. */
  types: Record<string, string>
  /** The query of the reader that writes them as a file has them. */
  written(relation: string): string
}

const TIME = `strftime(make_timestamp("timestamp"), '%Y-%m-%dT%H:%M:%S.%fZ') AS "timestamp"`

/** The query for all rows of a dataset, batch by batch; members that no comparison has are left out. */
export async function exportQuery(statements: Statements, { key, covariates }: Tables): Promise<Export> {
  const name = (column: string, kind: number) =>
    `(SELECT name FROM names_${key} n WHERE n.kind = ${kind} AND n.code = r.${column})`
  const members: [member: string, column: string, value: string, type: string][] = [
    ['group', 'grp', name('grp', NAME_KINDS.group), 'VARCHAR'],
    ['winner', 'winner', name('winner', NAME_KINDS.item), 'VARCHAR'],
    ['loser', 'loser', name('loser', NAME_KINDS.item), 'VARCHAR'],
    ['tie', 'tie', 'coalesce(r.tie, false)', 'BOOLEAN'],
    ['preference', 'preference', 'r.preference', 'DOUBLE'],
    ['count', 'copies', 'r.copies', 'BIGINT'],
    ['weight', 'weight', 'r.weight', 'DOUBLE'],
    ['annotator', 'annotator', name('annotator', NAME_KINDS.annotator), 'VARCHAR'],
    [
      'first',
      'shown',
      `CASE WHEN r.shown = 1 THEN ${name('winner', NAME_KINDS.item)} WHEN r.shown = -1 THEN ${name('loser', NAME_KINDS.item)} END`,
      'VARCHAR',
    ],
    ['timestamp', 'made_at', 'r.made_at', 'BIGINT'],
    ['context', 'context', 'r.context', 'VARCHAR'],
    ...covariates.map((covariate, k): [string, string, string, string] => [
      covariate,
      `c${k}`,
      `r.c${k}`,
      'VARCHAR',
    ]),
  ]
  const counted = members.map(([, column], k) => `count(${column}) > 0 AS m${k}`)
  const [there] = await statements.run(`SELECT ${counted.join(', ')} FROM rows_${key}`)
  const chosen = members.filter(
    ([member], k) => there[`m${k}`] === true || member === 'winner' || member === 'loser',
  )
  const sql =
    `SELECT ${chosen.map(([member, , value]) => `${value} AS ${identifier(member)}`).join(', ')} ` +
    `FROM rows_${key} r ORDER BY r.batch`
  const written = (relation: string) => {
    const columns = chosen.map(([member, column]) =>
      column === 'made_at' ? TIME : column === 'copies' ? `"count"::BIGINT AS "count"` : identifier(member),
    )
    return `SELECT ${columns.join(', ')} FROM ${relation}`
  }
  return { sql, types: Object.fromEntries(chosen.map(([member, , , type]) => [member, type])), written }
}
