import fc from 'fast-check'
import t from 'tap'
import { connectivity } from '../../src/engine/comparisons/connectivity.ts'
import { item, pairCounts, type Row, won } from '../helpers/fit.ts'

/** Comparisons among up to nine items, of which few enough exist that most graphs fall apart. */
const rows: fc.Arbitrary<Row[]> = fc
  .array(
    fc.record({
      a: fc.nat(8),
      step: fc.integer({ min: 1, max: 8 }),
      outcome: fc.constantFrom<Partial<Row>>(
        {},
        {},
        {},
        { tie: true },
        { preference: 0.25 },
        { preference: 0 },
        { preference: 1 },
      ),
    }),
    { minLength: 1, maxLength: 16 },
  )
  .map((drawn) =>
    drawn.map(({ a, step, outcome }) => ({ ...won(item(a), item((a + step) % 9)), ...outcome })),
  )

/** Who beat or tied whom, by the definition. */
function edgesOf(rows: Row[], items: string[]): boolean[][] {
  const beat = items.map(() => items.map(() => false))
  for (const { winner, loser, tie, preference = 1 } of rows) {
    const [a, b] = [items.indexOf(winner), items.indexOf(loser)]
    if (tie === true || preference > 0) beat[a][b] = true
    if (tie === true || preference < 1) beat[b][a] = true
  }
  return beat
}

/** Who reaches whom by a chain, itself included. */
function closure(edges: boolean[][]): boolean[][] {
  const reach = edges.map((row, i) => row.map((edge, j) => edge || i === j))
  for (let k = 0; k < reach.length; k++) {
    for (const row of reach) {
      for (let j = 0; j < row.length; j++) row[j] ||= row[k] && reach[k][j]
    }
  }
  return reach
}

t.test('components are the sets of items that reach each other by chains of wins and ties', async () => {
  fc.assert(
    fc.property(rows, (rows) => {
      const { counts, items } = pairCounts(rows)
      const reach = closure(edgesOf(rows, items))
      const expected = items.flatMap((_, v) => {
        const members = items.flatMap((_, w) => (reach[v][w] && reach[w][v] ? [w] : []))
        return members[0] === v ? [members] : []
      })
      const found = connectivity(counts).components.map((members) => [...members])
      return JSON.stringify(found) === JSON.stringify(expected)
    }),
    { seed: 1, numRuns: 2000 },
  )
})

t.test('undefeated items were never beaten or tied, winless ones never beat or tied', async () => {
  fc.assert(
    fc.property(rows, (rows) => {
      const { counts, items } = pairCounts(rows)
      const edges = edgesOf(rows, items)
      const undefeated = items.flatMap((_, v) => (edges.some((row) => row[v]) ? [] : [v]))
      const winless = items.flatMap((_, v) => (edges[v].includes(true) ? [] : [v]))
      const found = connectivity(counts)
      return (
        JSON.stringify([...found.undefeated]) === JSON.stringify(undefeated) &&
        JSON.stringify([...found.winless]) === JSON.stringify(winless)
      )
    }),
    { seed: 2, numRuns: 2000 },
  )
})

t.test('a tie defeats both of its items', async (t) => {
  const { counts } = pairCounts([{ ...won('a', 'b'), tie: true }, won('b', 'c')])
  const found = connectivity(counts)
  t.same(
    found.components.map((members) => [...members]),
    [[0, 1], [2]],
  )
  t.same([...found.undefeated], [])
  t.same([...found.winless], [2])
})

const LONG = 100_000
const chain = (members: Partial<Record<'tie' | 'preference', unknown[]>>) =>
  pairCounts({
    group: new Array(LONG - 1).fill('all'),
    winner: Array.from({ length: LONG - 1 }, (_, k) => item(k)),
    loser: Array.from({ length: LONG - 1 }, (_, k) => item(k + 1)),
    ...members,
  }).counts

t.test(
  'a chain of 100,000 items falls into as many components and does not overflow the stack',
  async (t) => {
    const found = connectivity(chain({}))
    t.equal(found.components.length, LONG)
    t.same([...found.undefeated], [0])
    t.same([...found.winless], [LONG - 1])
  },
)

t.test('a chain of 100,000 ties is one component', async (t) => {
  const found = connectivity(chain({ tie: new Array(LONG - 1).fill(true) }))
  t.equal(found.components.length, 1)
  t.equal(found.components[0].length, LONG)
})
