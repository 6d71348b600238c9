import { inOrder, type StoredComparisons } from '../engine/comparisons/stored.ts'
import { invalidRequest } from '../engine/problem.ts'
import type { Parameter, Statements } from './database.ts'
import { microseconds } from './rows.ts'
import type { CountsQuery } from './store.ts'

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
  const names = async (sql: string, parameters: Parameter[] = []) =>
    (await statements.run(sql, parameters)).map(({ name }) => String(name))
  const namesOf = (kind: number) => names(`SELECT name FROM names_${key} WHERE kind = ${kind} ORDER BY name`)
  const groups = group.names === null ? ['all'] : await names(group.names)
  const items = await namesOf(NAME_KINDS.item)
  const annotators = query.annotators ? await namesOf(NAME_KINDS.annotator) : []

  const parameters: Parameter[] = []
  const where = conditionsOf(tables, query, span, parameters)
  const { sql, types } = statement(key, query, group, where, facts)
  const columns = await statements.numbers(sql, parameters, types)
  const take = <T extends Int32Array | Float64Array>() => columns.shift() as T
  const counted = {
    group: take<Int32Array>(),
    i: take<Int32Array>(),
    j: take<Int32Array>(),
    first: query.positions ? take<Int32Array>() : null,
    annotator: query.annotators ? take<Int32Array>() : null,
    comparisons: take<Float64Array>(),
    wins: take<Float64Array>(),
    losses: take<Float64Array>(),
    ties: take<Float64Array>(),
  }
  const squares = query.squares
    ? {
        all: take<Float64Array>(),
        side: take<Float64Array>(),
        sideSquared: take<Float64Array>(),
        tie: take<Float64Array>(),
      }
    : null
  let comparisons = 0
  for (const count of counted.comparisons) comparisons += count
  const source = { dataset: tables.id, groupBy: query.groupBy, comparisons, fingerprint }
  return sortedByName({ groups, items, annotators, ...counted, squares, source })
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

/** What makes the groups: a column of the rows, and how its values become ranks. */
type Grouping = {
  column: string
  /** A query for the ranks of the column's values: `value` and `rank`; null for one group. */
  ranks: string | null
  /** A query for the names, in the order of their ranks. */
  names: string | null
}

function groupingOf({ key, covariates }: Tables, { groupBy }: CountsQuery): Grouping {
  if (groupBy === null) return { column: '0', ranks: null, names: null }
  const coded = groupBy === 'group' ? NAME_KINDS.group : groupBy === 'annotator' ? NAME_KINDS.annotator : null
  if (coded !== null) {
    const column = groupBy === 'group' ? 'grp' : 'annotator'
    return {
      column,
      ranks: ranksOf(key, coded),
      names: `SELECT name FROM names_${key} WHERE kind = ${coded} ORDER BY name`,
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
  return {
    column,
    ranks: `SELECT value, ${rank('value')} AS rank FROM ${values}`,
    names: `SELECT value AS name FROM ${values} ORDER BY value`,
  }
}

const rank = (column: string) => `(row_number() OVER (ORDER BY ${column}) - 1)::int`

function ranksOf(key: number, kind: number): string {
  return `SELECT code AS value, ${rank('name')} AS rank FROM names_${key} WHERE kind = ${kind}`
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
): { sql: string; types: ('int' | 'float')[] } {
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
  // The database numbers ids as they came; what is returned is numbered by name, so pairs may have to be turned.
  const straight = 'x.rank < y.rank'
  const turn = (a: string, b: string) => `CASE WHEN ${straight} THEN ${a} ELSE ${b} END`
  const columns = [
    group.ranks === null ? '0 AS g' : 'coalesce(r.rank, -1)::int AS g',
    `${turn('x.rank', 'y.rank')}::int AS i`,
    `${turn('y.rank', 'x.rank')}::int AS j`,
    ...(query.positions ? [`(${turn('z', '-z')})::int AS z`] : []),
    ...(query.annotators ? ['coalesce(p.rank, -1)::int AS a'] : []),
    'comparisons::float8 AS comparisons',
    `(${turn('low_wins', 'high_wins')})::float8 AS wins`,
    `(${turn('high_wins', 'low_wins')})::float8 AS losses`,
    'ties::float8 AS ties',
    ...(query.squares
      ? [
          'sq_all::float8 AS sq_all',
          `(${turn('sq_side', '-sq_side')})::float8 AS sq_side`,
          'sq_side2::float8 AS sq_side2',
          'sq_tie::float8 AS sq_tie',
        ]
      : []),
  ]
  const items = ranksOf(key, NAME_KINDS.item)
  const joins = [
    `JOIN (${items}) x ON x.value = s.low`,
    `JOIN (${items}) y ON y.value = s.high`,
    ...(group.ranks === null ? [] : [`LEFT JOIN (${group.ranks}) r ON r.value = s.g`]),
    ...(query.annotators ? [`LEFT JOIN (${ranksOf(key, NAME_KINDS.annotator)}) p ON p.value = s.a`] : []),
  ]
  const order = ['1', '2', '3', ...keys.slice(3).map((_, k) => String(4 + k))].join(', ')
  const sql =
    `SELECT ${columns.join(', ')} FROM (SELECT ${[...keys, ...sums].join(', ')} FROM ` +
    `(SELECT ${picked.join(', ')} FROM rows_${key} WHERE ${where}) picked GROUP BY ${keys.join(', ')}) s ` +
    `${joins.join(' ')} ORDER BY ${order}`
  const types = columns.map((column) => (column.includes('::float8') ? 'float' : 'int') as 'int' | 'float')
  return { sql, types }
}

/**
 * Databases sort names by their UTF-8 bytes, JavaScript by UTF-16 units: the two differ only where characters beyond the
 * basic plane meet those just below its end. Then everything is numbered anew.
 */
function sortedByName(stored: StoredComparisons): StoredComparisons {
  const orders = [stored.groups, stored.items, stored.annotators].map((names) => {
    const order = names.map((_, k) => k).sort((a, b) => (names[a] < names[b] ? -1 : 1))
    return order.every((old, k) => old === k) ? null : order
  })
  if (orders.every((order) => order === null)) return stored
  const places = orders.map((order) => {
    if (order === null) return null
    const place = new Int32Array(order.length)
    order.forEach((old, k) => {
      place[old] = k
    })
    return place
  })
  const renamed = (column: Int32Array, place: Int32Array | null) =>
    place === null ? column : column.map((k) => (k < 0 ? k : place[k]))
  const [groups, items, annotators] = [stored.groups, stored.items, stored.annotators].map((names, c) =>
    names.map((_, k) => names[orders[c]?.[k] ?? k]),
  )
  const { annotator } = stored
  const entries = inOrder({
    ...stored,
    group: renamed(stored.group, places[0]),
    i: renamed(stored.i, places[1]),
    j: renamed(stored.j, places[1]),
    annotator: annotator === null ? null : renamed(annotator, places[2]),
  })
  return { ...stored, ...entries, groups, items, annotators }
}
