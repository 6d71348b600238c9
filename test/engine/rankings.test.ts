import fc from 'fast-check'
import t from 'tap'
import type { AggregateRequest, CompareRequest, OptimumResult } from '../../schemas/aggregate.ts'
import type { FitRequest, FitResponse } from '../../schemas/fit.ts'
import { aggregate, compare } from '../../src/engine/aggregate.ts'
import { openIds } from '../../src/engine/comparisons/ids.ts'
import { countRankings, type RankingCounts } from '../../src/engine/comparisons/ranking-counts.ts'
import { readRankings } from '../../src/engine/comparisons/rankings.ts'
import { fit } from '../../src/engine/fit.ts'
import { seededRandom } from '../../src/engine/numeric/random.ts'
import { Problem } from '../../src/engine/problem.ts'
import type { Likelihood } from '../../src/engine/rewards/likelihood.ts'
import { maximise } from '../../src/engine/rewards/maximise.ts'
import { pairLikelihood } from '../../src/engine/rewards/pair-likelihood.ts'
import { rankingLikelihood } from '../../src/engine/rewards/ranking-likelihood.ts'
import { type Answer, answerParsed } from '../../src/service/operations.ts'
import { inverse, item, largest, pairCounts } from '../helpers/fit.ts'
import { RACES } from '../helpers/nascar.ts'

type Place = string | string[]
type Ranking = { group: string; annotator?: string; ranking: Place[]; count?: number; weight?: number }

function ranked(ranking: Place[], rest: Partial<Ranking> = {}): Ranking {
  return { group: 'all', ranking, ...rest }
}

/** Rankings of one group, counted, with the names of the items. */
function counted(rankings: unknown): { counts: RankingCounts; items: string[] } {
  const groups = openIds()
  const items = openIds()
  const read = readRankings(rankings, groups, items, null, true)
  return {
    counts: countRankings(read, groups.names.length, items.names.length)[0].counts,
    items: items.names,
  }
}

function subsets<T>(list: T[], size: number): T[][] {
  if (size === 0) return [[]]
  if (list.length < size) return []
  const [first, ...rest] = list
  return [...subsets(rest, size - 1).map((some) => [first, ...some]), ...subsets(rest, size)]
}

/** The model as it is defined: place by place, with all sets that could have come next. */
function logLikelihood(
  rankings: Ranking[],
  items: string[],
  sizes: readonly number[],
  at: ArrayLike<number>,
): number {
  const logWorth = (set: string[]) => {
    const logDelta = set.length === 1 ? 0 : at[items.length + sizes.indexOf(set.length) - 1]
    return logDelta + set.reduce((sum, name) => sum + at[items.indexOf(name)], 0) / set.length
  }
  let sum = 0
  for (const { ranking, count = 1, weight = 1 } of rankings) {
    let left = ranking.flat()
    for (const place of ranking) {
      const taken = [place].flat()
      const logs = sizes.flatMap((size) => subsets(left, size).map(logWorth))
      const top = Math.max(...logs)
      const total = top + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - top), 0))
      sum += count * weight * (logWorth(taken) - total)
      left = left.filter((name) => !taken.includes(name))
    }
  }
  return sum
}

/** Numbers of items, and rankings of some of them with ties of up to `tie`; the first two connect all strongly. */
function someRankings(tie: number): fc.Arbitrary<Ranking[]> {
  return fc.integer({ min: 2, max: 6 }).chain((m) => {
    const names = Array.from({ length: m }, (_, k) => item(k))
    return fc
      .array(
        fc.record({
          order: fc.shuffledSubarray(names, { minLength: 2 }),
          joined: fc.array(fc.boolean(), { minLength: m, maxLength: m }),
          count: fc.integer({ min: 1, max: 4 }),
          weight: fc.constantFrom(1, 0.25, 3),
        }),
        { minLength: 1, maxLength: 6 },
      )
      .map((drawn) => [
        ranked(names),
        ranked(names.toReversed()),
        ...drawn.map(({ order, joined, count, weight }) => {
          const places: string[][] = []
          order.forEach((name, k) => {
            const last = places.at(-1)
            if (last !== undefined && joined[k] && last.length < tie) last.push(name)
            else places.push([name])
          })
          return ranked(
            places.map((place) => (place.length === 1 ? place[0] : place)),
            { count, weight },
          )
        }),
      ])
  })
}

/** Parameters around zero, and so far apart that their exponentials would overflow. */
const points = fc.tuple(
  fc.constantFrom(1, 10, 800),
  fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 9, maxLength: 9 }),
)

function pointOf({ size }: { size: number }, [spread, draw]: [number, number[]]): Float64Array {
  return Float64Array.from({ length: size }, (_, k) => (draw[k] * spread) / 1000)
}

function moved(at: Float64Array, k: number, by: number): Float64Array {
  const copy = at.slice()
  copy[k] += by
  return copy
}

function curvatureAt(likelihood: Likelihood, at: Float64Array, order = likelihood.size): number[][] {
  likelihood.linearise(at)
  const half = new Float64Array(order * order)
  likelihood.addCurvature(half, order)
  return Array.from({ length: order }, (_, i) =>
    Array.from({ length: order }, (_, j) => half[Math.max(i, j) * order + Math.min(i, j)]),
  )
}

t.test('the log-likelihood and its gradient are what the definition, set by set, says', async () => {
  const h = 1e-4
  fc.assert(
    fc.property(fc.constantFrom(1, 4).chain(someRankings), points, (rankings, point) => {
      const { counts, items } = counted(rankings)
      const likelihood = rankingLikelihood(counts)
      const at = pointOf(likelihood, point)
      const scale = largest(likelihood.totals) * items.length * Math.max(1, point[0])
      const defined = (x: Float64Array) => logLikelihood(rankings, items, counts.sizes, x)
      likelihood.linearise(at)
      const errors = Array.from(at, (_, k) => {
        const rise = (defined(moved(at, k, h)) - defined(moved(at, k, -h))) / (2 * h)
        return likelihood.gradient[k] - rise
      })
      return Math.abs(likelihood.value(at) - defined(at)) <= 1e-14 * scale && largest(errors) <= 1e-9 * scale
    }),
    { seed: 1, numRuns: 300 },
  )
})

t.test('the curvature is minus the slope of the gradient, in all of its forms', async () => {
  const h = 1e-4
  fc.assert(
    fc.property(fc.constantFrom(1, 4).chain(someRankings), points, (rankings, point) => {
      const { counts } = counted(rankings)
      const likelihood = rankingLikelihood(counts)
      const { size: p, rewards: m } = likelihood
      const at = pointOf(likelihood, point)
      const scale = largest(likelihood.totals)
      const gradientAt = (x: Float64Array) => {
        likelihood.linearise(x)
        return likelihood.gradient.slice()
      }
      const slopes = Array.from(at, (_, k) => {
        const above = gradientAt(moved(at, k, h))
        const below = gradientAt(moved(at, k, -h))
        return Array.from(above, (value, a) => (below[a] - value) / (2 * h))
      })
      const curvature = curvatureAt(likelihood, at)
      const grounded = curvatureAt(likelihood, at, p - 1)
      const kept = Array.from(at.keys()).filter((a) => a !== m - 1)
      const columns = Array.from(at, (_, k) => {
        const out = new Float64Array(p)
        likelihood.multiply(moved(new Float64Array(p), k, 1), out)
        return Array.from(out)
      })
      const differ = (a: number[][], b: number[][]) =>
        largest(a.flatMap((row, i) => row.map((value, j) => value - b[i][j])))
      return (
        differ(curvature, slopes) <= 1e-8 * scale &&
        differ(columns, curvature) <= 1e-14 * scale &&
        differ(
          grounded,
          kept.map((a) => kept.map((b) => curvature[a][b])),
        ) === 0 &&
        largest(Array.from(likelihood.diagonal, (value, a) => value - curvature[a][a])) <= 1e-14 * scale
      )
    }),
    { seed: 2, numRuns: 200 },
  )
})

for (const [which, rankings] of [
  [
    'with ties',
    [ranked(['a', ['b', 'c'], 'd']), ranked(['d', 'a'], { weight: 3 }), ranked([['a', 'b', 'd'], 'c'])],
  ],
  ['without ties', [ranked(['a', 'b', 'c', 'd']), ranked(['d', 'a'], { weight: 3 })]],
] as const) {
  t.test(`the random score has the curvature as its covariance, ${which}`, async (t) => {
    const likelihood = rankingLikelihood(counted(rankings).counts)
    const at = Float64Array.from({ length: likelihood.size }, (_, k) => Math.sin(3 * k))
    const curvature = curvatureAt(likelihood, at)
    // A stream from which every normal number is 0, but for the k-th, which is 1: the score is linear in them.
    const only = (k: number) => {
      let drawn = 0
      return () => (drawn++ === 2 * k ? 1 - Math.exp(-0.5) : 0)
    }
    const columns = Array.from(
      { length: 200 },
      (_, k) => likelihood.drawScore?.(only(k)) ?? new Float64Array(0),
    )
    t.equal(largest(columns[199]), 0, 'there are no more numbers than that')
    const errors = curvature.flatMap((row, a) =>
      row.map((value, b) => columns.reduce((sum, column) => sum + column[a] * column[b], 0) - value),
    )
    t.ok(largest(errors) < 1e-14, `${largest(errors)}`)
  })
}

t.test('nothing cancels where an outcome is all but certain', async (t) => {
  const likelihood = rankingLikelihood(counted([ranked(['a', 'b', 'c'])]).counts)
  const at = Float64Array.of(80, 40, 0)
  likelihood.linearise(at)
  const near = (found: number, expected: number) => Math.abs(found / expected - 1) < 1e-14
  const small = Math.exp(-40)
  t.ok(
    near(likelihood.gradient[0], small),
    'a win that was certain pulls by the chance that it had not to happen',
  )
  t.ok(near(-likelihood.value(at), 2 * small))
  t.ok(near(curvatureAt(likelihood, at)[1][2], -small))
})

t.test(
  'identical rankings are one that was given more often, in whatever order a tie names its items',
  async (t) => {
    const { counts } = counted([
      ranked(['a', ['b', 'c']]),
      ranked(['a', ['c', 'b']], { count: 3, weight: 0.5 }),
      ranked(['a', 'b', 'c']),
      ranked(['b', 'd']),
    ])
    t.same(Array.from(counts.mass), [2.5, 1, 1])
    t.same([counts.comparisons, counts.pairs], [6, 4])
  },
)

/** Outcomes of two items, as a row of comparisons and as a ranking. */
function pairRankings(rankings: Ranking[]) {
  return rankings.map(({ ranking, ...rest }) => {
    const [winner, loser] = ranking.flat()
    return { ...rest, winner, loser, tie: ranking.length === 1 }
  })
}

const twoItems = fc
  .array(
    fc.record({
      a: fc.nat(4),
      step: fc.integer({ min: 1, max: 4 }),
      tie: fc.boolean(),
      count: fc.integer({ min: 1, max: 9 }),
      weight: fc.constantFrom(1, 0.5, 2),
    }),
    { maxLength: 20 },
  )
  .map((drawn) => [
    ranked([[item(0), item(1)]]),
    ...drawn.map(({ a, step, tie, ...rest }) => {
      const two = [item(a), item((a + step) % 5)]
      return ranked(tie ? [two] : two, rest)
    }),
  ])

t.test('for two items at a time it is the model of Davidson', async () => {
  fc.assert(
    fc.property(twoItems, points, (rankings, point) => {
      const own = rankingLikelihood(counted(rankings).counts)
      const { counts } = pairCounts(pairRankings(rankings))
      const pairs = pairLikelihood(counts, { ties: 'davidson', positionEffect: false })
      const at = pointOf(own, point)
      const scale = largest(pairs.totals) * Math.max(1, point[0])
      const [curvature, expected] = [own, pairs].map((likelihood) => curvatureAt(likelihood, at).flat())
      return (
        own.size === pairs.size &&
        Math.abs(own.value(at) - pairs.value(at)) <= 1e-14 * scale &&
        largest(own.gradient.map((value, a) => value - pairs.gradient[a])) <= 1e-14 * scale &&
        largest(curvature.map((value, a) => value - expected[a])) <= 1e-14 * scale &&
        own.totals.every((total, a) => Math.abs(total - pairs.totals[a]) <= 1e-12 * total)
      )
    }),
    { seed: 3, numRuns: 200 },
  )
})

async function fitted(request: unknown): Promise<FitResponse['groups']> {
  return (await fit(request as FitRequest)).groups
}

t.test('two items at a time answer as comparisons do, with every kind of error and prior', async (t) => {
  const random = seededRandom(4)
  const names = ['a', 'b', 'c', 'd']
  const rankings = Array.from({ length: 60 }, (_, k) => {
    const a = Math.floor(random() * 4)
    const two = [names[a], names[(a + 1 + Math.floor(random() * 3)) % 4]]
    return {
      group: k % 2 === 0 ? 'east' : 'west',
      annotator: `r${k % 7}`,
      ranking: random() < 0.3 ? [two] : two,
      count: 1 + (k % 3),
      weight: k % 5 === 0 ? 2.5 : 1,
    }
  })
  const comparisons = pairRankings(rankings)
  const models = [
    { standardErrors: 'fisher' },
    { standardErrors: 'sandwich' },
    { standardErrors: 'clustered' },
    { prior: { kind: 'gaussian', standardDeviation: 0.7 } },
    { prior: { kind: 'pseudo-item', strength: 0.5 }, standardErrors: 'sandwich' },
    { prior: { kind: 'pooled', standardDeviation: 0.3 } },
    { prior: { kind: 'pooled' } },
  ]
  for (const model of models.map((model) => ({ ...model, ties: 'davidson' }))) {
    const label = JSON.stringify(model)
    const found = await fitted({ rankings, model })
    const expected = await fitted({ comparisons, model })
    for (const [
      g,
      { rewards, standardErrors, parameters, parameterErrors, fit, ...rest },
    ] of found.entries()) {
      const other = expected[g]
      const far = (own: object | null, theirs: object | null) => {
        const values = Object.values(theirs ?? {})
        return largest(Object.values(own ?? {}).map((value, k) => value / values[k] - 1))
      }
      t.same(Object.keys(rewards), Object.keys(other.rewards))
      t.ok(far(rewards, other.rewards) < 1e-9, `${label}: rewards`)
      t.ok(far(standardErrors, other.standardErrors) < 1e-9, `${label}: standard errors`)
      t.ok(
        far(parameters, other.parameters) < 1e-9 && far(parameterErrors, other.parameterErrors) < 1e-9,
        label,
      )
      t.same([fit.comparisons, fit.pairs], [other.fit.comparisons, other.fit.pairs], label)
      t.ok(Math.abs(fit.logLikelihood / other.fit.logLikelihood - 1) < 1e-12)
      t.same(
        Object.keys(rest).sort(),
        Object.keys(other)
          .filter((member) => member in rest)
          .sort(),
      )
      t.same(rest.connectivity, other.connectivity)
    }
  }
})

t.test('drivers of a season have the log-worths that Hunter published', async (t) => {
  const rankings = RACES.map((ranking) => ({ group: 'all', ranking }))
  const [{ rewards, standardErrors, fit: summary }] = await fitted({ rankings })
  t.equal(summary.comparisons, 36)
  // Minus that of A. Cameron, to the two digits printed by the vignette of R's PlackettLuce, which agree with Hunter's.
  const published = { 58: 4.15, 68: 3.62, 51: 2.08, 15: 0.03, 17: -0.31, 40: -0.15 }
  for (const [driver, worth] of Object.entries(published))
    t.equal((rewards[driver] - rewards[1]).toFixed(2), worth.toFixed(2), `driver ${driver}`)
  // By Hunter's own algorithm and Gaussian elimination, in other code.
  t.ok(Math.abs(summary.logLikelihood + 4191.097284597255) < 1e-9)
  const computed = {
    58: [3.226139691061697, 1.16052236113989],
    52: [0.6957272399882816, 0.18316432142921857],
  }
  for (const [driver, [reward, error]] of Object.entries(computed)) {
    t.ok(Math.abs(rewards[driver] - reward) < 1e-12, `driver ${driver}`)
    t.ok(Math.abs((standardErrors?.[driver] ?? 0) / error - 1) < 1e-10, `error of driver ${driver}`)
  }
})

t.test('fruits with ties, and a ghost among them, have the worths that R’s PlackettLuce gives', async (t) => {
  const fruits = [
    ranked(['apple', 'banana']),
    ranked(['banana', 'orange', 'apple']),
    ranked([['banana', 'orange'], 'apple'], { count: 2 }),
    ranked(['apple', 'banana', 'orange']),
    ranked(['apple', 'orange']),
  ]
  // That package lets every item win and lose half a comparison with an item of worth 1.
  const ghost = ['apple', 'banana', 'orange'].flatMap((name) => [
    ranked(['ghost', name], { weight: 0.5 }),
    ranked([name, 'ghost'], { weight: 0.5 }),
  ])
  const [{ rewards, parameters }] = await fitted({
    rankings: [...fruits, ...ghost],
    model: { ties: 'davidson' },
  })
  const logWorths = [rewards.banana - rewards.apple, rewards.orange - rewards.apple, Math.log(parameters.tie)]
  t.same(
    logWorths.map((worth) => worth.toFixed(7)),
    ['0.2867987', '-0.4636687', '-1.0701129'],
  )
  // Its standard errors are those of the fruits alone, at this point.
  const { counts } = counted(fruits)
  const likelihood = rankingLikelihood(counts)
  const curvature = curvatureAt(likelihood, Float64Array.of(0, ...logWorths))
  const errors = inverse(curvature.slice(1).map((row) => row.slice(1))).map((row, a) => Math.sqrt(row[a]))
  t.same(
    errors.map((error) => error.toFixed(4)),
    ['1.0129', '1.0280', '0.9043'],
  )
})

t.test('sizes of ties that do not occur have no parameter', async (t) => {
  const rankings = [
    ranked(['apple', 'banana']),
    ranked(['banana', 'orange', 'pear', 'apple']),
    ranked([['banana', 'orange'], 'apple']),
    ranked(['apple', 'banana', 'orange']),
    ranked(['banana', 'apple', 'orange']),
    ranked(['apple', 'pear', 'orange']),
    ranked([['apple', 'banana', 'orange', 'pear']]),
  ]
  const model = { ties: 'davidson' }
  const [{ rewards, parameters, parameterErrors, fit: summary }] = await fitted({ rankings, model })
  t.same(Object.keys(parameters), ['tie', 'tie4'])
  t.same(Object.keys(parameterErrors), ['logTie', 'logTie4'])
  const { counts, items } = counted(rankings)
  const at = Float64Array.of(
    ...items.map((name) => rewards[name]),
    ...Object.values(parameters).map(Math.log),
  )
  const value = (x: Float64Array) => logLikelihood(rankings, items, counts.sizes, x)
  t.ok(Math.abs(summary.logLikelihood - value(at)) < 1e-12)
  const slopes = Array.from(at, (_, k) => (value(moved(at, k, 1e-4)) - value(moved(at, k, -1e-4))) / 2e-4)
  t.ok(largest(slopes) < 1e-7, 'the definition is flat there')

  const [{ parameters: none }] = await fitted({ rankings: [ranked(['a', 'b']), ranked(['b', 'a'])], model })
  t.same(none, {}, 'and where nobody ties anything there are none at all')
})

/** The score of every row at an estimate, by central differences of the definition. */
function scoresOf(
  rankings: Ranking[],
  items: string[],
  sizes: readonly number[],
  at: Float64Array,
): number[][] {
  const h = 1e-4
  return rankings.map((row) => {
    const value = (x: Float64Array) => logLikelihood([row], items, sizes, x)
    return Array.from(at, (_, k) => (value(moved(at, k, h)) - value(moved(at, k, -h))) / (2 * h))
  })
}

t.test('sandwich and clustered errors are those of scores that are squared row by row', async (t) => {
  const random = seededRandom(5)
  const names = ['a', 'b', 'c', 'd', 'e']
  const rankings = Array.from({ length: 40 }, (_, k) => {
    const order = names.map((name) => ({ name, at: random() })).sort((x, y) => x.at - y.at)
    const some = order.slice(0, 3 + Math.floor(random() * 3)).map(({ name }) => name)
    const ranking: Place[] = random() < 0.5 ? [some.slice(0, 2), ...some.slice(2)] : some
    return ranked(ranking, { annotator: `r${k % 6}`, count: 1 + (k % 2), weight: k % 3 === 0 ? 1.5 : 1 })
  })
  const oneByOne = rankings.flatMap(({ count = 1, ...row }) => Array.from({ length: count }, () => row))
  const { counts, items } = counted(rankings)
  const maximum = maximise(rankingLikelihood(counts), false)
  const at = maximum?.at ?? new Float64Array(0)
  const scores = scoresOf(oneByOne, items, counts.sizes, at)
  const byAnnotator = [...new Set(oneByOne.map(({ annotator }) => annotator))].map((annotator) =>
    Array.from(at, (_, k) =>
      scores.reduce((sum, score, r) => sum + (oneByOne[r].annotator === annotator ? score[k] : 0), 0),
    ),
  )
  // The gauge where rewards sum to zero is that of the curvature with 11ᵀ/m added on them.
  const m = items.length
  const regular = curvatureAt(rankingLikelihood(counts), at).map((row, a) =>
    row.map((value, b) => (a < m && b < m ? value + 1 / m : value)),
  )
  const bread = inverse(regular)
  const errorsOf = (meat: number[][]) =>
    bread.map((row) =>
      Math.hypot(...meat.map((score) => row.reduce((sum, value, k) => sum + value * score[k], 0))),
    )
  for (const [standardErrors, meat] of [
    ['sandwich', scores],
    ['clustered', byAnnotator],
  ] as const) {
    const expected = errorsOf(meat)
    for (const rows of [rankings, oneByOne]) {
      const [group] = await fitted({ rankings: rows, model: { ties: 'davidson', standardErrors } })
      const found = [...items.map((name) => group.standardErrors?.[name] ?? 0), group.parameterErrors.logTie]
      const far = largest(found.map((error, a) => error / expected[a] - 1))
      t.ok(far < 1e-7, `${standardErrors}, ${rows.length} rows: ${far}`)
      t.equal(group.fit.comparisons, oneByOne.length)
    }
  }
})

async function refusal(request: unknown): Promise<Problem> {
  try {
    await fit(request as FitRequest)
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
  throw new Error('there was an answer')
}

t.test('a group whose items do not hang together is refused with its components', async (t) => {
  const rankings = [
    { group: 'whole', ranking: ['a', 'b', 'c', 'd'] },
    { group: 'whole', ranking: ['d', 'a'] },
    { group: 'apart', ranking: ['a', 'b', 'c', 'd'] },
    { group: 'apart', ranking: ['b', 'a', 'd'] },
  ]
  const problem = await refusal({ rankings })
  t.equal(problem.kind, 'no-finite-estimate')
  t.same(problem.evidence.groups, [
    { id: 'apart', components: [['a', 'b'], ['c'], ['d']], undefeated: [], winless: ['d'] },
  ])
  t.notMatch(problem.message, /firth/, 'nor is a prior proposed that rankings do not have')
  const prior = { kind: 'pseudo-item', strength: 0.5 }
  const [apart] = await fitted({ rankings, model: { prior } })
  t.equal(apart.connectivity?.components.length, 3, 'a prior answers, and says the same')
})

t.test(
  'an estimate with ties is at the maximum, or there is a direction in which there is none',
  async (t) => {
    const few = someRankings(4).map((rankings) => rankings.slice(2).map(({ ranking }) => ranked(ranking)))
    const seen = { fitted: 0, apart: 0, direction: 0 }
    await fc.assert(
      fc.asyncProperty(few, async (rankings) => {
        const { counts, items } = counted(rankings)
        const value = (at: Float64Array) => logLikelihood(rankings, items, counts.sizes, at)
        const request = { rankings, model: { ties: 'davidson' } }
        const answer = await fitted(request).catch((error: unknown) => error)
        if (!(answer instanceof Problem)) {
          const [{ rewards, parameters }] = answer as FitResponse['groups']
          const at = Float64Array.of(
            ...items.map((name) => rewards[name]),
            ...Object.values(parameters).map(Math.log),
          )
          seen.fitted++
          const slopes = Array.from(at, (_, k) => value(moved(at, k, 1e-4)) - value(moved(at, k, -1e-4)))
          return largest(slopes) < 1e-10
        }
        const [{ components, direction }] = answer.evidence.groups as {
          components: string[][]
          direction?: { rewards: Record<string, number>; parameters: Record<string, number> }
        }[]
        if (direction === undefined) {
          seen.apart++
          return components.length > 1
        }
        seen.direction++
        const steps = [
          ...items.map((name) => direction.rewards[name]),
          ...Object.values(direction.parameters),
        ]
        const along = [0, 1, 4, 16].map((by) => value(Float64Array.from(steps, (x) => by * x)))
        return along.every((log, k) => k === 0 || log >= along[k - 1] - 1e-12) && along[3] > along[0] + 1e-6
      }),
      { seed: 8, numRuns: 400 },
    )
    t.ok(Math.min(...Object.values(seen)) >= 5, `each happened: ${JSON.stringify(seen)}`)

    const problem = await refusal({
      rankings: [ranked(['a', 'b']), ranked([['a', 'b']])],
      model: { ties: 'davidson' },
    })
    t.equal(problem.kind, 'no-finite-estimate', 'as many wins as ties in every circle are not enough')
  },
)

t.test('features that separate what was ranked are refused, and others have their weights', async (t) => {
  const rankings = [ranked(['a', 'b', 'c']), ranked(['c', 'b', 'a']), ranked(['b', 'c', 'a'])]
  const items = (values: number[]) => ['a', 'b', 'c'].map((id, k) => ({ id, features: [values[k]] }))
  const separated = await refusal({
    rankings: rankings.slice(1),
    items: items([0, 1, 1]),
  })
  t.equal(separated.kind, 'no-finite-estimate')

  // With a feature for each item but the last, rewards are as free as without.
  const free = ['a', 'b', 'c'].map((id, k) => ({ id, features: [k === 0 ? 1 : 0, k === 1 ? 1 : 0] }))
  const [linear] = await fitted({ rankings, items: free })
  const [own] = await fitted({ rankings })
  for (const name of ['a', 'b', 'c']) {
    t.ok(Math.abs(linear.rewards[name] - own.rewards[name]) < 1e-12)
    t.ok(Math.abs((linear.standardErrors?.[name] ?? 0) - (own.standardErrors?.[name] ?? 0)) < 1e-12)
  }
  t.ok(Math.abs((linear.rewardWeights?.[0] ?? 0) - (own.rewards.a - own.rewards.c)) < 1e-12)
})

t.test('only the items that are named take part', async (t) => {
  const rankings = [ranked(['a', 'b', 'c']), ranked(['c', 'a', 'b'], { count: 2 }), ranked(['b', 'c'])]
  const items = ['a', 'b', 'c', 'never'].map((id) => ({ id }))
  const [group] = await fitted({ rankings, items })
  t.same(group.unseenItems, ['never'])
  const value = (x: Float64Array) => logLikelihood(rankings, ['a', 'b', 'c'], [1], x)
  const at = Float64Array.of(group.rewards.a, group.rewards.b, group.rewards.c)
  const slopes = Array.from(at, (_, k) => (value(moved(at, k, 1e-4)) - value(moved(at, k, -1e-4))) / 2e-4)
  t.ok(largest(slopes) < 1e-7)
  t.equal(group.fit.comparisons, 4)
  t.equal(group.fit.pairs, 3)
})

t.test('pooled rankings lie between one fit of all and a fit of each', async (t) => {
  const rankings = [
    { group: 'east', ranking: ['a', 'b', 'c'], count: 3 },
    { group: 'east', ranking: ['c', 'b', 'a'] },
    { group: 'west', ranking: ['b', ['c', 'a']], count: 2 },
    { group: 'west', ranking: ['c', 'a', 'b'] },
    { group: 'west', ranking: ['a', 'b', 'c'] },
    { group: 'east', ranking: [['a', 'b'], 'c'] },
  ]
  const under = (standardDeviation: number) =>
    fitted({ rankings, model: { ties: 'davidson', prior: { kind: 'pooled', standardDeviation } } })
  const together = await fitted({
    rankings: rankings.map((row) => ({ ...row, group: 'all' })),
    model: { ties: 'davidson' },
  })
  for (const { rewards } of await under(0))
    for (const name of ['a', 'b', 'c']) t.ok(Math.abs(rewards[name] - together[0].rewards[name]) < 1e-9)
  const apart = await fitted({ rankings, model: { ties: 'davidson' } })
  for (const [g, { rewards }] of (await under(1e4)).entries())
    for (const name of ['a', 'b', 'c']) t.ok(Math.abs(rewards[name] - apart[g].rewards[name]) < 1e-5)

  const sparse = [...rankings, { group: 'tiny', ranking: ['c', 'a'] }]
  const [, tiny] = await fitted({ rankings: sparse, model: { ties: 'davidson', prior: { kind: 'pooled' } } })
  t.ok(
    (tiny.pooling?.shrinkage ?? 0) > 0.5,
    'a group that gave one ranking has an estimate, and of all items',
  )
  t.same(Object.keys(tiny.rewards), ['a', 'b', 'c'])
})

t.test('long rankings, and ties among many, are fitted to the last digit', async (t) => {
  const random = seededRandom(6)
  const names = Array.from({ length: 400 }, (_, k) => item(k))
  const rankings = Array.from({ length: 12 }, () => {
    const drawn = names.map((name, k) => ({ name, at: Math.sin(k) - Math.log(-Math.log(random())) }))
    const order = drawn.sort((x, y) => y.at - x.at).map(({ name }) => name)
    const places: Place[] = []
    for (let k = 0; k < order.length; k += [places.at(-1) ?? ''].flat().length)
      places.push(random() < 0.1 ? order.slice(k, k + 2 + Math.floor(random() * 3)) : order[k])
    return ranked(places.map((place) => (place.length === 1 ? place[0] : place)))
  })
  const [{ fit: summary, parameters }] = await fitted({ rankings, model: { ties: 'davidson' } })
  t.ok(summary.converged && summary.errorEstimate < 1e-13 && summary.iterations < 15, JSON.stringify(summary))
  t.same(Object.keys(parameters), ['tie', 'tie3', 'tie4'])
  t.equal(summary.pairs, (400 * 399) / 2)
})

t.test('rankings lead to an aggregated reward as comparisons do', async (t) => {
  const rankings = [
    { group: 'east', ranking: ['a', 'b', 'c'] },
    { group: 'east', ranking: ['c', 'a', 'b'] },
    { group: 'east', ranking: ['b', 'a', 'c'] },
    { group: 'west', ranking: ['c', 'b', 'a'], count: 2 },
    { group: 'west', ranking: ['a', 'c', 'b'] },
    { group: 'west', ranking: ['b', 'c'] },
  ]
  const groups = await fitted({ rankings })
  const rewards = Object.fromEntries(groups.map(({ id, rewards }) => [id, rewards]))
  const welfare = { function: 'nash' } as const
  const answer = (await aggregate({ rankings, welfare } as AggregateRequest)) as OptimumResult
  const given = (await aggregate({ rewards, welfare } as AggregateRequest)) as OptimumResult
  t.same(answer.weights, given.weights)
  t.same(answer.rewards, given.rewards)
  t.same(
    answer.groups.map(({ fit }) => fit?.comparisons),
    [3, 4],
  )
  const { results } = await compare({ rankings, welfare: [welfare] } as CompareRequest)
  t.same(results, [answer])
})

const A_TIE = ranked(['a', ['b', 'c']])
const BAD: [string, unknown, string, RegExp][] = [
  ['nothing', { rankings: [] }, '/rankings', /at least one/],
  ['no array', { rankings: { group: [] } }, '/rankings', /array of rankings/],
  ['no object', { rankings: ['a'] }, '/rankings/0', /object/],
  ['no ranking', { rankings: [{ group: 'g' }] }, '/rankings/0/ranking', /required/],
  [
    'a ranking of nothing',
    { rankings: [ranked([])] },
    '/rankings/0/ranking',
    /at least two items, and names none/,
  ],
  ['one item', { rankings: [ranked(['a', 'b']), ranked(['a'])] }, '/rankings/1/ranking', /names one/],
  ['an item twice', { rankings: [ranked(['a', 'b', 'a'])] }, '/rankings/0/ranking/2', /"a" is ranked twice/],
  ['no text', { rankings: [{ group: 'g', ranking: ['a', 7] }] }, '/rankings/0/ranking/1', /must be a string/],
  ['an empty id', { rankings: [ranked(['a', ''])] }, '/rankings/0/ranking/1', /empty/],
  ['null', { rankings: [{ group: 'g', ranking: null }] }, '/rankings/0/ranking', /null/],
  ['no group', { rankings: [{ ranking: ['a', 'b'] }] }, '/rankings/0/group', /required/],
  [
    'a member that is none',
    { rankings: [{ ...A_TIE, winner: 'a' }] },
    '/rankings/0/winner',
    /not a member of a ranking/,
  ],
  ['half a ranking', { rankings: [ranked(['a', 'b'], { count: 0.5 })] }, '/rankings/0/count', /whole number/],
  [
    'no weight',
    { rankings: [ranked(['a', 'b'], { weight: 0 })] },
    '/rankings/0/weight',
    /must be a number from/,
  ],
  [
    'an item not declared',
    { rankings: [ranked(['a', 'z'])], items: [{ id: 'a' }, { id: 'b' }] },
    '/rankings/0/ranking/1',
    /"z" is not declared in \/items/,
  ],
  [
    'a group not declared',
    { rankings: [ranked(['a', 'b'])], groups: [{ id: 'g' }] },
    '/rankings/0/group',
    /not declared in \/groups/,
  ],
  [
    'a group without any',
    { rankings: [ranked(['a', 'b'])], groups: [{ id: 'all' }, { id: 'g' }] },
    '/groups/1',
    /has no rankings/,
  ],
  ['a tie without a model', { rankings: [A_TIE] }, '/rankings/0/ranking/1', /"ties": "davidson"/],
  ['both sources', { rankings: [A_TIE], comparisons: [] }, '/rankings', /together with comparisons/],
  [
    'firth',
    { rankings: [A_TIE], model: { prior: { kind: 'firth' } } },
    '/model/prior',
    /firth with rankings/,
  ],
  [
    'a position effect',
    { rankings: [A_TIE], model: { positionEffect: true } },
    '/model/positionEffect',
    /in what order/,
  ],
  [
    'reliability',
    { rankings: [A_TIE], model: { reliability: {} } },
    '/model/reliability',
    /comparisons of two/,
  ],
  [
    'clusters of nobody',
    { rankings: [ranked(['a', 'b'])], model: { standardErrors: 'clustered' } },
    '/rankings/0/annotator',
    /required/,
  ],
]
const BAD_TIES: [string, Place[] | unknown[], string, RegExp][] = [
  ['empty brackets', ['a', [], 'b'], '/1', /empty/],
  ['brackets of one', ['a', ['b']], '/1', /without brackets/],
  ['brackets in brackets', ['a', ['b', ['c', 'd']]], '/1/1', /no further brackets/],
  ['five that tie', [['a', 'b', 'c', 'd', 'e']], '/0', /at most 4/],
  ['a tie with itself', [['a', 'b', 'a']], '/0/2', /ranked twice/],
  ['a tie of texts and numbers', [['a', 1]], '/0/1', /must be a string/],
]

t.test('what is wrong with rankings is a 400 that points at it', async (t) => {
  const cases = [
    ...BAD,
    ...BAD_TIES.map(([label, ranking, at, detail]): [string, unknown, string, RegExp] => [
      label,
      { rankings: [{ group: 'g', ranking }], model: { ties: 'davidson' } },
      `/rankings/0/ranking${at}`,
      detail,
    ]),
  ]
  for (const [label, request, pointer, detail] of cases) {
    const { status, body } = (await answerParsed('fit', request)) as Answer
    const [error] = JSON.parse(new TextDecoder().decode(body)).errors ?? []
    t.equal(status, 400, label)
    t.equal(error?.pointer, pointer, label)
    t.match(error?.detail, detail, label)
  }
})
