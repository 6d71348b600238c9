import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import type { OptimumResult } from '../../schemas/aggregate.ts'
import type { AuditRequest, Finding } from '../../schemas/audit.ts'
import type { Utility } from '../../schemas/policy.ts'
import { aggregate } from '../../src/engine/aggregate.ts'
import { audit } from '../../src/engine/audit/audit.ts'
import { coreOf, somebodyBlocks } from '../../src/engine/audit/core.ts'
import { fairSharesOf } from '../../src/engine/audit/fair-share.ts'
import { influenceOf } from '../../src/engine/audit/influence.ts'
import { dropsOf } from '../../src/engine/audit/monotonicity.ts'
import { transfersOf } from '../../src/engine/audit/transfers.ts'
import { linearProgramSolver } from '../../src/engine/numeric/linear-program.ts'
import { NoGains } from '../../src/engine/welfare/gains.ts'
import { optimise } from '../../src/engine/welfare/optimise.ts'
import type { WelfareProblem } from '../../src/engine/welfare/problem.ts'
import { build, misfit, post, refuses } from '../helpers/app.ts'
import {
  distance,
  groupName,
  itemName,
  kindOf,
  kinds,
  problemOf,
  requestOf,
  tableOf,
  trainedPolicy,
  utilitiesAt,
} from '../helpers/problems.ts'

const CEMS = JSON.parse(readFileSync('examples/cems.json', 'utf8'))
const STUDENTS = { French: 171, 'French and Spanish': 22, Spanish: 18, neither: 92 }
const students = Object.entries(STUDENTS).map(([id, population]) => ({ id, population }))

const T1 = problemOf(
  [
    [4, 1, 2, 0],
    [0, 3, 2, 1],
    [1, 0, 1.5, 5],
  ],
  { population: [0.5, 0.3, 0.2] },
)

const ask = (body: object) => audit(body as AuditRequest)

/** Problems of few groups and items whose utilities are whole numbers from 0 up, so that ties and zeros are common. */
const problems = (
  groups: number,
  { temperature = 0, least = 0, few = 2 }: { temperature?: number; least?: number; few?: number } = {},
) =>
  fc
    .tuple(
      fc.integer({ min: few, max: groups }),
      fc.integer({ min: 2, max: 6 }),
      fc.infiniteStream(fc.integer({ min: least, max: 6 })),
      fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
    )
    .map(([g, n, utilities, parts]) => {
      const shares = Array.from({ length: g }, () => parts.next().value as number)
      const sum = shares.reduce((a, b) => a + b)
      const table = Array.from({ length: g }, () =>
        Array.from({ length: n }, () => utilities.next().value as number),
      )
      return problemOf(table, { population: shares.map((share) => share / sum), temperature })
    })

/** The optimum, or null where no policy gives every group a gain. */
function optimumOf(problem: WelfareProblem, exponent: number) {
  try {
    return optimise(problem, kindOf(exponent).welfareFunction)
  } catch (error) {
    if (error instanceof NoGains) return null
    throw error
  }
}

const coalitionsOf = (groups: number) =>
  Array.from({ length: 2 ** groups - 1 }, (_, k) =>
    Array.from({ length: groups }, (_, g) => g).filter((g) => ((k + 1) >> g) & 1),
  )

function permutations(list: number[]): number[][] {
  if (list.length <= 1) return [list]
  return list.flatMap((first) =>
    permutations(list.filter((other) => other !== first)).map((rest) => [first, ...rest]),
  )
}

/** The mean over all orders of what the policy moves by as each group arrives. */
function shapley(groups: number, items: number, policyOf: (members: number[]) => ArrayLike<number>) {
  const values = Array.from({ length: groups }, () => new Float64Array(items))
  const orders = permutations(Array.from({ length: groups }, (_, g) => g))
  for (const order of orders) {
    order.forEach((g, k) => {
      const before = policyOf(order.slice(0, k).sort())
      const after = policyOf(order.slice(0, k + 1).sort())
      for (let i = 0; i < items; i++) values[g][i] += (after[i] - before[i]) / orders.length
    })
  }
  return values
}

function partOf(problem: WelfareProblem, members: readonly number[]): WelfareProblem {
  const size = members.reduce((sum, g) => sum + problem.population[g], 0)
  const table = tableOf(problem)
  return problemOf(
    members.map((g) => table[g]),
    {
      population: members.map((g) => problem.population[g] / size),
      reference: Array.from(problem.reference),
      temperature: problem.temperature,
    },
  )
}

t.test('the influence of T1 is the Shapley value that is published for it', async (t) => {
  const body = requestOf({ ...T1, temperature: 0.5 }, { function: 'nash' })
  const { influence, aggregation } = await ask(body)
  t.equal(influence.method, 'exact')
  t.equal(influence.coalitions, 7)
  const [first] = influence.groups
  const own = Object.values(first.influence)
  t.ok(distance(own, [0.527, -0.223, 0.024, -0.328]) < 5e-4, own.join(' '))
  t.ok(Math.abs(first.reach - own.reduce((sum, value) => sum + Math.abs(value) / 2, 0)) < 1e-15)
  for (let i = 0; i < 4; i++) {
    const id = itemName(i)
    const sum = influence.groups.reduce((total, { influence }) => total + influence[id], 0)
    t.ok(Math.abs(sum - ((aggregation.policy?.[id] ?? 0) - 0.25)) < 1e-14, `influences on ${id} add up`)
  }
})

t.test('influence is the mean over all orders in which groups may arrive', async (t) => {
  for (const exponent of [1, 0, -1, Number.NEGATIVE_INFINITY]) {
    for (const temperature of [0, 0.4]) {
      const table = [
        [3, 0, 1, 2],
        [0, 2, 1, 0.5],
        [1, 1, 3, 0],
        [0, 4, 0, 1],
      ]
      const problem = problemOf(table, {
        population: [0.4, 0.3, 0.2, 0.1],
        reference: [0.1, 0.2, 0.3, 0.4],
        temperature,
      })
      const { welfareFunction } = kindOf(exponent)
      const { values } = await influenceOf(problem, (own) => optimise(own, welfareFunction), 0)
      const expected = shapley(4, 4, (members) =>
        members.length === 0 ? problem.reference : optimise(partOf(problem, members), welfareFunction).policy,
      )
      expected.forEach((row, g) => {
        t.ok(distance(values.subarray(4 * g, 4 * g + 4), row) < 1e-12, `ρ = ${exponent}, β = ${temperature}`)
      })
    }
  }
})

t.test(
  'above ten groups influence is sampled, adds up exactly, and is as far off as its errors say',
  async (t) => {
    const groups = 12
    const items = 5
    const temperature = 0.3
    const table = Array.from({ length: groups }, (_, g) =>
      Array.from({ length: items }, (_, i) => ((7 * g * g + 3 * i * g + 5 * i * i) % 11) / 4),
    )
    const problem = problemOf(table, {
      population: table.map((_, g) => (g + 1) / 78),
      temperature,
    })
    const { welfareFunction } = kindOf(1)
    const rule = (own: WelfareProblem) => optimise(own, welfareFunction)
    const { values, errors, orders } = await influenceOf(problem, rule, 7)
    t.ok(errors !== null && orders >= 16)
    t.same((await influenceOf(problem, rule, 7)).values, values, 'the same seed has the same answer')

    // The exact value by its formula over coalitions, each of whose policies is the Gibbs policy of its mean utilities.
    const exact = Array.from({ length: groups }, () => new Float64Array(items))
    const shares = [1 / groups]
    for (let size = 1; size < groups; size++) shares.push((shares[size - 1] * size) / (groups - size))
    for (const members of [[], ...coalitionsOf(groups)]) {
      const size = members.reduce((sum, g) => sum + problem.population[g], 0)
      const policy =
        members.length === 0
          ? problem.reference
          : trainedPolicy(
              members.map((g) => table[g]),
              members.map((g) => problem.population[g] / size),
              temperature,
              problem.reference,
            )
      for (let g = 0; g < groups; g++) {
        const share = members.includes(g) ? shares[members.length - 1] : -shares[members.length]
        for (let i = 0; i < items; i++) exact[g][i] += share * policy[i]
      }
    }
    const { policy } = rule(problem)
    let chiSquare = 0
    for (let i = 0; i < items; i++) {
      let sum = 0
      for (let g = 0; g < groups; g++) {
        sum += values[g * items + i]
        const z = (values[g * items + i] - exact[g][i]) / (errors as Float64Array)[g * items + i]
        t.ok(Math.abs(z) < 4.5, `group ${g}, item ${i}: ${z} standard errors off`)
        chiSquare += (z * z) / (groups * items)
      }
      t.ok(Math.abs(sum - (policy[i] - problem.reference[i])) < 1e-13)
    }
    t.ok(chiSquare > 0.3 && chiSquare < 2, `errors have the right size: mean z² is ${chiSquare}`)
  },
)

/** t(S) by the linear program of its definition, for members who have something at p*. */
async function ratioOf(problem: WelfareProblem, utilities: ArrayLike<number>, members: readonly number[]) {
  const solve = await linearProgramSolver()
  const { items, population } = problem
  const table = tableOf(problem)
  const size = members.reduce((sum, g) => sum + population[g], 0)
  const rows = members.flatMap((g) => [...table[g].map((u) => (size * u) / utilities[g]), -1])
  const x = solve({
    objective: Float64Array.from({ length: items + 1 }, (_, i) => (i === items ? 1 : 0)),
    rows: Float64Array.from([...rows, ...table[0].map(() => 1), 0]),
    rowLower: Float64Array.from([...members.map(() => 0), 1]),
    rowUpper: Float64Array.from([...members.map(() => Number.POSITIVE_INFINITY), 1]),
  })
  return x?.[items] ?? Number.NaN
}

t.test('blocking coalitions are those that the definition finds, the strongest first', async (t) => {
  for (const exponent of [1, Number.NEGATIVE_INFINITY, -4]) {
    for (const temperature of [0, 0.5]) {
      let seen = 0
      await fc.assert(
        fc.asyncProperty(problems(5, { temperature, least: 1 }), async (problem) => {
          const { utilities } = optimise(problem, kindOf(exponent).welfareFunction)
          const core = await coreOf(problem, utilities)
          const ratios: number[] = []
          for (const members of coalitionsOf(problem.groups)) {
            ratios.push(await ratioOf(problem, utilities, members))
          }
          const expected = ratios.filter((ratio) => ratio > 1 + 1e-6).sort((a, b) => b - a)
          seen += expected.length
          if (core.stable !== (expected.length === 0)) return false
          const found = core.blocking.map(({ ratio }) => ratio)
          if (distance(found, expected.slice(0, 10)) > 1e-7 * Math.max(1, ...found)) return false
          return core.blocking.every(({ members, population, policy, utilities: reached, ratio }) => {
            const x = utilitiesAt(problem, policy)
            const now = members.map((g, k) => {
              if (Math.abs(population * x[g] - reached[k]) > 1e-12) return Number.NaN
              return reached[k] / utilities[g]
            })
            return Math.abs(Math.min(...now) - ratio) < 1e-12
          })
        }),
        { numRuns: 10, seed: 4 },
      )
      t.ok(seen > 0, `ρ = ${exponent}, β = ${temperature}: ${seen} coalitions blocked`)
    }
  }
})

t.test('no coalition blocks Nash welfare at temperature 0, and every group has its fair share', () => {
  return fc.assert(
    fc.asyncProperty(problems(7), async (problem) => {
      const optimum = optimumOf(problem, 0)
      if (optimum === null) return true
      const { stable, everybody } = await coreOf(problem, optimum.utilities)
      const fair = fairSharesOf(problem, optimum.utilities)
      const table = tableOf(problem)
      const shares = table.map((row, g) => problem.population[g] * Math.max(...row))
      return (
        stable === true &&
        Math.abs(everybody.ratio - 1) < 1e-6 &&
        fair.every(({ holds, fair }, g) => holds && Math.abs(fair - shares[g]) < 1e-12)
      )
    }),
    { numRuns: 100, seed: 5 },
  )
})

t.test('groups that have nothing block where they can have something, and only there', async (t) => {
  const utilities = (problem: WelfareProblem) => optimise(problem, kindOf(1).welfareFunction).utilities
  const starved = problemOf(
    [
      [4, 0, 0],
      [0, 3, 0],
      [0, 0, 2],
    ],
    { population: [0.5, 0.3, 0.2] },
  )
  const { blocking, stable } = await coreOf(starved, utilities(starved))
  t.equal(stable, false)
  t.same(blocking.map(({ members, ratio }) => [members, ratio]).slice(0, 3), [
    [[1], Number.POSITIVE_INFINITY],
    [[2], Number.POSITIVE_INFINITY],
    [[1, 2], Number.POSITIVE_INFINITY],
  ])
  // Whoever gains nothing from anything lends its part of the lottery to the others.
  const indifferent = problemOf(
    [
      [4, 0],
      [0, 3],
      [0, 0],
    ],
    { population: [0.4, 0.2, 0.4] },
  )
  const lent = await coreOf(indifferent, Float64Array.of(2, 1.5, 0))
  const [strongest] = lent.blocking
  t.same(strongest.members, [0, 2])
  t.ok(Math.abs(strongest.ratio - 1.6) < 1e-9)
})

t.test('above fourteen groups integer programming says the same of groups split in three', async (t) => {
  for (const [exponent, temperature] of [
    [0, 0],
    [Number.NEGATIVE_INFINITY, 0],
    [1, 0.4],
  ]) {
    let blocked = 0
    await fc.assert(
      fc.asyncProperty(problems(5, { temperature, least: 1, few: 5 }), async (small) => {
        const table = tableOf(small)
        const split = problemOf(
          table.flatMap((row) => [row, row, row]),
          {
            population: Array.from(small.population).flatMap((n) => [n / 6, n / 3, n / 2]),
            temperature,
          },
        )
        const { utilities } = optimise(small, kindOf(exponent).welfareFunction)
        const each = Float64Array.from(Array.from(utilities).flatMap((x) => [x, x, x]))
        const one = await coreOf(small, utilities)
        const other = await coreOf(split, each)
        if (other.method !== 'integer-program' || one.method !== 'every-coalition') return false
        const [strongest] = other.blocking
        if (strongest !== undefined) blocked++
        return one.stable === other.stable && (strongest === undefined || strongest.ratio > 1 + 1e-6)
      }),
      { numRuns: 12, seed: 9 },
    )
    t.comment(`ρ = ${exponent}, β = ${temperature}: ${blocked} blocked`)
    t.equal(blocked > 0, exponent !== 0)
  }
  t.equal(somebodyBlocks(T1, optimise(T1, kindOf(1).welfareFunction).utilities), true)
})

t.test('no power mean dislikes a transfer from a group that is better off', () => {
  return fc.assert(
    fc.asyncProperty(problems(5), fc.constantFrom(...kinds), async (problem, { exponent }) => {
      const optimum = optimumOf(problem, exponent)
      return optimum === null || (await transfersOf(problem, optimum)).violations.length === 0
    }),
    { numRuns: 200, seed: 7 },
  )
})

t.test(
  'weights that count the better off for more are caught, with the largest transfer there is',
  async (t) => {
    // Three items, two groups of equal size, and an optimum that counts the first group four times as much.
    const table = [
      [4, 1, 3],
      [0, 2, 1],
    ]
    const problem = problemOf(table)
    const optimum = optimise({ ...problem, population: Float64Array.of(0.8, 0.2) }, kindOf(1).welfareFunction)
    const { pairs, violations } = await transfersOf(problem, optimum)
    t.equal(pairs, 1)
    t.match(violations, [{ from: 0, to: 1, worthFrom: 1.6, worthTo: 0.4 }])
    let largest = 0
    const steps = 400
    for (let a = 0; a <= steps; a++) {
      for (let b = 0; a + b <= steps; b++) {
        const [x, y] = utilitiesAt(problem, [a / steps, b / steps, 1 - (a + b) / steps])
        const moved = (optimum.utilities[0] - x) / 2
        if (Math.abs((y - optimum.utilities[1]) / 2 - moved) < 1e-9 && x >= y)
          largest = Math.max(largest, moved)
      }
    }
    t.ok(
      largest > 0.4 && Math.abs(violations[0].amount - largest) < 1 / steps,
      `${violations[0].amount} ${largest}`,
    )
    t.ok(Math.abs(violations[0].loss - 1.2 * violations[0].amount) < 1e-12)
  },
)

t.test('the additive family gives no group less for growing, at temperature 0', () => {
  return fc.assert(
    fc.asyncProperty(problems(4), fc.constantFrom(1, 0.5, 0, -1, -4), async (problem, exponent) => {
      const { welfareFunction } = kindOf(exponent)
      const optimum = optimumOf(problem, exponent)
      // Where several policies are best, which one is returned is a matter of the reference.
      if (optimum === null || !optimum.certificate.unique) return true
      return (await dropsOf(problem, (own) => optimise(own, welfareFunction), optimum.utilities)).length === 0
    }),
    { numRuns: 100, seed: 8 },
  )
})

t.test('a group that loses by growing does, as the aggregation itself shows', async (t) => {
  const body = {
    ...CEMS,
    groups: students,
    policy: { temperature: 0.2 },
    welfare: { function: 'utilitarian' },
  }
  const { monotonicity, findings } = await ask(body)
  t.equal(monotonicity.holds, false)
  t.ok(findings.some(({ code, groups }) => code === 'loses-by-growing' && groups[0] === 'French'))
  for (const { group, factor, before, after } of monotonicity.drops) {
    const grown = students.map(({ id, population }) => ({
      id,
      population: id === group ? factor * population : population,
    }))
    const utilityOf = async (groups: object) => {
      const answer = (await aggregate({ ...body, groups } as never)) as OptimumResult
      return answer.groups.find(({ id }) => id === group)?.utility ?? Number.NaN
    }
    t.ok(Math.abs((await utilityOf(students)) - before) < 1e-12)
    t.ok(Math.abs((await utilityOf(grown)) - after) < 1e-12)
    t.ok(after < before)
  }
})

t.test('preferences are overruled by what the ranking says, counted row by row', async (t) => {
  const { regret, aggregation, sensitivity, findings } = await ask({ ...CEMS, welfare: { function: 'nash' } })
  for (const { id, preferences, overruled, annotators } of regret.groups) {
    let all = 0
    let against = 0
    for (const { group, winner, loser, tie, count } of CEMS.comparisons) {
      if (group !== id || tie) continue
      all += count
      if (Number(aggregation.rewards[winner]) < Number(aggregation.rewards[loser])) against += count
    }
    t.equal(preferences, all)
    t.ok(Math.abs((overruled ?? 0) - against / all) < 1e-14, `${id}: ${overruled}`)
    t.equal(annotators, null)
  }
  t.equal(sensitivity.sameWinner, true)
  t.notOk(findings.some(({ code }) => code === 'mostly-overruled'))
})

t.test('annotators are told apart where comparisons or rankings name them, and only they', async (t) => {
  const words = [
    'ann ab',
    'ann bc',
    'ann ca',
    'bob ab',
    'bob bc',
    'cy ba',
    'cy cb',
    'cy ac',
    'dee ba',
    'dee ab',
  ]
  const rows = words.map((word) => {
    const [annotator, [winner, loser]] = word.split(' ')
    return { group: 'g', annotator, winner, loser, count: 2 }
  })
  const unnamed = [{ group: 'g', winner: 'a', loser: 'c', count: 7 }]
  const welfare = { function: 'utilitarian' }
  const { aggregation, regret, findings } = await ask({ comparisons: [...rows, ...unnamed], welfare })
  t.same(aggregation.ranking.map(({ item }: { item: string }) => item).join(''), 'abc')
  // ann 1 of 3, bob 0 of 2, cy 2 of 3, dee 1 of 2.
  const [{ annotators, overruled }] = regret.groups
  t.equal(annotators?.count, 4)
  t.equal(annotators?.mostlyOverruled, 1)
  t.ok(distance(annotators?.quartiles ?? [], [0, 0.25, 5 / 12, 0.5 + 1 / 24, 2 / 3]) < 1e-14)
  t.ok(Math.abs((overruled ?? 0) - 8 / 27) < 1e-14)
  t.ok(findings.some(({ code }) => code === 'annotators-overruled'))

  const rankings = [
    { group: 'g', annotator: 'ann', ranking: ['a', 'b', 'c'], count: 3 },
    { group: 'g', annotator: 'bob', ranking: ['c', 'b', 'a'] },
    { group: 'g', ranking: ['b', 'a'] },
  ]
  const ranked = await ask({ rankings, welfare })
  t.equal(ranked.aggregation.ranking.map(({ item }: { item: string }) => item).join(''), 'abc')
  t.match(ranked.regret.groups, [{ preferences: 13, overruled: 4 / 13 }])
  t.same(ranked.regret.groups[0].annotators, {
    count: 2,
    mostlyOverruled: 1,
    quartiles: [0, 0.25, 0.5, 0.75, 1],
  })
})

t.test('annotators of discovered groups count in the group that they are likeliest of', async (t) => {
  const comparisons = Array.from({ length: 12 }, (_, a) =>
    ['ab', 'bc', 'ac', 'ab', 'bc', 'ac'].map((pair, k) => {
      const straight = a % 2 === 0 ? k !== a % 6 : k === a % 6
      const [winner, loser] = straight ? pair : [pair[1], pair[0]]
      return { annotator: `n${a}`, winner, loser }
    }),
  ).flat()
  const { regret, discovery } = await ask({
    comparisons,
    groups: { discover: { max: 2 } },
    model: { prior: { kind: 'gaussian', standardDeviation: 2 } },
    welfare: { function: 'nash' },
  })
  t.equal(discovery?.groups, 2)
  t.same(
    regret.groups.map(({ annotators }) => annotators?.count),
    [6, 6],
  )
})

t.test('each row of the sensitivity table is the aggregation with that scale and anchor', async (t) => {
  const body = {
    ...CEMS,
    policy: { temperature: 0.1 },
    utility: { scale: 'none', anchor: { item: 'Paris' } },
    welfare: { function: 'power-mean', exponent: -1 },
  }
  const { sensitivity, aggregation } = await ask({ ...body, utility: { scale: 'none', anchor: 'worst' } })
  t.equal(sensitivity.rows.length, 12)
  for (const { scale, anchor, own, policy = {}, weights = {}, winner, totalVariation } of sensitivity.rows) {
    const answer = (await aggregate({ ...body, utility: { scale, anchor } as Utility } as never)) as {
      policy: Record<string, number>
      weights: Record<string, number>
    }
    const off = Object.keys(policy).map((id) => Math.abs(policy[id] - answer.policy[id]))
    t.ok(Math.max(...off) < 1e-12, `${scale}, ${JSON.stringify(anchor)}`)
    t.same(weights, answer.weights)
    t.equal(own, scale === 'none' && anchor === 'worst')
    t.equal(policy[winner ?? ''], Math.max(...Object.values(policy)))
    const moved = Object.keys(policy).reduce(
      (sum, id) => sum + Math.abs(policy[id] - (aggregation.policy?.[id] ?? 0)) / 2,
      0,
    )
    t.ok(Math.abs(moved - (totalVariation ?? 0)) < 1e-12)
  }
  const moves = sensitivity.rows.map(({ totalVariation }) => totalVariation ?? 0)
  t.equal(sensitivity.farthest.totalVariation, Math.max(...moves))

  const withItem = await ask({ ...body, welfare: { function: 'utilitarian' } })
  t.equal(withItem.sensitivity.rows.length, 16)
  t.equal(withItem.sensitivity.rows.filter(({ own }) => own).length, 1)
})

t.test('a scale and anchor that have no answer are told as such, and stop nothing', async (t) => {
  const opposed = problemOf([
    [1, 0],
    [0, 1],
  ])
  const { sensitivity, alternatives } = await ask({
    ...requestOf(opposed, { function: 'nash' }),
    utility: { anchor: 'worst' },
  })
  const refused = sensitivity.rows.filter((row) => row.refused !== undefined)
  t.same(Array.from(new Set(refused.map(({ anchor }) => anchor))), ['reference'])
  t.match(refused[0].refused, /needs a policy at which every group gains/)
  t.notOk('policy' in refused[0])
  t.ok(
    alternatives.some(
      ({ choice, instead, refused }) => choice === 'anchor' && instead === 'reference' && refused,
    ),
  )
})

/** T1 with an item that nobody loves; two prompts, in one of which an item is missing; and limits on what may be chosen. */
const FIVE = problemOf(
  tableOf(T1).map((row, g) => [...row, [1.5, 0.5, 1][g]]),
  { population: [0.5, 0.3, 0.2] },
)
const CONTEXTS = [
  { id: 'p', weight: 3 },
  { id: 'q', weight: 1, items: [0, 1, 2, 4].map(itemName) },
]
const CONSTRAINTS = [
  { kind: 'ceiling', costs: { [itemName(0)]: 3, [itemName(4)]: 1 }, maximum: 0.4 },
  { kind: 'ban', items: [itemName(3)] },
]

for (const name of ['nash', 'utilitarian'] as const) {
  t.test(`influence and the core of ${name} keep to contexts and constraints`, async (t) => {
    const limited = { policy: { contexts: CONTEXTS, temperature: 0.3 }, constraints: CONSTRAINTS }
    const { groups = [], ...request } = { ...requestOf(FIVE, { function: name }), ...limited }
    const list = groups as { id: string; population: number }[]
    const { influence, core, aggregation } = await ask({ ...request, groups: list })

    /** The lottery over items and contexts that /aggregate answers with for some groups alone. */
    const meanOf = async (members: readonly number[]) => {
      const rewards = Object.fromEntries(
        members.map((g) => [list[g].id, (request.rewards as Record<string, object>)[list[g].id]]),
      )
      const answer = await aggregate({ ...request, rewards, groups: members.map((g) => list[g]) } as never)
      const { policies } = answer as { policies: { weight: number; policy: Record<string, number> }[] }
      return FIVE.reference.map((_, i) =>
        policies.reduce((sum, { weight, policy }) => sum + weight * (policy[itemName(i)] ?? 0), 0),
      )
    }
    const solved = new Map<string, ArrayLike<number>>()
    for (const members of coalitionsOf(3)) solved.set(members.join(), await meanOf(members))
    const nobody = FIVE.reference.map((_, i) => influence.withoutAnybody[itemName(i)])
    const expected = shapley(3, 5, (members) => solved.get(members.join()) ?? nobody)
    expected.forEach((row, g) => {
      const own = row.map((_, i) => influence.groups[g].influence[itemName(i)])
      t.ok(distance(own, row) < 1e-9, `${own} ${row}`)
    })
    const cost = (lottery: ArrayLike<number>) => 3 * lottery[0] + lottery[4]
    t.ok(cost(nobody) <= 0.4 + 1e-9 && nobody[3] === 0, 'nobody may do what is ruled out')
    t.ok(Math.abs(nobody.reduce((a, b) => a + b) - 1) < 1e-12)

    // t(S) by its linear program over a, b, c and e for p, the same for q, and t.
    const solve = await linearProgramSolver()
    const { groups: described } = (await aggregate({ ...request, groups: list } as never)) as OptimumResult
    const now = described.map(({ utility }) => utility)
    const table = tableOf(FIVE).map(([a, b, c, , e]) => [a, b, c, e, a, b, c, e])
    const onP = [1, 1, 1, 1, 0, 0, 0, 0, 0]
    const onQ = [0, 0, 0, 0, 1, 1, 1, 1, 0]
    const costs = [3, 0, 0, 1, 3, 0, 0, 1, 0]
    const ratios = coalitionsOf(3).map((members) => {
      const size = members.reduce((sum, g) => sum + FIVE.population[g], 0)
      const shares = members.flatMap((g) => [...table[g].map((u) => (size * u) / now[g]), -1])
      const x = solve({
        objective: Float64Array.of(0, 0, 0, 0, 0, 0, 0, 0, 1),
        rows: Float64Array.of(...shares, ...onP, ...onQ, ...costs),
        rowLower: Float64Array.of(...members.map(() => 0), 0.75, 0.25, Number.NEGATIVE_INFINITY),
        rowUpper: Float64Array.of(...members.map(() => Number.POSITIVE_INFINITY), 0.75, 0.25, 0.4),
      })
      return x?.[8] ?? Number.NaN
    })
    const above = ratios.filter((ratio) => ratio > 1 + 1e-6).sort((a, b) => b - a)
    t.ok(above.length > 0)
    t.ok(
      distance(
        core.blocking.map(({ ratio }) => ratio ?? Number.NaN),
        above,
      ) < 1e-7,
    )
    t.ok(Math.abs((core.everybody.ratio ?? 0) - ratios[6]) < 1e-7)
    t.equal(aggregation.policy, undefined)
    t.equal(aggregation.policies?.length, 2)
  })
}

/** The functions besides power means, some of which mind what there is to choose from. */
const OTHERS = [
  { function: 'kolm-pollak', kappa: 1 },
  { function: 'leximin' },
  { function: 'kalai-smorodinsky' },
  { function: 'relative-utilitarian' },
  { function: 'generalised-gini', parameter: 2 },
  { function: 'generalised-gini', weights: [3, 2, 1] },
  { function: 'cvar', alpha: 0.4 },
]

for (const welfare of OTHERS) {
  t.test(`${JSON.stringify(welfare)} is audited like any other`, async (t) => {
    for (const temperature of [0, 0.3]) {
      const answer = await ask(requestOf({ ...T1, temperature }, welfare as never))
      t.equal(misfit('AuditResponse', JSON.parse(JSON.stringify(answer))), null)
      const { influence, aggregation, core } = answer
      for (let i = 0; i < 4; i++) {
        const id = itemName(i)
        const sum = influence.groups.reduce((total, { influence }) => total + influence[id], 0)
        t.ok(Math.abs(sum - ((aggregation.policy?.[id] ?? 0) - 0.25)) < 1e-9)
      }
      t.ok((core.everybody.ratio ?? 0) > 1 - 1e-6)
    }
  })
}

/** Requests in which much is wrong. */
const TROUBLED: Record<string, Record<string, unknown>> = {
  'utilitarian T1': requestOf(T1, { function: 'utilitarian' }),
  'maximin T1 at temperature 0.5': requestOf({ ...T1, temperature: 0.5 }, { function: 'maximin' }),
  'nash T1 at temperature 0.5': requestOf({ ...T1, temperature: 0.5 }, { function: 'nash' }),
  'utilitarian students at temperature 0.2': {
    ...CEMS,
    groups: students,
    policy: { temperature: 0.2 },
    welfare: { function: 'utilitarian' },
  },
  'maximin students': { ...CEMS, groups: students, welfare: { function: 'maximin' } },
  'T1 over two prompts, of which one costs': {
    ...requestOf(FIVE, { function: 'nash' }),
    policy: { contexts: CONTEXTS },
    constraints: CONSTRAINTS,
  },
  'utilitarian groups that never agree': {
    ...requestOf(
      problemOf([
        [0, 1, 2, 3],
        [3, 2.5, 1, 0],
        [2, 3, 0, 1],
      ]),
      { function: 'utilitarian' },
    ),
    utility: { anchor: 'reference' },
  },
}

/** The request with one choice made otherwise. */
function changed(body: Record<string, unknown>, choice: string, instead: string): Record<string, unknown> {
  const utility = { scale: 'none', anchor: 'worst', ...(body.utility as object) }
  if (choice === 'function') return { ...body, welfare: { function: instead } }
  if (choice === 'scale') return { ...body, utility: { ...utility, scale: instead } }
  if (choice === 'anchor') return { ...body, utility: { ...utility, anchor: instead } }
  if (choice === 'temperature') return { ...body, policy: { ...(body.policy as object), temperature: 0 } }
  if (choice === 'constraints') return { ...body, constraints: undefined }
  const groups = (body.groups as { id: string }[]).map(({ id }) => ({ id }))
  return { ...body, groups }
}

t.test('a finding is gone after the changes that are said to remove it, and after no others', async (t) => {
  const codes = new Set<string>()
  for (const [name, body] of Object.entries(TROUBLED)) {
    const { findings, alternatives } = await ask(body)
    t.ok(findings.length > 0, name)
    for (const { choice, instead, refused } of alternatives) {
      if (refused !== undefined) continue
      const other = await ask(changed(body, choice, instead))
      for (const { code, groups, removedBy } of findings) {
        codes.add(code)
        const units = code === 'winner-depends-on-units'
        if (units && (choice === 'scale' || choice === 'anchor')) continue
        const whoever = units || code === 'blocking-coalition' || code === 'transfers-disliked'
        const there = other.findings.some(
          (found: Finding) => found.code === code && (whoever || found.groups.join() === groups.join()),
        )
        const said = removedBy?.some((change) => change.choice === choice && change.instead === instead)
        t.equal(there, !said, `${name}: ${code} ${groups} with ${choice} ${instead}`)
      }
    }
  }
  t.comment(Array.from(codes).sort().join(', '))
  t.ok(codes.size >= 7, 'many kinds of findings are seen')
})

t.test('the example of the documentation is answered as it says, through the front door', async (t) => {
  const app = await build(t)
  const body = {
    ...CEMS,
    groups: students,
    policy: { temperature: 0.2 },
    welfare: { function: 'utilitarian' },
  }
  const answer = await post(app, '/audit', body)
  t.equal(answer.statusCode, 200)
  t.equal(misfit('AuditResponse', answer.json()), null)
  t.equal((await post(app, '/audit', body)).body, answer.body, 'the same request has the same bytes')
  const page = readFileSync('docs/audit.md', 'utf8')
  for (const { message, cause } of answer.json().findings) {
    t.ok(page.includes(message), message)
    t.ok(page.includes(cause), cause)
  }
  for (const { id, share } of answer.json().influence.groups)
    t.match(page, new RegExp(`\\| ${id} +\\|.*${(100 * share).toFixed(1)}%`), `${id}: ${share}`)
})

t.test('what cannot be audited is refused', async (t) => {
  const app = await build(t)
  const rewards = { east: { a: 1, b: 0 }, west: { a: 0, b: 1 } }
  const refused = async (body: object, rest: Parameters<typeof refuses>[2], name: string) =>
    refuses(t, await post(app, '/audit', body), rest, name)
  await refused(
    { rewards, welfare: { function: 'pareto-front' } },
    { status: 400, kind: 'invalid-request', at: '/welfare/function', says: /no policy to audit/ },
    'a front',
  )
  await refused(
    { rewards, mode: 'ex-post', welfare: { function: 'nash' } },
    { status: 400, kind: 'invalid-request', at: '/mode', says: /must be ex-ante/ },
    'ex post',
  )
  await refused(
    { rewards },
    { status: 400, kind: 'invalid-request', at: '/welfare', says: /is required/ },
    'no function',
  )
  await refused(
    { rewards, welfare: { function: 'nash' }, samples: 3 },
    { status: 400, kind: 'invalid-request', at: '/samples', says: /is not a member of a request to \/audit/ },
    'an unknown member',
  )
  const many = Object.fromEntries(Array.from({ length: 51 }, (_, g) => [groupName(g), { a: g, b: 1 }]))
  await refused(
    { rewards: many, welfare: { function: 'nash' } },
    { status: 400, kind: 'invalid-request', at: '/rewards', says: /at most 50 groups/ },
    'too many groups',
  )
  await refused(
    { rewards, utility: { anchor: 'reference' }, welfare: { function: 'nash' } },
    { status: 422, kind: 'no-acceptable-policy', says: /there is none/ },
    'no policy at which all gain',
  )
})
