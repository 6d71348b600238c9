import fc from 'fast-check'
import t from 'tap'
import type { CompareRequest, OptimumResult } from '../../schemas/aggregate.ts'
import type { VoteRequest } from '../../schemas/vote.ts'
import { aggregate, compare } from '../../src/engine/aggregate.ts'
import { luFactor, luSolve, nullSpace } from '../../src/engine/numeric/elimination.ts'
import { linearProgramSolver } from '../../src/engine/numeric/linear-program.ts'
import { seededRandom } from '../../src/engine/numeric/random.ts'
import { vote } from '../../src/engine/vote.ts'
import { VOTING_RULES } from '../../src/engine/voting/catalogue.ts'
import { type Margins, marginsOf } from '../../src/engine/voting/margins.ts'
import { strongestPaths } from '../../src/engine/voting/paths.ts'
import { RULES, type Rule, type RuleResult, type Vote, voteOn } from '../../src/engine/voting/vote-on.ts'
import { build, misfit, post, refuses } from '../helpers/app.ts'

/** A table of margins, one row an item. */
type Table = readonly (readonly number[])[]

const letters = 'abcdefghijklmnop'

/** From words such as `ab3`: a beats b by 3. */
function tableOf(words: string): number[][] {
  const pairs = words.split(' ').map((word) => ({
    i: letters.indexOf(word[0]),
    j: letters.indexOf(word[1]),
    m: Number(word.slice(2)),
  }))
  const n = Math.max(...pairs.flatMap(({ i, j }) => [i, j])) + 1
  const table = Array.from({ length: n }, () => new Array<number>(n).fill(0))
  for (const { i, j, m } of pairs) {
    table[i][j] = m
    table[j][i] = -m
  }
  return table
}

/** A ballot by numbers of items, best first, and how many cast it. */
type Ballot = { order: readonly number[]; count: number }

/** From words such as `8acdb`: eight put a first, then c, d and b. */
function ballotsOf(words: string): Ballot[] {
  return words.split(' ').map((word) => {
    const [, count, order] = /^(\d+)([a-z]+)$/.exec(word) as RegExpExecArray
    return { count: Number(count), order: Array.from(order, (letter) => letters.indexOf(letter)) }
  })
}

/** How many more prefer i to j than j to i. */
function tableFrom(ballots: readonly Ballot[]): number[][] {
  const n = ballots[0].order.length
  const table = Array.from({ length: n }, () => new Array<number>(n).fill(0))
  for (const { order, count } of ballots) {
    order.forEach((i, place) => {
      for (const j of order.slice(place + 1)) {
        table[i][j] += count
        table[j][i] -= count
      }
    })
  }
  return table
}

const marginsFrom = (table: Table, tolerance = 0): Margins =>
  marginsOf(Float64Array.from(table.flat()), table.length, tolerance)
const held = (table: Table, rules: readonly Rule[] = RULES): Vote => voteOn(marginsFrom(table), rules)

/** What one rule says. */
function by<R extends Rule>(rule: R, table: Table): Extract<RuleResult, { rule: R }> {
  return held(table, [rule]).results[0] as Extract<RuleResult, { rule: R }>
}
const winnersBy = (rule: Rule, table: Table) => by(rule, table).winners as number[]
const named = (items: readonly number[] | null) => items?.map((item) => letters[item]).join('')

/** Margins from few numbers, so that ties abound. */
const tied = (sizes: { min: number; max: number }) => tables(sizes, fc.integer({ min: -3, max: 3 }))
/** Margins of which no two are equal, and none is zero. */
const distinct = (sizes: { min: number; max: number }) =>
  fc.integer(sizes).chain((n) => {
    const pairs = (n * (n - 1)) / 2
    const signs = fc.array(fc.boolean(), { minLength: pairs, maxLength: pairs })
    const order = fc.shuffledSubarray(
      Array.from({ length: pairs }, (_, k) => k + 1),
      { minLength: pairs },
    )
    return fc.tuple(signs, order).map(([up, sizes]) => skew(n, (k) => (up[k] ? sizes[k] : -sizes[k])))
  })

function tables({ min, max }: { min: number; max: number }, entries: fc.Arbitrary<number>) {
  return fc.integer({ min, max }).chain((n) => {
    const pairs = (n * (n - 1)) / 2
    return fc.array(entries, { minLength: pairs, maxLength: pairs }).map((own) => skew(n, (k) => own[k]))
  })
}

/** A table from what is above its diagonal. */
function skew(n: number, entry: (k: number) => number): number[][] {
  const table = Array.from({ length: n }, () => new Array<number>(n).fill(0))
  let k = 0
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      table[i][j] = entry(k++)
      table[j][i] = -table[i][j]
    }
  }
  return table
}

function permutations<T>(list: readonly T[]): T[][] {
  if (list.length === 0) return [[]]
  return list.flatMap((first, k) =>
    permutations([...list.slice(0, k), ...list.slice(k + 1)]).map((rest) => [first, ...rest]),
  )
}

function subsets(n: number): number[][] {
  return Array.from({ length: 2 ** n - 1 }, (_, bits) =>
    Array.from({ length: n }, (_, i) => i).filter((i) => ((bits + 1) >> i) & 1),
  )
}

/** All paths without an item twice along positive margins. */
function simplePaths(table: Table, from: number, to: number, before: number[] = [from]): number[][] {
  return table.flatMap((_, next) => {
    if (table[before[before.length - 1]][next] <= 0) return []
    if (next === to) return [[...before, to]]
    return before.includes(next) ? [] : simplePaths(table, from, to, [...before, next])
  })
}

const smallest = (table: Table, path: readonly number[]) =>
  Math.min(...path.slice(1).map((b, k) => table[path[k]][b]))

/** The widest path by its definition: over all simple paths the largest of the smallest margins. */
const widest = (table: Table, i: number, j: number) =>
  Math.max(0, ...simplePaths(table, i, j).map((path) => smallest(table, path)))

const items = (table: Table) => table.map((_, i) => i)

/** The smallest set that beats everything outside it. */
function smithByDefinition(table: Table): number[] {
  const dominating = subsets(table.length).filter((set) =>
    set.every((i) => items(table).every((j) => set.includes(j) || table[i][j] > 0)),
  )
  return dominating.sort((a, b) => a.length - b.length)[0]
}

/** The union of the smallest sets that nothing outside beats. */
function schwartzByDefinition(table: Table): number[] {
  const unbeaten = subsets(table.length).filter((set) =>
    set.every((i) => items(table).every((j) => set.includes(j) || table[j][i] <= 0)),
  )
  const inside = (a: number[], b: number[]) => a.length < b.length && a.every((i) => b.includes(i))
  const minimal = unbeaten.filter((set) => !unbeaten.some((other) => inside(other, set)))
  return items(table).filter((i) => minimal.some((set) => set.includes(i)))
}

/** Split cycle: pairs that are the smallest of no cycle. */
function splitCycleByDefinition(table: Table) {
  return items(table).flatMap((i) =>
    items(table).flatMap((j) => {
      if (table[i][j] <= 0) return []
      const cycles = simplePaths(table, j, i)
      return cycles.some((path) => smallest(table, path) >= table[i][j]) ? [] : [[i, j]]
    }),
  )
}

/** Ranked pairs for one order of all positive pairs: who is undefeated. */
function lockIn(n: number, order: readonly (readonly number[])[]): number[] {
  const locked: (readonly number[])[] = []
  const reaches = (a: number, b: number, met: number[] = []): boolean =>
    a === b || locked.some(([x, y]) => x === a && !met.includes(y) && reaches(y, b, [...met, y]))
  for (const [i, j] of order) if (!reaches(j, i)) locked.push([i, j])
  return Array.from({ length: n }, (_, i) => i).filter((i) => !locked.some(([, j]) => j === i))
}

function positivePairs(table: Table): number[][] {
  return items(table).flatMap((i) => items(table).flatMap((j) => (table[i][j] > 0 ? [[i, j]] : [])))
}

/** Who wins ranked pairs for some order in which no pair comes after a smaller one. */
function rankedPairsByDefinition(table: Table): number[] {
  const sizes = [...new Set(positivePairs(table).map(([i, j]) => table[i][j]))].sort((a, b) => b - a)
  let orders: number[][][] = [[]]
  for (const size of sizes) {
    const same = permutations(positivePairs(table).filter(([i, j]) => table[i][j] === size))
    orders = orders.flatMap((order) => same.map((next) => [...order, ...next]))
  }
  const winners = new Set(orders.flatMap((order) => lockIn(table.length, order)))
  return items(table).filter((i) => winners.has(i))
}

/** All orders with the largest sum of margins. */
function kemenyByDefinition(table: Table) {
  const scored = permutations(items(table)).map((order) => ({
    order,
    score: order.reduce(
      (sum, i, place) => sum + order.slice(place + 1).reduce((part, j) => part + table[i][j], 0),
      0,
    ),
  }))
  const best = Math.max(...scored.map(({ score }) => score))
  return { best, orders: scored.filter(({ score }) => score === best).map(({ order }) => order) }
}

const run = { seed: 20261, numRuns: 150 }

t.test('every rule agrees with its definition written out, ties included', (t) => {
  fc.assert(
    fc.property(fc.oneof(tied({ min: 2, max: 5 }), distinct({ min: 2, max: 5 })), (table) => {
      const n = table.length
      const { condorcet, results } = held(table)
      t.same(condorcet.tiers[0], smithByDefinition(table))
      t.same(condorcet.schwartz, schwartzByDefinition(table))
      const beatsAll = items(table).filter((i) => table[i].every((m, j) => i === j || m > 0))
      const losesAll = items(table).filter((i) => table[i].every((m, j) => i === j || m < 0))
      t.equal(condorcet.winner, beatsAll[0] ?? null)
      t.equal(condorcet.loser, losesAll[0] ?? null)

      const sums = table.map((row) => row.reduce((a, b) => a + b, 0))
      t.same(
        winnersBy('borda', table),
        items(table).filter((i) => sums[i] === Math.max(...sums)),
      )
      const signs = table.map((row) => row.reduce((sum, m) => sum + Math.sign(m), 0))
      t.same(
        winnersBy('copeland', table),
        items(table).filter((i) => signs[i] === Math.max(...signs)),
      )
      const path = items(table).map((i) => items(table).map((j) => (i === j ? 0 : widest(table, i, j))))
      t.same(
        winnersBy('schulze', table),
        items(table).filter((i) => path[i].every((strength, j) => strength >= path[j][i])),
      )
      const defeats = splitCycleByDefinition(table)
      t.same(
        winnersBy('split-cycle', table),
        items(table).filter((j) => !defeats.some(([, loser]) => loser === j)),
      )
      const inOrder = positivePairs(table).sort(
        ([i, j], [k, l]) => table[k][l] - table[i][j] || i - k || j - l,
      )
      t.same(winnersBy('ranked-pairs', table), lockIn(n, inOrder))

      const kemeny = results[5] as Extract<RuleResult, { rule: 'kemeny' }>
      const { best, orders } = kemenyByDefinition(table)
      t.equal(kemeny.score, best)
      t.equal(kemeny.orders, orders.length)
      t.same(kemeny.order, orders[0], 'the first by the order of the items')
      t.same(kemeny.winners, [...new Set(orders.map(([first]) => first))].sort())
    }),
    run,
  )
  t.end()
})

t.test(
  'who can win ranked pairs under some order of equal margins is found by going through them all',
  (t) => {
    fc.assert(
      fc.property(tables({ min: 3, max: 4 }, fc.integer({ min: -2, max: 2 })), (table) => {
        const { winners, possibleWinners } = by('ranked-pairs', table)
        t.same(possibleWinners, rankedPairsByDefinition(table))
        for (const winner of winners) t.ok(possibleWinners?.includes(winner))
      }),
      { ...run, numRuns: 60 },
    )
    const all = skew(9, () => 1)
    const cyclic = all.map((row, i) => row.map((m, j) => ((j - i + 9) % 9 <= 4 ? Math.abs(m) : -Math.abs(m))))
    t.equal(by('ranked-pairs', cyclic).possibleWinners, null, 'given up where there are too many ways')
    t.end()
  },
)

t.test('the evidence proves what it is for', (t) => {
  fc.assert(
    fc.property(fc.oneof(tied({ min: 3, max: 7 }), distinct({ min: 3, max: 7 })), (table) => {
      const { condorcet } = held(table, ['borda'])
      for (const { items: circle, shortest } of condorcet.cycles) {
        t.ok(smallest(table, shortest) > 0 && shortest[0] === circle[0] && shortest.at(-1) === circle[0])
        t.ok(shortest.every((item) => circle.includes(item)))
        t.equal(new Set(shortest).size, shortest.length - 1)
      }
      t.equal(
        condorcet.cycles.flatMap((cycle) => cycle.items).length,
        items(table).filter((i) => simplePaths(table, i, i).length > 0).length,
      )

      const { winners, duels } = by('schulze', table)
      t.same(
        duels?.map(({ other }) => other),
        items(table).filter((i) => i !== winners[0]),
      )
      for (const { winner, other, path, back } of duels ?? []) {
        const [there, here] = [path, back].map((way) => (way === null ? 0 : smallest(table, way)))
        if (path !== null) t.same([path[0], path.at(-1)], [winner, other])
        if (back !== null) t.same([back[0], back.at(-1)], [other, winner])
        t.equal(there, widest(table, winner, other))
        t.equal(here, widest(table, other, winner))
        t.equal(there > here, !winners.includes(other), 'who does not win is beaten by one who does')
      }

      const { locked, rejected } = by('ranked-pairs', table)
      t.equal((locked?.length ?? 0) + (rejected?.length ?? 0), positivePairs(table).length)
      for (const { winner, loser, path } of rejected ?? []) {
        t.same([path[0], path.at(-1)], [loser, winner])
        t.ok(path.slice(1).every((b, k) => locked?.some((d) => d.winner === path[k] && d.loser === b)))
        t.ok(smallest(table, path) >= table[winner][loser])
      }

      const { defeats, discarded } = by('split-cycle', table)
      t.same(
        defeats?.map(({ winner, loser }) => [winner, loser]).sort(),
        splitCycleByDefinition(table).sort(),
      )
      for (const { winner, loser, cycle } of discarded ?? []) {
        t.same([cycle[0], cycle[1], cycle.at(-1)], [winner, loser, winner])
        t.equal(smallest(table, cycle), table[winner][loser], 'it is the weakest of its cycle')
      }
    }),
    run,
  )
  t.end()
})

t.test('maximal lotteries are certified, and so is whether there are others', async (t) => {
  const solve = await linearProgramSolver()
  /** The most that Σ c_i p_i can be over all maximal lotteries. */
  const most = (table: Table, c: readonly number[]) => {
    const n = table.length
    const rows = Float64Array.from([
      ...items(table).flatMap((j) => table.map((row) => row[j])),
      ...c.map(() => 1),
    ])
    const rowLower = new Float64Array(n + 1)
    rowLower[n] = 1
    const rowUpper = new Float64Array(n + 1).fill(Number.POSITIVE_INFINITY)
    rowUpper[n] = 1
    const p = solve({ objective: Float64Array.from(c), rows, rowLower, rowUpper }) as Float64Array
    return c.reduce((sum, value, i) => sum + value * p[i], 0)
  }
  const unit = (table: Table, i: number, value: number) => items(table).map((j) => (i === j ? value : 0))
  fc.assert(
    fc.property(fc.oneof(tied({ min: 2, max: 7 }), distinct({ min: 2, max: 7 })), (table) => {
      const { winners, lottery, worst, unique } = by('maximal-lotteries', table)
      const p = Array.from(lottery)
      t.ok(p.every((share) => share >= 0) && Math.abs(p.reduce((a, b) => a + b) - 1) < 1e-14)
      const margins = items(table).map((j) => p.reduce((sum, share, i) => sum + share * table[i][j], 0))
      t.ok(Math.abs(Math.min(...margins) - worst) < 1e-14)
      t.ok(worst > -1e-12 * Math.max(1, ...table.flat()))

      const highest = items(table).map((i) => most(table, unit(table, i, 1)))
      const lowest = items(table).map((i) => -most(table, unit(table, i, -1)))
      t.same(
        winners,
        items(table).filter((i) => highest[i] > 1e-7),
      )
      t.equal(
        unique,
        highest.every((high, i) => high - lowest[i] < 1e-7),
      )
      // Of largest entropy: no other maximal lottery lies in a direction in which −Σ p log p grows.
      const slope = p.map((share) => (share > 0 ? -Math.log(share) : 0))
      t.ok(most(table, slope) <= p.reduce((sum, share, i) => sum + share * slope[i], 0) + 1e-7)
    }),
    { ...run, numRuns: 60 },
  )
})

t.test('a cycle of three has the lottery of the opposite margins', (t) => {
  fc.assert(
    fc.property(
      fc.tuple(...[0, 1, 2].map(() => fc.double({ min: 1e-6, max: 1e6, noNaN: true }))),
      ([ab, bc, ca]) => {
        const { lottery, unique } = by('maximal-lotteries', tableOf(`ab${ab} bc${bc} ca${ca}`))
        const sum = ab + bc + ca
        t.ok(unique)
        for (const [i, m] of [bc, ca, ab].entries())
          t.ok(Math.abs(lottery[i] - m / sum) <= 1e-12, `${lottery[i]} and ${m / sum}`)
      },
    ),
    { ...run, numRuns: 300 },
  )
  t.end()
})

t.test('published examples', (t) => {
  // Schulze, Social Choice and Welfare 36 (2011), examples 1 and 2 of section 3.
  const first = tableFrom(ballotsOf('8acdb 2badc 4cdba 4dbac 3dcba'))
  t.same(by('schulze', first).ranks, [2, 4, 3, 1], 'd, then a, then c, then b')
  const second = tableFrom(ballotsOf('5acbed 5adecb 8bedac 3cabed 7caebd 2cbade 7dceba 8ebadc'))
  const margins = marginsFrom(second)
  const strongest = strongestPaths(margins)
  const winningVotes = items(second).map((i) =>
    items(second).map((j) => (i === j ? 0 : (45 + margins.strengths[strongest[i * 5 + j]]) / 2)),
  )
  t.same(winningVotes, [
    [0, 28, 28, 30, 24],
    [25, 0, 28, 33, 24],
    [25, 29, 0, 29, 24],
    [25, 28, 28, 0, 24],
    [25, 28, 28, 31, 0],
  ])
  t.same(by('schulze', second).ranks, [2, 4, 3, 5, 1], 'e, then a, c, b, d')

  // Holliday & Pacuit, Public Choice 197 (2023): c wins, though it would lose to a if b were not there.
  const spoiled = tableFrom(ballotsOf('2bac 3acb 4cba'))
  t.equal(named(winnersBy('split-cycle', spoiled)), 'c')
  t.same(by('split-cycle', spoiled).discarded, [{ winner: 0, loser: 2, cycle: [0, 2, 1, 0] }])

  // Tideman, Social Choice and Welfare 4 (1987) on this kind of profile: the smallest majority of the cycle goes.
  const tideman = tableFrom(ballotsOf('7abc 5bca 4cab'))
  t.same(by('ranked-pairs', tideman).rejected, [{ winner: 2, loser: 0, path: [0, 1, 2] }])
  t.equal(named(winnersBy('ranked-pairs', tideman)), 'a')

  // Condorcet's own example against Borda's rule (1785): 81 voters, a beats b by 41 to 40, and b has more points.
  const condorcet = tableFrom(ballotsOf('30abc 1acb 29bac 10bca 10cab 1cba'))
  t.equal(held(condorcet).condorcet.winner, 0)
  t.equal(named(winnersBy('borda', condorcet)), 'b')
  t.end()
})

const CONSISTENT: Rule[] = [
  'copeland',
  'schulze',
  'ranked-pairs',
  'split-cycle',
  'kemeny',
  'maximal-lotteries',
]

t.test('an item that beats all others wins alone, under all rules but Borda', (t) => {
  fc.assert(
    fc.property(tied({ min: 2, max: 8 }), fc.nat(7), (table, k) => {
      const winner = k % table.length
      const lifted = table.map((row, i) =>
        row.map((m, j) =>
          i === j ? 0 : i === winner ? Math.abs(m) + 1 : j === winner ? -Math.abs(m) - 1 : m,
        ),
      )
      for (const rule of CONSISTENT) t.same(winnersBy(rule, lifted), [winner], rule)
    }),
    run,
  )
  const counterexample = tableFrom(ballotsOf('3abc 2bca'))
  t.equal(held(counterexample).condorcet.winner, 0)
  t.equal(named(winnersBy('borda', counterexample)), 'b', 'Borda')
  t.end()
})

t.test('winners are in the Smith set, under all rules but Borda', (t) => {
  fc.assert(
    fc.property(fc.oneof(tied({ min: 2, max: 8 }), distinct({ min: 2, max: 8 })), (table) => {
      const smith = held(table, ['borda']).condorcet.tiers[0]
      for (const rule of CONSISTENT)
        for (const winner of winnersBy(rule, table)) t.ok(smith.includes(winner), rule)
    }),
    run,
  )
  t.end()
})

/** Ballots on some items, and the same ballots with the last item replaced by clones of it, side by side on each. */
const cloned = fc
  .record({ n: fc.integer({ min: 2, max: 5 }), clones: fc.integer({ min: 2, max: 3 }), seed: fc.nat() })
  .map(({ n, clones, seed }) => {
    const random = seededRandom(seed)
    const shuffled = (list: number[]) =>
      list
        .map((value) => ({ value, key: random() }))
        .sort((a, b) => a.key - b.key)
        .map(({ value }) => value)
    const all = (from: number, count: number) => Array.from({ length: count }, (_, k) => from + k)
    const before = Array.from({ length: 7 }, () => ({
      order: shuffled(all(0, n)),
      count: 1 + Math.floor(20 * random()),
    }))
    const after = before.map(({ order, count }) => ({
      order: order.flatMap((item) => (item === n - 1 ? shuffled(all(n - 1, clones)) : [item])),
      count,
    }))
    return { n, before: tableFrom(before), after: tableFrom(after) }
  })

t.test('clones change nothing under Schulze, ranked pairs, split cycle and maximal lotteries', (t) => {
  const merged = (winners: readonly number[] | null, n: number) => [
    ...new Set(winners?.map((winner) => Math.min(winner, n - 1))),
  ]
  fc.assert(
    fc.property(cloned, ({ n, before, after }) => {
      for (const rule of ['schulze', 'split-cycle', 'maximal-lotteries'] as const)
        t.same(merged(winnersBy(rule, after), n), winnersBy(rule, before), rule)
      const sizes = positivePairs(before).map(([i, j]) => before[i][j])
      if (new Set(sizes).size === sizes.length && sizes.length === (n * (n - 1)) / 2) {
        const { winners, possibleWinners } = by('ranked-pairs', after)
        t.same(merged(winners, n), winnersBy('ranked-pairs', before), 'ranked-pairs')
        t.same(merged(possibleWinners, n), winnersBy('ranked-pairs', before), 'ranked-pairs, any order')
      }
      const [alone, among] = [before, after].map((table) => by('maximal-lotteries', table))
      if (alone.unique) {
        for (let i = 0; i < n - 1; i++) t.ok(Math.abs(alone.lottery[i] - among.lottery[i]) < 1e-9)
      }
    }),
    { ...run, numRuns: 300 },
  )
  t.equal(named(winnersBy('borda', tableFrom(ballotsOf('3ab 2ba')))), 'a')
  t.equal(named(winnersBy('borda', tableFrom(ballotsOf('3abc 2bca')))), 'b', 'Borda: c is a clone of b')
  const kemeny = ['4bac 5cba 4acb', '4bacd 5dcba 4acdb'].map((words) => tableFrom(ballotsOf(words)))
  t.same(
    kemeny.map((table) => named(winnersBy('kemeny', table))),
    ['c', 'a'],
    'Kemeny: d is a clone of c',
  )
  const copeland = ['ab1 bc1 ca1', 'ab1 bc1 bd1 ca1 da1 cd1'].map(tableOf)
  t.equal(named(winnersBy('copeland', copeland[0])), 'abc')
  t.equal(named(winnersBy('copeland', copeland[1])), 'bc', 'Copeland: d is a clone of c')
  t.end()
})

t.test('renaming items renames the answer, and reversing all margins turns orders round', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(tied({ min: 2, max: 6 }), distinct({ min: 2, max: 6 })).chain((table) =>
        fc.record({
          table: fc.constant(table),
          to: fc.shuffledSubarray(items(table), { minLength: table.length }),
        }),
      ),
      ({ table, to }) => {
        const renamed = table.map((row) => [...row])
        table.forEach((row, i) => {
          row.forEach((m, j) => {
            renamed[to[i]][to[j]] = m
          })
        })
        const moved = (list: readonly number[] | null) => list?.map((i) => to[i]).sort() ?? null
        for (const rule of RULES) {
          if (rule === 'ranked-pairs') {
            const [before, after] = [table, renamed].map((own) => by(rule, own).possibleWinners)
            t.same(after, moved(before), 'ranked pairs under any order of equal margins')
          } else t.same(winnersBy(rule, renamed), moved(winnersBy(rule, table)), rule)
        }
        const [p, q] = [table, renamed].map((own) => by('maximal-lotteries', own).lottery)
        items(table).forEach((i) => {
          t.ok(Math.abs(p[i] - q[to[i]]) < 1e-9)
        })

        const reversed = table.map((row) => row.map((m) => -m))
        const n = table.length
        const [up, down] = [table, reversed].map((own) => held(own))
        t.equal(down.condorcet.winner, up.condorcet.loser)
        t.same([...down.condorcet.tiers].reverse(), up.condorcet.tiers)
        t.equal(by('kemeny', reversed).orders, by('kemeny', table).orders)
        t.equal(by('kemeny', reversed).score, by('kemeny', table).score)
        const schulze = winnersBy('schulze', table)
        if (schulze.length === 1 && n > 1)
          t.notSame(winnersBy('schulze', reversed), schulze, 'reversal symmetry')
      },
    ),
    run,
  )
  const cycle = tableOf('ab1 bc1 ca1')
  t.same(
    winnersBy('ranked-pairs', cycle),
    [0],
    'ranked pairs with ties broken by the order of items is not neutral',
  )
  t.same(by('ranked-pairs', cycle).possibleWinners, [0, 1, 2])
  t.end()
})

t.test('margins that rounding tells apart are equal, and those further apart are not', (t) => {
  const third = 1 / 3
  const noisy = skew(3, (k) => [third, third + 4e-17, -(third - 1e-16)][k])
  const { levels, strengths, values } = marginsFrom(noisy, 1e-12)
  t.equal(strengths.length, 2)
  t.same(Array.from(levels), [0, 1, 1, 0, 0, 0, 0, 1, 0])
  t.equal(values[1], -values[3])
  const close = marginsFrom(
    skew(3, (k) => [1, 1 + 1e-9, 1e-13][k]),
    1e-12,
  )
  t.equal(close.strengths.length, 3, 'zero, one and a little more')
  t.equal(close.levels[5], 0, 'and next to nothing is nothing')
  const exact = marginsFrom(skew(3, (k) => [1e9, 1e9 + 1, 1][k]))
  t.equal(exact.strengths.length, 4)
  t.end()
})

t.test('elimination solves systems and finds null vectors', (t) => {
  const random = seededRandom(7)
  for (const n of [1, 2, 3, 4, 5, 8, 13, 30]) {
    const matrix = Float64Array.from({ length: n * n }, () => random() - 0.5)
    const x = Float64Array.from({ length: n }, () => random() - 0.5)
    const times = (a: Float64Array, v: Float64Array) =>
      Float64Array.from(v, (_, i) => v.reduce((sum, value, j) => sum + a[i * n + j] * value, 0))
    const factors = matrix.slice()
    const found = luSolve(factors, luFactor(factors, n) as Int32Array, n, times(matrix, x))
    t.ok(
      found.every((value, i) => Math.abs(value - x[i]) < 1e-10),
      `${n} unknowns`,
    )
    const skewed = matrix.map((value, at) => value - matrix[(at % n) * n + Math.floor(at / n)])
    const basis = nullSpace(skewed.slice(), n, 1e-11)
    t.equal(basis.length, n % 2, 'a skew matrix of odd order has one null vector')
    for (const { place, vector } of basis) {
      t.equal(vector[place], 1)
      t.ok(times(skewed, vector).every((value) => Math.abs(value) < 1e-10))
    }
  }
  t.equal(luFactor(new Float64Array(4), 2), null)
  t.end()
})

t.test('Kemeny is exact to 16 items, and beyond where the majorities part them', (t) => {
  const random = seededRandom(3)
  const block = (n: number) => skew(n, () => Math.round(9 * random()) - 4)
  const sixteen = block(16)
  const alone = by('kemeny', sixteen)
  t.equal(alone.order?.length, 16)
  // No single item can be moved, and no two swapped, to a better order.
  const score = (order: readonly number[], table: Table) =>
    order.reduce(
      (sum, i, place) => sum + order.slice(place + 1).reduce((part, j) => part + table[i][j], 0),
      0,
    )
  const order = alone.order as number[]
  t.equal(score(order, sixteen), alone.score)
  order.forEach((item, from) => {
    const rest = order.filter((_, place) => place !== from)
    for (let to = 0; to < 16; to++)
      t.ok(score([...rest.slice(0, to), item, ...rest.slice(to)], sixteen) <= (alone.score as number))
  })
  // Two such blocks, one of which beats the other.
  const both = skew(32, () => 0).map((row, i) =>
    row.map((_, j) => (i < 16 === j < 16 ? sixteen[i % 16][j % 16] : i < 16 ? 1 : -1)),
  )
  const joined = by('kemeny', both)
  t.same(joined.order, [...order, ...order.map((i) => i + 16)])
  t.equal(joined.score, 2 * (alone.score as number) + 256)
  t.equal(joined.orders, (alone.orders as number) ** 2)
  const seventeen = by(
    'kemeny',
    skew(17, () => 0),
  )
  t.match(seventeen, { winners: null, order: null, largest: 17 })
  t.end()
})

/** Rules that look at no more than the signs and the order of margins. */
const ORDINAL: Rule[] = ['copeland', 'schulze', 'ranked-pairs', 'split-cycle']

t.test('the catalogue claims what is tested here, of every rule that there is', async (t) => {
  const claims = new Map(VOTING_RULES.map((entry) => [entry.id, entry]))
  t.same([...claims.keys()], RULES)
  const having = (axiom: string, list: 'satisfies' | 'fails' | 'invariantTo' = 'satisfies') =>
    RULES.filter((rule) => claims.get(rule)?.[list].includes(axiom))
  t.same(having('Condorcet consistency'), CONSISTENT)
  t.same(having('Condorcet consistency', 'fails'), ['borda'])
  t.same(having('winners in the Smith set'), CONSISTENT)
  t.same(having('winners in the Smith set', 'fails'), ['borda'])
  t.same(having('independence of clones'), ['schulze', 'split-cycle', 'maximal-lotteries'])
  t.same(having('independence of clones where no other margins are equal'), ['ranked-pairs'])
  t.same(having('independence of clones', 'fails'), ['borda', 'copeland', 'kemeny'])
  t.same(having('neutrality', 'fails'), ['ranked-pairs'])
  t.same(having('neutrality').length, RULES.length - 1)
  t.same(having('anonymity'), RULES)
  t.same(having('split invariance'), RULES)
  t.same(having('a single winner', 'fails'), ['maximal-lotteries'])
  t.same(having('a common scale of all margins', 'invariantTo'), RULES)
  t.same(having('any change of margins that keeps their signs and their order', 'invariantTo'), ORDINAL)
})

t.test('the size of margins matters as far as the catalogue says', (t) => {
  const changed = (table: Table, change: (m: number) => number) =>
    table.map((row) => row.map((m) => Math.sign(m) * change(Math.abs(m))))
  fc.assert(
    fc.property(fc.oneof(tied({ min: 2, max: 6 }), distinct({ min: 2, max: 6 })), (table) => {
      for (const rule of RULES)
        t.same(
          winnersBy(
            rule,
            changed(table, (m) => 8 * m),
          ),
          winnersBy(rule, table),
          rule,
        )
      for (const rule of ORDINAL)
        t.same(
          winnersBy(
            rule,
            changed(table, (m) => m ** 3 + m),
          ),
          winnersBy(rule, table),
          rule,
        )
    }),
    run,
  )
  const squared: [Rule, string, string, string][] = [
    ['borda', 'ab1 ac2 cb4', 'a', 'c'],
    ['kemeny', 'ba3 ca3 ad3 bc1 db2 dc2', 'd', 'b'],
    ['maximal-lotteries', 'ba2 ca2 ad4 bc1 db4 dc2', 'abcd', 'acd'],
  ]
  for (const [rule, words, before, after] of squared) {
    const table = tableOf(words)
    const both = [table, changed(table, (m) => m * m)]
    t.same(
      both.map((own) => named(winnersBy(rule, own))),
      [before, after],
      rule,
    )
  }
  t.end()
})

const rankings = (words: string, group = 'all') =>
  ballotsOf(words).map(({ order, count }) => ({ group, count, ranking: order.map((i) => letters[i]) }))
const sent = (request: unknown) => vote(request as VoteRequest)

t.test('margins are what the request says', async (t) => {
  const cycle = { rankings: [...rankings('4abc 3bca', 'east'), ...rankings('2cab', 'west')] }
  const pooled = await sent({ ...cycle, margins: { pooling: 'pooled' } })
  t.same(pooled.margins, { a: { b: 3, c: -1 }, b: { a: -3, c: 5 }, c: { a: 1, b: -5 } })
  t.equal(pooled.tolerance, 0, 'whole numbers are exact')
  t.same(pooled.support, { a: { b: 9, c: 9 }, b: { a: 9, c: 9 }, c: { a: 9, b: 9 } })
  t.same(pooled.groups, [{ id: 'pooled', population: 1, comparisons: 9, unseenItems: [] }])

  const groups = [
    { id: 'east', population: 3 },
    { id: 'west', population: 1 },
  ]
  const grouped = await sent({ ...cycle, groups })
  const near = (found: unknown, wanted: number) => t.ok(Math.abs((found as number) - wanted) < 1e-15)
  near(grouped.margins?.a.b, 0.75 * (1 / 7) + 0.25)
  near(grouped.margins?.b.c, 0.75 - 0.25)
  near(grouped.margins?.c.a, 0.75 * (-1 / 7) + 0.25)

  const rewards = { east: { a: 4, b: 1, c: 0 }, west: { a: -1, b: 2, c: 0.5 } }
  const given = await sent({ rewards, groups })
  near(given.margins?.a.b, 0.75 * Math.tanh(1.5) + 0.25 * Math.tanh(-1.5))
  near(given.margins?.c.b, 0.75 * Math.tanh(-0.5) + 0.25 * Math.tanh(-0.75))
  t.match(given, { support: null, neverCompared: null, settings: { margins: { from: 'fits' } } })

  // One pair of a group determines its fit: P(a beats b) = 3/4, whether by comparisons or rankings.
  const pairs = [
    { group: 'g', winner: 'a', loser: 'b', count: 3 },
    { group: 'g', winner: 'b', loser: 'a' },
    { group: 'h', winner: 'b', loser: 'a', tie: true },
    { group: 'h', winner: 'b', loser: 'a', preference: 0.25 },
  ]
  for (const from of ['counts', 'fits']) {
    const found = await sent({ comparisons: pairs, margins: { from } })
    t.ok(Math.abs((found.margins?.a.b as number) - (0.5 * 0.5 + 0.5 * 0.25)) < 1e-9, from)
    const heap = await sent({ comparisons: pairs, margins: { from, pooling: 'pooled' } })
    t.ok(Math.abs((heap.margins?.a.b as number) - (from === 'counts' ? 2.5 : 2.5 / 6)) < 1e-9, from)
  }
  const columns = {
    group: pairs.map(({ group }) => group),
    winner: pairs.map(({ winner }) => winner),
    loser: pairs.map(({ loser }) => loser),
    tie: pairs.map(({ tie }) => tie ?? null),
    preference: pairs.map(({ preference }) => preference ?? null),
    count: pairs.map(({ count }) => count ?? null),
  }
  t.same(
    await sent({ comparisons: columns, margins: { from: 'fits', pooling: 'pooled' } }),
    await sent({ comparisons: pairs, margins: { from: 'fits', pooling: 'pooled' } }),
    'rows and columns are the same',
  )

  const half = await sent({
    rankings: [{ group: 'g', ranking: ['a', ['b', 'c']] }],
    margins: { pooling: 'pooled' },
  })
  t.same(half.margins?.b, { a: -1, c: 0 }, 'items that share a place are half a win each')
  t.equal(half.support?.b.c, 1)
  t.equal(half.tolerance, 0)

  const gap = await sent({
    comparisons: [
      { group: 'g', winner: 'a', loser: 'b' },
      { group: 'g', winner: 'b', loser: 'c' },
    ],
    items: ['a', 'b', 'c', 'd'].map((id) => ({ id })),
  })
  t.same(gap.neverCompared, { pairs: 4, examples: ['ac', 'ad', 'bd', 'cd'].map((pair) => [...pair]) })
  t.same(gap.groups[0].unseenItems, ['d'])
  t.equal(gap.margins?.a.c, 0)
})

t.test('who is in which group, and in what order they spoke, matters only as it should', async (t) => {
  const rows = [...rankings('4abcd 3bdca', 'east'), ...rankings('2cadb 5dbac', 'west')]
  const once = await sent({ rankings: rows })
  t.same(await sent({ rankings: [...rows].reverse() }), once, 'the order of rows does not')
  const renamed = await sent({
    rankings: rows.map((row) => ({ ...row, group: row.group === 'east' ? 'x' : 'y' })),
  })
  t.same(renamed.results, once.results, 'nor do the names of groups')
  const split = await sent({
    rankings: [...rows, ...rows.flatMap((row) => (row.group === 'east' ? [{ ...row, group: 'twin' }] : []))],
    groups: [
      { id: 'east', population: 0.25 },
      { id: 'twin', population: 0.25 },
      { id: 'west', population: 0.5 },
    ],
  })
  t.same(split.margins, once.margins, 'nor does a group that is split in two of half its population')
  t.same(
    split.results.map(({ winners }) => winners),
    once.results.map(({ winners }) => winners),
  )
})

t.test('sums of margins that only rounding tells apart tie', async (t) => {
  // a has 3/9 − 1/9 and b 5/9 − 3/9, which are not the same doubles.
  const { results } = await sent({ rankings: rankings('4abc 3bca 2cab'), rules: ['borda'] })
  t.same(results[0].winners, ['a', 'b'])
})

t.test('ties of fits are found in spite of their rounding', async (t) => {
  // East and west are mirror images, so that each margin is a difference of equal numbers, in three units of size.
  for (const scale of [1, 7, 1000]) {
    const rows = (group: string, a: string, b: string) => [
      { group, winner: a, loser: b, count: 7 * scale },
      { group, winner: b, loser: a, count: 3 * scale },
      { group, winner: a, loser: 'c', count: 5 * scale },
      { group, winner: 'c', loser: a, count: 4 * scale },
      { group, winner: b, loser: 'c', count: 2 * scale },
      { group, winner: 'c', loser: b, count: 9 * scale },
    ]
    const found = await sent({
      comparisons: [...rows('east', 'a', 'b'), ...rows('west', 'b', 'a')],
      margins: { from: 'fits' },
    })
    t.equal(found.margins?.a.b, 0)
    t.equal(found.margins?.c.a, found.margins?.c.b)
    t.ok(found.tolerance >= 1e-12 && found.tolerance < 1e-9)
  }
})

t.test('large margins beside small ones leave every certificate in place', (t) => {
  const entry = fc.tuple(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -9, max: 9 }))
  fc.assert(
    fc.property(
      tables(
        { min: 3, max: 9 },
        entry.map(([power, digit]) => digit * 10 ** power),
      ),
      (table) => {
        const largest = Math.max(...table.flat())
        const { lottery, worst } = by('maximal-lotteries', table)
        t.ok(worst >= -1e-12 * largest)
        t.ok(lottery.every((share) => share >= 0))
      },
    ),
    { ...run, numRuns: 400 },
  )
  t.end()
})

t.test('a pooled fit may choose otherwise though all groups compared everything equally often', async (t) => {
  // East goes by one issue, in which the items have 3, 0.5 and 0; west by another, with 0, 2 and 1.
  const rows = [
    ...beats('east', 'ab', 37, 3),
    ...beats('east', 'ac', 38, 2),
    ...beats('east', 'bc', 25, 15),
    ...beats('west', 'ab', 5, 35),
    ...beats('west', 'ac', 11, 29),
    ...beats('west', 'bc', 29, 11),
  ]
  const request = { comparisons: rows, welfare: { function: 'utilitarian' } }
  const { ranking, pooled } = (await aggregate(request as never)) as OptimumResult
  t.same(
    ranking.map(({ item }) => item),
    ['a', 'b', 'c'],
  )
  t.equal(pooled?.equallyOften, true)
  t.same(
    pooled?.bradleyTerry?.ranking.map(({ item }) => item),
    ['b', 'a', 'c'],
  )
  // Of the 80 comparisons with each other item b won 38 and 54, a 42 and 49.
  t.same(
    pooled?.borda.ranking.map(({ item, score }) => [item, Number(score.toFixed(12))]),
    [
      ['b', (38 + 54) / 160],
      ['a', (42 + 49) / 160],
      ['c', (26 + 31) / 160],
    ],
  )
  const difference = { sameWinners: false, policyShare: 0, reversedPairs: 1, examples: [['a', 'b']] }
  t.same(pooled?.against, [
    { result: 0, function: 'utilitarian', winners: ['a'], bradleyTerry: difference, borda: difference },
  ])
})

t.test('the pooled fit is told beside a welfare result, and where it differs', async (t) => {
  // West compared every pair twice as often as east, which feels more strongly.
  const even = {
    comparisons: [
      ...beats('east', 'ab', 15, 5),
      ...beats('east', 'bc', 12, 8),
      ...beats('east', 'ac', 18, 2),
      ...beats('west', 'ba', 24, 16),
      ...beats('west', 'cb', 30, 10),
      ...beats('west', 'ca', 32, 8),
    ],
    welfare: [{ function: 'utilitarian' }, { function: 'pareto-front' }, { function: 'nash' }],
  } as unknown as CompareRequest
  const { pooled, results } = await compare(even)
  t.equal(pooled?.equallyOften, true)
  t.same(
    pooled?.bradleyTerry?.ranking.map(({ item, rank }) => [item, rank]),
    pooled?.borda.ranking.map(({ item, rank }) => [item, rank]),
    'then the fit has the order of Borda',
  )
  t.same(
    pooled?.against.map(({ result, function: own }) => [result, own]),
    [
      [0, 'utilitarian'],
      [2, 'nash'],
    ],
  )
  const [utilitarian] = results as OptimumResult[]
  t.equal(utilitarian.ranking[0].item, 'a')
  t.same(pooled?.bradleyTerry?.winners, ['c'], 'who speaks more has more of the heap')
  t.match(pooled?.against[0], {
    winners: ['a'],
    bradleyTerry: { sameWinners: false, policyShare: 0 },
    borda: { sameWinners: false },
  })
  t.same(pooled?.against[0].bradleyTerry?.examples.includes(['a', 'c']), false)
  t.ok(pooled?.against[0].bradleyTerry?.examples.some(([above, below]) => above === 'a' && below === 'c'))

  // One group: nothing is pooled that was not together before.
  const alone = await aggregate({
    comparisons: [...beats('g', 'ab', 9, 5), ...beats('g', 'bc', 7, 3), ...beats('g', 'ca', 4, 8)],
    welfare: { function: 'utilitarian' },
  } as never)
  const own = alone as OptimumResult
  t.same(
    own.pooled?.bradleyTerry?.ranking.map(({ item, reward }) => [item, reward.toFixed(9)]),
    own.ranking.map(({ item }) => [item, own.groups[0].rewards[item].toFixed(9)]),
  )
  t.match(own.pooled?.against[0].bradleyTerry, { sameWinners: true, reversedPairs: 0, policyShare: 1 })
})

t.test('items that are ruled out are no part of what the pooled order is held against', async (t) => {
  const comparisons = [
    ...beats('east', 'ab', 15, 5),
    ...beats('east', 'bc', 12, 8),
    ...beats('east', 'ac', 18, 2),
    ...beats('west', 'ba', 24, 16),
    ...beats('west', 'cb', 30, 10),
    ...beats('west', 'ca', 32, 8),
  ]
  const contexts = [
    { id: 'all', weight: 0.7 },
    { id: 'two', weight: 0.3, items: ['a', 'b', 'c'] },
  ]
  for (const policy of [{}, { contexts }]) {
    const { ranking, pooled } = (await aggregate({
      comparisons,
      policy,
      constraints: [{ kind: 'ban', items: ['a'] }],
      welfare: { function: 'utilitarian' },
    } as never)) as OptimumResult
    t.same(
      ranking.map(({ item }) => item),
      ['c', 'b'],
    )
    t.same(
      pooled?.bradleyTerry?.ranking.map(({ item }) => item),
      ['c', 'a', 'b'],
    )
    const policyShare = 'contexts' in policy ? null : 1
    const difference = { sameWinners: true, policyShare, reversedPairs: 0, examples: [] }
    t.same(pooled?.against, [
      { result: 0, function: 'utilitarian', winners: ['c'], bradleyTerry: difference, borda: difference },
    ])
  }
})

/** The first of a pair beats the second so many times, and loses so many. */
function beats(group: string, pair: string, wins: number, losses: number) {
  const [a, b] = pair
  return [
    { group, winner: a, loser: b, count: wins },
    { group, winner: b, loser: a, count: losses },
  ]
}

t.test(
  'a pooled fit is the Borda order where pairs are compared equally often, and not where they are not',
  async (t) => {
    const orders = async (rows: readonly object[]) => {
      const { pooled } = (await aggregate({
        comparisons: rows,
        welfare: { function: 'utilitarian' },
      } as never)) as OptimumResult
      return {
        pooled,
        fit: pooled?.bradleyTerry?.ranking.map(({ item }) => item).join(''),
        borda: pooled?.borda.ranking.map(({ item }) => item).join(''),
      }
    }
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 19 }), { minLength: 6, maxLength: 6 }),
        async (wins) => {
          const pairs = ['ab', 'ac', 'ad', 'bc', 'bd', 'cd']
          const found = await orders(pairs.flatMap((pair, k) => beats('g', pair, wins[k], 20 - wins[k])))
          t.equal(found.pooled?.equallyOften, true)
          t.equal(found.fit, found.borda)
        },
      ),
      { ...run, numRuns: 60 },
    )
    // Asked about a hundred times as often as the others, a and b are told apart by their own comparisons alone.
    const uneven = await orders([
      ...beats('g', 'ab', 600, 400),
      ...beats('g', 'bc', 9, 1),
      ...beats('g', 'ca', 48, 52),
    ])
    t.same([uneven.fit, uneven.borda], ['acb', 'bac'])
    t.equal(uneven.pooled?.equallyOften, false)

    const apart = await orders([...beats('g', 'ab', 3, 2), ...beats('h', 'ab', 1, 1)])
    t.equal(apart.pooled?.reason, null)
  },
)

t.test('there is no pooled fit where the heap has no finite estimate, and it says so', async (t) => {
  const rows = [
    { group: 'g', winner: 'a', loser: 'b', count: 3 },
    { group: 'g', winner: 'b', loser: 'c', count: 2 },
  ]
  const request = { comparisons: rows, welfare: { function: 'utilitarian' } }
  const prior = { kind: 'firth' }
  const { pooled } = (await aggregate({ ...request, model: { prior } } as never)) as OptimumResult
  t.match(pooled, { bradleyTerry: null, reason: /no finite estimate/, borda: { winners: ['a'] } })
  t.equal(pooled?.against[0].bradleyTerry, null)
  const gaussian = { kind: 'gaussian', standardDeviation: 1 }
  const second = (await aggregate({ ...request, model: { prior: gaussian } } as never)) as OptimumResult
  t.same(second.pooled?.bradleyTerry?.winners, ['a'], "the request's prior is taken where it gives one")
  const given = await aggregate({ rewards: { g: { a: 1, b: 0 } }, welfare: { function: 'utilitarian' } })
  t.notOk('pooled' in given, 'and none of given rewards')
})

t.test('POST /vote answers as its schema says, and refuses what has no meaning', async (t) => {
  const app = await build(t)
  const cycle = { rankings: rankings('4abc 3bca 2cab') }
  const answered = await post(app, '/vote', cycle)
  t.equal(answered.statusCode, 200)
  const answer = answered.json()
  t.equal(misfit('VoteResponse', answer), null)
  t.same(
    answer.results.map(({ rule }: { rule: string }) => rule),
    RULES,
  )
  t.same(answer.condorcet.cycles, [
    { items: ['a', 'b', 'c'], shortest: ['a', 'b', 'c', 'a'], weakest: 1 / 9 },
  ])
  const lottery = answer.results[6].lottery
  for (const [item, share] of [
    ['a', 5 / 9],
    ['b', 1 / 9],
    ['c', 3 / 9],
  ] as const)
    t.ok(Math.abs(lottery[item] - share) < 1e-12)
  const chosen = await post(app, '/vote', { ...cycle, rules: ['schulze', 'borda'] })
  t.same(
    chosen.json().results.map(({ rule }: { rule: string }) => rule),
    ['schulze', 'borda'],
    'rules in the order asked for',
  )

  const many = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`i${i}`, i % 3]))
  const large = (await post(app, '/vote', { rewards: { g: many } })).json()
  t.equal(misfit('VoteResponse', large), null)
  t.match(large, { margins: null, support: null, condorcet: { winner: null } })
  t.match(large.results[5], { order: null, reason: /34 items .* at most 16/ })
  t.equal(large.results[3].locked, null)

  const comparisons = [
    { group: 'g', winner: 'a', loser: 'b' },
    { group: 'h', winner: 'b', loser: 'a' },
  ]
  const rewards = { g: { a: 1, b: 0 } }
  const counts = { from: 'counts' }
  const pooled = { pooling: 'pooled' }
  const kind = 'invalid-request'
  const features = [{ group: 'g', featureDifference: [1] }]
  const annotated = comparisons.map(({ winner, loser }) => ({ winner, loser, annotator: winner }))
  const cases: [string, unknown, string | string[], RegExp][] = [
    ['counts of rewards', { rewards, margins: counts }, '/margins/from', /must be fits/],
    ['a heap of rewards', { rewards, margins: pooled }, '/margins/pooling', /must be groups/],
    ['a model for rewards', { rewards, model: {} }, '/model', /nothing is fitted/],
    ['a model for counts', { comparisons, model: {} }, '/model', /nothing is fitted/],
    [
      'a pooled prior for a heap',
      { comparisons, margins: { from: 'fits', ...pooled }, model: { prior: { kind: 'pooled' } } },
      '/model/prior/kind',
      /but one heap/,
    ],
    [
      'groups to be discovered in a heap',
      { comparisons: annotated, groups: { discover: {} }, margins: pooled },
      '/margins/pooling',
      /must be groups/,
    ],
    ['a rule twice', { comparisons, rules: ['borda', 'schulze', 'borda'] }, '/rules/2', /named twice/],
    ['a rule of no name', { comparisons, rules: ['plurality'] }, '/rules/0', /one of borda, copeland/],
    ['no rule', { comparisons, rules: [] }, '/rules', /from 1 to 7/],
    ['a source of no name', { comparisons, margins: { from: 'votes' } }, '/margins/from', /counts, fits/],
    ['an unknown member', { comparisons, method: 'borda' }, '/method', /not a member .* rules/],
    ['nothing', {}, '/comparisons', /is required/],
    ['counts of feature differences', { comparisons: features }, '/comparisons', /name no items/],
    [
      'feature differences of no items',
      { comparisons: features, margins: { from: 'fits' } },
      '/comparisons',
      /no items/,
    ],
  ]
  for (const [name, body, at, says] of cases)
    refuses(t, await post(app, '/vote', body), { status: 400, kind, at, says }, name)
  const crowd = { g: Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`i${i}`, i])) }
  refuses(
    t,
    await post(app, '/vote', { rewards: crowd }),
    { status: 400, kind, at: '/rewards', says: /at most 1000 items/ },
    'too many items',
  )
  refuses(
    t,
    await post(app, '/vote', { comparisons, margins: { from: 'fits' } }),
    { status: 422, kind: 'no-finite-estimate', says: /2 groups, "g" first, have no finite/ },
    'fits that do not exist',
  )
  const odd = { g: { ['__proto__']: 2, constructor: 1, toString: 0 } }
  const named = await post(app, '/vote', `{"rewards": ${JSON.stringify(odd)}}`)
  t.match(named.body, /"lottery":{"__proto__":1,"constructor":0,"toString":0}/, 'any id is safe')
  t.match(named.body, /"margins":{"__proto__":{"constructor":0.46/)

  const found = await post(app, '/vote', {
    comparisons: annotated,
    groups: { discover: { max: 2 } },
    model: { prior: { kind: 'gaussian', standardDeviation: 1 } },
  })
  t.equal(found.statusCode, 200)
  t.equal(misfit('VoteResponse', found.json()), null)
})
