import { inOrder, type StoredComparisons } from '../engine/comparisons/stored.ts'
import { invalidRequest } from '../engine/problem.ts'
import type { Parameter, Row, Statements } from './database.ts'
import { microseconds } from './rows.ts'
import type { CountsQuery } from './store.ts'
import { unhurried } from './unhurried.ts'

/** A dataset as its tables know it. */
export type Tables = { key: number; id: string; covariates: readonly string[] }

export const NAME_KINDS = { group: 0, item: 1, annotator: 2 }

/** Which batches are counted: those after one position and up to another. */
export type Span = { after: number; upTo: number }

/**
 * Counts a dataset's comparisons inside the database: for each group, pair of items, order of showing and annotator, as far
 * as the query wants to tell them apart, the sums of outcomes.
 *
 * Sums of whole numbers are exact. Where weights or soft labels are fractions each sum is taken in the order of its terms,
 * so that it does not depend on how the database divides the work.
 */
export async function countStored(
  statements: Statements,
  tables: Tables,
  query: CountsQuery,
  span: Span,
  fingerprint: string,
): Promise<StoredComparisons> {
  const { key } = tables
  const facts = await factsOf(statements, key, span)
  const group = groupingOf(tables, query)
  const named = async (sql: string) => inCodeUnits(await statements.run(sql))
  // Names that come sorted by bytes are all but sorted by code units, so that sorting them takes no time to speak of.
  const namesOf = (kind: number) =>
    named(`SELECT name, code FROM names_${key} WHERE kind = ${kind} ORDER BY name`)
  const groups = group.names === null ? { names: ['all'], place: Int32Array.of(0) } : await named(group.names)
  const items = await namesOf(NAME_KINDS.item)
  const annotators = query.annotators ? await namesOf(NAME_KINDS.annotator) : null

  const parameters: Parameter[] = []
  const where = conditionsOf(tables, query, span, parameters)
  const { sql, types, order } = statement(key, query, group, where, facts)
  const columns = await statements.numbers(sql, parameters, types, order)
  const take = <T extends Int32Array | Float64Array>() => columns.shift() as T
  const entries = await unhurried(
    inOrder({
      group: await unhurried(placed(take(), groups.place)),
      i: await unhurried(placed(take(), items.place)),
      j: await unhurried(placed(take(), items.place)),
      first: query.positions ? take<Int32Array>() : null,
      annotator: annotators === null ? null : await unhurried(placed(take(), annotators.place)),
      comparisons: take<Float64Array>(),
      wins: take<Float64Array>(),
      losses: take<Float64Array>(),
      ties: take<Float64Array>(),
      squares: query.squares
        ? {
            all: take<Float64Array>(),
            side: take<Float64Array>(),
            sideSquared: take<Float64Array>(),
            tie: take<Float64Array>(),
          }
        : null,
    }),
  )
  let comparisons = 0
  for (const count of entries.comparisons) comparisons += count
  return {
    ...entries,
    groups: groups.names,
    items: items.names,
    annotators: annotators?.names ?? [],
    source: { dataset: tables.id, groupBy: query.groupBy, comparisons, fingerprint },
  }
}

/** Names as JavaScript sorts them, and where the name of each code is among them; databases sort by other rules. */
type Coded = { names: string[]; place: Int32Array }

function inCodeUnits(rows: readonly Row[]): Coded {
  const sorted = rows
    .map(({ name, code }) => ({ name: String(name), code: Number(code) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  const place = new Int32Array(sorted.reduce((most, { code }) => Math.max(most, code + 1), 0))
  sorted.forEach(({ code }, k) => {
    place[code] = k
  })
  return { names: sorted.map(({ name }) => name), place }
}

/** Entries to look up before others have their turn. */
const STRIDE = 1 << 18

/** Codes as places among names, in memory that threads share; −1, which is none, stays. */
function* placed(codes: Int32Array, place: Int32Array): Generator<void, Int32Array> {
  const places = new Int32Array(new SharedArrayBuffer(4 * codes.length))
  for (let k = 0; k < codes.length; k++) {
    places[k] = codes[k] < 0 ? -1 : place[codes[k]]
    if (k % STRIDE === STRIDE - 1) yield
  }
  return places
}

/** Filters in one spelling: sets sorted, members in one order. */
export function sortedFilters(filters: CountsQuery['filters']): [string, unknown][] {
  return Object.entries(filters)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]): [string, unknown] => [
      name,
      Array.isArray(value) ? [...new Set(value)].sort() : value,
    ])
    .sort(([a], [b]) => (a < b ? -1 : 1))
}

/** Which members the comparisons of some batches have, so that the sums look at no others. */
type Facts = { ties: boolean; preferences: boolean; copies: boolean; weights: boolean }

async function factsOf(statements: Statements, key: number, span: Span): Promise<Facts> {
  const [facts] = await statements.run(
    'SELECT coalesce(bool_or(ties), false) AS ties, coalesce(bool_or(preferences), false) AS preferences, ' +
      'coalesce(bool_or(copies), false) AS copies, coalesce(bool_or(weights), false) AS weights ' +
      'FROM batches WHERE dataset = $1::int AND position > $2::int AND position <= $3::int',
    [key, span.after, span.upTo],
  )
  return facts as Facts
}

/** What makes the groups: a column of the rows. */
type Grouping = {
  column: string
  /** Where the column holds texts, a query for `value` and `code`; null where it holds codes. */
  codes: string | null
  /** A query for `name` and `code`; null for one group. */
  names: string | null
}

function groupingOf({ key, covariates }: Tables, { groupBy }: CountsQuery): Grouping {
  if (groupBy === null) return { column: '0', codes: null, names: null }
  const coded = groupBy === 'group' ? NAME_KINDS.group : groupBy === 'annotator' ? NAME_KINDS.annotator : null
  if (coded !== null) {
    const column = groupBy === 'group' ? 'grp' : 'annotator'
    return {
      column,
      codes: null,
      names: `SELECT name, code FROM names_${key} WHERE kind = ${coded} ORDER BY name`,
    }
  }
  const covariate = covariates.indexOf(groupBy)
  if (covariate < 0 && groupBy !== 'context') {
    const known = ['group', 'annotator', 'context', ...covariates].join(', ')
    const detail = `"${groupBy}" is no column of the dataset; comparisons can be grouped by ${known}`
    throw invalidRequest([{ pointer: '/dataset/groupBy', detail }])
  }
  const column = groupBy === 'context' ? 'context' : `c${covariate}`
  const values = `(SELECT DISTINCT ${column} AS value FROM rows_${key} WHERE ${column} IS NOT NULL) v`
  const codes = `SELECT value, (row_number() OVER (ORDER BY value) - 1)::int AS code FROM ${values}`
  return { column, codes, names: `SELECT value AS name, code FROM (${codes}) n` }
}

/** The conditions of the filters; their values are added to the parameters. */
function conditionsOf(
  { key }: Tables,
  { filters }: CountsQuery,
  span: Span,
  parameters: Parameter[],
): string {
  const value = (parameter: Parameter, type: string) => `$${parameters.push(parameter)}::${type}`
  const conditions = [`batch > ${value(span.after, 'int')}`, `batch <= ${value(span.upTo, 'int')}`]
  const codes = (kind: number, names: readonly string[]) =>
    `(SELECT code FROM names_${key} WHERE kind = ${kind} AND name IN (SELECT unnest(${value(names, 'text[]')})))`
  if (filters.groups !== undefined) conditions.push(`grp IN ${codes(NAME_KINDS.group, filters.groups)}`)
  if (filters.annotators !== undefined) {
    conditions.push(`annotator IN ${codes(NAME_KINDS.annotator, filters.annotators)}`)
  }
  if (filters.contexts !== undefined) {
    conditions.push(`context IN (SELECT unnest(${value(filters.contexts, 'text[]')}))`)
  }
  if (filters.items !== undefined) {
    const chosen = codes(NAME_KINDS.item, filters.items)
    conditions.push(`winner IN ${chosen}`, `loser IN ${chosen}`)
  }
  if (filters.from !== undefined) conditions.push(`made_at >= ${value(microseconds(filters.from), 'float8')}`)
  if (filters.until !== undefined)
    conditions.push(`made_at < ${value(microseconds(filters.until), 'float8')}`)
  return conditions.join(' AND ')
}

function statement(
  key: number,
  query: CountsQuery,
  group: Grouping,
  where: string,
  facts: Facts,
): { sql: string; types: ('int' | 'float')[]; order: string[] } {
  const keys = ['g', 'low', 'high']
  if (query.positions) keys.push('z')
  if (query.annotators) keys.push('a')
  const picked = [
    `${group.column} AS g`,
    'least(winner, loser) AS low',
    'greatest(winner, loser) AS high',
    ...(query.positions
      ? ['CASE WHEN winner < loser THEN coalesce(shown, 0) ELSE -coalesce(shown, 0) END AS z']
      : []),
    ...(query.annotators ? ['annotator AS a'] : []),
    'winner < loser AS low_won',
    ...(facts.ties ? ['coalesce(tie, false) AS tie'] : []),
    ...(facts.preferences ? ['coalesce(preference, 1) AS label'] : []),
    ...(facts.copies ? ['coalesce(copies, 1) AS copies'] : []),
    ...(facts.weights ? ['coalesce(weight, 1) AS weight'] : []),
  ]
  const copies = facts.copies ? 'copies' : '1'
  const mass = facts.weights ? `${copies} * weight` : copies
  const label = facts.preferences ? 'label' : '1'
  const whole = !facts.weights && !facts.preferences
  const sum = (term: string) => (whole ? `sum(${term})` : `sum(${term} ORDER BY ${term})`)
  const unlessTie = (term: string) => (facts.ties ? `CASE WHEN tie THEN 0 ELSE ${term} END` : term)
  const low = `CASE WHEN low_won THEN ${mass} * ${label} ELSE ${mass} * (1 - ${label}) END`
  const high = `CASE WHEN low_won THEN ${mass} * (1 - ${label}) ELSE ${mass} * ${label} END`
  const sums = [
    `sum(${copies}) AS comparisons`,
    `${sum(unlessTie(low))} AS low_wins`,
    `${sum(unlessTie(high))} AS high_wins`,
    `${facts.ties ? sum(`CASE WHEN tie THEN ${mass} ELSE 0 END`) : '0'} AS ties`,
  ]
  if (query.squares) {
    const squared = facts.weights ? `${copies} * weight * weight` : copies
    const side = unlessTie(`(CASE WHEN low_won THEN ${label} ELSE 1 - ${label} END - 0.5)`)
    sums.push(
      `${sum(squared)} AS sq_all`,
      `${sum(`${squared} * (${side})`)} AS sq_side`,
      `${sum(`${squared} * (${side}) * (${side})`)} AS sq_side2`,
      `${facts.ties ? sum(`CASE WHEN tie THEN ${squared} ELSE 0 END`) : '0'} AS sq_tie`,
    )
  }
  const columns = [
    `coalesce(${group.codes === null ? 'g' : 'r.code'}, -1)::int AS grouped`,
    'low::int AS low',
    'high::int AS high',
    ...(query.positions ? ['z::int AS z'] : []),
    ...(query.annotators ? ['coalesce(a, -1)::int AS a'] : []),
    'comparisons::float8 AS comparisons',
    'low_wins::float8 AS low_wins',
    'high_wins::float8 AS high_wins',
    'ties::float8 AS ties',
    ...(query.squares
      ? ['sq_all', 'sq_side', 'sq_side2', 'sq_tie'].map((column) => `${column}::float8 AS ${column}`)
      : []),
  ]
  const join = group.codes === null ? '' : ` LEFT JOIN (${group.codes}) r ON r.value = s.g`
  const sql =
    `SELECT ${columns.join(', ')} FROM (SELECT ${[...keys, ...sums].join(', ')} FROM ` +
    `(SELECT ${picked.join(', ')} FROM rows_${key} WHERE ${where}) picked GROUP BY ${keys.join(', ')}) s${join}`
  const types = columns.map((column) => (column.includes('::float8') ? 'float' : 'int') as 'int' | 'float')
  const order = [
    'grouped',
    'low',
    'high',
    ...(query.positions ? ['z'] : []),
    ...(query.annotators ? ['a'] : []),
  ]
  return { sql, types, order }
}
