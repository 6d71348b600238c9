import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import fc from 'fast-check'
import pg from 'pg'
import t, { type Test } from 'tap'
import { closedIds, openIds } from '../../src/engine/comparisons/ids.ts'
import { readStored, type StoredComparisons } from '../../src/engine/comparisons/stored.ts'
import { type Needs, readPreferences } from '../../src/engine/preferences.ts'
import { openStore } from '../../src/store/open.ts'
import { StoreProblem } from '../../src/store/problem.ts'
import { microseconds, readBatch } from '../../src/store/rows.ts'
import type { CountsQuery, FileFormat, Store } from '../../src/store/store.ts'
import type { Layout } from '../../src/store/upload/formats.ts'
import { spool } from '../../src/store/upload/spool.ts'
import { type Schedule, VERSIONS_MOST } from '../../src/store/weights.ts'
import { type PostgresServer, startPostgres } from '../helpers/postgres.ts'

// One suite, run on both stores.

type Row = {
  group: string
  winner: string
  loser: string
  tie?: boolean
  preference?: number
  count?: number
  weight?: number
  annotator?: string
  first?: string
  timestamp?: string
  context?: string
  region?: string
}

const LAYOUT: Layout = { format: 'comparisons', columns: {}, group: null, covariates: ['region'] }
const NEEDS: Needs = {
  positions: false,
  judgements: false,
  groupsDiscovered: null,
  squares: false,
  ties: false,
  rankingFaults: [],
}
const LIMIT = 10_000_000
let named = 0

/** An empty dataset with a covariate. */
async function dataset(store: Store): Promise<string> {
  const id = `dataset ${++named}`
  await store.create(id, 'a description', ['region'])
  return id
}

let digests = 0
const unkeyed = () => ({ key: null, digest: `digest ${++digests}` })

const append = async (store: Store, id: string, rows: unknown) =>
  store.append(id, readBatch(rows, ['region']), unkeyed())

async function ingest(
  store: Store,
  id: string,
  type: FileFormat,
  content: string | Buffer,
  layout: Partial<Layout> = {},
) {
  const file = await spool(Readable.from([Buffer.from(content)]), store.spoolDirectory, LIMIT, false)
  try {
    return await store.ingest(id, file, type, { ...LAYOUT, ...layout }, unkeyed())
  } finally {
    await file.remove()
  }
}

/** The kind of problem that something is refused with. */
const kindOf = (refused: Promise<unknown>): Promise<string | null> =>
  refused.then(
    () => null,
    (error) => error.kind,
  )

const lines = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')

function queryOf(id: string, more: Partial<CountsQuery> = {}): CountsQuery {
  return {
    dataset: id,
    filters: {},
    groupBy: 'group',
    positions: false,
    annotators: false,
    squares: false,
    ...more,
  }
}

/** What the engine makes of the stored counts, in the words of the request. */
function toldByStore(stored: StoredComparisons, needs: Needs) {
  const [groups, items, annotators] = [openIds(), openIds(), openIds()]
  const data = readStored(stored, groups, items, annotators, needs)
  return { groups: groups.names, items: items.names, annotators: annotators.names, data }
}

/** What it makes of the rows themselves. */
function toldByRows(rows: readonly Row[], needs: Needs) {
  const comparisons = rows.map(({ region: _, ...row }) => row)
  const { groups, items, annotators, source } = readPreferences({ comparisons }, needs)
  if (source.kind !== 'comparisons') throw new Error('no comparisons')
  const data = source.groups.map((group) => {
    if (group.kind !== 'pairs') throw new Error('no pairs')
    const { counts, judgements, squares } = group
    return { counts, judgements, squares }
  })
  return { groups, items, annotators, data }
}

/** Arrays of any kind as lists, so that views of larger ones compare as what they show. */
const plain = (value: unknown) =>
  JSON.parse(JSON.stringify(value, (_, v) => (ArrayBuffer.isView(v) ? Array.from(v as Int32Array) : v)))

/** Rows whose sums are exact in binary, so that the order in which they are added does not matter. */
const rows: fc.Arbitrary<Row[]> = fc.array(
  fc
    .record(
      {
        group: fc.constantFrom('g', 'h', '🦀', '\uffee'),
        pair: fc.constantFrom(['a', 'b'], ['b', 'a'], ['c', 'b'], ['🦀', 'a'], ['a', '🦀'], ['\uffee', '🦀']),
        outcome: fc.constantFrom({}, { tie: true }, { preference: 0.75 }, { preference: 0 }, { tie: false }),
        count: fc.constantFrom(1, 2, 60),
        weight: fc.constantFrom(1, 0.5, 8),
        annotator: fc.constantFrom('x', 'y', '🦀'),
        shown: fc.constantFrom(null, 0, 1),
        region: fc.constantFrom('n', 's'),
      },
      { requiredKeys: ['group', 'pair', 'outcome', 'shown', 'annotator'] },
    )
    .map(({ pair: [winner, loser], outcome, shown, ...row }) => ({
      ...row,
      winner,
      loser,
      ...outcome,
      ...(shown === null ? {} : { first: [winner, loser][shown] }),
    })),
  { minLength: 1, maxLength: 40 },
)

function suite(t: Test, store: Store) {
  t.test('counts are those of the rows, whatever of them a model wants, batch by batch', async (t) => {
    const every = [false, true]
    const wanted = every.flatMap((positions) =>
      every.flatMap((judgements) => every.map((squares) => ({ ...NEEDS, positions, judgements, squares }))),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(rows, { minLength: 1, maxLength: 4 }), async (batches) => {
        const id = await dataset(store)
        const all: Row[] = []
        for (const batch of batches) {
          await append(store, id, batch)
          all.push(...batch)
          for (const needs of wanted) {
            if (needs.positions && !all.some(({ first }) => first !== undefined)) continue
            const { positions, judgements: annotators, squares } = needs
            const stored = await store.counts(queryOf(id, { positions, annotators, squares }))
            t.strictSame(plain(toldByStore(stored, needs)), plain(toldByRows(all, needs)))
          }
        }
        await store.remove(id)
      }),
      { numRuns: 8, seed: 1 },
    )
  })

  t.test('files have the comparisons that JSON has, in every format and back', async (t) => {
    await fc.assert(
      fc.asyncProperty(rows, async (batch) => {
        const needs = { ...NEEDS, judgements: true, squares: true }
        const told = plain(toldByRows(batch, needs))
        const query = { annotators: true, squares: true }
        const counts = async (id: string) => plain(toldByStore(await store.counts(queryOf(id, query)), needs))
        const first = await dataset(store)
        await ingest(store, first, 'ndjson', lines(batch))
        t.strictSame(await counts(first), told, 'ndjson')
        for (const type of ['ndjson', 'csv', 'parquet'] as const) {
          const again = await dataset(store)
          const chunks: Buffer[] = []
          for await (const chunk of await store.export(first, type)) chunks.push(chunk)
          await ingest(store, again, type, Buffer.concat(chunks))
          t.strictSame(await counts(again), told, type)
          const regions = async (id: string) => (await text(await store.export(id, 'csv'))).split('\n').sort()
          t.same(await regions(again), await regions(first), `${type}: every column`)
        }
        const columns = await dataset(store)
        const names = [...new Set(batch.flatMap((row) => Object.keys(row)))] as (keyof Row)[]
        const byColumn = Object.fromEntries(
          names.map((name) => [name, batch.map((row) => row[name] ?? null)]),
        )
        await append(store, columns, byColumn)
        t.strictSame(await counts(columns), told, 'columns')
      }),
      { numRuns: 5, seed: 2 },
    )
  })

  t.test('filters and groupBy choose the rows that they say', async (t) => {
    const id = await dataset(store)
    const all: Row[] = []
    const accepted: string[] = []
    for (let b = 0; b < 3; b++) {
      const batch = Array.from({ length: 60 }, (_, k): Row => {
        const pair = [
          ['a', 'b'],
          ['b', 'c'],
          ['c', 'a'],
          ['d', 'a'],
        ][(k + b) % 4]
        return {
          group: ['g', 'h', 'i'][k % 3],
          winner: pair[k % 2],
          loser: pair[1 - (k % 2)],
          annotator: `annotator ${k % 5}`,
          timestamp: new Date(Date.UTC(2026, b, 1 + (k % 28))).toISOString(),
          context: `context ${k % 4}`,
          region: ['n', 's'][(k >> 2) % 2],
        }
      })
      const { acceptedAt } = await append(store, id, batch)
      accepted.push(acceptedAt)
      all.push(...batch)
      await new Promise((wake) => setTimeout(wake, 5))
    }
    const [from, until] = ['2026-01-20T00:00:00Z', '2026-02-10T00:00:00+01:00']
    const cases: [string, Partial<CountsQuery>, (row: Row, k: number) => boolean][] = [
      ['everything', {}, () => true],
      ['groups', { filters: { groups: ['g', 'i', 'unknown'] } }, ({ group }) => group !== 'h'],
      [
        'annotators',
        { filters: { annotators: ['annotator 2'] } },
        ({ annotator }) => annotator === 'annotator 2',
      ],
      ['contexts', { filters: { contexts: ['context 1', 'context 3'] } }, (_, k) => k % 2 === 1],
      [
        'items',
        { filters: { items: ['a', 'b'] } },
        (row) => `${row.winner}${row.loser}`.match(/[cd]/) === null,
      ],
      [
        'time',
        { filters: { from, until } },
        ({ timestamp = '' }) =>
          Date.parse(timestamp) >= Date.parse(from) && Date.parse(timestamp) < Date.parse(until),
      ],
      ['as of', { filters: { asOf: accepted[1] } }, (_, k) => k < 120],
      [
        'all at once',
        { filters: { groups: ['g'], asOf: accepted[1], from } },
        (row, k) => row.group === 'g' && k < 120 && Date.parse(row.timestamp ?? '') >= Date.parse(from),
      ],
      ['by region', { groupBy: 'region' }, () => true],
      ['by context', { groupBy: 'context', filters: { groups: ['h'] } }, ({ group }) => group === 'h'],
      ['by annotator', { groupBy: 'annotator' }, () => true],
      ['as one', { groupBy: null }, () => true],
    ]
    const fingerprints = new Set<string>()
    for (const [name, query, keep] of cases) {
      const stored = await store.counts(queryOf(id, query))
      const { groupBy = 'group' } = query
      const kept = all.filter(keep).map((row) => ({
        ...row,
        group: groupBy === null ? 'all' : String(row[groupBy as keyof Row]),
      }))
      t.strictSame(plain(toldByStore(stored, NEEDS)), plain(toldByRows(kept, NEEDS)), name)
      t.equal(stored.source.comparisons, kept.length, `${name}: how many`)
      fingerprints.add(stored.source.fingerprint)
      const again = await store.counts(queryOf(id, query))
      t.equal(again.source.fingerprint, stored.source.fingerprint, `${name}: the same fingerprint again`)
    }
    t.equal(fingerprints.size, cases.length, 'every selection has a fingerprint of its own')
    const before = await store.counts(queryOf(id))
    await append(store, id, [{ group: 'g', winner: 'a', loser: 'b' }])
    const after = await store.counts(queryOf(id))
    t.not(after.source.fingerprint, before.source.fingerprint, 'and so has every state')
    const known = await store.counts(queryOf(id, { filters: { asOf: accepted[2] } }))
    t.same(plain(toldByStore(known, NEEDS)), plain(toldByStore(before, NEEDS)), 'what was known then')
    await t.rejects(store.counts(queryOf(id, { groupBy: 'colour' })), { message: /"colour" is no column/ })
  })

  t.test('declared ids may be in any order, and are all that may be met', async (t) => {
    const id = await dataset(store)
    const batch: Row[] = [
      { group: 'g', winner: 'a', loser: 'b', first: 'a', weight: 0.5 },
      { group: 'h', winner: 'b', loser: 'c', first: 'c', preference: 0.25 },
      { group: 'g', winner: 'c', loser: 'a', first: 'a', tie: true },
    ]
    await append(store, id, batch)
    const needs = { ...NEEDS, positions: true, squares: true }
    const stored = await store.counts(queryOf(id, { positions: true, squares: true }))
    const declared = {
      groups: [{ id: 'h' }, { id: 'g' }],
      items: [{ id: 'c' }, { id: 'd' }, { id: 'b' }, { id: 'a' }],
    }
    const fromStore = readPreferences({ ...declared, dataset: stored }, needs)
    const fromRows = readPreferences({ ...declared, comparisons: batch }, needs)
    t.strictSame(plain(fromStore), plain(fromRows))
    const few = () => readStored(stored, closedIds(['g', 'h']), closedIds(['a', 'b']), openIds(), needs)
    t.throws(few, { errors: [{ pointer: '/dataset', detail: /has "c", which is not declared in \/items/ }] })
  })

  t.test('a batch with bad rows is refused whole, and its first hundred bad rows are listed', async (t) => {
    const good = { group: 'g', winner: 'a', loser: 'b' }
    const bad = [
      [{ ...good, winner: 'b' }, 'loser', /must differ from the winner/],
      [{ ...good, winner: '' }, 'winner', /must not be empty/],
      [{ ...good, loser: 'x'.repeat(257) }, 'loser', /at most 256 characters, and has 257/],
      [{ ...good, loser: 'x\u0007' }, 'loser', /control characters/],
      [{ group: 'g', loser: 'b' }, 'winner', /is required/],
      [{ ...good, tie: 'maybe' }, 'tie', /must be true or false/],
      [{ ...good, preference: 1.5 }, 'preference', /must be between 0 and 1/],
      [{ ...good, preference: 'much' }, 'preference', /must be/],
      [{ ...good, count: 1.5 }, 'count', /must be a whole number from 1/],
      [{ ...good, count: 0 }, 'count', /must be a whole number from 1/],
      [{ ...good, weight: -1 }, 'weight', /must be a number from/],
      [{ ...good, tie: true, preference: 0.5 }, 'preference', /together with tie/],
      [{ ...good, first: 'c' }, 'first', /the winner or the loser/],
      [{ ...good, timestamp: 'yesterday' }, 'timestamp', /RFC 3339/],
      [{ ...good, timestamp: '2026-02-30T00:00:00Z' }, 'timestamp', /RFC 3339/],
      [{ ...good, annotator: '' }, 'annotator', /must not be empty/],
      [{ ...good, context: 'x\n' }, 'context', /control characters/],
      [{ ...good, region: 'x\u0000y' }, 'region', /control characters/],
    ] as const
    const id = await dataset(store)
    const batch = Array.from({ length: 300 }, (_, k) => (k % 2 === 0 ? good : bad[(k >> 1) % bad.length][0]))
    const attempts: [string, () => Promise<unknown>][] = [
      ['json', () => append(store, id, batch)],
      ['ndjson', () => ingest(store, id, 'ndjson', lines(batch))],
    ]
    for (const [name, attempt] of attempts) {
      const problem = await attempt().then(
        () => null,
        (error) => error,
      )
      if (!(problem instanceof StoreProblem)) {
        t.fail(`${name} was not refused: ${problem}`)
        continue
      }
      t.equal(problem.kind, 'invalid-rows', name)
      const errors = problem.errors as unknown as { row: number; member: string; detail: string }[]
      const listed = [...new Set(errors.map(({ row }) => row))]
      t.same(
        listed,
        Array.from({ length: 100 }, (_, k) => 2 * k + 2),
        `${name}: rows 2, 4, … 200`,
      )
      for (const { row, member, detail } of errors) {
        const [, wrong, says] = bad[((row - 1) >> 1) % bad.length]
        t.equal(member, wrong, `${name}: row ${row}`)
        t.match(detail, says, `${name}: row ${row}`)
      }
    }
    const csv = 'group,winner,loser,tie\ng,a,b,\ng,a,a,\ng,a,b,perhaps\n'
    await t.rejects(ingest(store, id, 'csv', csv), {
      kind: 'invalid-rows',
      errors: [
        { row: 2, member: 'loser', pointer: '/1/loser' },
        { row: 3, member: 'tie', pointer: '/2/tie' },
      ],
    })
    // Unknown members, and what else is wrong, by the first hundred rows that have either.
    const strange = Array.from({ length: 300 }, (_, k) =>
      k % 2 === 0
        ? good
        : {
            ...good,
            ...(k % 3 === 0 ? { 'co/lour': 'red', size: 3 } : {}),
            ...(k % 4 === 1 ? { count: 0 } : {}),
          },
    )
    const told = strange
      .flatMap((row, k) => [
        ...('count' in row ? [[k + 1, 'count', `/${k}/count`]] : []),
        ...('size' in row ? [[k + 1, 'co/lour', `/${k}/co~1lour`]] : []),
        ...('size' in row ? [[k + 1, 'size', `/${k}/size`]] : []),
      ])
      .filter(([row], _, all) => new Set(all.map(([r]) => r).filter((r) => r <= row)).size <= 100)
    await ingest(store, id, 'ndjson', lines(strange)).then(
      () => t.fail('was accepted'),
      ({ kind, errors }) => {
        t.equal(kind, 'invalid-rows')
        t.same(
          errors.map(({ row, member, pointer }: Record<string, unknown>) => [row, member, pointer]),
          told,
        )
      },
    )
    t.match(await store.find(id), { comparisons: 0, batches: 0 }, 'nothing was stored')
    await append(store, id, [good])
    t.same(plain(await store.counts(queryOf(id))).items, ['a', 'b'], 'not even the ids of what was refused')
  })

  t.test('a file that is not what it says is refused whole', async (t) => {
    const id = await dataset(store)
    await append(store, id, [{ group: 'g', winner: 'a', loser: 'b' }])
    const chunks: Buffer[] = []
    for await (const chunk of await store.export(id, 'parquet')) chunks.push(chunk)
    const parquet = Buffer.concat(chunks)
    const lying = Buffer.from(parquet)
    // The footer's length, and the bytes that it should be found at.
    lying.writeUInt32LE(0x7fffffff, lying.length - 8)
    const damaged = Buffer.from(parquet)
    damaged.fill(0xff, 4, 24)
    const cases: [string, FileFormat, string | Buffer, RegExp][] = [
      [
        'a Parquet file cut off',
        'parquet',
        parquet.subarray(0, parquet.length - 20),
        /cannot be read as parquet/,
      ],
      ['a Parquet file with a footer longer than itself', 'parquet', lying, /cannot be read as parquet/],
      ['a Parquet file with damaged pages', 'parquet', damaged, /cannot be read as parquet/],
      ['CSV that says it is Parquet', 'parquet', 'group,winner,loser\ng,a,b\n', /cannot be read as parquet/],
      ['Parquet that says it is CSV', 'csv', parquet, /./],
      ['Parquet that says it is NDJSON', 'ndjson', parquet, /./],
      [
        'NDJSON with a line that is none',
        'ndjson',
        '{"winner":"a","loser":"b"}\n{"winner":',
        /Row 2: is not JSON/,
      ],
      ['NDJSON with a member twice', 'ndjson', '{"winner":"a","winner":"c","loser":"b"}\n', /duplicate key/],
      ['NDJSON of numbers', 'ndjson', '5\n6\n', /has no column "winner"/],
      ['CSV with a field too many', 'csv', 'group,winner,loser\ng,a,b\ng,a,b,c\n', /cannot be read as csv/],
      ['CSV with a column twice', 'csv', 'winner,winner,loser\na,b,c\n', /names "winner" twice/],
      ['an empty file', 'csv', '', /first line/],
      ['CSV without rows', 'csv', 'group,winner,loser\n', /holds no comparison/],
      ['an unknown column', 'csv', 'group,winner,loser,colour\ng,a,b,red\n', /"colour" are no members/],
      [
        'an unknown member',
        'ndjson',
        '{"winner":"a","loser":"b","colour":"red"}\n',
        /Row 1, colour: is neither a member of a comparison nor a covariate/,
      ],
    ]
    for (const [name, type, content, says] of cases) {
      const problem = await ingest(store, id, type, content).then(
        () => null,
        (error) => error,
      )
      t.ok(problem instanceof StoreProblem, `${name}: ${problem?.stack ?? 'was accepted'}`)
      t.match(problem?.message, says, name)
      t.notMatch(problem?.message, /upload-|\/tmp/, `${name}: no path`)
    }
    t.match(await store.find(id), { comparisons: 1, batches: 1 })
    const left = readdirSync(store.spoolDirectory).filter((name) => name !== 'spill')
    t.same(left, [], 'and nothing is left behind')
  })

  t.test('the formats of the field are understood', async (t) => {
    const told = async (id: string) =>
      (await text(await store.export(id, 'ndjson')))
        .trim()
        .split('\n')
        .sort()
        .map((line) =>
          Object.fromEntries(Object.entries(JSON.parse(line)).filter(([, value]) => value !== null)),
        )
    const arena = await dataset(store)
    const votes = [
      {
        model_a: 'm',
        model_b: 'n',
        winner: 'model_a',
        judge: 'j',
        tstamp: 1682351591.5,
        language: 'English',
      },
      { model_a: 'm', model_b: 'n', winner: 'model_b', judge: 'k', tstamp: 1682351592, language: 'German' },
      { model_a: 'n', model_b: 'm', winner: 'tie', judge: 'k', tstamp: 1682351593, language: 'German' },
      {
        model_a: 'n',
        model_b: 'm',
        winner: 'tie (bothbad)',
        judge: 'k',
        tstamp: 1682351594,
        language: 'German',
      },
    ]
    const { ignoredColumns } = await ingest(
      store,
      arena,
      'ndjson',
      lines(votes.map((vote) => ({ ...vote, turn: 1 }))),
      {
        format: 'arena',
        columns: { group: 'language' },
      },
    )
    t.same(ignoredColumns, ['turn'])
    t.same(await told(arena), [
      {
        group: 'English',
        winner: 'm',
        loser: 'n',
        tie: false,
        annotator: 'j',
        first: 'm',
        timestamp: '2023-04-24T15:53:11.500000Z',
      },
      {
        group: 'German',
        winner: 'n',
        loser: 'm',
        tie: false,
        annotator: 'k',
        first: 'm',
        timestamp: '2023-04-24T15:53:12.000000Z',
      },
      {
        group: 'German',
        winner: 'n',
        loser: 'm',
        tie: true,
        annotator: 'k',
        first: 'n',
        timestamp: '2023-04-24T15:53:13.000000Z',
      },
      {
        group: 'German',
        winner: 'n',
        loser: 'm',
        tie: true,
        annotator: 'k',
        first: 'n',
        timestamp: '2023-04-24T15:53:14.000000Z',
      },
    ])
    await t.rejects(
      ingest(store, arena, 'ndjson', lines([{ ...votes[0], winner: 'model_c' }]), { format: 'arena' }),
      {
        errors: [{ row: 1, member: 'tie', detail: /model_a, model_b, tie or tie \(bothbad\)/ }],
      },
    )
    const trl = await dataset(store)
    const long = `A longer answer.\n${'x'.repeat(300)}`
    await ingest(store, trl, 'ndjson', lines([{ prompt: 'Why?', chosen: long, rejected: 'No.', score: 3 }]), {
      format: 'chosen-rejected',
      group: 'everybody',
    })
    const [answer] = await told(trl)
    t.match(answer, { group: 'everybody', winner: /^sha256:[0-9a-f]{64}$/, loser: 'No.', context: 'Why?' })
    const plainPairs = await dataset(store)
    await ingest(store, plainPairs, 'csv', 'best,worst,notes\na,b,"x, ""y"""\n', {
      format: 'winner-loser',
      columns: { winner: 'best', loser: 'worst' },
    })
    t.same(await told(plainPairs), [{ winner: 'a', loser: 'b' }])
    await t.rejects(ingest(store, plainPairs, 'csv', 'best,loser\na,b\n', { columns: { winner: 'first' } }), {
      message: /no column "first", which is to hold winner; its columns are best, loser/,
    })
  })

  t.test('numbers in files are ids by their digits', async (t) => {
    const numbers = await dataset(store)
    await ingest(
      store,
      numbers,
      'ndjson',
      '{"winner":17,"loser":"18","annotator":1e3,"context":1.0,"region":true}\n',
    )
    await ingest(store, numbers, 'ndjson', '{"winner":"17","loser":18,"annotator":"1000","context":null}\n')
    const parquet = async (columns: string) => {
      const { DuckDBInstance } = await import('@duckdb/node-api')
      const path = join(t.testdir(), 'numbers.parquet')
      const connection = await (await DuckDBInstance.create()).connect()
      await connection.run(`COPY (SELECT ${columns}) TO '${path}' (FORMAT parquet)`)
      connection.closeSync()
      return readFileSync(path)
    }
    const typed =
      '17::BIGINT AS winner, 18.0::DOUBLE AS loser, 1000.0::FLOAT AS annotator, 1.50::DECIMAL(5, 2) AS context'
    await ingest(store, numbers, 'parquet', await parquet(typed))
    const stored = await store.counts(queryOf(numbers, { groupBy: null, annotators: true }))
    t.same(stored.items, ['17', '18'])
    t.same(
      stored.annotators,
      ['1000', '1000.0'],
      'text files are taken at their word, columns of numbers by value',
    )
    t.same(
      (await store.counts(queryOf(numbers, { groupBy: 'context' }))).groups
        .filter((name) => name !== null)
        .sort(),
      ['1.0', '1.50'],
    )
  })

  t.test('what is erased is gone from everywhere', async (t) => {
    const id = await dataset(store)
    const own = { group: 'mine', winner: 'secret', loser: 'a', annotator: 'erased one' }
    await append(store, id, [own, { group: 'g', winner: 'a', loser: 'b', annotator: 'other' }])
    const second = await append(store, id, [own, { group: 'h', winner: 'b', loser: 'c', annotator: 'other' }])
    const before = await store.counts(queryOf(id))
    t.equal(await store.eraseAnnotator(id, 'erased one'), 2)
    t.equal(await store.eraseAnnotator(id, 'erased one'), 0, 'a second time there is nothing')
    const after = await store.counts(queryOf(id))
    t.same(after.items, ['a', 'b', 'c'], 'items that only that annotator named')
    t.same(after.groups, ['g', 'h'])
    t.not(after.source.fingerprint, before.source.fingerprint)
    t.notMatch(await text(await store.export(id, 'csv')), /erased one|secret|mine/)
    t.same(
      (await store.batches(id, null, 10)).map(({ comparisons }) => comparisons),
      [1, 1],
    )
    t.equal(await store.eraseBatch(id, second.id), 1)
    t.same((await store.counts(queryOf(id))).groups, ['g'])
    t.match(await store.find(id), { comparisons: 1, batches: 1 })
    t.equal(await kindOf(store.eraseBatch(id, second.id)), 'no-such-batch')
    await append(store, id, [own])
    t.same((await store.counts(queryOf(id))).items, ['a', 'b', 'secret'], 'and may come again')
  })

  t.test('datasets are made, listed by pages, found and deleted', async (t) => {
    const ids = ['zz 1', 'zz 2', 'zz 3', 'zz __proto__', 'zz \'quoted"'].sort()
    for (const id of ids) await store.create(id, null, [])
    t.equal(await kindOf(store.create('zz 1', null, [])), 'dataset-exists')
    const page = await store.list('zz', 3)
    t.same(
      page.map(({ id }) => id),
      ids.slice(0, 3),
    )
    t.same(
      (await store.list(page[2].id, 3)).map(({ id }) => id),
      ids.slice(3),
    )
    t.match(await store.find(ids[0]), { id: ids[0], batches: 0, comparisons: 0, covariates: [] })
    for (const id of ids) await store.remove(id)
    t.equal(await kindOf(store.find(ids[0])), 'no-such-dataset')
    t.equal(await kindOf(append(store, ids[0], [{ group: 'g', winner: 'a', loser: 'b' }])), 'no-such-dataset')
    t.equal(await kindOf(store.counts(queryOf(ids[0]))), 'no-such-dataset')
    t.same(await store.list('zz', 3), [])
  })

  t.test('a dataset that was deleted and made anew is another one', async (t) => {
    const id = await dataset(store)
    const old = readBatch([{ group: 'g', winner: 'a', loser: 'b' }], ['region'])
    await store.append(id, old, unkeyed())
    const before = await store.counts(queryOf(id))
    await store.remove(id)
    await store.create(id, null, ['age'])
    t.equal(await kindOf(store.append(id, old, unkeyed())), 'no-such-dataset', 'read for another one')
    t.equal(await kindOf(ingest(store, id, 'csv', 'winner,loser\na,b\n')), 'no-such-dataset')
    await store.append(id, readBatch([{ group: 'g', winner: 'c', loser: 'd' }], ['age']), unkeyed())
    const after = await store.counts(queryOf(id))
    t.same(after.items, ['c', 'd'])
    t.not(after.source.fingerprint, before.source.fingerprint)
    const writers = Array.from({ length: 10 }, (_, k) =>
      store.append(id, readBatch([{ group: 'g', winner: `${k}`, loser: 'd' }], ['age']), unkeyed()).then(
        () => 'stored',
        (error) => error.kind,
      ),
    )
    await store.remove(id)
    for (const outcome of await Promise.all(writers)) t.match(outcome, /^(stored|no-such-dataset)$/)
  })

  t.test('many writers at once lose nothing, and readers see whole batches', async (t) => {
    const id = await dataset(store)
    const writers = Array.from({ length: 150 }, (_, k) =>
      append(store, id, [
        { group: 'g', winner: `item ${k % 20}`, loser: `item ${(k + 1) % 20}` },
        { group: 'g', winner: `item ${(k + 1) % 20}`, loser: `item ${k % 20}` },
      ]),
    )
    const readers = Array.from({ length: 10 }, () => store.counts(queryOf(id)))
    const files = [0, 1].map(() =>
      ingest(store, id, 'csv', `group,winner,loser\n${'g,item 0,item 1\n'.repeat(2000)}`),
    )
    for (const { source } of await Promise.all(readers)) t.equal(source.comparisons % 2, 0, 'no half batch')
    const batches = await Promise.all([...writers, ...files])
    t.equal(new Set(batches.map(({ id }) => id)).size, 152)
    const { source } = await store.counts(queryOf(id))
    t.equal(source.comparisons, 150 * 2 + 2 * 2000)
    t.equal((await store.batches(id, null, 1000)).length, 152)
  })

  t.test('a key is taken by one at a time, and remembers its batch', async (t) => {
    const id = await dataset(store)
    const release = await store.claim(id, 'key')
    t.equal(await store.claim(id, 'key'), null)
    const other = await store.claim(id, 'another key')
    await other?.()
    await release?.()
    const rows = readBatch([{ group: 'g', winner: 'a', loser: 'b' }], ['region'])
    const batch = await store.append(id, rows, { key: 'key', digest: 'digest' })
    t.same(await store.remembered(id, 'key'), { batch, digest: 'digest' })
    t.equal(await store.remembered(id, 'another key'), null)
    const again = await store.claim(id, 'key')
    t.ok(again, 'given back, it can be taken again')
    await again?.()
  })

  const NO_SCHEDULE = { everySeconds: null, afterComparisons: null }
  const UNSEEN = { epoch: 0, upTo: 0, fingerprint: '' }
  /** Publishes a version that tells its own content apart. */
  const publishVersion = (id: string, content: string, schedule: Schedule = NO_SCHEDULE, seen = UNSEEN) =>
    store.weights.publish(
      id,
      'w',
      { computedAt: 'now', fingerprint: content, configuration: '{}', answer: `{"answer":"${content}"}` },
      schedule,
      '{"status":"succeeded"}',
      seen,
    )

  t.test('published weights have versions that never change, and go with their dataset', async (t) => {
    const id = await dataset(store)
    const { weights } = store
    t.equal(await kindOf(weights.find(id, 'w')), 'no-such-weights')
    t.equal(await weights.latest(id, 'w'), null)
    for (const content of ['one', 'two', 'three']) await publishVersion(id, content)
    const found = await weights.find(id, 'w')
    t.match(found, { latest: 3, pinned: null, fingerprint: 'three', schedule: NO_SCHEDULE })
    t.match(await weights.latest(id, 'w'), { published: { stamp: found.stamp }, version: { version: 3 } })
    const first = await weights.version(id, 'w', 1)
    t.match(first, { version: 1, answer: '{"answer":"one"}', fingerprint: 'one', computedAt: 'now' })
    await weights.note(id, 'w', NO_SCHEDULE, '{"status":"failed"}', UNSEEN)
    const failed = await weights.find(id, 'w')
    t.match(failed, { latest: 3, lastRefresh: '{"status":"failed"}' }, 'the last is still served')
    t.not(failed.stamp, found.stamp)
    await weights.note(id, 'w', NO_SCHEDULE, '{"status":"failed"}', UNSEEN)
    t.equal((await weights.find(id, 'w')).stamp, failed.stamp, 'no news, no stamp')
    await weights.pin(id, 'w', 1)
    await publishVersion(id, 'four')
    const pinned = await weights.find(id, 'w')
    t.match(pinned, { latest: 4, pinned: 1, lastRefresh: '{"status":"succeeded"}' })
    await weights.pin(id, 'w', 1)
    t.equal((await weights.find(id, 'w')).stamp, pinned.stamp)
    t.same(await weights.version(id, 'w', 1), first)
    t.equal(await kindOf(weights.version(id, 'w', 5)), 'no-such-weights')
    t.equal(await kindOf(weights.pin(id, 'w', 5)), 'no-such-weights')
    await weights.pin(id, 'w', null)
    const many = Array.from({ length: 10 }, (_, k) => `many ${k}`)
    await Promise.all(many.map((content) => publishVersion(id, content)))
    const all = await weights.versions(id, 'w', null, 100)
    t.same(
      all.map(({ version }) => version),
      Array.from({ length: 14 }, (_, k) => 14 - k),
    )
    t.same(
      new Set(all.map(({ fingerprint }) => fingerprint)),
      new Set(['one', 'two', 'three', 'four', ...many]),
    )
    t.same(await weights.versions(id, 'w', 10, 2), all.slice(5, 7), 'by pages')
    t.same(
      (await weights.list(id, null, 10)).map(({ name }) => name),
      ['w'],
    )
    t.same(await weights.list(id, 'w', 10), [])
    await weights.remove(id, 'w')
    t.equal(await kindOf(weights.find(id, 'w')), 'no-such-weights')
    t.equal(await kindOf(weights.remove(id, 'w')), 'no-such-weights')
    await publishVersion(id, 'anew')
    const anew = await weights.find(id, 'w')
    t.equal(anew.latest, 1)
    t.not(anew.stamp, found.stamp, 'no stamp comes back')
    await store.remove(id)
    await store.create(id, null, [])
    t.equal(await kindOf(weights.find(id, 'w')), 'no-such-weights', 'gone with the dataset')
  })

  t.test('of many versions the newest are kept, and the one that is pinned', async (t) => {
    const id = await dataset(store)
    for (let k = 1; k <= 3; k++) await publishVersion(id, `${k}`)
    await store.weights.pin(id, 'w', 2)
    for (let k = 4; k <= VERSIONS_MOST + 3; k++) await publishVersion(id, `${k}`)
    const oldest = await store.weights.versions(id, 'w', 6, 10)
    t.same(
      oldest.map(({ version }) => version),
      [5, 4, 2],
    )
  })

  t.test('weights are due by the clock, by new comparisons, and by an erasure', async (t) => {
    const id = await dataset(store)
    const { weights } = store
    const due = async () => (await weights.due()).filter((one) => one.dataset === id).length
    const query = queryOf(id)
    const row = { group: 'g', winner: 'a', loser: 'b' }
    await append(store, id, [row])
    const after = { everySeconds: null, afterComparisons: 3 }
    await publishVersion(id, 'one', after, await store.state(query))
    t.equal(await due(), 0, 'what it was computed from does not count')
    await append(store, id, [{ ...row, count: 100 }, row])
    t.equal(await due(), 0, 'two rows')
    await append(store, id, [row])
    t.equal(await due(), 1, 'three rows')
    await weights.note(id, 'w', after, '', await store.state(query))
    t.equal(await due(), 0, 'noted')
    await append(store, id, [{ ...row, annotator: 'x' }])
    await store.eraseAnnotator(id, 'x')
    t.equal(await due(), 1, 'who is erased is not to wait')
    const seen = await store.state(query)
    await weights.note(id, 'w', NO_SCHEDULE, '', seen)
    t.equal(await due(), 0)
    await weights.note(id, 'w', { everySeconds: 3600, afterComparisons: null }, '', seen)
    t.equal(await due(), 0, 'in an hour')
    await weights.note(id, 'w', { everySeconds: 0, afterComparisons: null }, '', seen)
    t.equal(await due(), 1, 'at once')
    const { fingerprint } = await store.counts(query).then(({ source }) => source)
    t.equal(seen.fingerprint, fingerprint, 'the state has the fingerprint of the counts')
  })

  t.test('timestamps keep their microseconds, and a leap second is the next one', async (t) => {
    const times = [
      '2016-12-31T23:59:60Z',
      '2020-02-29T23:59:59.999999+05:30',
      '1969-07-20t20:17:40z',
      '0001-01-01T00:00:00Z',
    ]
    const made = times.map((timestamp) => ({ group: 'g', winner: 'a', loser: 'b', timestamp }))
    const [json, file] = [await dataset(store), await dataset(store)]
    await append(store, json, made)
    await ingest(store, file, 'ndjson', lines(made))
    for (const id of [json, file]) {
      const told = (await text(await store.export(id, 'csv'))).trim().split('\n').slice(1)
      t.same(told.map((line) => line.split(',').find((field) => field.endsWith('Z'))).sort(), [
        '0001-01-01T00:00:00.000000Z',
        '1969-07-20T20:17:40.000000Z',
        '2017-01-01T00:00:00.000000Z',
        '2020-02-29T18:29:59.999999Z',
      ])
    }
    t.equal(microseconds('1970-01-01T00:00:00.0000019Z'), 1)
  })
}

t.test('the embedded store', async (t) => {
  const folder = t.testdir()
  const config = {
    dataDirectory: folder,
    databaseUrl: null,
    uploadLimit: LIMIT,
    storeMemory: 256 * 1024 ** 2,
  }
  const store = await openStore(config)
  t.teardown(() => store.close())
  suite(t, store)

  t.test('reaches no file but those of its uploads', async (t) => {
    const id = await dataset(store)
    writeFileSync(join(folder, 'secret.csv'), 'group,winner,loser\ng,a,b\n')
    for (const path of [
      join(folder, 'secret.csv'),
      join(store.spoolDirectory, '..', 'secret.csv'),
      '/etc/passwd',
    ]) {
      const file = { path, bytes: 1, digest: '', remove: async () => {} }
      await t.rejects(
        store.ingest(id, file, 'ndjson', LAYOUT, unkeyed()),
        { message: /disabled by configuration/ },
        path,
      )
    }
  })

  t.test('is one process alone: a second is told who has it', async (t) => {
    const { execFileSync } = await import('node:child_process')
    const script = `import('./src/store/open.ts').then(({ openStore }) => openStore(${JSON.stringify(config)})).catch((error) => console.log(error.message))`
    const said = execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' })
    t.match(said, /is in use by another process \(\d+\)\. Only one process can have it/)
    t.match(said, new RegExp(String(process.pid)))
  })

  t.test('is there again after it was closed', async (t) => {
    const home = t.testdir()
    const own = { ...config, dataDirectory: home }
    const first = await openStore(own)
    const id = await dataset(first)
    await append(first, id, [{ group: 'g', winner: 'a', loser: 'b' }])
    const { source } = await first.counts(queryOf(id))
    await first.close()
    writeFileSync(join(home, 'uploads', 'left-behind'), 'by a crash')
    const second = await openStore(own)
    t.teardown(() => second.close())
    t.same((await second.counts(queryOf(id))).source, source, 'with the same fingerprint')
    t.notOk(existsSync(join(home, 'uploads', 'left-behind')))
  })
})

t.test('PostgreSQL', async (t) => {
  const server: PostgresServer = await startPostgres(t)
  const config = { dataDirectory: null, uploadLimit: LIMIT, storeMemory: 256 * 1024 ** 2 }
  const databaseUrl = await server.database()
  const stores = await Promise.all([1, 2, 3].map(() => openStore({ ...config, databaseUrl })))
  t.teardown(() => Promise.all(stores.map((store) => store.close())))
  const [store] = stores
  suite(t, store)

  /** Asks the server itself; the last of several statements is answered. */
  async function ask(sql: string): Promise<Record<string, unknown>[]> {
    const client = new pg.Client(databaseUrl)
    await client.connect()
    const results = [await client.query(sql)].flat()
    await client.end()
    return results[results.length - 1].rows
  }

  t.test('is shared by replicas', async (t) => {
    const id = await dataset(store)
    const batches = stores.flatMap((replica) =>
      Array.from({ length: 30 }, (_, k) =>
        append(replica, id, [{ group: 'g', winner: `item ${k}`, loser: `item ${k + 1}` }]),
      ),
    )
    await Promise.all(batches)
    for (const replica of stores) t.equal((await replica.counts(queryOf(id))).source.comparisons, 90)
    const [one, two] = await Promise.all(stores.slice(0, 2).map((replica) => replica.counts(queryOf(id))))
    t.same(plain(one), plain(two))
    const release = await stores[0].claim(id, 'key')
    t.equal(await stores[1].claim(id, 'key'), null, 'a key is taken in all of them')
    await release?.()
    const again = await stores[1].claim(id, 'key')
    t.ok(again)
    await again?.()
    await stores[1].eraseBatch(id, (await batches[0]).id)
    t.equal((await stores[2].counts(queryOf(id))).source.comparisons, 89, 'an erasure is seen by all')
  })

  t.test('knows how many names a file brings before it joins rows with them', async (t) => {
    const id = await dataset(store)
    const rows = Array.from({ length: 40 }, (_, k) => ({ group: 'g', winner: `a ${k}`, loser: `b ${k}` }))
    await ingest(store, id, 'ndjson', lines(rows))
    const found = await ask(
      `SELECT c.reltuples FROM pg_class c JOIN commonweal.datasets d ON c.relname = 'names_' || d.key WHERE d.id = '${id}'`,
    )
    t.same(found, [{ reltuples: 81 }])
  })

  t.test('finds a batch without reading past all others', async (t) => {
    const id = await dataset(store)
    const [{ key }] = await ask(`SELECT key FROM commonweal.datasets WHERE id = '${id}'`)
    const plan = await ask(
      `SET enable_seqscan = off; EXPLAIN SELECT * FROM commonweal.rows_${key} WHERE batch > 1 AND batch <= 2`,
    )
    t.match(JSON.stringify(plan), /Index Scan on rows_\d+_batch_idx/)
  })

  t.test('says so when it does not answer, and is used again when it does', async (t) => {
    const id = await dataset(store)
    await append(store, id, [{ group: 'g', winner: 'a', loser: 'b' }])
    const writing = Array.from({ length: 40 }, (_, k) =>
      append(store, id, [{ group: 'g', winner: `item ${k}`, loser: 'b' }]).then(
        () => `item ${k}`,
        (error) => error,
      ),
    )
    await server.restart()
    const outcomes = await Promise.all(writing)
    for (const outcome of outcomes)
      if (typeof outcome !== 'string') t.equal((outcome as StoreProblem).kind, 'store-unavailable')
    let stored: StoredComparisons | null = null
    for (let tries = 0; stored === null && tries < 50; tries++)
      stored = await store.counts(queryOf(id)).catch(() => null)
    const acknowledged = outcomes.filter((outcome) => typeof outcome === 'string')
    for (const item of acknowledged) t.ok(stored?.items.includes(item), `${item} was acknowledged`)
    t.ok(stored?.items.includes('a'))
  })

  t.test('is refused where it cannot be had', async (t) => {
    const databaseUrl = 'postgresql://postgres@127.0.0.1:1/none'
    await t.rejects(openStore({ ...config, databaseUrl }), { message: /DATABASE_URL cannot be opened/ })
  })
})
