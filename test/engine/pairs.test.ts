import fc from 'fast-check'
import t from 'tap'
import { openIds } from '../../src/engine/comparisons/ids.ts'
import { countPairs } from '../../src/engine/comparisons/pairs.ts'
import { readComparisons } from '../../src/engine/comparisons/read.ts'
import { addStored, type StoredComparisons } from '../../src/engine/comparisons/stored.ts'
import { item, pairCounts, type Row, won } from '../helpers/fit.ts'

/**
 * Rows of several groups with ties, soft labels, counts and weights, among few items and among more; sums of these
 * numbers are exact in doubles.
 */
const rows: fc.Arbitrary<Row[]> = fc.constantFrom(3, 10).chain((items) =>
  fc.array(
    fc
      .record({
        group: fc.nat(3),
        a: fc.nat(items - 1),
        step: fc.integer({ min: 1, max: items - 1 }),
        outcome: fc.constantFrom<Partial<Row>>(
          {},
          {},
          { tie: true },
          { tie: false },
          { preference: 0.25 },
          { preference: 0 },
        ),
        count: fc.option(fc.integer({ min: 1, max: 1000 })),
        weight: fc.option(fc.integer({ min: 1, max: 64 })),
      })
      .map(({ group, a, step, outcome, count, weight }) => ({
        group: `group ${group}`,
        winner: item(a),
        loser: item((a + step) % items),
        ...outcome,
        ...(count === null ? {} : { count }),
        ...(weight === null ? {} : { weight: weight / 16 }),
      })),
    { minLength: 1, maxLength: 60 },
  ),
)

/** Group by group, pair by pair, in names. */
function naive(rows: Row[]) {
  const groups = new Map<string, { comparisons: number; pairs: Map<string, [number, number, number]> }>()
  for (const { group, winner, loser, tie, preference, count = 1, weight = 1 } of rows) {
    const entry = groups.get(group) ?? { comparisons: 0, pairs: new Map() }
    groups.set(group, entry)
    entry.comparisons += count
    const [low, high] = winner < loser ? [winner, loser] : [loser, winner]
    const sums = entry.pairs.get(`${low}, ${high}`) ?? [0, 0, 0]
    entry.pairs.set(`${low}, ${high}`, sums)
    const label = preference ?? 1
    if (tie === true) sums[2] += count * weight
    else {
      sums[winner === low ? 0 : 1] += count * weight * label
      sums[winner === low ? 1 : 0] += count * weight * (1 - label)
    }
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([group, { comparisons, pairs }]) => ({
      group,
      comparisons,
      pairs: [...pairs].sort(([a], [b]) => (a < b ? -1 : 1)),
      items: [...new Set([...pairs.keys()].flatMap((pair) => pair.split(', ')))].sort(),
    }))
}

function counted(comparisons: unknown) {
  const groups = openIds()
  const items = openIds()
  const read = readComparisons(comparisons, groups, items)
  return countPairs(read, groups.names.length, items.names.length).map((counts, g) => {
    const name = (local: number) => items.names[counts.items[local]]
    return {
      group: groups.names[g],
      comparisons: counts.comparisons,
      pairs: Array.from(counts.i, (i, k) => [
        `${name(i)}, ${name(counts.j[k])}`,
        [counts.wins[k], counts.losses[k], counts.ties[k]],
      ]),
      items: Array.from(counts.items, (item) => items.names[item]),
    }
  })
}

function columnsOf(rows: Row[]) {
  const column = (member: keyof Row) => rows.map((row) => row[member] ?? null)
  return {
    group: column('group'),
    winner: column('winner'),
    loser: column('loser'),
    tie: column('tie'),
    preference: column('preference'),
    count: column('count'),
    weight: column('weight'),
  }
}

t.test('pair counts are what counting by hand gives, in every group', async () => {
  fc.assert(
    fc.property(rows, (rows) => JSON.stringify(counted(rows)) === JSON.stringify(naive(rows))),
    { seed: 1, numRuns: 1000 },
  )
})

t.test('columns count the same as rows', async () => {
  fc.assert(
    fc.property(rows, (rows) => JSON.stringify(counted(columnsOf(rows))) === JSON.stringify(counted(rows))),
    { seed: 2, numRuns: 500 },
  )
})

t.test('the order of the rows does not matter', async () => {
  fc.assert(
    fc.property(rows, (rows) => JSON.stringify(counted(rows.toReversed())) === JSON.stringify(counted(rows))),
    { seed: 3, numRuns: 500 },
  )
})

t.test('plain wins count by themselves, among few items and among more', async () => {
  fc.assert(
    fc.property(rows, (rows) => {
      const plain = rows.map(({ group, winner, loser }) => ({ group, winner, loser }))
      return JSON.stringify(counted(plain)) === JSON.stringify(naive(plain))
    }),
    { seed: 4, numRuns: 500 },
  )
})

t.test('a soft label splits a comparison, whichever of the items is named first', async (t) => {
  const { counts } = pairCounts([
    { ...won('b', 'a', 3), preference: 0.75, weight: 2 },
    { ...won('a', 'b'), preference: 0.5 },
    { ...won('a', 'b'), tie: true },
  ])
  t.same([...counts.wins], [2], 'to a: 3·2·0.25 + 0.5')
  t.same([...counts.losses], [5], 'to b: 3·2·0.75 + 0.5')
  t.same([...counts.ties], [1])
  t.equal(counts.comparisons, 5, 'weights do not count')
})

/** Counts of comparisons between some items by some groups, one of each kind of entry at most. */
function storedOf(kinds: readonly [group: number, i: number, j: number, n: number][]): StoredComparisons {
  const sums = new Map<string, number>()
  for (const [group, i, j, n] of kinds)
    if (i !== j) sums.set(JSON.stringify([group, Math.min(i, j), Math.max(i, j)]), n)
  const entries = [...sums]
    .map(([key, n]): number[] => [...JSON.parse(key), n])
    .sort(([a, b, c], [x, y, z]) => a - x || b - y || c - z)
  const names = (kind: string, columns: number[]) => {
    const met = [...new Set(entries.flatMap((entry) => columns.map((column) => entry[column])))]
    return met.sort((a, b) => a - b).map((k) => `${kind} ${String(k).padStart(3, '0')}`)
  }
  const groups = names('group', [0])
  const items = names('item', [1, 2])
  const place = (all: string[], kind: string, column: number) =>
    Int32Array.from(entries, (entry) => all.indexOf(`${kind} ${String(entry[column]).padStart(3, '0')}`))
  const count = (factor: number) => Float64Array.from(entries, ([, , , n]) => factor * n)
  return {
    groups,
    items,
    annotators: [],
    group: place(groups, 'group', 0),
    i: place(items, 'item', 1),
    j: place(items, 'item', 2),
    first: null,
    annotator: null,
    comparisons: count(1),
    wins: count(2),
    losses: count(3),
    ties: count(4),
    squares: null,
    source: { dataset: 'd', groupBy: 'group', comparisons: entries.length, fingerprint: 'f' },
  }
}

/** Each kind of entry by its names, with its sums. */
function named({ groups, items, group, i, j, comparisons, wins, losses, ties }: StoredComparisons) {
  return Array.from(i, (_, k) => [
    `${groups[group[k]]}, ${items[i[k]]}, ${items[j[k]]}`,
    [comparisons[k], wins[k], losses[k], ties[k]],
  ]) as [string, number[]][]
}

t.test('counts are added entry by entry, in their order, and leave the old ones as they are', async (t) => {
  const kinds = (most: number) =>
    fc.array(fc.tuple(fc.nat(2), fc.nat(25), fc.nat(25), fc.integer({ min: 1, max: 9 })), { maxLength: most })
  fc.assert(
    fc.property(kinds(400), kinds(40), fc.boolean(), (many, few, turned) => {
      const [old, more] = (turned ? [few, many] : [many, few]).map(storedOf)
      const before = named(old)
      const steps = addStored(old, more)
      let step = steps.next()
      while (step.done !== true) step = steps.next()
      const sums = new Map(before)
      for (const [key, values] of named(more))
        sums.set(
          key,
          values.map((value, k) => value + (sums.get(key)?.[k] ?? 0)),
        )
      t.same(
        named(step.value),
        [...sums].sort(([a], [b]) => (a < b ? -1 : 1)),
      )
      t.same(named(old), before)
      t.same(step.value.items, [...step.value.items].sort())
    }),
    { seed: 7, numRuns: 200 },
  )
})
