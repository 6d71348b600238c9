import { readFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import type { ContextualFrontPolicy, FrontItem, FrontPolicy, FrontResult } from '../../schemas/aggregate.ts'
import { frontPicture } from '../../scripts/front-picture.ts'
import { aggregate, type Progress } from '../../src/engine/aggregate.ts'
import { linearProgramSolver } from '../../src/engine/numeric/linear-program.ts'
import { seededRandom } from '../../src/engine/numeric/random.ts'
import { dominance } from '../../src/engine/welfare/front/dominance.ts'
import { frontOfItems } from '../../src/engine/welfare/front/items.ts'
import { frontOfPolicies } from '../../src/engine/welfare/front/policies.ts'
import { hypervolume, knee } from '../../src/engine/welfare/front/shape.ts'
import type { WelfareProblem } from '../../src/engine/welfare/problem.ts'
import { build, misfit, post } from '../helpers/app.ts'
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
const whole = fc.integer({ min: 0, max: 15 })
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
      for (const { item, by, count } of dominated) {
        const all = front.filter((other) => beats(points[other], points[item]))
        if (by.join() !== all.join()) throw new Error(`${item} by ${by}, not ${all}`)
        if (count !== all.length) throw new Error(`${count} of ${all.length}`)
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
  const telling = problemOf([
    [1, 1 + 1e-8, 0],
    [1, 1, 2],
  ])
  t.same(dominance(telling).front, [1, 2])
  const worseByMore = problemOf([
    [1, 1 + 1e-3, 0],
    [1, 1 - 1e-8, 2],
  ])
  t.same(dominance(worseByMore).front, [0, 1, 2])
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

/** The front of items of a table. */
const itemsOf = (table: readonly (readonly number[])[], seed = 0) =>
  frontOfItems(problemOf(table), seed, () => {})

/** Holds every verdict against a linear program of another kind, and every proof against its definition. */
function checkVerdicts(
  maximise: Awaited<ReturnType<typeof linearProgramSolver>>,
  plain: number[][],
  { items, lotteryDominated, certificate }: ReturnType<typeof itemsOf>,
  stretched: number[][],
  seen: { supported: number; not: number },
) {
  const ranges = stretched.map((row) => Math.max(...row) - Math.min(...row))
  for (const { item, weights } of items) {
    const gain = lotteryGain(maximise, plain, item)
    if (gain > 1e-7 && gain < 1e-5) throw new Error(`neither: ${gain}`)
    const lottery = lotteryDominated.find((entry) => entry.item === item)
    seen[weights === null ? 'not' : 'supported']++
    if ((weights !== null) !== gain <= 1e-7) throw new Error(`item ${item}: a lottery gains ${gain}`)
    if ((weights === null) !== (lottery !== undefined)) throw new Error('neither weights nor a lottery')
    if (weights !== null) {
      if (!weights.every((weight) => weight > 0)) throw new Error(`weights ${weights}`)
      if (!(Math.abs(weights.reduce((a, b) => a + b) - 1) < 1e-12)) throw new Error('off the simplex')
    }
    if (lottery === undefined) continue
    const total = lottery.by.reduce((sum, { probability }) => sum + probability, 0)
    if (!(Math.abs(total - 1) < 1e-12)) throw new Error(`probabilities sum to ${total}`)
    if (!lottery.by.every(({ item: other }) => items.some((k) => k.item === other && k.weights !== null)))
      throw new Error('a lottery over items that are not supported')
    stretched.forEach((row, g) => {
      const expected = lottery.by.reduce((sum, part) => sum + part.probability * row[part.item], -row[item])
      if (!(Math.abs(lottery.gains[g] - expected) <= 1e-12 * ranges[g])) throw new Error('other gains')
      if (!(expected >= -1e-9 * ranges[g])) throw new Error(`group ${g} loses ${-expected}`)
    })
    if (!lottery.gains.some((value, g) => value > 1e-9 * ranges[g])) throw new Error('nobody gains')
  }
  if (!(certificate.relativeGap <= 1e-9)) throw new Error(`relative gap ${certificate.relativeGap}`)
}

for (const stretch of [1, 1e-3, 1e5]) {
  t.test(`an item is supported where no lottery beats it, at scales ${stretch} apart`, async (t) => {
    const maximise = await linearProgramSolver()
    const seen = { supported: 0, not: 0 }
    const given = problems({ groups: [1, 5], items: [4, 20], temperature: cold, values: [whole] })
    fc.assert(
      fc.property(given, (plain) => {
        const table = tableOf(plain)
        const stretched = table.map((row, g) => row.map((value) => value * stretch ** g))
        checkVerdicts(maximise, table, itemsOf(stretched), stretched, seen)
      }),
      { seed: 2, numRuns: 60 },
    )
    t.ok(seen.supported > 150 && seen.not > 30, JSON.stringify(seen))
  })
}

/** Points near a simplex: hardly one dominates another, and many are beaten by lotteries. */
function opposed(groups: number, items: number, seed: number, thickness: number): number[][] {
  const random = seededRandom(seed)
  const points = Array.from({ length: items }, () => {
    const point = Array.from({ length: groups }, () => -Math.log(1 - random()))
    const size = point.reduce((a, b) => a + b) * (1 + thickness * random())
    return point.map((value) => value / size)
  })
  return Array.from({ length: groups }, (_, g) => points.map((point) => point[g]))
}

t.test('so it is on fronts of hundreds of items that nothing dominates', async (t) => {
  const maximise = await linearProgramSolver()
  for (const groups of [3, 5, 8]) {
    const table = opposed(groups, 150, groups, 0.1)
    const front = itemsOf(table)
    const seen = { supported: 0, not: 0 }
    checkVerdicts(maximise, table, front, table, seen)
    t.ok(seen.supported > 10 && seen.not > 20, JSON.stringify(seen))
  }
})

t.test('near-ties, twins and utilities of any size are decided with proof', async () => {
  const hair = fc.integer({ min: -3, max: 3 }).map((k) => k * 4e-10)
  const tied = fc.tuple(fc.integer({ min: 0, max: 3 }), hair).map(([k, off]) => k + off)
  const wild = fc
    .tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -6, max: 6 }))
    .map(([k, power]) => k * 10 ** power)
  const given = problems({
    gains: false,
    groups: [1, 5],
    items: [1, 14],
    temperature: cold,
    values: [tied, wild],
  })
  fc.assert(
    fc.property(given, (problem) => {
      const { items, lotteryDominated, certificate } = frontOfItems(problem, 0, () => {})
      if (!(certificate.relativeGap <= 1e-8)) throw new Error(`relative gap ${certificate.relativeGap}`)
      const ranges = tableOf(problem).map((row) => Math.max(...row) - Math.min(...row))
      for (const { gains } of lotteryDominated)
        if (!gains.every((gain, g) => gain >= -1.001e-9 * ranges[g])) throw new Error(`gains ${gains}`)
      const supported = items.filter(({ weights }) => weights !== null)
      if (supported.length === 0) throw new Error('something is best at equal weights')
      if (supported.length + lotteryDominated.length !== items.length) throw new Error('undecided items')
      const total = items.reduce((sum, { share }) => sum + share, 0)
      if (!(Math.abs(total - 1) < 1e-6)) throw new Error(`shares sum to ${total}`)
    }),
    { seed: 9, numRuns: 200 },
  )
})

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
      const { items: found } = frontOfItems(problem, 0, () => {})
      for (const { item, weights, radius } of found) {
        if (weights === null) continue
        const here = depth(item, Array.from(weights))
        if (!(Math.abs(here - radius) <= 1e-9)) throw new Error(`${here}, not ${radius}`)
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
      const { items: found } = frontOfItems(problem, 0, () => {})
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
      const shares = points.map((_, i) => found.find(({ item }) => item === i)?.share ?? 0)
      if (!(distance(shares, lengths) <= 1e-9)) throw new Error(`${shares}, not ${lengths}`)
      if (found.some(({ shareError }) => shareError !== 0)) throw new Error('an error of what is exact')
    }),
    { seed: 4, numRuns: 200 },
  )
})

t.test('items that are the same share their cell', async (t) => {
  const two = itemsOf([
    [1, 1, 0],
    [0, 0, 1],
  ])
  t.same(
    two.items.map(({ share }) => share),
    [0.25, 0.25, 0.5],
  )
  const three = itemsOf([
    [1, 1, 0, 0],
    [0, 0, 1, 0],
    [0, 0, 0, 1],
  ])
  const shares = three.items.map(({ share }) => share)
  t.ok(distance(shares, [1 / 6, 1 / 6, 1 / 3, 1 / 3]) < 1e-12, `${shares}`)
  t.ok(three.items.every(({ weights }) => weights !== null))
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

t.test('for three groups shares are the areas of the cells', async () => {
  const given = problems({ groups: [3, 3], items: [2, 12], temperature: cold, values: [reals] })
  fc.assert(
    fc.property(given, (problem) => {
      const points = pointsOf(tableOf(problem))
      const { items: found } = frontOfItems(problem, 7, () => {})
      for (const { item, share, shareError } of found) {
        if (shareError !== 0) throw new Error('an error of what is exact')
        const area = areaOf(points, item)
        if (!(Math.abs(share - area) <= 1e-9)) throw new Error(`${share}, not ${area}`)
      }
    }),
    { seed: 5, numRuns: 200 },
  )
})

t.test('for more groups sampled shares are right within their errors', async (t) => {
  for (const groups of [4, 6]) {
    const table = opposed(groups, 12, 20 + groups, 0.1)
    const points = pointsOf(table)
    const random = seededRandom(99)
    const wins = points.map(() => 0)
    for (let s = 0; s < 40_000; s++) {
      const weights = table.map(() => -Math.log(1 - random()))
      const values = points.map((point) => point.reduce((sum, value, g) => sum + weights[g] * value, 0))
      wins[values.indexOf(Math.max(...values))] += 1 / 40_000
    }
    let total = 0
    for (const { item, weights, share, shareError } of itemsOf(table).items) {
      total += share
      t.equal(shareError > 0, weights !== null)
      t.ok(Math.abs(share - wins[item]) <= 6 * shareError, `${share} ± ${shareError}, not ${wins[item]}`)
    }
    t.ok(Math.abs(total - 1) < 1e-9)
  }
})

t.test('names, shifts, scales and copies change what they should, and nothing else', async () => {
  type Found = ReturnType<typeof itemsOf>['items'][number]
  const given = problems({ groups: [2, 3], items: [2, 10], temperature: cold, values: [small, reals] })
  fc.assert(
    fc.property(given, fc.nat(1000), (problem, seed) => {
      const table = tableOf(problem)
      const plain = itemsOf(table).items
      const of = (found: Found[], item: number) => found.find((entry) => entry.item === item)
      const turned = (w: Float64Array | null) => w?.toReversed() ?? null
      const agree = (a: Found | undefined, b: Found | undefined, what: string, copies = 1) => {
        if ((a === undefined) !== (b === undefined)) throw new Error(`${what}: on the front or not`)
        if (a === undefined || b === undefined) return
        if ((a.weights === null) !== (b.weights === null)) throw new Error(`${what}: supported or not`)
        if (!(Math.abs(a.radius - b.radius) <= 1e-9)) throw new Error(`${what}: ${a.radius}, ${b.radius}`)
        if (!(Math.abs(a.share - copies * b.share) <= 1e-9))
          throw new Error(`${what}: ${a.share}, ${b.share}`)
        // For more groups the largest ball may not be the only one of its size.
        if (table.length > 2 || a.weights === null || b.weights === null || a.radius < 1e-8) return
        const other = what === 'groups in another order' ? turned(b.weights) : b.weights
        if (!(distance(a.weights, other as Float64Array) <= 1e-8)) throw new Error(`${what}: weights`)
      }
      const random = seededRandom(seed)
      const order = table[0].map((_, i) => i).sort(() => random() - 0.5)
      const renamed = itemsOf(table.map((row) => order.map((i) => row[i]))).items
      const swapped = itemsOf(table.toReversed()).items
      const moved = itemsOf(table.map((row, g) => row.map((value) => 8 * value - 5 * g))).items
      const doubled = itemsOf(table.map((row) => [...row, ...row])).items
      const cloned = itemsOf([...table, table[0]]).items
      const stretched = itemsOf(table.map((row, g) => row.map((value) => value * 1000 ** g))).items
      table[0].forEach((_, i) => {
        agree(of(plain, i), of(renamed, order.indexOf(i)), 'items in another order')
        agree(of(plain, i), of(swapped, i), 'groups in another order')
        agree(of(plain, i), of(moved, i), 'another zero and unit')
        agree(of(plain, i), of(doubled, i), 'every item twice', 2)
        for (const other of [cloned, stretched]) {
          if ((of(plain, i)?.weights === null) !== (of(other, i)?.weights === null))
            throw new Error('a cloned group, or another unit for one, changes who is supported')
        }
      })
    }),
    { seed: 11, numRuns: 150 },
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
        const limit = groups <= 3 ? 1e-9 * (1 + expected) : 5 * found.error + 1e-9
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

t.test('a hypervolume that few draws of its box would meet is estimated all the same', async (t) => {
  // Each point has 1 for one group and a tenth for the others: boxes of 0.1¹¹ that share one of 0.1¹².
  const groups = 12
  const points = Array.from({ length: groups }, (_, k) =>
    Array.from({ length: groups }, (_, g) => (k === g ? 1 : 0.1)),
  )
  const utilities = Float64Array.from(points.flat())
  const { volume, error } = hypervolume({ count: groups, groups, utilities }, seededRandom(1))
  const expected = 0.1 ** 12 + groups * 0.9 * 0.1 ** 11
  t.ok(error > 0 && error < 0.02 * expected, `error ${error}`)
  t.ok(Math.abs(volume - expected) < 5 * error, `${volume}, not ${expected}`)
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
        if (!(distance(Object.values(point.rewards) as number[], rewards) <= 1e-12))
          throw new Error('other rewards')
      }
      const points = (answer.front as FrontPolicy[]).map(({ utilities }) => Object.values(utilities))
      if (points.length === 0) throw new Error('no front')
    }),
    { seed: 8, numRuns: 25 },
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

const policiesOf = (problem: WelfareProblem) => frontOfPolicies(problem, 0, () => {})

/** Utilities net of the KL term, of the best policy at weights: what each context's Gibbs policy gives, by definition. */
function netAt(problem: WelfareProblem, weights: readonly number[]): number[] {
  const { contexts, temperature, reference } = problem
  const table = tableOf(problem)
  const net = table.map(() => 0)
  contexts.weights.forEach((share, q) => {
    const [from, to] = [contexts.starts[q], contexts.starts[q + 1]]
    const own = table.map((row) => row.slice(from, to))
    const prior = Array.from(reference.subarray(from, to), (part) => part / share)
    const policy = trainedPolicy(own, weights, temperature, prior)
    const strayed = policy.reduce((sum, p, i) => sum + (p > 0 ? p * Math.log(p / prior[i]) : 0), 0)
    own.forEach((row, g) => {
      net[g] += share * (row.reduce((sum, value, i) => sum + value * policy[i], 0) - temperature * strayed)
    })
  })
  return net
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, value, k) => sum + value * b[k], 0)

/** All weights in steps of 1/m. */
function lattice(groups: number, m: number): number[][] {
  if (groups === 1) return [[m]]
  return Array.from({ length: m + 1 }, (_, k) =>
    lattice(groups - 1, m - k).map((rest) => [k, ...rest]),
  ).flat()
}

/** What is at stake for each group between its best and its worst corner; where that is nothing, its range. */
function stakesOf(corners: number[][], problem: WelfareProblem): number[] {
  return tableOf(problem).map((row, g) => {
    const values = corners.map((corner) => corner[g])
    const stake = Math.max(...values) - Math.min(...values)
    const range = Math.max(...row) - Math.min(...row)
    return stake > 1e-6 * range ? stake : range
  })
}

/** The largest amount, over a dense lattice, by which a policy is better than all listed ones, in units of the stakes. */
function gapOver(
  nets: ArrayLike<number>[],
  best: (weights: number[]) => number[],
  stakes: number[],
  m: number,
) {
  let most = 0
  for (const parts of lattice(stakes.length, m)) {
    const raw = parts.map((part, g) => part / m / stakes[g])
    const size = raw.reduce((a, b) => a + b)
    const top = dot(raw, best(raw.map((weight) => weight / size)))
    most = Math.max(most, top - Math.max(...nets.map((net) => dot(raw, net))))
  }
  return most
}

const corner = (groups: number, g: number) => Array.from({ length: groups }, (_, h) => (h === g ? 1 : 0))

for (const [groups, m] of [
  [2, 500],
  [3, 50],
  [4, 14],
]) {
  t.test(`no policy beats the list by more than the stated gap, for ${groups} groups`, async (t) => {
    const warm = fc.integer({ min: -20, max: 10 }).map((tenth) => 10 ** (tenth / 10))
    const given = problems({ groups: [groups, groups], items: [3, 8], temperature: warm, values: [reals] })
    const gaps: number[] = []
    fc.assert(
      fc.property(given, (problem) => {
        const { policies, approximation } = policiesOf(problem)
        const { gap, tolerance, limit } = approximation
        gaps.push(gap)
        const corners = Array.from({ length: groups }, (_, g) => netAt(problem, corner(groups, g)))
        const stakes = stakesOf(corners, problem)
        const found = gapOver(
          policies.map(({ net }) => net),
          (weights) => netAt(problem, weights),
          stakes,
          m,
        )
        if (!(found <= gap + 1e-9)) throw new Error(`a policy is better by ${found}, not ${gap}`)
        if (!(gap <= tolerance) && policies.length < limit) throw new Error(`stopped at ${gap} for nothing`)
        for (const { weights, net } of policies)
          if (!(distance(net, netAt(problem, Array.from(weights))) <= 1e-9)) throw new Error('another policy')
      }),
      { seed: 12, numRuns: groups === 2 ? 60 : 6 },
    )
    if (groups === 2) t.ok(Math.max(...gaps) <= 1e-3, `two groups are done within the limit: ${gaps}`)
  })
}

t.test('it sees a bend that weights in even steps miss', async (t) => {
  // The second group's utilities are a thousand times the first's: all that is between the two is at weights above 0.99.
  const problem = problemOf(
    [
      [1, 0.9, 0.6, 0],
      [0, 400, 800, 1000],
    ],
    { temperature: 0.01 },
  )
  const stakes = stakesOf([netAt(problem, [1, 0]), netAt(problem, [0, 1])], problem)
  const even = Array.from({ length: 21 }, (_, k) => netAt(problem, [k / 20, 1 - k / 20]))
  const missed = gapOver(even, (weights) => netAt(problem, weights), stakes, 2000)
  t.ok(missed > 0.1, `even steps miss ${missed}`)
  const { policies, approximation } = policiesOf(problem)
  t.ok(approximation.gap <= 1e-3, `${approximation.gap} with ${policies.length} policies`)
  t.ok(
    gapOver(
      policies.map(({ net }) => net),
      (weights) => netAt(problem, weights),
      stakes,
      2000,
    ) <= 1e-3,
  )
  t.ok(policies.length < 60, `${policies.length} policies`)
})

t.test('the volume that a front reaches lies between what is told of it', async () => {
  const warm = fc.constantFrom(0.02, 0.3, 2)
  const given = problems({ groups: [2, 3], items: [3, 6], temperature: warm, values: [reals] })
  fc.assert(
    fc.property(given, fc.nat(1000), (problem, seed) => {
      const { inner, outer } = policiesOf(problem).hypervolume
      const { groups } = problem
      const best = Array.from({ length: groups }, (_, g) => netAt(problem, corner(groups, g))[g])
      const faces = lattice(groups, groups === 2 ? 400 : 40).map((parts) => {
        const raw = parts.map((part, g) => part / best[g])
        const size = raw.reduce((a, b) => a + b)
        const weights = raw.map((weight) => weight / size)
        return { weights, value: dot(weights, netAt(problem, weights)) }
      })
      // Draws of the box of the best that no half-space of a dense lattice shuts out: hardly more than the true volume.
      const random = seededRandom(seed)
      const box = best.reduce((a, b) => a * b, 1)
      let inside = 0
      for (let s = 0; s < 3000; s++) {
        const point = best.map((most) => most * random())
        if (faces.every(({ weights, value }) => dot(weights, point) <= value)) inside++
      }
      const share = inside / 3000
      const error = 5 * box * Math.sqrt(Math.max(1e-4, share * (1 - share)) / 3000)
      if (!(inner.volume <= outer.volume * (1 + 1e-9))) throw new Error(`${inner.volume} > ${outer.volume}`)
      if (!(inner.volume - 5 * inner.error <= share * box + error)) throw new Error('too much inside')
      if (!(outer.volume + 5 * outer.error >= share * box - error)) throw new Error('too little outside')
      if (!(outer.volume - inner.volume <= 0.03 * box)) throw new Error(`${inner.volume}, ${outer.volume}`)
    }),
    { seed: 13, numRuns: 8 },
  )
})

/** A problem over several contexts, each with a table and a weight; a uniform reference. */
function inContexts(tables: number[][][], shares: number[], temperature: number): WelfareProblem {
  const joined = tables[0].map((_, g) => tables.flatMap((table) => table[g]))
  const starts = [0]
  for (const table of tables) starts.push(starts[starts.length - 1] + table[0].length)
  return {
    ...problemOf(joined, {
      temperature,
      reference: tables.flatMap((table, q) => table[0].map(() => shares[q] / table[0].length)),
    }),
    contexts: { starts: Int32Array.from(starts), weights: Float64Array.from(shares) },
  }
}

t.test(
  'over contexts at temperature 0 the front is that of all ways to choose an item in each',
  async (t) => {
    let found = 0
    for (let seed = 0; seed < 30; seed++) {
      const groups = 2 + (seed % 2)
      const random = seededRandom(seed)
      const draw = (n: number) =>
        Array.from({ length: groups }, () => Array.from({ length: n }, () => random()))
      const [one, two] = [draw(4), draw(5)]
      const problem = inContexts([one, two], [0.3, 0.7], 0)
      const pairs = one.map((row, g) => row.flatMap((a) => two[g].map((b) => 0.3 * a + 0.7 * b)))
      const product = itemsOf(pairs).items.filter(({ weights }) => weights !== null)
      const { policies, approximation, certificate } = policiesOf(problem)
      t.ok(approximation.gap <= 1e-3 && certificate.relativeGap <= 1e-8)
      const at = (item: number) => pairs.map((row) => row[item])
      for (const { utilities, policy } of policies) {
        t.ok(
          product.some(({ item }) => distance(at(item), utilities) < 1e-12),
          'a supported pair',
        )
        t.ok(distance(utilitiesAt(problem, policy), utilities) < 1e-12)
      }
      for (const { item, radius } of product) {
        if (radius < 0.03) continue
        found++
        t.ok(
          policies.some(({ utilities }) => distance(at(item), utilities) < 1e-12),
          `the pair ${item}`,
        )
      }
    }
    t.ok(found > 60, `${found} pairs`)
  },
)

t.test('over contexts above temperature 0 each has its Gibbs policy, and the gap is kept', async (t) => {
  const random = seededRandom(4)
  const draw = (n: number) => Array.from({ length: 2 }, () => Array.from({ length: n }, () => random()))
  const problem = inContexts([draw(3), draw(4)], [0.4, 0.6], 0.05)
  const { policies, approximation } = policiesOf(problem)
  const stakes = stakesOf([netAt(problem, [1, 0]), netAt(problem, [0, 1])], problem)
  const nets = policies.map(({ net }) => net)
  t.ok(approximation.gap <= 1e-3)
  t.ok(gapOver(nets, (weights) => netAt(problem, weights), stakes, 500) <= approximation.gap)
  for (const { weights, net } of policies) t.ok(distance(net, netAt(problem, Array.from(weights))) < 1e-12)
})

t.test(
  'within guardrails at temperature 0 no lottery that keeps them beats the list by more than the gap',
  async (t) => {
    const maximise = await linearProgramSolver()
    for (let seed = 0; seed < 12; seed++) {
      const groups = 2 + (seed % 2)
      const random = seededRandom(100 + seed)
      const n = 6
      const table = Array.from({ length: groups }, () => Array.from({ length: n }, () => random()))
      const costs = Float64Array.from({ length: n }, () => random())
      const limit = costs.reduce((a, b) => a + b) / n
      const problem = { ...problemOf(table), guardrails: { costs, limits: Float64Array.of(limit) } }
      const best = (weights: number[]) => {
        const policy = maximise({
          objective: Float64Array.from({ length: n }, (_, i) =>
            table.reduce((s, row, g) => s + weights[g] * row[i], 0),
          ),
          rows: Float64Array.from([...costs, ...costs.map(() => 1)]),
          rowLower: Float64Array.of(Number.NEGATIVE_INFINITY, 1),
          rowUpper: Float64Array.of(limit, 1),
        })
        return utilitiesAt(problem, policy as Float64Array)
      }
      const { policies, approximation } = policiesOf(problem)
      for (const { policy } of policies) {
        t.ok(dot(costs, policy) <= limit + 1e-9, 'the guardrail is kept')
        t.ok(Math.abs(policy.reduce((a, b) => a + b) - 1) < 1e-12)
      }
      const corners = Array.from({ length: groups }, (_, g) =>
        best(corner(groups, g).map((weight) => (weight === 1 ? 1 - 1e-6 * (groups - 1) : 1e-6))),
      )
      const nets = policies.map(({ net }) => net)
      const found = gapOver(nets, best, stakesOf(corners, problem), groups === 2 ? 200 : 20)
      t.ok(found <= approximation.gap + 1e-5, `${found}, not ${approximation.gap}`)
      t.ok(approximation.gap <= 1e-3, `gap ${approximation.gap}`)
    }
  },
)

t.test('asked for over contexts and within constraints, it answers with policies to train', async (t) => {
  const request = {
    rewards: { east: { a: 4, b: 0, c: 3 }, west: { a: 0, b: 4, c: 3 } },
    welfare: { function: 'pareto-front' as const },
    policy: {
      temperature: 0.5,
      contexts: [
        { id: 'short', weight: 1, items: ['a', 'b'] },
        { id: 'long', weight: 3 },
      ],
    },
    constraints: [{ kind: 'floor' as const, group: 'west', minimum: 1 }],
  }
  const answer = (await aggregate(request)) as FrontResult
  t.equal(misfit('Front', answer), null)
  t.ok(answer.approximation !== undefined && answer.approximation.gap <= 1e-3)
  t.ok(answer.front.length > 2)
  for (const { policies, utilities } of answer.front as ContextualFrontPolicy[]) {
    t.ok(utilities.west >= 1 - 1e-9, `west gets ${utilities.west}`)
    for (const { policy, rewards } of policies) {
      const ids = Object.keys(policy)
      const trained = trainedPolicy(
        [ids.map((id) => rewards[id] as number)],
        [1],
        0.5,
        ids.map(() => 1 / ids.length),
      )
      t.ok(
        distance(
          ids.map((id) => policy[id]),
          trained,
        ) < 1e-6,
        'each policy follows from its rewards',
      )
    }
  }
  const cold = (await aggregate({
    ...request,
    policy: {},
    constraints: [{ kind: 'ban' as const, items: ['c'] }],
  })) as FrontResult
  t.same(
    (cold.front as FrontItem[]).map(({ item }) => item),
    ['a', 'b'],
    'a ban leaves a front of items',
  )
  t.same(cold.lotteryDominated, [])
})

t.test('progress only goes up, and is told of every stage', async (t) => {
  const table = opposed(5, 120, 1, 0.2)
  for (const temperature of [0, 0.05]) {
    const told: Progress[] = []
    await aggregate(
      requestOf(problemOf(table, { temperature }), { function: 'pareto-front' }),
      () => {},
      (progress) => told.push(progress),
    )
    t.same([...new Set(told.map(({ stage }) => stage))], ['read', 'fit', 'solve'])
    const solving = told.filter(({ stage }) => stage === 'solve').map(({ fraction }) => fraction)
    t.ok(solving.length > 20 && solving.every((part, k) => part >= (solving[k - 1] ?? 0) && part <= 1))
    t.ok(new Set(solving).size > 20, `${new Set(solving).size} steps`)
  }
})

t.test('operators see how far a front is, and a client that goes away stops it', async (t) => {
  const app = await build(t, { WORKERS: '1', QUEUE_LIMIT: '0' })
  const port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
  // An hour of work: what is left of it when the client goes away would hold up the next request.
  const body = requestOf(problemOf(opposed(9, 3000, 1, 0), { temperature: 0 }), { function: 'pareto-front' })
  const request = httpRequest({
    port,
    method: 'POST',
    path: '/aggregate',
    headers: { 'content-type': 'application/json' },
  })
  request.on('error', () => {})
  request.end(JSON.stringify(body))
  const line = /commonweal_task_progress\{place="0",operation="aggregate",stage="solve"\} (0\.\d+)/
  let metrics = ''
  while (!line.test(metrics)) {
    await setTimeout(5)
    metrics = (await app.inject('/metrics')).body
  }
  const part = Number(line.exec(metrics)?.[1])
  t.ok(part > 0 && part < 1, `${part} of it is done`)
  request.destroy()
  while (!(await app.inject('/metrics')).body.includes('commonweal_refusals_total{kind="cancelled"} 1\n'))
    await setTimeout(5)
  const small = { ...body, ...requestOf(problemOf(opposed(3, 9, 1, 0)), { function: 'pareto-front' }) }
  t.equal((await post(app, '/aggregate', small)).statusCode, 200, 'the worker is free again')
  t.notMatch((await app.inject('/metrics')).body, /commonweal_task_progress\{/)
})

t.test('the picture in the docs is the front that is answered', async (t) => {
  const drawn = await readFile(new URL('../../docs/pareto-front.svg', import.meta.url), 'utf8')
  t.equal(await frontPicture(), drawn, 'node scripts/front-picture.ts draws it again')
})

t.test('utilities at the ends of double precision have fronts with proof', async (t) => {
  const sizes = [1e-99, 1e-30, 1, 1e12]
  for (const [a, b] of sizes.flatMap((a) => sizes.map((b) => [a, b]))) {
    for (const temperature of [0, 1e-6, 1, 1e6]) {
      const table = [
        [a, 0, 0.3 * a, 0.6 * a],
        [0, b, 0.4 * b, 0.5 * b],
        [0, 0, 1, 0],
      ]
      const request = requestOf(problemOf(table, { temperature }), { function: 'pareto-front' })
      const answer = (await aggregate(request)) as FrontResult
      t.equal(misfit('Front', answer), null, `${a}, ${b} at ${temperature}`)
      t.ok(answer.certificate.relativeGap <= 1e-8)
      t.ok(answer.front.length >= (temperature > 1 ? 1 : 3))
    }
  }
})

t.test(
  'a policy at a corner of the front is not beaten for the groups that have no weight there',
  async (t) => {
    // To the first group the first two items are the same, and the second group likes the second better.
    const table = [
      [1, 1, 0],
      [0, 1, 2],
    ]
    const within = { costs: Float64Array.of(0, 0, 1), limits: Float64Array.of(0.9) }
    for (const problem of [
      inContexts([table, table], [0.5, 0.5], 0),
      { ...problemOf(table), guardrails: within },
    ]) {
      const { policies } = policiesOf(problem)
      const first = policies.find(({ utilities }) => utilities[0] > 1 - 1e-6)
      t.ok(first !== undefined && Math.abs(first.utilities[1] - 1) < 1e-6, `${first?.utilities}`)
      t.ok(
        policies.every(
          ({ utilities }) => !policies.some((other) => beats([...other.utilities], [...utilities])),
        ),
      )
    }
  },
)
