import fc from 'fast-check'
import t from 'tap'
import type { AggregateRequest, ExPostResult, OptimumResult } from '../../schemas/aggregate.ts'
import type { Welfare } from '../../schemas/welfare.ts'
import { aggregate, compare } from '../../src/engine/aggregate.ts'
import { linearProgramSolver, pricedProgramSolver } from '../../src/engine/numeric/linear-program.ts'
import { solvePrecisely } from '../../src/engine/numeric/simplex.ts'
import { Problem } from '../../src/engine/problem.ts'
import { cvar } from '../../src/engine/welfare/cvar.ts'
import { exPost } from '../../src/engine/welfare/ex-post.ts'
import { NoGains } from '../../src/engine/welfare/gains.ts'
import { generalisedGini } from '../../src/engine/welfare/generalised-gini.ts'
import { kalaiSmorodinsky } from '../../src/engine/welfare/kalai-smorodinsky.ts'
import { leximin } from '../../src/engine/welfare/leximin.ts'
import { maximin } from '../../src/engine/welfare/maximin.ts'
import { optimise } from '../../src/engine/welfare/optimise.ts'
import { powerMean } from '../../src/engine/welfare/power-mean.ts'
import type { Optimum, WelfareFunction, WelfareProblem } from '../../src/engine/welfare/problem.ts'
import { relativeUtilitarian } from '../../src/engine/welfare/relative-utilitarian.ts'
import { ruleOf } from '../../src/engine/welfare/rule.ts'
import { utilitarian } from '../../src/engine/welfare/utilitarian.ts'
import { adversarialProblem } from '../helpers/adversarial.ts'
import { guardedProblems, spans } from '../helpers/guardrails.ts'
import {
  distance,
  plain,
  plainProblems,
  problemOf,
  problems,
  requestOf,
  tableOf,
} from '../helpers/problems.ts'

const T1 = [
  [4, 1, 2, 0],
  [0, 3, 2, 1],
  [1, 0, 1.5, 5],
]
const POPULATION = [0.5, 0.3, 0.2]
const t1 = (temperature = 0) => problemOf(T1, { population: POPULATION, temperature })
const cold = fc.constant(0)

/** Φ by its definition, for every function of ranks that is tried. */
const curves: { name: string; welfareFunction: WelfareFunction; curve: (t: number) => number }[] = [
  ...[0.02, 0.3, 0.5, 0.9].map((alpha) => ({
    name: `cvar ${alpha}`,
    welfareFunction: cvar(alpha),
    curve: (t: number) => Math.min(t / alpha, 1),
  })),
  ...[1.5, 2, 6].map((parameter) => ({
    name: `parameter ${parameter}`,
    welfareFunction: generalisedGini({ parameter }),
    curve: (t: number) => 1 - (1 - t) ** parameter,
  })),
  ...[
    [3, 2, 2, 0],
    [5, 1],
    [1, 1, 0.5],
  ].map((weights) => ({
    name: `weights ${weights}`,
    welfareFunction: generalisedGini({ weights }),
    curve: (t: number) => curveOf(weights, t),
  })),
]

function curveOf(weights: number[], t: number): number {
  const total = weights.reduce((a, b) => a + b, 0)
  const whole = Math.min(Math.floor(t * weights.length + 1e-12), weights.length)
  const sum = weights.slice(0, whole).reduce((a, b) => a + b, 0)
  return (sum + (weights[whole] ?? 0) * (t * weights.length - whole)) / total
}

/** W(x) as the integral of the utilities in the order of ranks: over thin slices of the population, from the worst off. */
function rankedMean(curve: (t: number) => number, x: ArrayLike<number>, n: ArrayLike<number>): number {
  const order = Array.from(x, (_, g) => g).sort((a, b) => x[a] - x[b])
  let [sum, below] = [0, 0]
  for (const g of order) {
    const upTo = Math.min(1, below + n[g])
    sum += x[g] * (curve(upTo) - curve(below))
    below = upTo
  }
  return sum
}

/** By how much λ(S) exceeds Φ(n(S)) for some of all 2^G sets of groups, or Σλ differs from 1. */
function outside(curve: (t: number) => number, lambda: ArrayLike<number>, n: ArrayLike<number>): number {
  let most = Math.abs(Array.from(lambda).reduce((a, b) => a + b, 0) - 1)
  for (let set = 1; set < 2 ** lambda.length; set++) {
    let [weight, part] = [0, 0]
    for (let g = 0; g < lambda.length; g++) {
      if ((set >> g) % 2 === 0) continue
      weight += lambda[g]
      part += n[g]
    }
    most = Math.max(most, weight - curve(Math.min(1, part)))
  }
  return most
}

function expect(far: number, limit: number, what: string): void {
  if (!(far <= limit)) throw new Error(`${what}: off by ${far}`)
}

t.test('T1 under the functions of order', async (t) => {
  const lex = await leximin(t1())
  t.ok(distance(lex.policy, [1 / 39, 0, 34 / 39, 4 / 39]) < 1e-12)
  t.ok(distance(lex.weights, [5 / 13, 4 / 13, 4 / 13]) < 1e-12)
  const warm = await leximin(t1(0.5))
  t.ok(Math.abs(warm.welfare - 1.709153) < 1e-6)
  t.ok(distance(warm.weights, [0.322298, 0.457437, 0.220265]) < 1e-6)

  // b = (4, 3, 5): x = s·b with p_a, p_b, p_c, p_d by hand from 4a + b + 2c = 4s, 3b + 2c + d = 3s, a + 1.5c + 5d = 5s.
  const ks = await kalaiSmorodinsky(t1())
  const shares = Array.from(ks.utilities, (x, g) => x / [4, 3, 5][g])
  t.ok(distance(shares, [ks.welfare, ks.welfare, ks.welfare]) < 1e-12)
  t.ok(Math.abs(ks.weights.reduce((sum, w, g) => sum + w * [4, 3, 5][g], 0) - 1) < 1e-12)

  const relative = relativeUtilitarian(t1())
  t.ok(distance(relative.weights, [0.5 / 4, 0.3 / 3, 0.2 / 5]) < 1e-15)
  t.same(Array.from(relative.policy), [1, 0, 0, 0])
})

t.test('ex post the minimum gives the worst group 1.5 where ex ante it gets 24/13', async (t) => {
  const post = exPost(t1(), maximin)
  t.same(Array.from(post.rewards), [0, 0, 1.5, 0])
  t.same(Array.from(post.policy), [0, 0, 1, 0])
  t.equal(Math.min(...post.utilities), 1.5)
  t.ok(Math.abs(optimise(t1(), maximin).welfare - 24 / 13) < 1e-12)
})

t.test('functions of ranks, their weights and their dual sets are as defined', async () => {
  const drawn = fc.record({
    problem: plainProblems({ groups: [1, 6] }),
    kind: fc.constantFrom(...curves),
    lambda: fc.array(fc.nat(20), { minLength: 6, maxLength: 6 }),
  })
  fc.assert(
    fc.property(drawn, ({ problem, kind: { welfareFunction, curve, name }, lambda: given }) => {
      const n = problem.population
      const x = Float64Array.from({ length: problem.groups }, (_, g) => problem.utilities[g * problem.items])
      const value = welfareFunction.value(x, n)
      expect(Math.abs(value - rankedMean(curve, x, n)), 1e-12, name)
      const lambda = Float64Array.from(given.slice(0, problem.groups), (w) => w + 1)
      welfareFunction.project(lambda, n)
      expect(outside(curve, lambda, n), 1e-14, `${name}, projected`)
      const kept = lambda.slice()
      welfareFunction.project(kept, n)
      expect(distance(kept, lambda), 1e-15, `${name}, projected twice`)
      const support = lambda.reduce((sum, w, g) => sum + w * x[g], 0)
      expect(value - support, 1e-12, `${name}: a point of the dual set is no bound`)
    }),
    { seed: 1, numRuns: 400 },
  )
})

t.test(
  'the optimum of a function of ranks is proven by definition, over contexts and within guardrails',
  async () => {
    for (const temperature of [0, 0.3]) {
      const given = fc.tuple(
        guardedProblems({ temperature: fc.constant(temperature) }),
        fc.constantFrom(...curves),
      )
      fc.assert(
        fc.property(given, ([problem, { welfareFunction, curve, name }]) => {
          const found = optimise(problem, welfareFunction)
          proveByDefinition(problem, found, curve, name)
        }),
        { seed: 2, numRuns: 150 },
      )
    }
  },
)

/** Recomputes D(λ, μ) − F(p) from the definition, with every set of groups for the dual set. */
function proveByDefinition(
  problem: WelfareProblem,
  found: Optimum,
  curve: (t: number) => number,
  name: string,
) {
  const { groups, items, utilities: u, population, reference, temperature, guardrails, contexts } = problem
  const { policy, weights, prices } = found
  expect(outside(curve, weights, population), 1e-9, `${name}: weights`)
  const cost = (k: number, i: number) => guardrails.costs[k * items + i]
  const value = (i: number) => {
    let sum = 0
    for (let g = 0; g < groups; g++) sum += weights[g] * u[g * items + i]
    for (let k = 0; k < prices.length; k++) sum -= prices[k] * cost(k, i)
    return sum
  }
  let bound = prices.reduce((sum, price, k) => sum + price * guardrails.limits[k], 0)
  let size = Math.abs(bound)
  spans(problem).forEach(([from, to], q) => {
    const own = Array.from({ length: to - from }, (_, k) => value(from + k))
    const top = Math.max(...own)
    size += contexts.weights[q] * (top - Math.min(...own))
    const mass = own.reduce(
      (sum, v, k) => sum + (reference[from + k] / contexts.weights[q]) * Math.exp((v - top) / temperature),
      0,
    )
    bound += contexts.weights[q] * (temperature > 0 ? top + temperature * Math.log(mass) : top)
  })
  const x = tableOf(problem).map((row) => row.reduce((sum, value, i) => sum + value * policy[i], 0))
  let objective = rankedMean(curve, x, population)
  for (let i = 0; i < items; i++)
    if (policy[i] > 0) objective -= temperature * policy[i] * Math.log(policy[i] / reference[i])
  expect(Math.abs(bound - objective) / Math.max(1e-3, Math.abs(objective), size), 1e-8, name)
}

t.test('Gini and CVaR agree with linear programs of another form', async () => {
  const maximise = await linearProgramSolver()
  fc.assert(
    fc.property(
      plainProblems({ groups: [2, 5], items: [2, 8] }),
      fc.constantFrom(0.3, 0.7),
      (problem, alpha) => {
        const { groups: G, items: n, population } = problem
        // p, t⁺, t⁻, y: max t − Σ n y/α, y_g ≥ t − x_g.
        const width = n + 2 + G
        const objective = Float64Array.from([
          ...Array.from({ length: n }, () => 0),
          1,
          -1,
          ...Array.from(population, (part) => -part / alpha),
        ])
        const tails = tableOf(problem).map((row, g) => [...row, -1, 1, ...unit(G, g)])
        const sum = [...Array.from({ length: n }, () => 1), ...Array.from({ length: G + 2 }, () => 0)]
        const program = (objective: Float64Array, rows: number[][]) => ({
          objective,
          rows: Float64Array.from([...rows, sum].flat()),
          rowLower: Float64Array.from([...rows.map(() => 0), 1]),
          rowUpper: Float64Array.from([...rows.map(() => Number.POSITIVE_INFINITY), 1]),
        })
        const point = maximise(program(objective, tails)) as Float64Array
        const best = objective.reduce((total, c, k) => total + c * point[k], 0)
        expect(Math.abs(optimise(problem, cvar(alpha)).welfare - best), 1e-8, `cvar ${alpha}, width ${width}`)

        // p and y_gh ≥ |x_g − x_h|: the mean less half the mean difference.
        const pairs = Array.from(population, (_, g) => g).flatMap((g) =>
          Array.from({ length: g }, (_, h) => [g, h] as const),
        )
        const table = tableOf(problem)
        const mean = Array.from({ length: n }, (_, i) =>
          table.reduce((total, row, g) => total + population[g] * row[i], 0),
        )
        const gini = Float64Array.from([...mean, ...pairs.map(([g, h]) => -population[g] * population[h])])
        const differences = pairs.flatMap(([g, h], k) =>
          [1, -1].map((sign) => [
            ...table[g].map((value, i) => sign * (value - table[h][i])),
            ...unit(pairs.length, k),
          ]),
        )
        const solution = maximise({
          objective: gini,
          rows: Float64Array.from([...differences.flat(), ...Array.from(gini, (_, k) => (k < n ? 1 : 0))]),
          rowLower: Float64Array.from([...differences.map(() => 0), 1]),
          rowUpper: Float64Array.from([...differences.map(() => Number.POSITIVE_INFINITY), 1]),
        }) as Float64Array
        const most = gini.reduce((total, c, k) => total + c * solution[k], 0)
        expect(Math.abs(optimise(problem, generalisedGini({ parameter: 2 })).welfare - most), 1e-8, 'Gini')
      },
    ),
    { seed: 3, numRuns: 60 },
  )
})

function unit(length: number, at: number): number[] {
  return Array.from({ length }, (_, k) => (k === at ? 1 : 0))
}

t.test('the ends of the families are utilitarian and maximin', async () => {
  fc.assert(
    fc.property(problems({ gains: false, groups: [2, 5] }), (problem) => {
      const { welfare: least } = optimise(problem, maximin)
      const { welfare: mean } = optimise(problem, utilitarian)
      const size = 1 + Math.abs(least) + Math.abs(mean)
      const smallest = Math.min(...problem.population)
      expect(Math.abs(optimise(problem, cvar(1)).welfare - mean), 1e-9 * size, 'cvar 1')
      expect(Math.abs(optimise(problem, cvar(0.9 * smallest)).welfare - least), 1e-7 * size, 'a small cvar')
      expect(
        Math.abs(optimise(problem, generalisedGini({ weights: [4] })).welfare - mean),
        1e-9 * size,
        'one',
      )
      expect(
        Math.abs(optimise(problem, generalisedGini({ parameter: 1 })).welfare - mean),
        1e-9 * size,
        'ν 1',
      )
    }),
    { seed: 4, numRuns: 100 },
  )
})

t.test('near optima of ranks at temperature 0 are where small temperatures lead', async (t) => {
  let several = 0
  // Of equal populations, so that no two items are nearly worth the same.
  const ties = problems({ temperature: cold, groups: [2, 4], values: [fc.integer({ min: 0, max: 3 })] }).map(
    (problem) => problemOf(tableOf(problem), { reference: Array.from(problem.reference) }),
  )
  fc.assert(
    fc.property(
      ties,
      fc.constantFrom(...curves.filter(({ name }) => /cvar 0.[35]|parameter 2|5,1/.test(name))),
      (problem, kind) => {
        const limit = optimise(problem, kind.welfareFunction)
        const [far, near] = [1e-3, 1e-4].map((temperature) =>
          distance(optimise({ ...problem, temperature }, kind.welfareFunction).policy, limit.policy),
        )
        if (!limit.certificate.unique) several++
        if (!(near <= 2e-2 && near <= 0.3 * far + 1e-6)) throw new Error(`${kind.name}: ${far}, then ${near}`)
      },
    ),
    { seed: 5, numRuns: 150 },
  )
  t.ok(several > 10, `${several} with several optima`)
})

t.test('leximin is what raising one level after another comes to', async () => {
  const solve = await pricedProgramSolver()
  const given = plainProblems({ groups: [2, 5], items: [2, 8] })
  await fc.assert(
    fc.asyncProperty(given, async (problem) => {
      const found = await leximin(problem)
      expect(distance(sorted(found.utilities), sorted(slowLeximin(problem, solve))), 1e-7, 'levels')
      if (!found.weights.every((weight) => weight > 0)) throw new Error('a group without weight')
      const values = Array.from({ length: problem.items }, (_, i) =>
        tableOf(problem).reduce((sum, row, g) => sum + found.weights[g] * row[i], 0),
      )
      const support = found.utilities.reduce((sum, x, g) => sum + found.weights[g] * x, 0)
      expect(Math.max(...values) - support, 1e-9, 'support')
    }),
    { seed: 6, numRuns: 120 },
  )
})

/** Leximin by its definition: a group is settled when raising it alone, above all that is settled, leads no further. */
function slowLeximin(
  problem: WelfareProblem,
  solve: Awaited<ReturnType<typeof pricedProgramSolver>>,
): number[] {
  const table = tableOf(problem)
  const { groups: G, items: n } = problem
  const floors: (number | null)[] = table.map(() => null)
  const best = (free: number[], least: number, raised: number | null) => {
    // max t or x_raised, with x ≥ t or `least` for the free, x ≥ floor for the others.
    const rows = table.map((row, g) => [...row, raised === null && free.includes(g) ? -1 : 0])
    const point = solve({
      objective: Float64Array.from(raised === null ? [...row0(n), 1] : [...table[raised], 0]),
      rows: Float64Array.from([...rows, [...Array.from({ length: n }, () => 1), 0]].flat()),
      rowLower: Float64Array.from([
        ...floors.map((floor) => (floor === null ? (raised === null ? 0 : least) : floor) - 1e-9),
        1,
      ]),
      rowUpper: Float64Array.from([...table.map(() => Number.POSITIVE_INFINITY), 1]),
    })?.point as Float64Array
    const objective = raised === null ? point[n] : table[raised].reduce((sum, v, i) => sum + v * point[i], 0)
    return objective
  }
  while (floors.includes(null)) {
    const free = floors.flatMap((floor, g) => (floor === null ? [g] : []))
    const level = best(free, 0, null)
    const stuck = free.filter((g) => best(free, level, g) <= level + 1e-6)
    for (const g of stuck.length > 0 ? stuck : [free[0]]) floors[g] = level
  }
  return floors.slice(0, G) as number[]
}

const row0 = (n: number) => Array.from({ length: n }, () => 0)
const sorted = (values: ArrayLike<number>) => Array.from(values).sort((a, b) => a - b)

t.test('leximin gives the rest what costs the worst off nothing', async (t) => {
  const problem = problemOf([
    [1, 1, 1, 0],
    [1, 5, 2, 9],
    [1, 2, 4, 9],
  ])
  const { utilities, certificate } = await leximin(problem)
  t.ok(distance(utilities, [1, 3.2, 3.2]) < 1e-12)
  t.ok(certificate.relativeGap <= 1e-12)
  t.ok(certificate.unique)
  // An indifferent group caps the minimum; the others go on.
  const capped = await leximin(
    problemOf([
      [1, 1],
      [2, 6],
      [6, 2],
    ]),
  )
  t.ok(distance(capped.utilities, [1, 4, 4]) < 1e-12)
})

t.test('Kalai–Smorodinsky gives equal parts of what each could have alone, and needs gains', async (t) => {
  const maximise = await linearProgramSolver()
  await fc.assert(
    fc.asyncProperty(
      problems({ gains: false, temperature: cold, groups: [2, 4], items: [2, 8], values: plain }),
      async (problem) => {
        const table = tableOf(problem)
        const best = table.map((row, g) => {
          const point = maximise({
            objective: Float64Array.from(row),
            rows: Float64Array.from([...table, row.map(() => 1)].flat()),
            rowLower: Float64Array.from([...table.map(() => 0), 1]),
            rowUpper: Float64Array.from([...table.map(() => Number.POSITIVE_INFINITY), 1]),
          })
          return point === null
            ? Number.NEGATIVE_INFINITY
            : table[g].reduce((sum, v, i) => sum + v * point[i], 0)
        })
        let found: Optimum
        try {
          found = await kalaiSmorodinsky(problem)
        } catch (error) {
          if (!(error instanceof NoGains)) throw error
          if (best.every((most) => most > 1e-6)) throw new Error('refused where all can gain')
          return
        }
        const shares = Array.from(found.utilities, (x, g) => x / best[g])
        expect(Math.abs(Math.min(...shares) - found.welfare), 1e-7, 'the least part')
        const scaled = problemOf(table.map((row, g) => row.map((value) => value / best[g])))
        expect(Math.abs(optimise(scaled, maximin).welfare - found.welfare), 1e-7, 'the largest least part')
        expect(distance(sorted((await leximin(scaled)).utilities), sorted(shares)), 1e-5, 'the other parts')
      },
    ),
    { seed: 7, numRuns: 120 },
  )
  const losing = problemOf([
    [3, -1],
    [-2, 0.5],
  ])
  await t.rejects(kalaiSmorodinsky(losing), { message: 'no policy gives every group a gain' })
})

t.test('relative utilitarian leaves indifferent groups without weight', async (t) => {
  const { weights, policy } = relativeUtilitarian(
    problemOf(
      [
        [2, 2],
        [0, 4],
      ],
      { population: [0.8, 0.2] },
    ),
  )
  t.same(Array.from(weights), [0, 0.05])
  t.same(Array.from(policy), [0, 1])
  const all = relativeUtilitarian(
    problemOf(
      [
        [2, 2],
        [1, 1],
      ],
      { population: [0.8, 0.2] },
    ),
  )
  t.same(Array.from(all.weights), [0.8, 0.2])
})

const SPLITTING: Welfare[] = [
  { function: 'leximin' },
  { function: 'kalai-smorodinsky' },
  { function: 'relative-utilitarian' },
  { function: 'generalised-gini' },
  { function: 'generalised-gini', weights: [3, 1] },
  { function: 'cvar', alpha: 0.4 },
]

t.test('a cloned group with its population split, and a cloned item, change nothing', async () => {
  await fc.assert(
    fc.asyncProperty(
      plainProblems({ groups: [2, 4], items: [2, 7] }),
      fc.constantFrom(...SPLITTING),
      async (problem, welfare) => {
        const rule = ruleOf(welfare, []) as NonNullable<ReturnType<typeof ruleOf>>
        const table = tableOf(problem)
        const population = Array.from(problem.population)
        const one = await rule(problemOf(table, { population }))
        const split = await rule(
          problemOf([...table, table[0]], {
            population: [population[0] / 2, ...population.slice(1), population[0] / 2],
          }),
        )
        expect(Math.abs(one.welfare - split.welfare), 1e-8, `${welfare.function}, welfare`)
        const twice = await rule(
          problemOf(
            table.map((row) => [...row, row[0]]),
            { population },
          ),
        )
        expect(Math.abs(one.welfare - twice.welfare), 1e-8, `${welfare.function}, twin item`)
        if (one.certificate.unique) {
          expect(
            distance(split.utilities.subarray(0, table.length), one.utilities),
            1e-6,
            `${welfare.function}, split`,
          )
          expect(distance(twice.utilities, one.utilities), 1e-6, `${welfare.function}, twin`)
        }
      },
    ),
    { seed: 8, numRuns: 120 },
  )
})

t.test('strict Pareto holds where it is claimed', async (t) => {
  const maximise = await linearProgramSolver()
  const strict: Welfare[] = [
    { function: 'leximin' },
    { function: 'kalai-smorodinsky' },
    { function: 'relative-utilitarian' },
    { function: 'generalised-gini' },
    { function: 'generalised-gini', weights: [3, 2, 1] },
  ]
  const check = async (problem: WelfareProblem, welfare: Welfare) => {
    const { utilities } = await (ruleOf(welfare, []) as NonNullable<ReturnType<typeof ruleOf>>)(problem)
    const table = tableOf(problem)
    // max Σ s, Uq − s ≥ x.
    const point = maximise({
      objective: Float64Array.from([...table[0].map(() => 0), ...table.map(() => 1)]),
      rows: Float64Array.from(
        [
          ...table.map((row, g) => [...row, ...unit(table.length, g).map((value) => -value)]),
          [...table[0].map(() => 1), ...table.map(() => 0)],
        ].flat(),
      ),
      rowLower: Float64Array.from([...Array.from(utilities, (x) => x - 1e-9), 1]),
      rowUpper: Float64Array.from([...table.map(() => Number.POSITIVE_INFINITY), 1]),
    }) as Float64Array
    return point.subarray(table[0].length).reduce((a, b) => a + b, 0)
  }
  await fc.assert(
    fc.asyncProperty(
      plainProblems({ groups: [2, 4] }),
      fc.constantFrom(...strict),
      async (problem, welfare) => {
        expect(await check(problem, welfare), 1e-5, welfare.function)
        const alpha = 1 - Math.min(...problem.population) / 2
        expect(await check(problem, { function: 'cvar', alpha }), 1e-5, 'cvar')
      },
    ),
    { seed: 9, numRuns: 80 },
  )
  const wasteful = problemOf([
    [1, 1],
    [1, 5],
  ])
  t.ok(
    (await check(wasteful, { function: 'cvar', alpha: 0.5 })) > 1,
    'CVaR of the worst-off half looks no further',
  )
})

t.test('problems of all scales as an adversary would choose them are solved', async (t) => {
  const rules: Welfare[] = [
    { function: 'cvar', alpha: 0.3 },
    { function: 'generalised-gini' },
    { function: 'generalised-gini', weights: [3, 2, 2, 0] },
    { function: 'leximin' },
    { function: 'kalai-smorodinsky' },
    { function: 'relative-utilitarian' },
  ]
  const met = { answers: 0, proofs: 0 }
  const faults: string[] = []
  for (let k = 0; k < 240; k++) {
    const { problem } = adversarialProblem(k)
    if (problem.groups > 20) continue
    const welfare = rules[k % rules.length]
    try {
      const { certificate, policy, weights } = await (
        ruleOf(welfare, []) as NonNullable<ReturnType<typeof ruleOf>>
      )(problem)
      met.answers++
      const sum = policy.reduce((a, b) => a + b, 0)
      if (!(certificate.relativeGap <= 1e-8 && Math.abs(sum - 1) <= 1e-12 && weights.every((w) => w >= 0)))
        faults.push(`${k}: ${welfare.function} ${certificate.relativeGap}`)
    } catch (error) {
      if (error instanceof NoGains) met.proofs++
      else faults.push(`${k}: ${welfare.function} ${error}`)
    }
  }
  t.same(faults, [])
  t.ok(met.answers > 100 && met.proofs > 2, JSON.stringify(met))
})

t.test('fifty groups are solved as well', async (t) => {
  const table = Array.from({ length: 50 }, (_, g) =>
    Array.from({ length: 200 }, (_, i) => ((g * 7919 + i * 104729) % 1009) / 1009),
  )
  for (const welfare of [...SPLITTING, { function: 'cvar', alpha: 0.05 } as Welfare]) {
    const { certificate } = await (ruleOf(welfare, []) as NonNullable<ReturnType<typeof ruleOf>>)(
      problemOf(table),
    )
    t.ok(certificate.relativeGap <= 1e-9, `${welfare.function}: ${certificate.relativeGap}`)
  }
})

t.test('leximin and Kalai–Smorodinsky tell apart what differs by twenty orders of magnitude', async () => {
  // Each group wants one of two items: group g has size_g from its own, and p settles what the two least have.
  const sizes = fc.array(fc.tuple(fc.integer({ min: -39, max: 18 }), fc.boolean()), {
    minLength: 3,
    maxLength: 12,
  })
  await fc.assert(
    fc.asyncProperty(sizes, async (drawn) => {
      const wants = drawn.map(([exponent, first], g) => ({
        size: 10 ** (exponent / 3),
        first: g === 0 || (g > 1 && first),
      }))
      const table = wants.map(({ size, first }) => (first ? [size, 0] : [0, size]))
      const least = (first: boolean) =>
        Math.min(...wants.filter((one) => one.first === first).map(({ size }) => size))
      const [a, b] = [least(true), least(false)]
      const p = [b / (a + b), a / (a + b)]
      const { utilities, certificate } = await leximin(problemOf(table))
      wants.forEach(({ size, first }, g) => {
        const own = size * p[first ? 0 : 1]
        // The policy nearest to the reference may cost a group so much of how far policies move it.
        expect(Math.abs(utilities[g] - own) / size, 1e-9, `group ${g} at ${JSON.stringify(wants)}`)
      })
      expect(certificate.relativeGap, 1e-9, 'gap')
      const equal = await kalaiSmorodinsky(problemOf(table))
      equal.utilities.forEach((x, g) => {
        expect(Math.abs(x / wants[g].size - 0.5), 1e-9, `part of group ${g}`)
      })
    }),
    { seed: 12, numRuns: 60 },
  )
})

t.test('linear programs are solved to the last digit, or seen to have no solution', async (t) => {
  const solve = await pricedProgramSolver()
  let impossible = 0
  const program = fc
    .record({ n: fc.integer({ min: 1, max: 8 }), m: fc.integer({ min: 1, max: 8 }) })
    .chain(({ n, m }) => {
      const integers = (length: number, min: number, max: number) =>
        fc.array(fc.integer({ min, max }), { minLength: length, maxLength: length })
      return fc.record({
        objective: integers(n, -4, 4),
        rows: integers(n * m, -2, 5),
        rowLower: integers(m, -3, 2),
        scales: integers(m, -12, 12),
      })
    })
  fc.assert(
    fc.property(program, ({ objective, rows, rowLower, scales }) => {
      const n = objective.length
      // The first row is a lottery; the others are brought to scales of their own afterwards.
      const own = (scaled: boolean) => ({
        objective: Float64Array.from(objective),
        rows: Float64Array.from(rows, (value, k) =>
          k < n ? 1 : value * (scaled ? 2 ** scales[Math.floor(k / n)] : 1),
        ),
        rowLower: Float64Array.from(rowLower, (limit, r) =>
          r === 0 ? 1 : limit * (scaled ? 2 ** scales[r] : 1),
        ),
        rowUpper: Float64Array.from(rowLower, (_, r) => (r === 0 ? 1 : Number.POSITIVE_INFINITY)),
      })
      const worth = (point: Float64Array) => point.reduce((sum, value, j) => sum + value * objective[j], 0)
      const other = solve(own(false))
      for (const posed of [own(false), own(true)]) {
        const found = solvePrecisely(posed)
        if (found === null || other === null) {
          if (found !== other) throw new Error(`only one of two finds a solution: ${JSON.stringify(found)}`)
          impossible++
          continue
        }
        expect(Math.abs(worth(found.point) - worth(other.point)), 1e-9, 'value')
        const { prices } = found
        expect(
          Math.abs(prices.reduce((sum, y, r) => sum + y * posed.rowLower[r], 0) - worth(found.point)),
          1e-13,
          'dual',
        )
        posed.rowLower.forEach((limit, r) => {
          const activity = found.point.reduce((sum, value, j) => sum + value * posed.rows[r * n + j], 0)
          expect(limit - activity, 1e-14 * 2 ** Math.max(0, r === 0 ? 0 : scales[r]), 'feasible')
          if (r > 0) expect(prices[r], 1e-20, 'sign')
        })
      }
    }),
    { seed: 13, numRuns: 300 },
  )
  t.ok(impossible > 10, `${impossible} without a solution`)
})

const posed = (welfare: Welfare, more: Partial<AggregateRequest> = {}): AggregateRequest => ({
  ...requestOf(t1(), welfare),
  ...more,
})

t.test('an answer ex post has a reward and no weights, and says so', async (t) => {
  const answer = (await aggregate(posed({ function: 'maximin' }, { mode: 'ex-post' }))) as ExPostResult
  t.equal(answer.mode, 'ex-post')
  t.equal(answer.settings.mode, 'ex-post')
  t.notOk('weights' in answer)
  t.same(answer.rewards, { 'item 00': 0, 'item 01': 0, 'item 02': 1.5, 'item 03': 0 })
  t.equal(answer.welfare, 1.5)
  t.equal(answer.certificate.gap, 0)
  const ante = (await aggregate(posed({ function: 'maximin' }))) as OptimumResult
  t.equal(ante.settings.mode, 'ex-ante')
  t.ok(ante.welfare > answer.welfare)
})

t.test('ex post is never worth more than ex ante, and the same for what is linear', async () => {
  const concave: WelfareFunction[] = [
    maximin,
    cvar(0.4),
    generalisedGini({ parameter: 2 }),
    powerMean(0),
    powerMean(-2),
  ]
  fc.assert(
    fc.property(problems({ groups: [2, 4] }), fc.constantFrom(...concave), (problem, welfareFunction) => {
      const objective = ({ policy, welfare }: { policy: Float64Array; welfare: number }) =>
        policy.reduce(
          (sum, p, i) => (p > 0 ? sum - problem.temperature * p * Math.log(p / problem.reference[i]) : sum),
          welfare,
        )
      const [post, ante] = [exPost(problem, welfareFunction), optimise(problem, welfareFunction)].map(
        objective,
      )
      expect(post - ante, 1e-7 * (1 + Math.abs(ante)), 'ex post above ex ante')
      const linear = objective(exPost(problem, utilitarian)) - objective(optimise(problem, utilitarian))
      expect(Math.abs(linear), 1e-9 * (1 + Math.abs(ante)), 'utilitarian')
    }),
    { seed: 10, numRuns: 150 },
  )
})

t.test('what has no meaning is refused, and where is said', async (t) => {
  const pointerOf = async (request: Promise<unknown>) => {
    try {
      await request
    } catch (error) {
      if (error instanceof Problem)
        return error.kind === 'invalid-request' ? error.errors[0].pointer : error.kind
      throw error
    }
    return null
  }
  const one = (welfare: Welfare, more: Partial<AggregateRequest> = {}) =>
    pointerOf(aggregate(posed(welfare, more)))
  t.equal(await one({ function: 'leximin' }, { mode: 'ex-post' }), '/welfare/function')
  t.equal(await one({ function: 'pareto-front' }, { mode: 'ex-post' }), '/welfare/function')
  t.equal(await one({ function: 'generalised-gini', weights: [1, 2] }), '/welfare/weights')
  t.equal(await one({ function: 'generalised-gini', weights: [0, 0] }), '/welfare/weights')
  t.equal(await one({ function: 'generalised-gini', weights: [1], parameter: 2 }), '/welfare/parameter')
  const several = {
    ...requestOf(t1(), { function: 'nash' }),
    welfare: [{ function: 'nash' }, { function: 'leximin' }],
  }
  t.equal(
    await pointerOf(compare({ ...several, mode: 'ex-post' } as Parameters<typeof compare>[0])),
    '/welfare/1/function',
  )
  const below = { utility: { anchor: 'reference' as const } }
  t.equal(await one({ function: 'nash' }, { ...below, mode: 'ex-post' }), 'no-acceptable-policy')
  t.equal(await one({ function: 'maximin' }, { ...below, mode: 'ex-post' }), null)
})
