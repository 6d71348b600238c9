import { type Head, nextBatch, noteBatches, publicBatch, requireSame } from './batches.ts'
import type { Tables } from './counts.ts'
import type { Column, Row, Statements } from './database.ts'
import type { Rows } from './rows.ts'
import type { Batch, Identity } from './store.ts'

/** Writes several batches that have been read, each with a position of its own. */
export async function writeRows(
  statements: Statements,
  { key, id, covariates }: Tables,
  head: Head,
  items: readonly { rows: Rows; identity: Identity }[],
): Promise<Batch[]> {
  for (const { rows } of items) requireSame(id, rows.covariateNames, covariates)
  const codes = await codesOf(
    statements,
    key,
    items.map(({ rows }) => rows),
  )
  let last = head
  const batches = items.map(({ rows, identity }) => {
    const batch = nextBatch(last, identity, {
      comparisons: rows.length,
      ties: rows.tie !== null,
      preferences: rows.preference !== null,
      copies: rows.count !== null,
      weights: rows.weight !== null,
    })
    last = batch
    return batch
  })
  const total = items.reduce((sum, { rows }) => sum + rows.length, 0)
  const columns: Column[] = []
  /** A column of all batches; left out where no batch has it. */
  const column = (
    name: string,
    type: Column['type'],
    value: (rows: Rows, batch: number) => ((k: number) => Row[string]) | null,
  ) => {
    const of = items.map(({ rows }, b) => value(rows, b))
    if (of.every((read) => read === null)) return
    const values = new Array<Row[string]>(total)
    let at = 0
    items.forEach(({ rows }, b) => {
      const read = of[b]
      for (let k = 0; k < rows.length; k++) values[at++] = read === null ? null : read(k)
    })
    columns.push({ name, type, values })
  }
  const coded = (names: readonly string[], index: Int32Array, kind: number) => {
    const own = names.map((name) => codes[kind].get(name) as number)
    return (k: number) => (index[k] < 0 ? null : own[index[k]])
  }
  column('batch', 'int', (_rows, b) => () => batches[b].position)
  column('grp', 'int', ({ groups, group }) => (groups.length === 0 ? null : coded(groups, group, 0)))
  column('winner', 'int', ({ items, winner }) => coded(items, winner, 1))
  column('loser', 'int', ({ items, loser }) => coded(items, loser, 1))
  column('annotator', 'int', ({ annotators, annotator }) =>
    annotators.length === 0 ? null : coded(annotators, annotator, 2),
  )
  column('tie', 'bool', ({ tie }) => (tie === null ? null : (k) => tie[k] === 1))
  column('preference', 'float', ({ preference }) =>
    preference === null ? null : (k) => (Number.isNaN(preference[k]) ? null : preference[k]),
  )
  column('copies', 'float', ({ count }) => (count === null ? null : (k) => count[k]))
  column('weight', 'float', ({ weight }) => (weight === null ? null : (k) => weight[k]))
  column('shown', 'int', ({ first }) =>
    first === null || !first.some((z) => z !== 0) ? null : (k) => (first[k] === 0 ? null : first[k]),
  )
  column('made_at', 'int', ({ at }) => (at === null ? null : (k) => at[k]))
  column('context', 'text', ({ context }) => (context === null ? null : (k) => context[k]))
  covariates.forEach((_, c) => {
    column(`c${c}`, 'text', ({ covariates }) => {
      const values = covariates[c]
      return values === null ? null : (k) => values[k]
    })
  })
  await statements.insert(`rows_${key}`, columns)
  await noteBatches(statements, key, batches)
  return batches.map(publicBatch)
}

/** The integers of all names in some rows, by kind; new names get the next ones. */
async function codesOf(
  statements: Statements,
  key: number,
  rows: readonly Rows[],
): Promise<Map<string, number>[]> {
  const wanted = [
    rows.flatMap(({ groups }) => groups),
    rows.flatMap(({ items }) => items),
    rows.flatMap(({ annotators }) => annotators),
  ].map((names) => [...new Set(names)])
  const codes = wanted.map(() => new Map<string, number>())
  const known = await statements.run(
    `SELECT kind, name, code FROM names_${key} WHERE name IN (SELECT unnest($1::text[]))`,
    [[...new Set(wanted.flat())]],
  )
  for (const { kind, name, code } of known) codes[Number(kind)].set(String(name), Number(code))
  const added = wanted.map((names, kind) => names.filter((name) => !codes[kind].has(name)))
  if (added.every((names) => names.length === 0)) return codes
  const tops = await statements.run(`SELECT kind, max(code) AS top FROM names_${key} GROUP BY kind`)
  const next = [0, 0, 0]
  for (const { kind, top } of tops) next[Number(kind)] = Number(top) + 1
  const entries = added.flatMap((names, kind) => names.map((name) => ({ kind, name, code: next[kind]++ })))
  for (const { kind, name, code } of entries) codes[kind].set(name, code)
  await statements.insert(`names_${key}`, [
    { name: 'kind', type: 'int', values: entries.map(({ kind }) => kind) },
    { name: 'name', type: 'text', values: entries.map(({ name }) => name) },
    { name: 'code', type: 'int', values: entries.map(({ code }) => code) },
  ])
  return codes
}
