import fc from 'fast-check'
import t from 'tap'
import type { FitRequest } from '../../schemas/fit.ts'
import { ordersFollowItems } from '../../src/engine/comparisons/connectivity.ts'
import type { PairCounts } from '../../src/engine/comparisons/pairs.ts'
import { fit } from '../../src/engine/fit.ts'
import { seededRandom } from '../../src/engine/numeric/random.ts'
import { Problem } from '../../src/engine/problem.ts'
import { recessionDirection } from '../../src/engine/rewards/existence.ts'
import { posteriorOf } from '../../src/engine/rewards/fit-group.ts'
import type { Likelihood } from '../../src/engine/rewards/likelihood.ts'
import { maximise } from '../../src/engine/rewards/maximise.ts'
import type { OutcomeModel } from '../../src/engine/rewards/model.ts'
import type { FullRow } from '../helpers/definition.ts'
import { item, largest, refusal, won } from '../helpers/fit.ts'

const DAVIDSON = { ties: 'davidson', positionEffect: false } as const

function tied(a: string, b: string, count = 1): FullRow {
  return { ...won(a, b, count), tie: true }
}

function answer(comparisons: readonly object[], model: object, items?: object[]) {
  return fit({ comparisons, model, ...(items === undefined ? {} : { items }) } as FitRequest)
}

type Direction = {
  rewards: Record<string, number>
  rewardWeights: number[]
  parameters: Record<string, number>
}

/** Along what the one refused group's likelihood grows without end. */
async function directionOf(refused: Promise<unknown>): Promise<Direction> {
  const problem = await refusal(refused)
  if (problem.kind !== 'no-finite-estimate') throw problem
  const [{ direction }] = problem.evidence.groups as { direction: Direction }[]
  return direction
}

t.test(
  'i beats j five times and ties five times: finite as half wins, infinite with ties of their own',
  async (t) => {
    const comparisons = [won('i', 'j', 5), tied('i', 'j', 5)]
    const [half] = (await answer(comparisons, {})).groups
    t.ok(Math.abs(half.rewards.i - half.rewards.j - Math.log(3)) < 1e-12)
    const { rewards, parameters } = await directionOf(answer(comparisons, DAVIDSON))
    // Ties stay as likely as wins; losses vanish.
    t.ok(rewards.i - rewards.j > 0 && Math.abs(parameters.logTie - (rewards.i - rewards.j) / 2) < 1e-9)
  },
)

t.test('Davidson’s ν needs a tie, and something else than ties', async (t) => {
  const noTies = [won('a', 'b', 3), won('b', 'a', 2)]
  t.same(await directionOf(answer(noTies, DAVIDSON)), { rewards: { a: 0, b: 0 }, parameters: { logTie: -1 } })
  const onlyTies = [tied('a', 'b', 3), tied('b', 'c', 2)]
  t.same(await directionOf(answer(onlyTies, DAVIDSON)), {
    rewards: { a: 0, b: 0, c: 0 },
    parameters: { logTie: 1 },
  })
  for (const prior of [
    { kind: 'gaussian', standardDeviation: 1 },
    { kind: 'pseudo-item', strength: 1 },
  ]) {
    for (const [comparisons, logTie] of [
      [noTies, -1],
      [onlyTies, 1],
    ] as const) {
      const { parameters } = await directionOf(answer(comparisons, { ...DAVIDSON, prior }))
      t.same(parameters, { logTie }, `${prior.kind} holds rewards, and not ν`)
    }
  }
  const [firth] = (await answer(noTies, { ...DAVIDSON, prior: { kind: 'firth' } })).groups
  t.ok(firth.parameters.tie > 0 && firth.parameters.tie < 1, 'Jeffreys’ prior holds both')
})

t.test('a position effect is infinite where the first always won', async (t) => {
  const model = { positionEffect: true }
  const firstWins = ['a', 'b', 'c'].flatMap((x, k, all) =>
    all.filter((y) => y !== x).map((y): FullRow => ({ ...won(x, y, k + 1), first: x })),
  )
  t.same(await directionOf(answer(firstWins, model)), {
    rewards: { a: 0, b: 0, c: 0 },
    parameters: { position: 1 },
  })
  const lastWins = firstWins.map((row) => ({ ...row, first: row.loser }))
  t.equal((await directionOf(answer(lastWins, model))).parameters.position, -1)
  const once = [...firstWins, { ...won('b', 'a'), first: 'a' }]
  const { rewards, parameters } = await directionOf(answer(once, model))
  t.ok(Math.abs(rewards.b - rewards.a - parameters.position) < 1e-9, 'b may be as much better as that costs')
  const both = [...once, { ...won('a', 'b'), first: 'b' }]
  t.ok((await answer(both, model)).groups[0].fit.converged, 'an upset in each order of a pair is enough')
})

t.test('a position effect that no pair’s two orders tell from rewards is refused by name', async (t) => {
  const model = { positionEffect: true }
  const always = [
    { ...won('a', 'b', 3), first: 'a' },
    { ...won('b', 'a', 2), first: 'a' },
  ]
  // z_ab = 1, z_bc = 1, z_ac = 2 would be a potential; with z_ac = 1 the three orders contradict it.
  const chain = [...always, { ...won('b', 'c', 2), first: 'b' }, { ...won('c', 'b'), first: 'b' }]
  const triangle = [...chain, { ...won('a', 'c'), first: 'a' }, { ...won('c', 'a'), first: 'a' }]
  for (const prior of [{ kind: 'none' }, { kind: 'firth' }]) {
    for (const comparisons of [always, chain]) {
      const problem = await refusal(answer(comparisons, { ...model, prior }))
      t.equal(problem.kind, 'collinear-features')
      t.equal(problem.evidence.position, true)
    }
    t.ok((await answer(triangle, { ...model, prior })).groups[0].fit.converged)
  }
  const gaussian = { kind: 'gaussian', standardDeviation: 1 }
  t.ok((await answer(always, { ...model, prior: gaussian })).groups[0].fit.converged, 'a prior decides')
})

t.test('orders follow items exactly where some potential explains them', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 6 }).chain((m) =>
        fc.record({
          m: fc.constant(m),
          entries: fc.array(fc.tuple(fc.nat(m - 1), fc.nat(m - 1), fc.integer({ min: -1, max: 1 })), {
            maxLength: 9,
          }),
        }),
      ),
      ({ m, entries }) => {
        const rows = entries.filter(([a, b]) => a < b)
        const counts = {
          items: Int32Array.from({ length: m }, (_, v) => v),
          i: Int32Array.from(rows, ([a]) => a),
          j: Int32Array.from(rows, ([, b]) => b),
          first: Int8Array.from(rows, ([, , z]) => z),
        } as PairCounts
        // Potentials by relaxation from each item: along any path the differences must agree.
        const potential = new Array<number | null>(m).fill(null)
        let consistent = true
        for (let start = 0; start < m; start++) {
          if (potential[start] !== null) continue
          potential[start] = 0
          for (let pass = 0; pass < m; pass++) {
            for (const [a, b, z] of rows) {
              const [pa, pb] = [potential[a], potential[b]]
              if (pa !== null && pb === null) potential[b] = pa - z
              if (pb !== null && pa === null) potential[a] = pb + z
              if (pa !== null && pb !== null && pa - pb !== z) consistent = false
            }
          }
        }
        return ordersFollowItems(counts) === consistent
      },
    ),
    { seed: 1, numRuns: 1000 },
  )
})

/** Few comparisons of few items, so that most estimates are infinite. */
const sparse = fc.integer({ min: 2, max: 5 }).chain((m) =>
  fc
    .array(
      fc.record({
        a: fc.nat(m - 1),
        step: fc.integer({ min: 1, max: m - 1 }),
        outcome: fc.constantFrom('win', 'win', 'tie'),
        count: fc.integer({ min: 1, max: 4 }),
        swapped: fc.boolean(),
      }),
      { minLength: 1, maxLength: 9 },
    )
    .map((drawn) =>
      drawn.map(({ a, step, outcome, count, swapped }): FullRow => {
        const [winner, loser] = [item(a), item((a + step) % m)]
        const row = outcome === 'tie' ? tied(winner, loser, count) : won(winner, loser, count)
        return { ...row, first: swapped ? loser : winner }
      }),
    ),
)

/** The condition by its words: connected by wins and ties, a tie, and some cycle with more wins than ties. */
function davidsonIsFinite(rows: readonly FullRow[]): boolean {
  const items = [...new Set(rows.flatMap(({ winner, loser }) => [winner, loser]))]
  const edges = rows.flatMap(({ winner, loser, tie }) => {
    const [a, b] = [items.indexOf(winner), items.indexOf(loser)]
    return tie === true
      ? [
          { from: a, to: b, gain: -1 },
          { from: b, to: a, gain: -1 },
        ]
      : [{ from: a, to: b, gain: 1 }]
  })
  const connected = items.every((_, start) => {
    const reached = new Set([start])
    for (let pass = 0; pass < items.length; pass++)
      for (const { from, to } of edges) if (reached.has(from)) reached.add(to)
    return reached.size === items.length
  })
  // Bellman and Ford: a cycle whose gain is positive lets lengths grow for ever.
  const length = new Array<number>(items.length).fill(0)
  let grows = false
  for (let pass = 0; pass <= items.length; pass++) {
    grows = false
    for (const { from, to, gain } of edges) {
      if (length[from] + gain > length[to]) {
        length[to] = length[from] + gain
        grows = true
      }
    }
  }
  return connected && rows.some(({ tie }) => tie === true) && grows
}

t.test('Davidson’s estimate is finite exactly where the condition on cycles says so', async (t) => {
  let finite = 0
  await fc.assert(
    fc.asyncProperty(sparse, async (rows) => {
      const expected = davidsonIsFinite(rows)
      if (expected) finite++
      try {
        const [group] = (await answer(rows, DAVIDSON)).groups
        return expected && group.fit.converged
      } catch (error) {
        return !expected && error instanceof Problem && error.kind === 'no-finite-estimate'
      }
    }),
    { seed: 2, numRuns: 600 },
  )
  t.ok(finite > 100 && finite < 500, `${finite} of 600 are`)
})

/** Whether ℓ rises, or at least nowhere falls, along a direction, from some point on. */
function risesFor(posterior: Likelihood, direction: Float64Array): boolean {
  const values = [0, 4, 8, 12, 16].map((far) => posterior.value(direction.map((value) => value * far)))
  return values.every((value, k) => k === 0 || value >= values[k - 1] - 1e-12) && values[4] > values[0]
}

t.test('a maximum is found exactly where the linear program finds no direction of growth', async (t) => {
  let directions = 0
  await fc.assert(
    fc.asyncProperty(
      sparse,
      fc.constantFrom<OutcomeModel>(
        { ties: 'half-win', positionEffect: true },
        { ties: 'davidson', positionEffect: false },
        { ties: 'davidson', positionEffect: true },
      ),
      fc.constantFrom(false, true),
      fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 10, maxLength: 10 }),
      async (rows, model, linear, values) => {
        const { counts } = pairCountsOf(rows)
        const m = counts.items.length
        const features = linear ? { width: 1, values: Float64Array.from(values.slice(0, m)) } : null
        const { posterior, likelihood } = posteriorOf(counts, model, { kind: 'none' }, features)
        posterior.linearise(new Float64Array(posterior.size))
        const told = features === null ? !ordersFollowItems(counts) : posterior.diagonal[0] > 0
        fc.pre(told || (features === null && !model.positionEffect))
        fc.pre(!(linear && model.positionEffect))
        const free = Array.from({ length: posterior.size }, (_, a) => a)
        const direction = await recessionDirection(posterior, likelihood, free)
        if (direction === 'undecided') return false
        const found = maximise(posterior, false)
        if (direction === 'none') return found !== null
        directions++
        return found === null && largest(direction) === 1 && risesFor(posterior, direction)
      },
    ),
    { seed: 3, numRuns: 500 },
  )
  t.ok(directions > 100, `${directions} had one`)
})

function pairCountsOf(rows: readonly FullRow[]): { counts: PairCounts } {
  const items = [...new Set(rows.flatMap(({ winner, loser }) => [winner, loser]))].sort()
  const entries = new Map<
    string,
    { i: number; j: number; z: number; wins: number; losses: number; ties: number }
  >()
  for (const { winner, loser, first, tie, count = 1 } of rows) {
    const [a, b] = [items.indexOf(winner), items.indexOf(loser)]
    const z = (first === winner) === a < b ? 1 : -1
    const key = [Math.min(a, b), Math.max(a, b), z].join()
    const entry = entries.get(key) ?? { i: Math.min(a, b), j: Math.max(a, b), z, wins: 0, losses: 0, ties: 0 }
    entries.set(key, entry)
    if (tie === true) entry.ties += count
    else if (a < b) entry.wins += count
    else entry.losses += count
  }
  const sorted = [...entries.values()].sort((x, y) => x.i - y.i || x.j - y.j || x.z - y.z)
  const numbers = (of: 'wins' | 'losses' | 'ties') => Float64Array.from(sorted, (entry) => entry[of])
  return {
    counts: {
      items: Int32Array.from(items, (_, v) => v),
      i: Int32Array.from(sorted, ({ i }) => i),
      j: Int32Array.from(sorted, ({ j }) => j),
      first: Int8Array.from(sorted, ({ z }) => z),
      wins: numbers('wins'),
      losses: numbers('losses'),
      ties: numbers('ties'),
      comparisons: sorted.length,
      pairs: sorted.length,
    },
  }
}

// Features.

/** Rows that bring differences of normal features, of which the one with positive y wins. */
function rowsByRule(count: number, width: number, y: (x: number[], random: () => number) => number) {
  const random = seededRandom(4)
  return Array.from({ length: count }, () => {
    const x = Array.from({ length: width }, () => 2 * random() - 1)
    return { group: 'all', featureDifference: x, preference: y(x, random) > 0 ? 1 : 0 }
  })
}

t.test('separated features are refused with weights that separate them, also of many rows', async (t) => {
  for (const [count, width] of [
    [60, 3],
    [20_000, 8],
  ]) {
    const comparisons = rowsByRule(count, width, (x) => x[0] - 0.5 * x[1])
    const { rewardWeights } = await directionOf(answer(comparisons, {}))
    const gains = comparisons.map(({ featureDifference, preference }) => {
      const d = featureDifference.reduce((sum, x, f) => sum + x * rewardWeights[f], 0)
      return preference === 1 ? d : -d
    })
    t.ok(
      gains.every((gain) => gain > -1e-8),
      `${count} rows: no outcome becomes less likely`,
    )
    t.ok(Math.max(...gains) > 0.1)
  }
})

t.test('one feature that separates is found among others that do not', async (t) => {
  // The third is never negative where the winner has any of it.
  const comparisons = rowsByRule(400, 2, (x, random) => x[0] + 2 * random() - 1).map((row, k) => ({
    ...row,
    featureDifference: [...row.featureDifference, k % 9 === 0 ? (row.preference === 1 ? 1 : -1) : 0],
  }))
  const { rewardWeights } = await directionOf(answer(comparisons, {}))
  t.same(rewardWeights, [0, 0, 1])
  const [held] = (await answer(comparisons, { prior: { kind: 'gaussian', standardDeviation: 3 } })).groups
  t.ok((held.rewardWeights as number[])[2] > 1)
  const [firth] = (await answer(comparisons, { prior: { kind: 'firth' } })).groups
  t.ok((firth.rewardWeights as number[])[2] > 1)
})

t.test(
  'features on scales that differ by powers of ten are still told apart, and still separated',
  async (t) => {
    const noisy = rowsByRule(300, 2, (x, random) => x[0] - x[1] + 2 * random() - 1)
    const scaled = (scale: number, rows: typeof noisy) =>
      rows.map((row) => ({
        ...row,
        featureDifference: [row.featureDifference[0], scale * row.featureDifference[1]],
      }))
    const [plain] = (await answer(noisy, {})).groups
    for (const scale of [1e-8, 1e8]) {
      const [other] = (await answer(scaled(scale, noisy), {})).groups
      const [a, b] = other.rewardWeights as number[]
      const [c, d] = plain.rewardWeights as number[]
      t.ok(Math.abs(a - c) < 1e-9 && Math.abs(b * scale - d) < 1e-9, `scale ${scale}`)
      const separated = scaled(
        scale,
        rowsByRule(300, 2, (x) => x[0] - x[1]),
      )
      t.equal((await refusal(answer(separated, {}))).kind, 'no-finite-estimate')
    }
  },
)

t.test('features that cannot be told apart are named', async (t) => {
  const random = seededRandom(5)
  const rows = ['a', 'b', 'c', 'd', 'e'].flatMap((x, k, all) =>
    all.slice(k + 1).flatMap((y) => [won(x, y, 2), won(y, x)]),
  )
  const features = (of: (x: number, y: number, k: number) => number[]) =>
    ['a', 'b', 'c', 'd', 'e'].map((id, k) => ({ id, features: of(random(), random(), k) }))
  const named = async (items: object[], prior = {}) => {
    const problem = await refusal(answer(rows, prior, items))
    t.equal(problem.kind, 'collinear-features')
    return problem.evidence.features
  }
  t.same(await named(features((x, y) => [x, y, 3 * x - y])), [2], 'a combination')
  t.same(await named(features((x, y) => [x, 7.3, y])), [1], 'a constant')
  t.same(await named(features((x, y) => [x, 1e9, y, x + 1e9])), [1, 3], 'a copy far off, and a constant')
  t.same(
    await named(features((_, __, k) => [k, k * k, k ** 3, k ** 4, k ** 5])),
    [4],
    'more than there are differences',
  )
  t.same(
    await named(
      features((x, y) => [x, y, x + y]),
      { prior: { kind: 'pooled' } },
    ),
    [2],
    'of all groups together',
  )
  const held = await answer(
    rows,
    { prior: { kind: 'gaussian', standardDeviation: 1 } },
    features((x, y) => [x, 7.3, y]),
  )
  t.equal(held.groups[0].rewardWeights?.[1], 0, 'a prior leaves what nothing tells at 0')

  const first = rowsByRule(50, 1, (x, random) => x[0] + 2 * random() - 1).map((row, k) => ({
    group: 'all',
    winner: 'x',
    loser: 'y',
    preference: row.preference,
    featureDifference: [k % 2 === 0 ? 1 : -1],
    first: k % 2 === 0 ? 'x' : 'y',
  }))
  const problem = await refusal(answer(first, { positionEffect: true }))
  t.same(
    [problem.kind, problem.evidence.position],
    ['collinear-features', true],
    'the position is a feature itself',
  )
})

t.test('a phantom needs items', async (t) => {
  const comparisons = rowsByRule(20, 1, (x, random) => x[0] + random())
  const problem = await refusal(answer(comparisons, { prior: { kind: 'pseudo-item', strength: 1 } }))
  t.equal(problem.kind, 'invalid-request')
  t.equal(problem.errors[0].pointer, '/model/prior')
})

// Finite, and far away.

t.test('an estimate may be further away than where the search for infinite ones begins', async (t) => {
  // The ends of a chain of 40 are 39·log 9 = 86 apart, and they were compared.
  const m = 40
  const comparisons = Array.from({ length: m - 1 }, (_, k) => [
    won(item(k), item(k + 1), 90),
    won(item(k + 1), item(k), 10),
    tied(item(k), item(k + 1), 30),
  ]).flat()
  const [group] = (await answer([...comparisons, won(item(0), item(m - 1))], DAVIDSON)).groups
  t.ok(group.fit.converged)
  const [alone] = (await answer(comparisons, DAVIDSON)).groups
  t.ok(Math.abs(group.rewards[item(0)] - alone.rewards[item(0)]) < 1e-9, 'a foregone win tells nothing')
  t.ok(Math.abs(group.rewards[item(0)] - group.rewards[item(m - 1)] - (m - 1) * Math.log(9)) < 1e-8)
})

t.test('weights that differ by powers of ten are fitted exactly, or not at all', async (t) => {
  let answers = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({ wins: fc.integer({ min: -9, max: 9 }), losses: fc.integer({ min: -9, max: 9 }) }),
        { minLength: 1, maxLength: 8 },
      ),
      async (edges) => {
        const comparisons = edges.flatMap(({ wins, losses }, k) => [
          { ...won(item(k), item(k + 1)), weight: 10 ** wins },
          { ...won(item(k + 1), item(k)), weight: 10 ** losses },
        ])
        try {
          const [{ rewards }] = (await answer(comparisons, {})).groups
          answers++
          const errors = edges.map(({ wins, losses }, k) => {
            return rewards[item(k)] - rewards[item(k + 1)] - Math.log(10) * (wins - losses)
          })
          return largest(errors) < 1e-8
        } catch (error) {
          return error instanceof Problem && error.kind === 'not-converged'
        }
      },
    ),
    { seed: 6, numRuns: 300 },
  )
  t.ok(answers > 200, `${answers} of 300 have an answer`)
})

t.test(
  'all that the search says, the definition of a maximum bears out: nothing nearby is higher',
  async () => {
    fc.assert(
      fc.property(
        sparse,
        fc.constantFrom('none' as const, 'gaussian' as const),
        fc.array(fc.integer({ min: -100, max: 100 }), { minLength: 7, maxLength: 7 }),
        (rows, kind, draw) => {
          const { counts } = pairCountsOf(rows)
          const model = { ties: 'davidson', positionEffect: true } as const
          fc.pre(kind === 'gaussian' || !ordersFollowItems(counts))
          const prior = kind === 'none' ? ({ kind } as const) : ({ kind, standardDeviation: 1 } as const)
          const { posterior } = posteriorOf(counts, model, prior, null)
          const found = maximise(posterior, false)
          if (found === null) return true
          const top = posterior.value(found.at)
          return [0.01, 0.1, 1].every(
            (size) =>
              posterior.value(found.at.map((value, a) => value + (size * draw[a]) / 100)) <= top + 1e-12,
          )
        },
      ),
      { seed: 7, numRuns: 300 },
    )
  },
)
