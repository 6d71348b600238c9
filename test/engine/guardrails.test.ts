import fc from 'fast-check'
import t from 'tap'
import type { AggregateRequest, ContextualOptimumResult, OptimumResult } from '../../schemas/aggregate.ts'
import type { Constraint } from '../../schemas/constraints.ts'
import type { Welfare } from '../../schemas/welfare.ts'
import { aggregate } from '../../src/engine/aggregate.ts'
import { linearProgramSolver } from '../../src/engine/numeric/linear-program.ts'
import { Problem } from '../../src/engine/problem.ts'
import { NoGains, NoRoom } from '../../src/engine/welfare/gains.ts'
import { maximin } from '../../src/engine/welfare/maximin.ts'
import { optimise } from '../../src/engine/welfare/optimise.ts'
import { NO_GUARDRAILS, oneContext, type WelfareProblem } from '../../src/engine/welfare/problem.ts'
import { utilitarian } from '../../src/engine/welfare/utilitarian.ts'
import { type Answer, answerParsed } from '../../src/service/operations.ts'
import {
  byDefinition,
  costRanges,
  costsAt,
  type Defined,
  functions,
  guardedProblems,
  inEveryContext,
  kolmPollakOf,
  spans,
} from '../helpers/guardrails.ts'
import { distance, kindOf, problemOf, problems, tableOf, trainedPolicy } from '../helpers/problems.ts'

const anyFunction = fc.constantFrom(...functions)
const anySign = fc.constantFrom(...functions.filter(({ welfareFunction }) => !welfareFunction.needsGains))
const warm = fc.integer({ min: -20, max: 20 }).map((tenth) => 10 ** (tenth / 10))
const cold = fc.constant(0)
const floats = (values: readonly number[]) => Float64Array.from(values)

/** An optimum, or null where there is proof that no policy gives every group a gain. */
function optimumOf(problem: WelfareProblem, { welfareFunction }: Defined) {
  try {
    return optimise(problem, welfareFunction)
  } catch (error) {
    if (error instanceof NoGains) return null
    throw error
  }
}

t.test(
  'over contexts and within guardrails the gap, recomputed by definition, proves the optimum',
  async (t) => {
    const seen = { solved: 0, paid: 0, refused: 0 }
    const posed = fc.oneof(
      fc.record({ problem: guardedProblems(), kind: anyFunction }),
      fc.record({ problem: guardedProblems({ gains: false }), kind: anySign }),
    )
    fc.assert(
      fc.property(posed, ({ problem, kind }) => {
        const found = optimumOf(problem, kind)
        if (found === null) {
          seen.refused++
          return
        }
        seen.solved++
        const { policy, weights, prices, utilities, welfare, certificate } = found
        const lambda = Array.from(weights)
        spans(problem).forEach(([from, to], q) => {
          const sum = policy.subarray(from, to).reduce((a, b) => a + b, 0)
          if (!(Math.abs(sum - problem.contexts.weights[q]) <= 1e-14)) throw new Error(`a context of ${sum}`)
        })
        if (!policy.every((p) => p >= 0)) throw new Error('no lottery')
        const ranges = costRanges(problem)
        costsAt(problem, policy).forEach((cost, k) => {
          if (!(cost - problem.guardrails.limits[k] <= 1e-9 * ranges[k] + 1e-12 * Math.abs(cost)))
            throw new Error(`guardrail ${k} is broken by ${cost - problem.guardrails.limits[k]}`)
        })
        if (!prices.every((price) => price >= 0)) throw new Error('a negative price')
        if (prices.some((price) => price > 0)) seen.paid++
        if (!(kind.inside(lambda, problem.population) >= 1 - 1e-13)) throw new Error('outside the dual set')

        const { x, objective, bound, size } = byDefinition(problem, kind, policy, lambda, Array.from(prices))
        // What sums of prices and limits lose, where both are large and all but cancel.
        const lost = prices.reduce(
          (sum, price, k) => sum + price * (ranges[k] + 1e-4 * Math.abs(problem.guardrails.limits[k])),
          0,
        )
        const scale = size + lost
        if (!(distance(utilities, x) <= 1e-12)) throw new Error('other utilities')
        const own = kind.value(x, problem.population)
        if (!(Math.abs(welfare - own) <= 1e-9 * Math.max(1, Math.abs(own))))
          throw new Error(`welfare ${welfare}, not ${own}`)
        const gap = bound - objective
        if (!(certificate.relativeGap <= 1e-8)) throw new Error(`relative gap ${certificate.relativeGap}`)
        if (!(Math.abs(gap - certificate.gap) <= 1e-11 * scale + 1e-14 * problem.temperature + kind.rounding))
          throw new Error(`gap ${gap}, and not ${certificate.gap}`)
      }),
      { seed: 1, numRuns: 2500 },
    )
    t.ok(seen.solved > 2000 && seen.paid > 600, JSON.stringify(seen))
  },
)

t.test(
  'at scales from 1e-6 to 1e6, with near-ties and twins, there is proof to 1e-8, or a refusal',
  async (t) => {
    const seen = { solved: 0, refused: 0 }
    const scales = fc.array(fc.integer({ min: -6, max: 6 }), { minLength: 8, maxLength: 8 })
    const tied = fc.tuple(fc.nat(2), fc.nat(1000)).map(([k, hair]) => k + hair * 1e-10)
    const values = [tied, fc.integer({ min: -4, max: 8 })]
    fc.assert(
      fc.property(
        guardedProblems({ values }),
        scales,
        anyFunction,
        fc.boolean(),
        (given, powers, kind, twins) => {
          const { items } = given
          const utilities = given.utilities.map((value, at) => value * 10 ** powers[Math.floor(at / items)])
          const costs = given.guardrails.costs.map(
            (cost, at) => cost * 10 ** powers[4 + Math.floor(at / items)],
          )
          const limits = given.guardrails.limits.map((limit, k) => limit * 10 ** powers[4 + k])
          if (twins && given.groups > 1) utilities.copyWithin(items, 0, items)
          const problem = { ...given, utilities, guardrails: { costs, limits } }
          try {
            const { policy, weights, prices, certificate } = optimise(problem, kind.welfareFunction)
            const { bound, objective, size } = byDefinition(
              problem,
              kind,
              policy,
              Array.from(weights),
              Array.from(prices),
            )
            const terms = prices.reduce(
              (sum, price, k) => sum + price * Math.abs(limits[k]),
              size + problem.temperature,
            )
            if (!(certificate.relativeGap <= 1e-8)) throw new Error(`relative gap ${certificate.relativeGap}`)
            if (!(bound - objective <= 1.1e-8 * size + 1e-11 * terms + kind.rounding))
              throw new Error(`gap ${bound - objective}`)
            seen.solved++
          } catch (error) {
            const refusal = error instanceof Problem || error instanceof NoGains || error instanceof NoRoom
            if (!refusal) throw error
            seen.refused++
          }
        },
      ),
      { seed: 2, numRuns: 1500 },
    )
    t.ok(seen.solved > 1350, JSON.stringify(seen))
  },
)

t.test('above temperature 0 each policy is the Gibbs policy of the weights and prices', async () => {
  fc.assert(
    fc.property(guardedProblems({ temperature: warm }), anyFunction, (problem, kind) => {
      const found = optimumOf(problem, kind)
      if (found === null) return
      const { policy, weights, prices, supportOnly } = found
      if (supportOnly) throw new Error('weights that only support')
      const { items, guardrails, temperature, reference } = problem
      const rows = [
        ...tableOf(problem),
        ...Array.from(prices, (_, k) => Array.from(guardrails.costs.subarray(k * items, (k + 1) * items))),
      ]
      const factors = [...weights, ...prices.map((price) => -price)]
      spans(problem).forEach(([from, to], q) => {
        const own = rows.map((row) => row.slice(from, to))
        const trained = trainedPolicy(own, factors, temperature, reference.subarray(from, to))
        const far = distance(
          policy.subarray(from, to),
          trained.map((p) => p * problem.contexts.weights[q]),
        )
        if (!(far <= 1e-11)) throw new Error(`${far}`)
      })
    }),
    { seed: 3, numRuns: 800 },
  )
})

t.test('contexts that are alike choose as one does, whatever they weigh', async () => {
  const parts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 5 })
  fc.assert(
    fc.property(guardedProblems(), anyFunction, parts, (one, kind, shares) => {
      const sum = shares.reduce((a, b) => a + b, 0)
      const { items, groups, guardrails } = one
      const copies = shares.length
      const repeated = (table: Float64Array, rows: number) =>
        floats(
          Array.from({ length: rows }, (_, r) =>
            shares.flatMap(() => Array.from(table.subarray(r * items, (r + 1) * items))),
          ).flat(),
        )
      const single = {
        ...one,
        contexts: oneContext(items),
        reference: inEveryContext({ ...one, contexts: oneContext(items) }, one.reference),
      }
      const many: WelfareProblem = {
        ...single,
        items: items * copies,
        utilities: repeated(one.utilities, groups),
        reference: floats(shares.flatMap((share) => Array.from(single.reference, (p) => (p * share) / sum))),
        contexts: {
          starts: Int32Array.from({ length: copies + 1 }, (_, q) => q * items),
          weights: floats(shares.map((share) => share / sum)),
        },
        guardrails: {
          costs: repeated(guardrails.costs, guardrails.limits.length),
          limits: guardrails.limits,
        },
      }
      const [alone, together] = [optimumOf(single, kind), optimumOf(many, kind)]
      if (alone === null || together === null) {
        if (alone !== together) throw new Error('an answer to one alone')
        return
      }
      const size = 1 + Math.max(...one.utilities.map(Math.abs))
      if (!(Math.abs(alone.welfare - together.welfare) <= 1e-8 * size))
        throw new Error(`welfare ${together.welfare}, not ${alone.welfare}`)
      if (one.temperature === 0) return
      shares.forEach((share, q) => {
        const own = together.policy.subarray(q * items, (q + 1) * items).map((p) => (p * sum) / share)
        const far = distance(own, alone.policy)
        if (!(far <= 1e-5)) throw new Error(`context ${q}: ${far}`)
      })
    }),
    { seed: 4, numRuns: 400 },
  )
})

t.test('a guardrail that is out of the way changes nothing and costs nothing', async () => {
  fc.assert(
    fc.property(guardedProblems({ guardrails: [0, 1] }), anyFunction, fc.nat(9), (problem, kind, item) => {
      const { items, guardrails } = problem
      const costs = new Float64Array(guardrails.costs.length + items)
      costs.set(guardrails.costs)
      for (let i = 0; i < items; i++) costs[guardrails.costs.length + i] = i === item % items ? 1 : 0
      const wide = { costs, limits: floats([...guardrails.limits, 3]) }
      const [without, within] = [problem, { ...problem, guardrails: wide }].map((each) =>
        optimumOf(each, kind),
      )
      if (without === null || within === null) {
        if (without !== within) throw new Error('an answer to one alone')
        return
      }
      const size = 1 + Math.max(...problem.utilities.map(Math.abs))
      if (!(within.prices[guardrails.limits.length] <= 1e-12 * size))
        throw new Error(`price ${within.prices}`)
      const objectives = [without, within].map(
        ({ policy, weights, prices }) =>
          byDefinition(
            problem,
            kind,
            policy,
            Array.from(weights),
            Array.from(prices.subarray(0, guardrails.limits.length)),
          ).objective,
      )
      if (!(Math.abs(objectives[0] - objectives[1]) <= 1e-9 * size * (1 + problem.temperature)))
        throw new Error(`${objectives}`)
    }),
    { seed: 5, numRuns: 500 },
  )
})

t.test('a price is what a unit of the limit is worth', async (t) => {
  let paid = 0
  const given = guardedProblems({
    temperature: warm,
    guardrails: [1, 3],
    values: [fc.integer({ min: -4, max: 8 })],
  })
  const smooth = functions.filter(({ name }) => !/1000000|e-6|20/.test(name))
  fc.assert(
    fc.property(given, fc.constantFrom(...smooth), (problem, kind) => {
      const here = optimumOf(problem, kind)
      if (here === null) return
      const ranges = costRanges(problem)
      here.prices.forEach((price, k) => {
        if (!(price * ranges[k] > 1e-3)) return
        const objectiveAt = (change: number) => {
          const limits = problem.guardrails.limits.slice()
          limits[k] += change
          const moved = { ...problem, guardrails: { ...problem.guardrails, limits } }
          try {
            const { policy, weights, prices } = optimise(moved, kind.welfareFunction)
            return byDefinition(moved, kind, policy, Array.from(weights), Array.from(prices)).objective
          } catch {
            return Number.NaN
          }
        }
        const h = 1e-5 * ranges[k]
        const [back, middle, ahead] = [-h, 0, h].map(objectiveAt)
        if (Number.isNaN(back + ahead)) return
        // F is concave in the limit: its slope is between those of the chords, and near their mean.
        const [right, left] = [(ahead - middle) / h, (middle - back) / h]
        const slack = 1e-6 * price + 1e-9 / h
        if (!(price >= right - slack && price <= left + slack))
          throw new Error(`price ${price} is not in [${right}, ${left}]`)
        if (left - right <= 0.01 * price) paid++
      })
    }),
    { seed: 6, numRuns: 300 },
  )
  t.ok(paid > 60, `${paid} prices`)
})

t.test('a linear program finds the same maximin and the same mean at temperature 0', async (t) => {
  const solve = await linearProgramSolver()
  let binding = 0
  fc.assert(
    fc.property(
      guardedProblems({ temperature: cold, guardrails: [1, 3], gains: false }),
      fc.boolean(),
      (problem, least) => {
        const { groups, items, population, guardrails, contexts } = problem
        const table = tableOf(problem)
        const K = guardrails.limits.length
        const Q = contexts.weights.length
        // Columns p, and the welfare as the difference of two: x_g − w ≥ 0, or w = Σ n x.
        const own = least
          ? table
          : [table[0].map((_, i) => table.reduce((sum, row, g) => sum + population[g] * row[i], 0))]
        const rows = [
          ...own.map((row) => [...row, -1, 1]),
          ...Array.from({ length: K }, (_, k) => [
            ...guardrails.costs.subarray(k * items, (k + 1) * items),
            0,
            0,
          ]),
          ...spans(problem).map(([from, to]) => [
            ...table[0].map((_, i) => (i >= from && i < to ? 1 : 0)),
            0,
            0,
          ]),
        ]
        const found = solve({
          objective: floats([...table[0].map(() => 0), 1, -1]),
          rows: floats(rows.flat()),
          rowLower: floats([
            ...own.map(() => 0),
            ...new Array(K).fill(Number.NEGATIVE_INFINITY),
            ...contexts.weights,
          ]),
          rowUpper: floats([
            ...own.map(() => Number.POSITIVE_INFINITY),
            ...guardrails.limits,
            ...contexts.weights,
          ]),
        })
        if (found === null) throw new Error('nothing feasible')
        const { welfare, prices } = optimise(problem, least ? maximin : utilitarian)
        const expected = found[items] - found[items + 1]
        const size = Math.max(1, ...problem.utilities.map(Math.abs))
        if (!(Math.abs(welfare - expected) <= 1e-7 * size))
          throw new Error(`${welfare}, not ${expected}, of ${groups}`)
        if (prices.some((price) => price > 0)) binding++
        if (Q < 1) throw new Error('no context')
      },
    ),
    { seed: 7, numRuns: 300 },
  )
  t.ok(binding > 60, `${binding}`)
})

/** The least of a convex function on an interval, by golden section. */
function leastOn(low: number, high: number, f: (at: number) => number): number {
  const golden = (Math.sqrt(5) - 1) / 2
  let [a, b] = [low, high]
  let [c, d] = [b - golden * (b - a), a + golden * (b - a)]
  let [fc, fd] = [f(c), f(d)]
  for (let k = 0; k < 90; k++) {
    if (fc < fd) {
      ;[b, d, fd] = [d, c, fc]
      c = b - golden * (b - a)
      fc = f(c)
    } else {
      ;[a, c, fc] = [c, d, fd]
      d = a + golden * (b - a)
      fd = f(d)
    }
  }
  return Math.min(fc, fd)
}

t.test('a slow search over weights and price finds the same optimum from above', async () => {
  const nash = functions.find(({ name }) => name === 'exponent 0') as Defined
  const cases: { kind: Defined; second: (first: number, n: ArrayLike<number>) => number }[] = [
    { kind: functions.find(({ name }) => name === 'exponent -Infinity') as Defined, second: (l) => 1 - l },
    { kind: kolmPollakOf(0.8), second: (l) => 1 - l },
    // On the edge of the dual set, ∏ (λ/n)^n = 1.
    { kind: nash, second: (l, n) => n[1] * (l / n[0]) ** (-n[0] / n[1]) },
  ]
  const population = [0.4, 0.6]
  const table = [
    [4, 1, 2, 0, 1],
    [0, 3, 2, 1, 4],
  ]
  for (const { kind, second } of cases) {
    for (const temperature of [0.2, 1]) {
      for (const limit of [0.3, 0.45, 2]) {
        const problem: WelfareProblem = {
          ...problemOf(table, { population, temperature }),
          contexts: { starts: Int32Array.of(0, 3, 5), weights: floats([0.7, 0.3]) },
          reference: floats([0.2, 0.1, 0.4, 0.2, 0.1]),
          guardrails: { costs: floats([0, 1, 0, 0, 1]), limits: floats([limit]) },
        }
        const { policy, weights, prices, welfare } = optimise(problem, kind.welfareFunction)
        const dual = (first: number, price: number) =>
          byDefinition(problem, kind, policy, [first, second(first, population)], [price]).bound
        const least = leastOn(1e-6, kind === nash ? 4 : 1 - 1e-9, (first) =>
          leastOn(0, 20, (price) => dual(first, price)),
        )
        const { objective } = byDefinition(problem, kind, policy, Array.from(weights), Array.from(prices))
        t.ok(
          Math.abs(least - objective) <= 1e-9,
          `${kind.name} at ${temperature} and ${limit}: ${least - objective}`,
        )
        const free = optimise({ ...problem, guardrails: NO_GUARDRAILS }, kind.welfareFunction)
        t.equal(prices[0] > 0, costsAt(problem, free.policy)[0] > limit, `welfare ${welfare}`)
      }
    }
  }
})

t.test('at temperature 0 the nearest of the optima is where small temperatures lead', async (t) => {
  let moved = 0
  const values = [fc.integer({ min: 0, max: 3 })]
  const mild = functions.filter(({ name }) => /exponent (1|0|-1|-Infinity)$|pollak (0.01|1)$/.test(name))
  fc.assert(
    fc.property(guardedProblems({ temperature: cold, values }), fc.constantFrom(...mild), (problem, kind) => {
      const limit = optimumOf(problem, kind)
      if (limit === null) return
      const [far, near] = [1e-4, 1e-5].map((temperature) =>
        distance((optimumOf({ ...problem, temperature }, kind) as typeof limit).policy, limit.policy),
      )
      if (!limit.certificate.unique) moved++
      if (!(near <= 2e-2 && near <= 0.3 * far + 1e-8)) throw new Error(`${far}, then ${near}`)
    }),
    { seed: 8, numRuns: 400 },
  )
  t.ok(moved > 20, `${moved} with several optima`)
})

t.test('guardrails without room are refused with multipliers that prove it', async (t) => {
  const seen = { conflict: 0, room: 0 }
  const solve = await linearProgramSolver()
  const tighter = fc.record({
    problem: guardedProblems({ guardrails: [1, 3], temperature: warm }),
    cut: fc.constantFrom(0.05, 0.3, 0.8),
  })
  fc.assert(
    fc.property(tighter, ({ problem: given, cut }) => {
      const ranges = costRanges(given)
      const limits = given.guardrails.limits.map((limit, k) => limit - cut * ranges[k])
      const problem = { ...given, guardrails: { ...given.guardrails, limits } }
      const { items, contexts } = problem
      let refusal: NoRoom | null = null
      try {
        optimise(problem, maximin)
      } catch (error) {
        if (!(error instanceof NoRoom)) throw error
        refusal = error
      }
      seen[refusal === null ? 'room' : 'conflict']++
      const sums = spans(problem).map(([from, to]) =>
        Array.from({ length: items }, (_, i) => (i >= from && i < to ? 1 : 0)),
      )
      const feasible = solve({
        objective: new Float64Array(items),
        rows: floats([...problem.guardrails.costs, ...sums.flat()]),
        rowLower: floats([...limits.map(() => Number.NEGATIVE_INFINITY), ...contexts.weights]),
        rowUpper: floats([...limits, ...contexts.weights]),
      })
      if (refusal === null) {
        if (feasible === null) throw new Error('an answer where nothing is feasible')
        return
      }
      const { multipliers, room } = refusal
      if (!multipliers.every((multiplier) => multiplier >= 0)) throw new Error('a negative multiplier')
      const best = spans(problem).map(([from, to], q) => {
        const slack = (i: number) =>
          multipliers.reduce((sum, m, k) => sum - m * problem.guardrails.costs[k * items + i], 0)
        return contexts.weights[q] * Math.max(...Array.from({ length: to - from }, (_, k) => slack(from + k)))
      })
      const most = best.reduce((a, b) => a + b, 0) + multipliers.reduce((sum, m, k) => sum + m * limits[k], 0)
      const size = multipliers.reduce((sum, m, k) => sum + m * (ranges[k] + Math.abs(limits[k])), 0)
      if (!(Math.abs(most - room) <= 1e-8 * size)) throw new Error(`room ${room}, and not ${most}`)
      if (room < 0 && feasible !== null && !(room >= -1e-8 * size))
        throw new Error('a proof against what is feasible')
      if (room >= 0 && feasible === null && cut > 0 && !(room <= 1e-8 * size))
        throw new Error('room where there is none')
    }),
    { seed: 9, numRuns: 400 },
  )
  t.ok(seen.conflict > 80 && seen.room > 80, JSON.stringify(seen))
})

t.test('where guardrails keep a group from gaining, weights and prices prove it', async () => {
  // West gains only from b, of which the guardrail allows none: p_b ≤ −0.1·p_a + 0.02.
  const problem = {
    ...problemOf([
      [3, 0, 1],
      [-1, 2, -1],
    ]),
    guardrails: { costs: floats([0.1, 1, 0.1]), limits: floats([0.3]) },
  }
  try {
    optimise(problem, kindOf(0).welfareFunction)
    t.fail('an answer')
  } catch (error) {
    if (!(error instanceof NoGains)) throw error
    const { weights, prices, bound } = error
    t.ok(Math.abs(weights.reduce((a, b) => a + b) - 1) < 1e-12)
    t.ok(weights.every((weight) => weight >= 0) && prices[0] > 0)
    const values = [0, 1, 2].map(
      (i) =>
        weights[0] * problem.utilities[i] +
        weights[1] * problem.utilities[3 + i] +
        prices[0] * (0.3 - problem.guardrails.costs[i]),
    )
    t.ok(Math.abs(Math.max(...values) - bound) < 1e-12 && bound < 0, `${bound}`)
  }
  t.ok(
    optimise({ ...problem, guardrails: NO_GUARDRAILS }, kindOf(0).welfareFunction).welfare > 0,
    'without it all can gain',
  )
})

t.test('Kolm–Pollak leads from utilitarian to maximin, and follows shifts and scales', async () => {
  fc.assert(
    fc.property(
      problems({ gains: false, temperature: fc.oneof(cold, warm) }),
      fc.integer({ min: -6, max: 6 }),
      (problem, power) => {
        const size = Math.max(1, ...problem.utilities.map(Math.abs))
        const least = Math.min(...problem.population)
        const at = (kappa: number, given = problem) => optimise(given, kolmPollakOf(kappa).welfareFunction)
        const kappa = 10 ** power
        const found = at(kappa)
        const objective = (
          kind: Defined,
          { policy, weights }: { policy: Float64Array; weights: Float64Array },
        ) => byDefinition(problem, kind, policy, Array.from(weights), []).objective
        const own = objective(kolmPollakOf(kappa), found)
        const bounds = [functions[8], functions[0]].map((kind) =>
          objective(kind, optimise(problem, kind.welfareFunction)),
        )
        const hair = 1e-9 * size * (1 + problem.temperature)
        if (!(own >= bounds[0] - hair && own <= bounds[1] + hair))
          throw new Error(`${own} is not in [${bounds}]`)
        if (!(own <= bounds[0] + Math.log(1 / least) / kappa + hair))
          throw new Error('too far from the minimum')
        if (!(own >= bounds[1] - (kappa * size ** 2) / 2 - hair)) throw new Error('too far from the mean')

        const shifted = at(kappa, { ...problem, utilities: problem.utilities.map((u) => u + 3) })
        if (!(Math.abs(shifted.welfare - found.welfare - 3) <= 1e-6 * size))
          throw new Error('a shift is no shift')
        const scaled = at(kappa / 8, {
          ...problem,
          utilities: problem.utilities.map((u) => 8 * u),
          temperature: 8 * problem.temperature,
        })
        const change = objective(kolmPollakOf(kappa), scaled) - own
        if (!(Math.abs(change) <= hair)) throw new Error(`a scale with its inverse changes ${change}`)
      },
    ),
    { seed: 10, numRuns: 300 },
  )
})

t.test(
  'where no policy moves anybody Kolm–Pollak has the weights of its definition, and no gap at all',
  async (t) => {
    const population = [1, 0.7, 0.11].map((part) => part / 1.81)
    for (const [levels, starts] of [
      [
        [0, 0, 0],
        [0, 2],
      ],
      [
        [0, 0, 0],
        [0, 1, 3],
      ],
      [
        [2, -1, 0.5],
        [0, 2],
      ],
    ]) {
      const items = starts[starts.length - 1]
      const table = levels.map((level) => new Array<number>(items).fill(level))
      const reference = Array.from({ length: items }, () => 1 / items)
      const weights = Float64Array.from(starts.slice(1), (end, q) => (end - starts[q]) / items)
      for (const kappa of [1e-6, 1, 1e3]) {
        for (const temperature of [0, 0.5]) {
          const problem = problemOf(table, { population, reference, temperature })
          const contexts = { starts: Int32Array.from(starts), weights }
          const { welfareFunction } = kolmPollakOf(kappa)
          const found = optimise({ ...problem, contexts }, welfareFunction)
          const low = Math.min(...levels)
          const parts = levels.map((level, g) => population[g] * Math.exp(-kappa * (level - low)))
          const sum = parts.reduce((a, b) => a + b, 0)
          const name = `levels ${levels}, κ ${kappa}, β ${temperature}`
          t.equal(found.certificate.gap <= 1e-15 * Math.abs(low), true, name)
          parts.forEach((part, g) => {
            t.ok(Math.abs(found.weights[g] - part / sum) <= 1e-15, `${name}: weight ${g}`)
          })
          t.ok(
            Math.abs(found.welfare - (low - Math.log(sum) / kappa)) <= 1e-15 / kappa + 1e-15,
            `${name}: welfare`,
          )
          t.same(Array.from(found.policy), reference, `${name}: the reference`)
        }
      }
    }
  },
)

/** T1 of the specification as a request. */
const T1 = {
  rewards: {
    g1: { a: 4, b: 1, c: 2, d: 0 },
    g2: { a: 0, b: 3, c: 2, d: 1 },
    g3: { a: 1, b: 0, c: 1.5, d: 5 },
  },
  groups: [
    { id: 'g1', population: 0.5 },
    { id: 'g2', population: 0.3 },
    { id: 'g3', population: 0.2 },
  ],
  utility: { anchor: 'zero' },
} satisfies Omit<AggregateRequest, 'welfare'>

const chosen: Welfare[] = [
  { function: 'utilitarian' },
  { function: 'nash' },
  { function: 'maximin' },
  { function: 'power-mean', exponent: -2 },
  { function: 'kolm-pollak', kappa: 0.7 },
]

/** p_i ∝ π_i e^{r_i/T} over the items that have a reward. */
function trained(
  rewards: Record<string, number | null>,
  reference: Record<string, number>,
  temperature: number,
) {
  const masses = Object.entries(rewards).map(
    ([id, reward]) => [id, reward === null ? 0 : reference[id] * Math.exp(reward / temperature)] as const,
  )
  const sum = masses.reduce((total, [, mass]) => total + mass, 0)
  return Object.fromEntries(masses.map(([id, mass]) => [id, mass / sum]))
}

const far = (a: Record<string, number>, b: Record<string, number>) =>
  Math.max(...Object.keys({ ...a, ...b }).map((id) => Math.abs(a[id] - b[id])))

t.test(
  'training on the rewards that are returned, at the temperature returned, gives the policies',
  async (t) => {
    const constraints: Constraint[] = [
      { kind: 'floor', group: 'g3', minimum: 1.6, name: 'a fair part for g3' },
      { kind: 'ceiling', costs: { d: 1, a: 0.2 }, maximum: 0.2, context: 'short' },
      { kind: 'ban', items: ['b'], context: 'long' },
      { kind: 'minimum-share', items: ['a', 'b'], minimum: 0.3 },
    ]
    const contexts = [
      { id: 'short', weight: 3, items: ['a', 'b', 'd'] },
      { id: 'long', weight: 1, reference: { a: 0.1, b: 0.2, c: 0.3, d: 0.4 } },
    ]
    for (const welfare of chosen) {
      const request: AggregateRequest = {
        ...T1,
        policy: { temperature: 0.4, contexts },
        constraints,
        welfare,
      }
      const answer = (await aggregate(request)) as ContextualOptimumResult
      const settings = answer.settings.policy.contexts ?? []
      answer.policies.forEach(({ context, weight, policy, rewards }, q) => {
        t.equal(context, contexts[q].id)
        t.ok(Math.abs(weight - [0.75, 0.25][q]) < 1e-15)
        t.ok(
          far(policy, trained(rewards, settings[q].reference, answer.temperature)) < 1e-12,
          `${welfare.function}, ${context}`,
        )
      })
      t.equal(answer.policies[1].policy.b, 0)
      t.equal(answer.policies[1].rewards.b, null, 'banned there')
      t.type(answer.rewards.b, 'number', 'and only there')
      t.notOk('policy' in answer)

      // The reward is the sum that it is said to be.
      const [floor, ceiling, ban, share] = answer.constraints ?? []
      const summed = (item: string, context: string) => {
        const own = answer.groups.reduce(
          (sum, { id, utilities }) => sum + answer.weights[id] * utilities[item],
          0,
        )
        const lifted =
          own +
          (floor.weight ?? 0) * answer.groups[2].utilities[item] +
          (/[ab]/.test(item) ? (share.weight ?? 0) : 0)
        const cost = item === 'd' ? 1 : item === 'a' ? 0.2 : 0
        return context === 'short' ? lifted - ((ceiling.weight ?? 0) * cost) / 0.75 : lifted
      }
      for (const { context, rewards } of answer.policies) {
        for (const [item, reward] of Object.entries(rewards))
          if (reward !== null) t.ok(Math.abs(reward - summed(item, context)) < 1e-13, `${context} ${item}`)
      }
      for (const item of ['a', 'b', 'c', 'd'])
        t.ok(Math.abs((answer.rewards[item] as number) - summed(item, '')) < 1e-13)
      t.ok(Math.abs(Object.values(answer.weights).reduce((a, b) => a + b) - 1) < 1e-14)
      t.match(ban, {
        name: 'ban 3',
        kind: 'ban',
        context: 'long',
        price: null,
        weight: null,
        value: 0,
        binding: true,
      })
      t.match(floor, { name: 'a fair part for g3', limit: 1.6 })
      t.ok(answer.constraints?.every(({ slack }) => slack > -1e-12))
      for (const { price, slack, binding, weight } of [floor, ceiling, share]) {
        t.equal(binding, price !== 0)
        t.ok((price ?? 0) * slack < 1e-12, 'no price where there is slack')
        t.ok(Math.abs((weight ?? 0) * answer.weightScale - (price ?? 0)) < 1e-12)
      }
      const reached = answer.groups.map(({ utilities }) =>
        answer.policies.reduce(
          (sum, { weight, policy }) =>
            sum + weight * Object.entries(policy).reduce((x, [i, p]) => x + p * utilities[i], 0),
          0,
        ),
      )
      t.ok(
        distance(
          reached,
          answer.groups.map(({ utility }) => utility),
        ) < 1e-13,
      )
    }
  },
)

t.test('a ban leaves the problem of the other items', async (t) => {
  const { a, c, d } = { a: 0.5, c: 0.3, d: 0.2 }
  const reference = { a: a / 2, b: 0.5, c: c / 2, d: d / 2 }
  const fewer = Object.fromEntries(Object.entries(T1.rewards).map(([g, { b, ...rest }]) => [g, rest]))
  for (const welfare of chosen) {
    for (const temperature of [0, 0.3]) {
      const banned = (await aggregate({
        ...T1,
        policy: { temperature, reference },
        constraints: [{ kind: 'ban', items: ['b'] }],
        welfare,
      })) as OptimumResult
      const without = (await aggregate({
        ...T1,
        rewards: fewer,
        policy: { temperature, reference: { a, c, d } },
        welfare,
      })) as OptimumResult
      t.ok(far(banned.policy, { ...without.policy, b: 0 }) < 1e-9, welfare.function)
      t.ok(Math.abs(banned.welfare - without.welfare) < 1e-12)
      t.equal(banned.rewards.b, null)
      t.same(banned.ranking.map(({ item }) => item).sort(), ['a', 'c', 'd'])
      t.equal(banned.groups[1].best, 3, 'what any policy gives, guardrails aside')
    }
  }
})

t.test('a limit that only some items can keep is a ban on the others', async (t) => {
  const welfare: Welfare = { function: 'nash' }
  const banned = (await aggregate({
    ...T1,
    policy: { temperature: 0.3 },
    constraints: [{ kind: 'ban', items: ['a', 'b'] }],
    welfare,
  })) as OptimumResult
  for (const constraint of [
    { kind: 'ceiling', costs: { a: 3, b: 1 }, maximum: 0 },
    { kind: 'minimum-share', items: ['c', 'd'], minimum: 1 },
  ] satisfies Constraint[]) {
    const forced = (await aggregate({
      ...T1,
      policy: { temperature: 0.3 },
      constraints: [constraint],
      welfare,
    })) as OptimumResult
    t.ok(far(forced.policy, banned.policy) < 1e-13)
    t.same([forced.rewards.a, forced.rewards.b, forced.constraints?.[0].price], [null, null, null])
  }
  const best = (await aggregate({
    ...T1,
    constraints: [{ kind: 'floor', group: 'g2', shareOfBest: 1 }],
    welfare: { function: 'utilitarian' },
  })) as OptimumResult
  t.same(best.policy, { a: 0, b: 1, c: 0, d: 0 })
})

t.test('anchors and the best of a group are those of policies over contexts', async (t) => {
  const contexts = [
    { id: 'x', weight: 1, items: ['a', 'b'] },
    { id: 'y', weight: 3, items: ['b', 'c', 'd'], reference: { b: 0.5, c: 0.25, d: 0.25 } },
  ]
  const ask = async (anchor: 'worst' | 'reference') =>
    (await aggregate({
      ...T1,
      utility: { anchor },
      policy: { contexts },
      welfare: { function: 'utilitarian' },
    })) as ContextualOptimumResult
  const [worst, reference] = [await ask('worst'), await ask('reference')]
  // g1: min(4, 1)/4 + 3·min(1, 2, 0)/4, and so on; best max(4, 1)/4 + 3·max(1, 2, 0)/4 less that.
  t.same(
    worst.groups.map(({ anchor }) => anchor),
    [0.25, 0.75, 0],
  )
  t.same(
    worst.groups.map(({ best }) => best),
    [2.25, 2.25, 4],
  )
  // The reference of x is uniform: 2.5/4 + 3·1/4, 1.5/4 + 3·2.25/4, 0.5/4 + 3·1.625/4.
  t.ok(
    distance(
      reference.groups.map(({ anchor }) => anchor),
      [1.375, 2.0625, 1.34375],
    ) < 1e-15,
  )
  t.same(reference.settings.policy.contexts?.[0], {
    id: 'x',
    weight: 0.25,
    items: ['a', 'b'],
    reference: { a: 0.5, b: 0.5 },
  })
})

const service = async (body: unknown, operation: 'aggregate' | 'compare' | 'questions' = 'aggregate') => {
  const { status, body: bytes } = (await answerParsed(operation, body)) as Answer
  return { status, answer: JSON.parse(new TextDecoder().decode(bytes)) }
}

t.test('constraints that conflict are named, as few as can be, with the proof', async (t) => {
  const ask = (constraints: Constraint[]) => service({ ...T1, welfare: { function: 'nash' }, constraints })
  const wide: Constraint = { kind: 'minimum-share', items: ['c'], minimum: 0.1, name: 'some c' }
  const floor: Constraint = { kind: 'floor', group: 'g3', minimum: 4, name: 'rich g3' }
  const few: Constraint = { kind: 'ceiling', costs: { d: 1 }, maximum: 0.2, name: 'little d' }
  const none: Constraint = { kind: 'ban', items: ['d'], name: 'no d' }
  const noB: Constraint = { kind: 'ban', items: ['b'], name: 'no b' }

  const two = await ask([wide, floor, noB, few])
  t.equal(two.status, 422)
  t.match(two.answer, { type: '/problems/constraints-conflict', detail: /"rich g3", "little d"/ })
  const { constraints, largestSlack } = two.answer.conflict
  t.same(
    constraints.map(({ name }: { name: string }) => name),
    ['rich g3', 'little d'],
  )
  const [m, l] = constraints.map(({ multiplier }: { multiplier: number }) => multiplier)
  t.ok(Math.abs(m + l - 1) < 1e-12)
  const slack = (['a', 'b', 'c', 'd'] as const).map(
    (i) => m * (T1.rewards.g3[i] - 4) + l * (0.2 - (i === 'd' ? 1 : 0)),
  )
  t.ok(Math.abs(Math.max(...slack) - largestSlack) < 1e-12 && largestSlack < 0)
  for (const rest of [
    [wide, floor, noB],
    [wide, noB, few],
  ])
    t.equal((await ask(rest)).status, 200, 'each alone can be kept')

  const banned = await ask([noB, wide, none, floor])
  t.same(banned.answer.conflict, {
    constraints: [
      { name: 'no d', multiplier: null },
      { name: 'rich g3', multiplier: 1 },
    ],
    largestSlack: -2.5,
  })
  const touching = await ask([
    { kind: 'minimum-share', items: ['a'], minimum: 0.5 },
    wide,
    { kind: 'minimum-share', items: ['d'], minimum: 0.5 },
  ])
  t.equal(touching.status, 422)
  t.ok(touching.answer.conflict.largestSlack < 0 && touching.answer.conflict.constraints.length === 3)
  const edge = await ask([
    { kind: 'minimum-share', items: ['a'], minimum: 0.4 },
    { kind: 'minimum-share', items: ['d'], minimum: 0.6 },
  ])
  t.match(edge.answer, { status: 422, detail: /nothing to spare/, conflict: { largestSlack: 0 } })
  const impossible = await ask([{ kind: 'ceiling', costs: { a: 1, b: 1, c: 1, d: 2 }, maximum: 0.5 }])
  t.match(impossible.answer, {
    status: 422,
    conflict: { constraints: [{ name: 'ceiling 1', multiplier: 1 }], largestSlack: -0.5 },
  })
})

t.test('what is wrong with contexts and constraints is pointed at', async (t) => {
  const ask = (more: object, operation?: 'aggregate' | 'compare' | 'questions') =>
    service({ ...T1, welfare: { function: 'nash' }, ...more }, operation)
  const refused = async (more: object, pointers: string[], says: RegExp) => {
    const { status, answer } = await ask(more)
    t.equal(status, 400, `${says}`)
    t.same(
      (answer.errors ?? []).map((error: { pointer: string }) => error.pointer),
      pointers,
    )
    t.match(answer.detail, says)
  }
  const contexts = (...list: object[]) => ({ policy: { contexts: list } })
  const constraints = (...list: object[]) => ({ constraints: list })
  await refused(contexts(), ['/policy/contexts'], /at least|from 1 to/)
  await refused(contexts({ id: 'x' }, { id: 'x' }), ['/policy/contexts/1/id'], /another context/)
  await refused(
    contexts({ id: 'x', weight: 2 }, { id: 'y' }),
    ['/policy/contexts/1/weight'],
    /all have one or none/,
  )
  await refused(contexts({ id: 'x', weight: 0 }), ['/policy/contexts/0/weight'], /above 0/)
  await refused(
    contexts({ id: 'x', items: ['a', 'e', 'a'] }),
    ['/policy/contexts/0/items/1', '/policy/contexts/0/items/2'],
    /not an item/,
  )
  await refused(
    contexts({ id: 'x', items: ['a', 'b'], reference: { a: 0.5, c: 0.5 } }),
    ['/policy/contexts/0/reference/c', '/policy/contexts/0/reference/b'],
    /of the context/,
  )
  await refused(
    contexts({ id: 'x', items: ['a', 'b'], reference: { a: 0.5, b: 0.4 } }),
    ['/policy/contexts/0/reference'],
    /sum to 1/,
  )
  await refused(constraints({ kind: 'roof' }), ['/constraints/0/kind'], /floor, ceiling, ban, minimum-share/)
  await refused(constraints({ kind: 'floor', group: 'g1' }), ['/constraints/0'], /minimum.*shareOfBest/)
  await refused(
    constraints({ kind: 'floor', group: 'g1', minimum: 1, shareOfBest: 0.5 }),
    ['/constraints/0/shareOfBest'],
    /one of the two/,
  )
  await refused(
    constraints({ kind: 'floor', group: 'g9', minimum: 1 }),
    ['/constraints/0/group'],
    /not a group/,
  )
  await refused(
    constraints({ kind: 'floor', group: 'g1', shareOfBest: 1.1 }),
    ['/constraints/0/shareOfBest'],
    /from 0 to 1/,
  )
  await refused(
    constraints({ kind: 'ceiling', costs: { a: 1, z: 2 }, maximum: 0 }),
    ['/constraints/0/costs/z'],
    /not an item/,
  )
  await refused(constraints({ kind: 'ban', items: ['a', 'a'] }), ['/constraints/0/items/1'], /twice/)
  await refused(
    constraints({ kind: 'ban', items: ['a', 'b'] }, { kind: 'ban', items: ['c', 'd'] }),
    ['/constraints/1/items'],
    /no item to choose/,
  )
  await refused(
    {
      ...contexts({ id: 'x', items: ['a'] }, { id: 'y' }),
      ...constraints({ kind: 'ban', items: ['a'], context: 'x' }),
    },
    ['/constraints/0/items'],
    /the context "x" no item/,
  )
  await refused(
    constraints({ kind: 'ban', items: ['a'], context: 'x' }),
    ['/constraints/0/context'],
    /not a context/,
  )
  await refused(
    constraints({ kind: 'ban', items: ['a'], name: 'n' }, { kind: 'ban', items: ['b'], name: 'n' }),
    ['/constraints/1/name'],
    /another constraint/,
  )
  await refused(
    constraints({ kind: 'minimum-share', items: ['a'], minimum: 0 }),
    ['/constraints/0/minimum'],
    /above 0/,
  )
  const rows = [
    { group: 'g', winner: 'a', loser: 'b' },
    { group: 'g', winner: 'b', loser: 'a' },
  ]
  const planned = await service(
    { comparisons: rows, welfare: { function: 'nash' }, ...contexts({ id: 'x' }) },
    'questions',
  )
  t.match(planned, { status: 400, answer: { errors: [{ pointer: '/policy/contexts' }] } })
  const none = await service({
    ...T1,
    welfare: { function: 'nash' },
    utility: { anchor: 'zero' },
    constraints: [{ kind: 'ban', items: ['b', 'c', 'd'] }],
  })
  t.match(none.answer, {
    status: 422,
    type: '/problems/no-acceptable-policy',
    certificate: { weights: { g2: 1 }, prices: {} },
  })
})
