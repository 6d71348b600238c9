import { COUNT_LIMIT, WEIGHT_LIMIT, WEIGHT_MIN } from '../../engine/comparisons/read.ts'
import { FORMATS, type Layout } from './formats.ts'
import { identifier, literal } from './sql.ts'

/**
 * What a comparison in a file must be, as SQL of the reader: the same as readComparisons says of one in JSON, except
 * that a file has no types to insist on, so that numbers are taken for ids and texts for numbers.
 */

/** A member of the rows of a file: `raw` is what the file has, typed as far as the file is, by the name of the member. */
export type Field = {
  name: string
  raw: string
  /** What is stored, from the columns of the raw rows. */
  value: string
}

/** A row breaks a rule where `bad` is true; `detail` is an SQL text. */
export type Rule = { member: string; bad: string; detail: string; ofName: boolean }

/** The message by which a query fails at a bad row. */
export const BAD_ROW = 'commonweal: a row is wrong'

/** Brings the columns of a file to the members that are stored. */
export function canonical(
  fields: readonly { member: string; column: string; type: string }[],
  layout: Layout,
): Field[] {
  const { texts, outcomes } = FORMATS[layout.format]
  const columns = new Map(fields.map(({ member, column }) => [member, identifier(column)]))
  const types = new Map(fields.map(({ member, type }) => [member, type]))
  const text = (member: string) => textOf(String(columns.get(member)), String(types.get(member)))
  const result: Field[] = []
  const add = (name: string, raw: string, value: string = identifier(name)) => {
    result.push({ name, raw, value })
  }
  if (layout.group !== null) add('group', literal(layout.group))
  else if (columns.has('group')) add('group', text('group'))
  if (outcomes !== null) {
    const won = `lower(${text('winner')})`
    add('winner', `CASE WHEN ${won} = 'model_b' THEN ${text('b')} ELSE ${text('a')} END`)
    add('loser', `CASE WHEN ${won} = 'model_b' THEN ${text('a')} ELSE ${text('b')} END`)
    add('tie', text('winner'), `starts_with(lower(tie), 'tie')`)
    add('first', text('a'), 'CASE WHEN "first" = winner THEN 1 ELSE -1 END')
  } else {
    for (const member of ['winner', 'loser']) add(member, texts ? named(text(member)) : text(member))
    if (columns.has('tie')) add('tie', text('tie'), `lower(tie) IN ('true', 't', '1')`)
    if (columns.has('first')) {
      add('first', text('first'), 'CASE WHEN "first" = winner THEN 1 WHEN "first" = loser THEN -1 END')
    }
  }
  for (const member of ['preference', 'count', 'weight']) {
    if (columns.has(member)) add(member, text(member), `TRY_CAST(${identifier(member)} AS DOUBLE)`)
  }
  if (columns.has('annotator')) add('annotator', text('annotator'))
  if (columns.has('context')) add('context', texts ? named(text('context')) : text('context'))
  if (columns.has('timestamp'))
    add('timestamp', timestampText(columns, types, outcomes !== null), MICROSECONDS)
  for (const { member } of fields) if (/^c\d+$/.test(member)) add(member, text(member))
  return result
}

/** A value as text; a whole number by its digits, also where a column has room for fractions. */
function textOf(column: string, type: string): string {
  const text = `CAST(${column} AS VARCHAR)`
  if (!/^(FLOAT|DOUBLE|DECIMAL)/.test(type)) return text
  return `CASE WHEN ${column} = trunc(${column}) AND abs(${column}) < 1e15 THEN CAST(CAST(${column} AS BIGINT) AS VARCHAR) ELSE ${text} END`
}

/** A text that may be too long for an id, or have line breaks, by its digest. */
function named(text: string): string {
  return `CASE WHEN length(${text}) > 256 OR regexp_matches(${text}, '\\p{Cc}') THEN 'sha256:' || sha256(${text}) ELSE ${text} END`
}

/** A time as RFC 3339, from a column of times, or of seconds since 1970 where the format has those. */
function timestampText(
  columns: ReadonlyMap<string, string>,
  types: ReadonlyMap<string, string>,
  seconds: boolean,
): string {
  const column = columns.get('timestamp') as string
  const type = types.get('timestamp') as string
  const format = (time: string) => `strftime(${time}, '%Y-%m-%dT%H:%M:%S.%fZ')`
  if (type === 'TIMESTAMP WITH TIME ZONE') return format(`(${column} AT TIME ZONE 'UTC')`)
  if (type.startsWith('TIMESTAMP') || type === 'DATE') return format(`CAST(${column} AS TIMESTAMP)`)
  const text = `CAST(${column} AS VARCHAR)`
  if (!seconds) return text
  const number = `TRY_CAST(${text} AS DOUBLE)`
  return `CASE WHEN abs(${number}) < 1e11 THEN ${format(`make_timestamp(CAST(${number} * 1e6 AS BIGINT))`)} ELSE ${text} END`
}

const RFC3339 = '^\\d{4}-\\d{2}-\\d{2}[Tt]\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?([Zz]|[+-]([01]\\d|2[0-3]):[0-5]\\d)$'
// A leap second is the one before, and a second more.
const LEAP = `substr("timestamp", 18, 2) = '60'`
const MICROSECONDS =
  `(epoch_us(TRY_CAST(upper(CASE WHEN ${LEAP} THEN substr("timestamp", 1, 17) || '59' || substr("timestamp", 20) ` +
  `ELSE "timestamp" END) AS TIMESTAMPTZ)) + CASE WHEN ${LEAP} THEN 1000000 ELSE 0 END)`

/** What is wrong with an id. */
export function idFaults(column: string): { bad: string; detail: string } {
  return {
    bad: `(length(${column}) NOT BETWEEN 1 AND 256 OR regexp_matches(${column}, '\\p{Cc}'))`,
    detail:
      `CASE WHEN length(${column}) = 0 THEN 'must not be empty' ` +
      `WHEN length(${column}) > 256 THEN 'must have at most 256 characters, and has ' || length(${column}) ` +
      `ELSE 'must not contain control characters' END`,
  }
}

/** The rules for the members that a file has. */
export function rulesOf(fields: readonly Field[], layout: Layout): Rule[] {
  const has = new Set(fields.map(({ name }) => name))
  const rules: Rule[] = []
  const rule = (member: string, bad: string, detail: string, ofName = false) => {
    if (has.has(member)) rules.push({ member, bad: `(${bad})`, detail, ofName })
  }
  const shown = (column: string) => `', and is "' || left(${identifier(column)}, 40) || '"'`
  const outcomes = FORMATS[layout.format].outcomes !== null
  for (const member of ['winner', 'loser']) rule(member, `${member} IS NULL`, literal('is required'))
  for (const member of ['group', 'winner', 'loser', 'annotator']) {
    const { bad, detail } = idFaults(identifier(member))
    rule(member, bad, detail, true)
  }
  for (const { name } of fields) {
    if (name !== 'context' && !/^c\d+$/.test(name)) continue
    const { bad, detail } = idFaults(name)
    rule(name, bad, detail)
  }
  rule('loser', 'winner = loser', `'must differ from the winner; both are "' || loser || '"'`)
  if (outcomes) {
    const kinds = `('model_a', 'model_b', 'tie', 'tie (bothbad)')`
    const detail = `'must be model_a, model_b, tie or tie (bothbad)' || ${shown('tie')}`
    rule('tie', `tie IS NULL OR lower(tie) NOT IN ${kinds}`, `coalesce(${detail}, 'is required')`)
  } else {
    const words = `('true', 'false', 't', 'f', '1', '0')`
    rule('tie', `lower(tie) NOT IN ${words}`, `'must be true or false' || ${shown('tie')}`)
    rule(
      'first',
      '"first" IS NOT NULL AND "first" <> winner AND "first" <> loser',
      literal('must be the winner or the loser of the same comparison: the item that was shown first'),
    )
  }
  const number = (member: string, wrong: (value: string) => string, wanted: string) => {
    const value = `TRY_CAST(${identifier(member)} AS DOUBLE)`
    const bad = `${identifier(member)} IS NOT NULL AND (${value} IS NULL OR isnan(${value}) OR ${wrong(value)})`
    rule(member, bad, `${literal(wanted)} || ${shown(member)}`)
  }
  number('preference', (value) => `${value} NOT BETWEEN 0 AND 1`, 'must be between 0 and 1')
  number(
    'count',
    (value) => `${value} NOT BETWEEN 1 AND ${COUNT_LIMIT} OR ${value} <> floor(${value})`,
    `must be a whole number from 1 to ${COUNT_LIMIT}`,
  )
  number(
    'weight',
    (value) => `${value} NOT BETWEEN ${WEIGHT_MIN} AND ${WEIGHT_LIMIT}`,
    `must be a number from ${WEIGHT_MIN} to ${WEIGHT_LIMIT}`,
  )
  if (has.has('tie') && has.has('preference')) {
    rule(
      'preference',
      `lower(tie) IN ('true', 't', '1') AND preference IS NOT NULL`,
      literal('cannot be given together with tie: a tie is the preference 0.5'),
    )
  }
  rule(
    'timestamp',
    `"timestamp" IS NOT NULL AND (NOT regexp_matches("timestamp", ${literal(RFC3339)}) OR ${MICROSECONDS} IS NULL)`,
    literal('must be a date and time as in RFC 3339, for example 2026-01-01T00:00:00Z'),
  )
  return rules.map((one) => {
    const covariate = /^c(\d+)$/.exec(one.member)
    return covariate === null ? one : { ...one, member: layout.covariates[Number(covariate[1])] }
  })
}

/** The query for the rows that are stored; it fails at the first that breaks a rule which names alone do not decide. */
export function checked(
  base: string,
  fields: readonly Field[],
  rules: readonly Rule[],
): { rows: string; columns: string[] } {
  const ofRows = rules.filter(({ ofName }) => !ofName).map(({ bad }) => bad)
  const values = fields.map(({ name, value }) => `${value} AS ${identifier(name)}`)
  // NULL is no breach: what must not be missing has a rule of its own.
  const rows =
    `SELECT ${values.join(', ')} FROM (${base}) ` +
    `WHERE CASE WHEN ${ofRows.join(' OR ')} THEN error('${BAD_ROW}') ELSE true END`
  return { rows, columns: fields.map(({ name }) => name) }
}
