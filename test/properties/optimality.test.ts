import fc from 'fast-check'
import t from 'tap'
import type { AggregateRequest, OptimumResult } from '../../schemas/aggregate.ts'
import type { Utility } from '../../schemas/policy.ts'
import { aggregate } from '../../src/engine/aggregate.ts'
import { linearProgramSolver } from '../../src/engine/numeric/linear-program.ts'
import { optimise } from '../../src/engine/welfare/optimise.ts'
import type { WelfareProblem } from '../../src/engine/welfare/problem.ts'
import {
  answerTo,
  distance,
  dualAt,
  dualSize,
  kindOf,
  kinds,
  lotteries,
  objectiveAt,
  plainProblems,
  powerMeanOf,
  problemOf,
  problems,
  shares,
  sizeOf,
  tableOf,
  trainedPolicy,
  utilitiesAt,
} from '../helpers/problems.ts'

const anyKind = fc.constantFrom(...kinds)
const warm = fc.integer({ min: -30, max: 30 }).map((tenth) => 10 ** (tenth / 10))
/** At these exponents the welfares of small integers are well told apart. */
const mild = kinds.filter(({ exponent }) => exponent >= -4 || exponent === Number.NEGATIVE_INFINITY)
/** Functions that have an answer whatever the signs of the utilities. */
const anySign = kinds.filter(({ welfareFunction }) => !welfareFunction.needsGains)
/** Utilities of either sign under functions that allow them, and gains under all. */
const posed = fc.oneof(
  fc.record({ problem: problems(), kind: anyKind }),
  fc.record({ problem: problems({ gains: false }), kind: fc.constantFrom(...anySign) }),
)

t.test(
  'above temperature 0 the policy follows from the weights and the temperature that are returned',
  async () => {
    await fc.assert(
      fc.asyncProperty(problems({ temperature: warm }), anyKind, async (problem, { request }) => {
        const { policy, weights, answer, utilities } = await answerTo(problem, request)
        if (answer.supportOnly) throw new Error('weights that only support')
        const trained = trainedPolicy(utilities, weights, answer.temperature, problem.reference)
        const far = distance(policy, trained)
        if (!(far <= 1e-11)) throw new Error(`${far}`)
      }),
      { seed: 1, numRuns: 600 },
    )
  },
)

t.test(
  'so it does from rewards on every scale and from every anchor, and the aggregated reward is the sum',
  async () => {
    const rewards = fc.integer({ min: -40, max: 40 }).map((tenth) => tenth / 10)
    const row = fc
      .record({ a: rewards, b: rewards, c: rewards, d: rewards })
      .filter((given) => Math.max(...Object.values(given)) - Math.min(...Object.values(given)) >= 0.5)
    const utility: fc.Arbitrary<Utility> = fc.record({
      scale: fc.constantFrom('none', 'unit-range', 'standard-deviation', 'win-probability'),
      anchor: fc.constantFrom<Utility['anchor'][]>('worst', 'reference', 'zero', { item: 'b' }),
    })
    const reference = { a: 0.1, b: 0.2, c: 0.3, d: 0.4 }
    await fc.assert(
      fc.asyncProperty(
        fc.record({ east: row, west: row, north: row }),
        utility,
        warm,
        fc.constantFrom(...anySign),
        async (rewards, utility, temperature, { request: welfare }) => {
          const request: AggregateRequest = { rewards, utility, policy: { temperature, reference }, welfare }
          const answer = (await aggregate(request)) as OptimumResult
          const utilities = answer.groups.map(({ utilities }) => Object.values(utilities))
          const weights = answer.groups.map(({ weight }) => weight)
          const trained = trainedPolicy(utilities, weights, answer.temperature, Object.values(reference))
          if (!(distance(Object.values(answer.policy), trained) <= 1e-11)) throw new Error('another policy')
          const summed = trained.map((_, i) => weights.reduce((sum, w, g) => sum + w * utilities[g][i], 0))
          if (!(distance(Object.values(answer.rewards) as number[], summed) <= 1e-13))
            throw new Error('another reward')
          const size = Math.max(...summed.map(Math.abs))
          const follows = trainedPolicy(
            [Object.values(answer.rewards) as number[]],
            [1],
            answer.temperature,
            Object.values(reference),
          )
          if (!(distance(trained, follows) <= 1e-12 * (1 + size / temperature)))
            throw new Error('not by reward')
        },
      ),
      { seed: 2, numRuns: 300 },
    )
  },
)

t.test('the duality gap, recomputed from the numbers returned, proves the policy optimal', async () => {
  await fc.assert(
    fc.asyncProperty(posed, async ({ problem, kind }) => {
      const { exponent, request } = kind
      const { policy, lambda, answer, reached } = await answerTo(problem, request)
      const total = policy.reduce((a, b) => a + b, 0)
      if (!(policy.every((p) => p >= 0) && Math.abs(total - 1) <= 1e-14)) throw new Error('no lottery')
      const expected = utilitiesAt(problem, policy)
      if (!(distance(reached, expected) <= 1e-13)) throw new Error('other utilities')
      const welfare = powerMeanOf(exponent, expected, problem.population)
      if (!(Math.abs(answer.welfare - welfare) <= 1e-12))
        throw new Error(`welfare ${answer.welfare}, not ${welfare}`)
      if (!(dualSize(exponent, lambda, problem.population) >= 1 - 1e-13))
        throw new Error('outside the dual set')

      const objective = objectiveAt(problem, exponent, policy)
      const gap = dualAt(problem, exponent, lambda) - objective
      const size = sizeOf(problem, lambda, objective)
      if (!(gap <= 1e-8 * size && gap >= -1e-12 * size)) throw new Error(`relative gap ${gap / size}`)
      const { gap: told, relativeGap } = answer.certificate
      if (!(Math.abs(told - gap) <= 1e-12 * size)) throw new Error(`gap ${gap}, and not ${told}`)
      if (!(told === 0 ? relativeGap === 0 : Math.abs(relativeGap - told / size) <= 1e-6 * relativeGap))
        throw new Error(`relative gap ${relativeGap}, and not ${told / size}`)
    }),
    { seed: 3, numRuns: 1500 },
  )
})

t.test('no other lottery does better', async () => {
  await fc.assert(
    fc.asyncProperty(
      posed.chain((given) => fc.record({ given: fc.constant(given), other: lotteries(given.problem.items) })),
      async ({ given: { problem, kind }, other }) => {
        if (kind.welfareFunction.needsGains && utilitiesAt(problem, other).some((x) => x < 0)) return
        const { policy, lambda } = await answerTo(problem, kind.request)
        const best = objectiveAt(problem, kind.exponent, policy)
        const size = sizeOf(problem, lambda, best)
        for (const part of [1, 0.1, 1e-4]) {
          const mixed = policy.map((p, i) => (1 - part) * p + part * other[i])
          const excess = objectiveAt(problem, kind.exponent, mixed) - best
          if (!(excess <= 1e-9 * size)) throw new Error(`${excess} more`)
        }
      },
    ),
    { seed: 4, numRuns: 600 },
  )
})

t.test('at temperature 0 only items of the largest aggregated reward are chosen', async () => {
  await fc.assert(
    fc.asyncProperty(plainProblems(), anyKind, async (problem, { request }) => {
      const { policy, answer, lambda } = await answerTo(problem, request)
      const rewards = Object.values(answer.rewards) as number[]
      const top = Math.max(...rewards)
      const spread = sizeOf(problem, lambda, 0) / answer.weightScale
      policy.forEach((p, i) => {
        if (p > 0 && !(top - rewards[i] <= 1e-9 * spread))
          throw new Error(`${top - rewards[i]} below at ${p}`)
      })
      if (!answer.supportOnly) throw new Error('not said to support only')
    }),
    { seed: 5, numRuns: 600 },
  )
})

/** The problem with every group's anchor higher by so much. */
function anchoredHigher(problem: WelfareProblem, by: readonly number[]): WelfareProblem {
  const table = tableOf(problem).map((row, g) => row.map((value) => value - by[g]))
  return { ...problem, utilities: Float64Array.from(table.flat()) }
}

t.test('no rise of the anchors costs less than the weights say', async () => {
  // The best objective is concave in the anchors, and −λ is its slope: so it stays below its tangent everywhere.
  const rises = fc.array(fc.integer({ min: -100, max: 100 }), { minLength: 6, maxLength: 6 })
  fc.assert(
    fc.property(posed, rises, fc.constantFrom(1, 1e-2, 1e-4), ({ problem, kind }, drawn, size) => {
      const { exponent, welfareFunction } = kind
      const optimum = optimise(problem, welfareFunction)
      const best = objectiveAt(problem, exponent, optimum.policy)
      // Under functions that need gains every group keeps some.
      const by = Array.from({ length: problem.groups }, (_, g) => {
        const rise = (drawn[g] / 100) * size
        return welfareFunction.needsGains ? Math.min(rise, optimum.utilities[g] / 2) : rise
      })
      const other = anchoredHigher(problem, by)
      const { policy } = optimise(other, welfareFunction)
      const tangent = best - by.reduce((sum, rise, g) => sum + optimum.weights[g] * rise, 0)
      const excess = objectiveAt(other, exponent, policy) - tangent
      if (!(excess <= 1e-9 * sizeOf(problem, Array.from(optimum.weights), best)))
        throw new Error(`${excess} above`)
    }),
    { seed: 6, numRuns: 1000 },
  )
})

t.test('the weights are the slope of the optimum in the anchors', async () => {
  const smooth = kinds.filter(({ exponent }) => exponent < 1 && exponent >= -4)
  fc.assert(
    fc.property(
      problems({ groups: [2, 4], temperature: warm }),
      fc.constantFrom(...smooth),
      (problem, kind) => {
        const { exponent, welfareFunction } = kind
        const optimum = optimise(problem, welfareFunction)
        if (optimum.utilities.some((x) => x < 0.1)) return
        for (let g = 0; g < problem.groups; g++) {
          const [a, b, c, d] = [-2, -1, 1, 2].map((steps) => {
            const other = anchoredHigher(
              problem,
              Array.from({ length: problem.groups }, (_, k) => (k === g ? steps * 1e-3 : 0)),
            )
            return objectiveAt(other, exponent, optimise(other, welfareFunction).policy)
          })
          const slope = (a - 8 * b + 8 * c - d) / 12e-3
          if (!(Math.abs(slope + optimum.weights[g]) <= 1e-6))
            throw new Error(`${slope}, and ${optimum.weights[g]}`)
        }
      },
    ),
    { seed: 7, numRuns: 300 },
  )
})

/** max − min of every probability over the policies that give the groups what the optimum gives them, or maximin its worth. */
function spreadOf(
  maximise: Awaited<ReturnType<typeof linearProgramSolver>>,
  table: number[][],
  x: number[],
  floorsOnly: boolean,
): number {
  const items = table[0].length
  const slack = 1e-9
  const rows = Float64Array.from([...table.flat(), ...table[0].map(() => 1)])
  const rowLower = Float64Array.from([...x.map((value) => value - slack), 1])
  const rowUpper = Float64Array.from([
    ...x.map((value) => (floorsOnly ? Number.POSITIVE_INFINITY : value + slack)),
    1,
  ])
  let widest = 0
  for (let i = 0; i < items; i++) {
    const extremes = [1, -1].map((sign) => {
      const objective = new Float64Array(items)
      objective[i] = sign
      const point = maximise({ objective, rows, rowLower, rowUpper })
      if (point === null) throw new Error('the optimum itself is not feasible')
      return point[i]
    })
    widest = Math.max(widest, extremes[0] - extremes[1])
  }
  return widest
}

t.test('an optimum is said to be unique where no probability can be another', async (t) => {
  const maximise = await linearProgramSolver()
  const seen = { unique: 0, several: 0 }
  // Small integers: where an optimum is not unique it is so by far.
  const small = [fc.integer({ min: 0, max: 3 })]
  const given = problems({ temperature: fc.constant(0), groups: [1, 3], items: [2, 7], values: small })
  await fc.assert(
    fc.asyncProperty(
      given,
      fc.constantFrom(...mild.filter(({ exponent }) => exponent !== 1)),
      async (problem, kind) => {
        const maximin = kind.exponent === Number.NEGATIVE_INFINITY
        const { answer, reached } = await answerTo(problem, kind.request)
        const floors = maximin ? reached.map(() => answer.welfare) : reached
        const widest = spreadOf(maximise, tableOf(problem), floors, maximin)
        if (widest > 1e-6 && widest < 1e-3) return
        seen[widest < 1e-6 ? 'unique' : 'several']++
        if (answer.certificate.unique !== widest < 1e-6) throw new Error(`varies by ${widest}`)
      },
    ),
    { seed: 8, numRuns: 400 },
  )
  t.ok(seen.unique > 50 && seen.several > 50, JSON.stringify(seen))
})

t.test('among several optima the nearest to the reference is returned', async (t) => {
  let several = 0
  const duplicated = plainProblems({ groups: [1, 4], items: [2, 6] }).map((problem) => {
    const table = tableOf(problem).map((row) => [...row, ...row])
    const reference = [...problem.reference, ...problem.reference.toReversed()].map((share) => share / 2)
    return problemOf(table, { population: Array.from(problem.population), reference })
  })
  await fc.assert(
    fc.asyncProperty(duplicated, anyKind, async (problem, { request }) => {
      const { policy, answer } = await answerTo(problem, request)
      if (answer.certificate.unique) throw new Error('every item is there twice')
      several++
      // Twins share their chances as the reference does.
      const half = problem.items / 2
      for (let i = 0; i < half; i++) {
        const [one, other] = [
          policy[i] * problem.reference[half + i],
          policy[half + i] * problem.reference[i],
        ]
        if (!(Math.abs(one - other) <= 1e-10)) throw new Error(`item ${i}: ${one} and ${other}`)
      }
    }),
    { seed: 9, numRuns: 400 },
  )
  t.ok(several > 300)
})

/** KL(q‖p). */
function divergenceOf(q: ArrayLike<number>, p: ArrayLike<number>): number {
  return Array.from(q).reduce((sum, share, i) => sum + (share > 0 ? share * Math.log(share / p[i]) : 0), 0)
}

t.test('among many items with many ties as well, wherever the reference is', async (t) => {
  const seen = { unique: 0, several: 0 }
  const coarse = fc.constantFrom(1, 2, 4, 11).map((levels) => fc.integer({ min: 0, max: levels }))
  const given = coarse.chain((value) =>
    problems({ temperature: fc.constant(0), groups: [2, 4], items: [61, 120], values: [value] }),
  )
  const references = given.chain((problem) =>
    fc.record({ problem: fc.constant(problem), other: shares(problem.items) }),
  )
  const curved = mild.filter(({ exponent }) => exponent !== 1)
  fc.assert(
    fc.property(references, fc.constantFrom(...curved), ({ problem, other }, { welfareFunction }) => {
      const { policy, certificate } = optimise(problem, welfareFunction)
      const elsewhere = optimise({ ...problem, reference: Float64Array.from(other) }, welfareFunction)
      if (elsewhere.certificate.unique !== certificate.unique) throw new Error('unique for one reference')
      seen[certificate.unique ? 'unique' : 'several']++
      const apart = distance(policy, elsewhere.policy)
      if (certificate.unique) {
        // Where welfare is flat, rounding leaves one of them a trace of an item, and the divergence from the other infinite.
        if (!(apart <= 1e-6)) throw new Error(`unique, and ${apart} apart`)
        return
      }
      // Of a point and its projection on a convex set, every other point of the set is this much further.
      const further = divergenceOf(elsewhere.policy, problem.reference)
      const least = divergenceOf(policy, problem.reference) + divergenceOf(elsewhere.policy, policy)
      if (!(further >= least - 1e-6)) throw new Error(`${further}, and not ${least}`)
    }),
    { seed: 13, numRuns: 300 },
  )
  t.ok(seen.unique > 50 && seen.several > 50, JSON.stringify(seen))
})

t.test('which is where small temperatures lead', async () => {
  const small = [fc.integer({ min: 0, max: 3 })]
  const given = problems({ temperature: fc.constant(0), groups: [1, 3], items: [2, 7], values: small })
  fc.assert(
    fc.property(given, fc.constantFrom(...mild), (problem, { welfareFunction }) => {
      const limit = optimise(problem, welfareFunction)
      const [far, near] = [1e-4, 1e-5].map((temperature) =>
        distance(optimise({ ...problem, temperature }, welfareFunction).policy, limit.policy),
      )
      if (!(near <= 1e-2 && near <= 0.3 * far + 1e-9)) throw new Error(`${far}, then ${near}`)
    }),
    { seed: 10, numRuns: 400 },
  )
})

t.test('power means lead from Nash to utilitarian and to maximin without a jump', async () => {
  const given = problems({ groups: [2, 4], items: [2, 8], temperature: fc.oneof(fc.constant(0), warm) })
  fc.assert(
    fc.property(given, (problem) => {
      const size = Math.max(...problem.utilities)
      const rounding = 1e-10 * size
      const at = (exponent: number) => {
        const { policy, utilities } = optimise(problem, kindOf(exponent).welfareFunction)
        return { best: objectiveAt(problem, exponent, policy), utilities }
      }
      const between = (low: number, value: number, high: number, what: string) => {
        if (!(value >= low - rounding && value <= high + rounding))
          throw new Error(`${what}: ${value} is not in [${low}, ${high}]`)
      }
      // Power means rise with the exponent; by how much, at the same utilities, is known.
      const nash = at(0)
      for (const h of [1e-2, 1e-4, 1e-7, 1e-10, 1e-14, 1e-17]) {
        const [below, above] = [at(-h), at(h)]
        between(Number.NEGATIVE_INFINITY, below.best, nash.best, `exponent ${-h}`)
        between(nash.best, above.best, Number.POSITIVE_INFINITY, `exponent ${h}`)
        const spread = Math.log(Math.max(...above.utilities) / Math.min(...above.utilities))
        if (h * spread < 0.1) between(below.best, above.best, below.best + 2 * h * spread ** 2 * size, `${h}`)
      }
      const least = Math.min(...problem.population)
      const sum = at(1)
      for (const h of [1e-3, 1e-6, 1e-9]) {
        between(sum.best - 2 * h * Math.log(1 / least) * size, at(1 - h).best, sum.best, `exponent ${1 - h}`)
      }
      const worst = at(Number.NEGATIVE_INFINITY)
      for (const k of [10, 100, 1000]) {
        between(worst.best, at(-k).best, worst.best + (least ** (-1 / k) - 1) * size, `exponent ${-k}`)
      }
    }),
    { seed: 12, numRuns: 150 },
  )
})
