import fc from 'fast-check'
import t from 'tap'
import type { FrontItem, FrontPolicy, FrontResult } from '../../schemas/aggregate.ts'
import { aggregate } from '../../src/engine/aggregate.ts'
import { linearProgramSolver } from '../../src/engine/numeric/linear-program.ts'
import { seededRandom } from '../../src/engine/numeric/random.ts'
import { dominance } from '../../src/engine/welfare/front/dominance.ts'
import { simplexLattice } from '../../src/engine/welfare/front/lattice.ts'
import { paretoFront } from '../../src/engine/welfare/front/pareto-front.ts'
import { hypervolume, knee } from '../../src/engine/welfare/front/shape.ts'
import {
  distance,
  groupName,
  itemName,
  problemOf,
  problems,
  requestOf,
  tableOf,
  trainedPolicy,
  utilitiesAt,
} from '../helpers/problems.ts'

const cold = fc.constant(0)
const small = fc.integer({ min: 0, max: 5 })
const reals = fc.integer({ min: 0, max: 1_000_000 }).map((k) => k / 100_000)

/** The points of a table, one for each item. */
const pointsOf = (table: readonly (readonly number[])[]) => table[0].map((_, i) => table.map((row) => row[i]))

const beats = (a: number[], b: number[]) =>
  a.every((value, g) => value >= b[g]) && a.some((value, g) => value > b[g])

t.test('the front is what no other item dominates, and the rest names what of the front does', async () => {
  const given = problems({
    gains: false,
    groups: [1, 4],
    items: [1, 14],
    temperature: cold,
    values: [small, reals],
  })
  fc.assert(
    fc.property(given, (problem) => {
      const points = pointsOf(tableOf(problem))
      const expected = points.map((point) => !points.some((other) => beats(other, point)))
      const { front, dominated } = dominance(problem)
      const onFront = points.map((_, i) => front.includes(i))
      if (onFront.join() !== expected.join()) throw new Error(`front ${front}`)
      if (front.length + dominated.length !== points.length) throw new Error('items that are lost')
      for (const { item, by } of dominated) {
        const all = front.filter((other) => beats(points[other], points[item]))
        if (by.join() !== all.join()) throw new Error(`${item} by ${by}, not ${all}`)
      }
    }),
    { seed: 1, numRuns: 500 },
  )
})

t.test('differences below what fitted rewards can tell do not dominate', async (t) => {
  const { front } = dominance(
    problemOf([
      [1, 1 + 1e-11, 0],
      [1, 1, 2],
    ]),
  )
  t.same(front, [0, 1, 2])
})

/** How much more than an item a lottery can give all groups together with no group losing; utilities have size 1. */
function lotteryGain(
  maximise: Awaited<ReturnType<typeof linearProgramSolver>>,
  table: number[][],
  item: number,
): number {
  const rows = [...table, table[0].map(() => 1)]
  const objective = Float64Array.from(table[0], (_, i) => table.reduce((sum, row) => sum + row[i], 0))
  const point = maximise({
    objective,
    rows: Float64Array.from(rows.flat()),
    rowLower: Float64Array.from([...table.map((row) => row[item]), 1]),
    rowUpper: Float64Array.from([...table.map(() => Number.POSITIVE_INFINITY), 1]),
  })
  if (point === null) throw new Error('the item itself is a lottery')
  return objective.reduce((sum, value, i) => sum + value * (point[i] - (i === item ? 1 : 0)), 0)
}

for (const stretch of [1, 1e5]) {
  t.test(`an item is supported where no lottery beats it, at scales ${stretch} apart`, async (t) => {
    const maximise = await linearProgramSolver()
    const seen = { supported: 0, not: 0 }
    const given = problems({ groups: [1, 4], items: [2, 10], temperature: cold, values: [small] })
    await fc.assert(
      fc.asyncProperty(given, async (plain) => {
        const table = tableOf(plain)
        const stretched = table.map((row, g) => row.map((value) => value * stretch ** g))
        const { items: found, certificate } = await paretoFront(problemOf(stretched), 0)
        for (const { item, weights } of found ?? []) {
          const gain = lotteryGain(maximise, table, item)
          if (gain > 1e-7 && gain < 1e-3) throw new Error(`neither: ${gain}`)
          seen[weights === null ? 'not' : 'supported']++
          if ((weights !== null) !== gain <= 1e-7) throw new Error(`item ${item}: a lottery gains ${gain}`)
          if (weights === null) continue
          if (!weights.every((weight) => weight > 0)) throw new Error(`weights ${weights}`)
          if (!(Math.abs(weights.reduce((a, b) => a + b) - 1) < 1e-12)) throw new Error('off the simplex')
        }
        if (!(certificate.relativeGap <= 1e-8)) throw new Error(`relative gap ${certificate.relativeGap}`)
      }),
      { seed: 2, numRuns: 200 },
    )
    t.ok(seen.supported > 200 && seen.not > 20, JSON.stringify(seen))
  })
}

t.test('at its weights a supported item is a best one, and the deepest within its cell', async () => {
  const given = problems({ groups: [2, 4], items: [2, 9], temperature: cold, values: [reals] })
  await fc.assert(
    fc.asyncProperty(given, fc.nat(1000), async (problem, seed) => {
      const points = pointsOf(tableOf(problem))
      const random = seededRandom(seed)
      /** The distance, within the plane Σλ = 1, to where the item stops being a best one or a weight is zero. */
      const depth = (item: number, weights: number[]) => {
        const groups = weights.length
        const walls = weights.map((weight) => weight / Math.sqrt(1 - 1 / groups))
        points.forEach((other, i) => {
          if (i === item) return
          const lead = points[item].map((value, g) => value - other[g])
          const mean = lead.reduce((a, b) => a + b) / groups
          const slope = Math.hypot(...lead.map((value) => value - mean))
          walls.push(lead.reduce((sum, value, g) => sum + value * weights[g], 0) / slope)
        })
        return Math.min(...walls)
      }
      const { items: found } = await paretoFront(problem, 0)
      for (const { item, weights } of found ?? []) {
        if (weights === null) continue
        const here = depth(item, Array.from(weights))
        if (!(here >= -1e-9)) throw new Error(`${here} outside`)
        for (let k = 0; k < 20; k++) {
          const towards = Array.from(weights, () => random())
          const sum = towards.reduce((a, b) => a + b)
          const other = Array.from(weights, (weight, g) => 0.9 * weight + (0.1 * towards[g]) / sum)
          if (!(depth(item, other) <= here + 1e-8)) throw new Error('deeper elsewhere')
        }
      }
    }),
    { seed: 3, numRuns: 100 },
  )
})

t.test('for two groups shares are the lengths of the cells', async () => {
  const given = problems({ groups: [2, 2], items: [1, 10], temperature: cold, values: [reals] })
  await fc.assert(
    fc.asyncProperty(given, async (problem) => {
      const points = pointsOf(tableOf(problem))
      const { items: found } = await paretoFront(problem, 0)
      // Who is best changes only where two items are worth the same.
      const changes = points.flatMap(([a, b]) =>
        points.map(([c, d]) => (d - b) / (a - c - (b - d))).filter((at) => at > 0 && at < 1),
      )
      const ends = [0, ...changes.sort((a, b) => a - b), 1]
      const lengths = points.map(() => 0)
      for (let k = 1; k < ends.length; k++) {
        const middle = (ends[k] + ends[k - 1]) / 2
        const values = points.map(([a, b]) => middle * a + (1 - middle) * b)
        lengths[values.indexOf(Math.max(...values))] += ends[k] - ends[k - 1]
      }
      const shares = points.map((_, i) => found?.find(({ item }) => item === i)?.share ?? 0)
      if (!(distance(shares, lengths) <= 1e-9)) throw new Error(`${shares}, not ${lengths}`)
      if (found?.some(({ shareError }) => shareError !== 0)) throw new Error('an error of what is exact')
    }),
    { seed: 4, numRuns: 200 },
  )
})

t.test('items that are the same share their cell', async (t) => {
  const two = await paretoFront(
    problemOf([
      [1, 1, 0],
      [0, 0, 1],
    ]),
    0,
  )
  t.same(
    two.items?.map(({ share }) => share),
    [0.25, 0.25, 0.5],
  )
  const three = await paretoFront(
    problemOf([
      [1, 1, 0, 0],
      [0, 0, 1, 0],
      [0, 0, 0, 1],
    ]),
    0,
  )
  const shares = three.items?.map(({ share }) => share) ?? []
  t.equal(shares[0], shares[1])
  t.ok(Math.abs(shares[0] - 1 / 6) < 0.02)
  t.ok(three.items?.every(({ weights }) => weights !== null))
})

/** The area of the cell of an item within the triangle of three weights, as a part of it, by cutting the triangle. */
function areaOf(points: number[][], item: number): number {
  let polygon = [
    [1, 0],
    [0, 1],
    [0, 0],
  ]
  points.forEach((other, i) => {
    if (i === item) return
    const [a, b, c] = points[item].map((value, g) => value - other[g])
    const lead = ([x, y]: number[]) => a * x + b * y + c * (1 - x - y)
    polygon = polygon.flatMap((p, k) => {
      const q = polygon[(k + 1) % polygon.length]
      const [from, to] = [lead(p), lead(q)]
      const crossing = p.map((value, axis) => value + (from / (from - to)) * (q[axis] - value))
      const kept = from >= 0 ? [p] : []
      return from * to < 0 ? [...kept, crossing] : kept
    })
  })
  return polygon.reduce((sum, [x, y], k) => {
    const [u, v] = polygon[(k + 1) % polygon.length]
    return sum + x * v - u * y
  }, 0)
}

t.test('for three groups sampled shares are the areas of the cells within their errors', async () => {
  const given = problems({ groups: [3, 3], items: [2, 8], temperature: cold, values: [reals] })
  await fc.assert(
    fc.asyncProperty(given, async (problem) => {
      const points = pointsOf(tableOf(problem))
      const { items: found } = await paretoFront(problem, 7)
      let total = 0
      for (const { item, share, shareError } of found ?? []) {
        total += share
        const area = areaOf(points, item)
        const error = Math.max(shareError, Math.sqrt(area / 20_000), 1 / 20_000)
        if (!(Math.abs(share - area) <= 5 * error)) throw new Error(`${share} ± ${shareError}, not ${area}`)
      }
      if (!(Math.abs(total - 1) < 1e-9)) throw new Error(`shares sum to ${total}`)
    }),
    { seed: 5, numRuns: 40 },
  )
})

/** The volume of the union of boxes [0, point], by inclusion and exclusion. */
function unionOf(points: readonly (readonly number[])[]): number {
  let volume = 0
  for (let subset = 1; subset < 2 ** points.length; subset++) {
    const chosen = points.filter((_, k) => (subset >> k) & 1)
    const corner = chosen[0].map((_, g) => Math.min(...chosen.map((point) => Math.max(0, point[g]))))
    volume += (chosen.length % 2 === 1 ? 1 : -1) * corner.reduce((product, side) => product * side, 1)
  }
  return volume
}

const cloud = (groups: number) =>
  fc.array(fc.array(fc.integer({ min: -2, max: 9 }), { minLength: groups, maxLength: groups }), {
    minLength: 1,
    maxLength: 8,
  })

for (const groups of [1, 2, 3, 4, 6]) {
  t.test(`the hypervolume of ${groups} groups is the volume of the union of boxes`, async () => {
    fc.assert(
      fc.property(cloud(groups), fc.nat(1000), (points, seed) => {
        const utilities = Float64Array.from(points.flat())
        const found = hypervolume({ count: points.length, groups, utilities }, seededRandom(seed))
        const expected = unionOf(points)
        const limit = groups <= 3 ? 1e-9 : 5 * found.error + 1e-9
        if (!(Math.abs(found.volume - expected) <= limit)) throw new Error(`${found.volume}, not ${expected}`)
        if (groups <= 3 && found.error !== 0) throw new Error('an error of what is exact')
      }),
      { seed: 6, numRuns: groups <= 3 ? 300 : 40 },
    )
  })
}

t.test('the knee is the point nearest to the ideal, each range being 1', async () => {
  fc.assert(
    fc.property(cloud(3), (points) => {
      const highs = points[0].map((_, g) => Math.max(...points.map((point) => point[g])))
      const lows = points[0].map((_, g) => Math.min(...points.map((point) => point[g])))
      const far = points.map((point) =>
        Math.hypot(
          ...point.map((value, g) => (highs[g] > lows[g] ? (highs[g] - value) / (highs[g] - lows[g]) : 0)),
        ),
      )
      const found = knee({ count: points.length, groups: 3, utilities: Float64Array.from(points.flat()) })
      if (!(far[found] <= Math.min(...far) + 1e-9)) throw new Error(`${found} of ${far}`)
    }),
    { seed: 7, numRuns: 300 },
  )
})

t.test('the lattice spreads whole parts evenly, with every corner, and is not too large', async (t) => {
  for (const groups of [1, 2, 3, 4, 7, 20]) {
    const lattice = simplexLattice(groups)
    t.ok(lattice.length >= groups && lattice.length <= 250, `${lattice.length} points`)
    t.equal(new Set(lattice.map((point) => point.join())).size, lattice.length, 'no point is there twice')
    const step = Math.min(...lattice.flatMap((point) => [...point].filter((part) => part > 0)))
    for (const point of lattice) {
      t.ok(Math.abs(point.reduce((a, b) => a + b) - 1) < 1e-12)
      t.ok(point.every((part) => Math.abs(part / step - Math.round(part / step)) < 1e-9))
    }
    for (let g = 0; g < groups; g++) t.ok(lattice.some((point) => point[g] === 1))
  }
  t.equal(simplexLattice(2).length, 21)
})

t.test('above temperature 0 every point of the front is the policy that its weights lead to', async () => {
  const warm = fc.integer({ min: -20, max: 20 }).map((tenth) => 10 ** (tenth / 10))
  const given = problems({ gains: false, groups: [1, 4], items: [2, 8], temperature: warm })
  await fc.assert(
    fc.asyncProperty(given, async (problem) => {
      const answer = (await aggregate(requestOf(problem, { function: 'pareto-front' }))) as FrontResult
      const table = tableOf(problem)
      for (const point of answer.front as FrontPolicy[]) {
        const weights = table.map((_, g) => point.weights[groupName(g)])
        const policy = table[0].map((_, i) => point.policy[itemName(i)])
        const trained = trainedPolicy(table, weights, point.temperature, problem.reference)
        if (!(distance(policy, trained) <= 1e-12)) throw new Error('another policy')
        const reached = table.map((_, g) => point.utilities[groupName(g)])
        if (!(distance(reached, utilitiesAt(problem, policy)) <= 1e-12)) throw new Error('other utilities')
        const rewards = table[0].map((_, i) => table.reduce((sum, row, g) => sum + weights[g] * row[i], 0))
        if (!(distance(Object.values(point.rewards), rewards) <= 1e-12)) throw new Error('other rewards')
      }
      const points = (answer.front as FrontPolicy[]).map(({ utilities }) => Object.values(utilities))
      if (points.length === 0) throw new Error('no front')
    }),
    { seed: 8, numRuns: 60 },
  )
})

t.test('the seed decides what is sampled, and nothing else does', async (t) => {
  const table = [
    [9, 1, 1, 1, 5],
    [1, 9, 1, 1, 4],
    [1, 1, 9, 1, 4],
    [1, 1, 1, 9, 4],
  ]
  const answer = async (seed: number) =>
    JSON.stringify(await aggregate({ ...requestOf(problemOf(table), { function: 'pareto-front' }), seed }))
  t.equal(await answer(3), await answer(3))
  const [one, other] = [3, 4].map(async (seed) => JSON.parse(await answer(seed)) as FrontResult)
  const shares = (result: FrontResult) => (result.front as FrontItem[]).map(({ share }) => share)
  t.not(shares(await one).join(), shares(await other).join())
  t.not((await one).hypervolume, (await other).hypervolume)
})
