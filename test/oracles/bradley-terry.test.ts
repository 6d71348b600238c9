import fc from 'fast-check'
import t from 'tap'
import type { FitRequest } from '../../schemas/fit.ts'
import { fit } from '../../src/engine/fit.ts'
import { fitBradleyTerry } from '../../src/engine/rewards/fit-group.ts'
import {
  connectedRows,
  correctionAt,
  covarianceAt,
  item,
  largest,
  type Prior,
  pairCounts,
  priors,
  type Row,
  randomGames,
  scoreAt,
  won,
} from '../helpers/fit.ts'

const none: Prior = { kind: 'none' }

function estimate(rows: Row[]) {
  const { counts, items } = pairCounts(rows)
  const found = fitBradleyTerry(counts, none)
  return { ...found, counts, items, of: (item: string) => found.rewards[items.indexOf(item)] }
}

/** A table of `first, second, wins of the first, wins of the second` as rows. */
function rowsOf(table: readonly (readonly [string, string, number, number])[]): Row[] {
  return table.flatMap(([a, b, wins, losses]) => [won(a, b, wins), won(b, a, losses)])
}

/** Agresti, Categorical Data Analysis: games of the American League's eastern division in 1987, home and away together. */
const BASEBALL = [
  ['Baltimore', 'Boston', 1, 12],
  ['Baltimore', 'Cleveland', 7, 6],
  ['Baltimore', 'Detroit', 4, 9],
  ['Baltimore', 'Milwaukee', 2, 11],
  ['Baltimore', 'New York', 3, 10],
  ['Baltimore', 'Toronto', 1, 12],
  ['Boston', 'Cleveland', 7, 6],
  ['Boston', 'Detroit', 2, 11],
  ['Boston', 'Milwaukee', 6, 7],
  ['Boston', 'New York', 7, 6],
  ['Boston', 'Toronto', 6, 7],
  ['Cleveland', 'Detroit', 4, 9],
  ['Cleveland', 'Milwaukee', 4, 9],
  ['Cleveland', 'New York', 6, 7],
  ['Cleveland', 'Toronto', 5, 8],
  ['Detroit', 'Milwaukee', 6, 7],
  ['Detroit', 'New York', 5, 8],
  ['Detroit', 'Toronto', 7, 6],
  ['Milwaukee', 'New York', 7, 6],
  ['Milwaukee', 'Toronto', 9, 4],
  ['New York', 'Toronto', 6, 7],
] as const

/** The same by home team, visiting team, and the games that each of them won. */
const HOME_AND_AWAY = [
  ['Baltimore', 'Boston', 1, 6],
  ['Baltimore', 'Cleveland', 3, 4],
  ['Baltimore', 'Detroit', 1, 5],
  ['Baltimore', 'Milwaukee', 2, 5],
  ['Baltimore', 'New York', 2, 4],
  ['Baltimore', 'Toronto', 1, 6],
  ['Boston', 'Baltimore', 6, 0],
  ['Boston', 'Cleveland', 5, 2],
  ['Boston', 'Detroit', 2, 5],
  ['Boston', 'Milwaukee', 5, 1],
  ['Boston', 'New York', 4, 2],
  ['Boston', 'Toronto', 3, 3],
  ['Cleveland', 'Baltimore', 2, 4],
  ['Cleveland', 'Boston', 4, 2],
  ['Cleveland', 'Detroit', 3, 3],
  ['Cleveland', 'Milwaukee', 2, 5],
  ['Cleveland', 'New York', 4, 3],
  ['Cleveland', 'Toronto', 3, 4],
  ['Detroit', 'Baltimore', 4, 3],
  ['Detroit', 'Boston', 6, 0],
  ['Detroit', 'Cleveland', 6, 1],
  ['Detroit', 'Milwaukee', 3, 3],
  ['Detroit', 'New York', 4, 3],
  ['Detroit', 'Toronto', 4, 2],
  ['Milwaukee', 'Baltimore', 6, 0],
  ['Milwaukee', 'Boston', 6, 1],
  ['Milwaukee', 'Cleveland', 4, 2],
  ['Milwaukee', 'Detroit', 4, 3],
  ['Milwaukee', 'New York', 4, 3],
  ['Milwaukee', 'Toronto', 4, 2],
  ['New York', 'Baltimore', 6, 1],
  ['New York', 'Boston', 4, 3],
  ['New York', 'Cleveland', 4, 2],
  ['New York', 'Detroit', 5, 1],
  ['New York', 'Milwaukee', 3, 3],
  ['New York', 'Toronto', 2, 5],
  ['Toronto', 'Baltimore', 6, 0],
  ['Toronto', 'Boston', 4, 3],
  ['Toronto', 'Cleveland', 4, 2],
  ['Toronto', 'Detroit', 4, 3],
  ['Toronto', 'Milwaukee', 2, 5],
  ['Toronto', 'New York', 2, 4],
] as const

/** Stigler, Statistical Science 9 (1994): a journal beats another as often as the other cites it. */
const CITATIONS = [
  ['Biometrika', 'Comm. Statist.', 730, 33],
  ['Biometrika', 'JASA', 498, 320],
  ['Biometrika', 'JRSS-B', 221, 284],
  ['Comm. Statist.', 'JASA', 68, 813],
  ['Comm. Statist.', 'JRSS-B', 17, 276],
  ['JASA', 'JRSS-B', 142, 325],
] as const
const JOURNALS = ['Biometrika', 'Comm. Statist.', 'JASA', 'JRSS-B']

/** Davidson, J. Amer. Statist. Assoc. 65 (1970), example 2: two brands of pudding, who preferred which, and no preference. */
const PUDDINGS = [
  ['1', '2', 19, 22, 16],
  ['1', '3', 16, 19, 12],
  ['2', '3', 19, 19, 10],
  ['1', '4', 18, 23, 13],
  ['2', '4', 23, 19, 9],
  ['3', '4', 19, 20, 15],
  ['1', '5', 13, 19, 18],
  ['2', '5', 16, 20, 12],
  ['3', '5', 16, 15, 17],
  ['4', '5', 17, 14, 16],
  ['1', '6', 18, 21, 12],
  ['2', '6', 22, 20, 12],
  ['3', '6', 13, 18, 10],
  ['4', '6', 14, 19, 18],
  ['5', '6', 11, 21, 12],
] as const

t.test('a cycle with one heavier edge has the published estimate', async (t) => {
  const found = estimate([won('0', '1', 2), won('1', '2'), won('2', '0')])
  t.equal(found.of('0').toFixed(9), '0.419617625')
  t.equal(found.of('1').toFixed(9), '-0.419617625')
  t.ok(Math.abs(found.of('2')) < 1e-15)
})

t.test('baseball without a home effect has the published estimates and likelihood', async (t) => {
  const found = estimate(rowsOf(BASEBALL))
  // As printed by R, whose iteration stops 7e-12 short; and solved in arithmetic of 40 digits.
  const expected = {
    Boston: [1.107697705372, '1.107697705379'],
    Cleveland: [0.683852769153, '0.683852769159'],
    Detroit: [1.436408431806, '1.436408431812'],
    Milwaukee: [1.581355876655, '1.581355876661'],
    'New York': [1.247617845135, '1.247617845141'],
    Toronto: [1.294485123905, '1.294485123912'],
  } as const
  for (const [team, [printed, exact]] of Object.entries(expected)) {
    const ability = found.of(team) - found.of('Baltimore')
    t.equal(ability.toFixed(12), exact, team)
    t.ok(Math.abs(ability - printed) < 1e-11, `${team} as printed`)
  }
  t.equal(found.logLikelihood.toFixed(6), '-172.248176')
  t.equal(
    BASEBALL.reduce((sum, [, , wins, losses]) => sum + wins + losses, 0),
    273,
  )
})

t.test('citations between journals have the published estimates, deviance and standard errors', async (t) => {
  const found = estimate(rowsOf(CITATIONS))
  const published = {
    'Comm. Statist.': '-2.949072496844',
    JASA: '-0.479569769752',
    'JRSS-B': '0.268954055819',
  }
  for (const [journal, value] of Object.entries(published)) {
    t.equal((found.of(journal) - found.of('Biometrika')).toFixed(12), value, journal)
  }

  const saturated = CITATIONS.reduce(
    (sum, [, , a, b]) => sum + a * Math.log(a / (a + b)) + b * Math.log(b / (a + b)),
    0,
  )
  t.equal((2 * (saturated - found.logLikelihood)).toFixed(8), '4.29338397')

  const [group] = (await fit({ comparisons: rowsOf(CITATIONS) })).groups
  t.equal(group.covariance, 'fisher')
  t.same(
    JOURNALS.map((journal) => (group.standardErrors as Record<string, number>)[journal].toFixed(10)),
    ['0.0433304687', '0.0725797436', '0.0416410155', '0.0530469882'],
    'in the gauge where rewards sum to zero',
  )

  // Exact to 12 digits in arithmetic of 40; R prints 0.1025453353699, 0.0605887292396 and 0.0708299651057.
  const against = await contrasts({ comparisons: rowsOf(CITATIONS) }, JOURNALS.slice(1), 'Biometrika')
  t.same(
    against.map(({ standardError }) => standardError.toFixed(12)),
    ['0.102545335511', '0.060588729248', '0.070829965111'],
    'against Biometrika',
  )
  const printed = [0.1025453353699, 0.0605887292396, 0.0708299651057]
  t.ok(largest(against.map(({ standardError }, k) => standardError - printed[k])) < 2e-10, 'as printed')
})

/** Differences of items from one, with their standard errors, as the service answers them. */
async function contrasts(request: object, items: readonly string[], against: string) {
  const wanted = items.map((item) => ({ item, against }))
  const { groups } = await fit({ ...request, contrasts: wanted } as FitRequest)
  return groups[0].contrasts as { difference: number; standardError: number }[]
}

t.test('baseball with a home effect has the published estimates, errors and likelihood', async (t) => {
  const comparisons = HOME_AND_AWAY.flatMap(([home, away, wins, losses]) => [
    { ...won(home, away, wins), first: home },
    ...(losses > 0 ? [{ ...won(away, home, losses), first: home }] : []),
  ])
  t.equal(
    HOME_AND_AWAY.reduce((sum, [, , wins, losses]) => sum + wins + losses, 0),
    273,
  )
  const request = { comparisons, model: { positionEffect: true } }
  const [group] = (await fit(request as FitRequest)).groups
  // Solved in arithmetic of 40 digits. R prints 0.302260655528, and an error of 0.130943642532, whose weights are those of
  // the step before the last.
  t.equal(group.parameters.position.toFixed(12), '0.302260655529')
  t.ok(Math.abs(group.parameters.position - 0.302260655528) < 2e-12, 'as printed')
  t.equal(group.parameterErrors.position.toFixed(12), '0.130943707456')
  t.ok(Math.abs(group.parameterErrors.position - 0.130943642532) < 1e-7, 'as printed')
  t.equal(group.fit.logLikelihood.toFixed(6), '-169.542871')

  const teams = {
    Boston: [1.143802653306, '0.337842535246'],
    Cleveland: [0.704694456907, '0.335001717499'],
    Detroit: [1.475357213595, '0.344552212895'],
    Milwaukee: [1.619554993587, '0.347365683422'],
    'New York': [1.281340403284, '0.340403721201'],
    Toronto: [1.32711039808, '0.340322567526'],
  } as const
  const found = await contrasts(request, Object.keys(teams), 'Baltimore')
  Object.entries(teams).forEach(([team, [ability, error]], k) => {
    t.ok(Math.abs(found[k].difference - ability) < 1e-12, team)
    t.equal(found[k].standardError.toFixed(12), error, team)
  })
})

t.test('puddings with ties have the published ν, abilities, errors and likelihood', async (t) => {
  const comparisons = PUDDINGS.flatMap(([a, b, wins, losses, ties]) => [
    won(a, b, wins),
    won(b, a, losses),
    { ...won(a, b, ties), tie: true },
  ])
  const request = { comparisons, model: { ties: 'davidson' } }
  const [group] = (await fit(request as FitRequest)).groups
  t.equal(group.fit.comparisons, 745)
  t.equal(group.parameters.tie.toFixed(12), '0.746822987654')
  t.equal(group.parameterErrors.logTie.toFixed(12), '0.082498691721')
  // Printed as -809.70950, which is cut off and not rounded.
  t.equal(group.fit.logLikelihood.toFixed(8), '-809.70951009')

  const abilities = {
    2: ['0.220241900241', '0.187216981622'],
    3: ['0.152977704854', '0.193518358125'],
    4: ['0.175144908590', '0.188211087234'],
    5: ['0.133865226991', '0.192704560790'],
    6: ['0.377134895802', '0.192406233636'],
  } as const
  const found = await contrasts(request, Object.keys(abilities), '1')
  t.same(
    found.map(({ difference, standardError }) => [difference.toFixed(12), standardError.toFixed(12)]),
    Object.values(abilities),
  )
})

for (const m of [200, 301, 1000]) {
  t.test(`on a chain of ${m} items every edge is its own log-odds`, async (t) => {
    const rows = Array.from({ length: m - 1 }, (_, k) => [
      won(item(k), item(k + 1), 9),
      won(item(k + 1), item(k)),
    ])
    const { rewards } = estimate(rows.flat())
    const errors = Array.from({ length: m - 1 }, (_, k) => rewards[k] - rewards[k + 1] - Math.log(9))
    t.ok(largest(errors) < (m === 200 ? 1e-12 : 2e-10), `an edge is off by ${largest(errors)}`)
    // Nine steps out of ten go one way: rewards accumulate the errors of all edges.
    const span = rewards[0] - rewards[m - 1] - (m - 1) * Math.log(9)
    t.ok(Math.abs(span) < 2e-10, `the ends are off by ${span}`)
  })
}

t.test('on any tree every edge is its own log-odds', async () => {
  const trees = fc.array(
    fc.record({
      parent: fc.nat(),
      wins: fc.integer({ min: 1, max: 500 }),
      losses: fc.integer({ min: 1, max: 500 }),
    }),
    { minLength: 1, maxLength: 60 },
  )
  fc.assert(
    fc.property(trees, (edges) => {
      const rows = edges.flatMap(({ parent, wins, losses }, k) => {
        const upper = item(parent % (k + 1))
        return [won(upper, item(k + 1), wins), won(item(k + 1), upper, losses)]
      })
      const found = estimate(rows)
      const errors = edges.map(({ parent, wins, losses }, k) => {
        return found.of(item(parent % (k + 1))) - found.of(item(k + 1)) - Math.log(wins / losses)
      })
      return largest(errors) < 1e-12
    }),
    { seed: 1, numRuns: 200 },
  )
})

/** Two clusters of 100 items, joined by ten games of which the first cluster won seven. */
function twoClusters(): Row[] {
  const bridges = Array.from({ length: 10 }, (_, k) =>
    k < 7 ? won(item(10 * k), item(100 + 10 * k)) : won(item(100 + 10 * k), item(10 * k)),
  )
  return [...randomGames(11, 0, 100, 400), ...randomGames(12, 100, 100, 400), ...bridges]
}

t.test('two clusters of 100 items joined by 10 games are exact to 1e-9', async (t) => {
  const { rewards, counts, errorEstimate } = estimate(twoClusters())

  // A minimiser of its own: damped Newton with a full inverse, from zero, until the step is rounding.
  const reference = new Array<number>(200).fill(0)
  let step = [Number.POSITIVE_INFINITY]
  for (let iteration = 0; iteration < 30 && largest(step) > 1e-13; iteration++) {
    step = correctionAt(reference, counts, none)
    const length = Math.min(1, 1 / largest(step))
    step.forEach((change, k) => {
      reference[k] += length * change
    })
  }
  t.ok(largest(step) < 1e-12, 'the reference has converged')
  const mean = reference.reduce((a, b) => a + b, 0) / 200
  t.ok(
    largest(reference.map((value, k) => value - mean - rewards[k])) < 1e-9,
    'rewards agree with the reference',
  )

  // The score equations, and the bound that they give: ‖L⁺g‖ at what was returned.
  t.ok(largest(scoreAt(rewards, counts, none)) < 1e-11, 'wins equal expected wins')
  t.ok(largest(correctionAt(rewards, counts, none)) < 1e-11)
  t.ok(errorEstimate <= 1e-10)
})

t.test('the error estimate is the size of the Newton step that is still missing', async (t) => {
  const { counts } = estimate(twoClusters())
  const found = fitBradleyTerry(counts, none)
  t.ok(found.iterations < 20, `${found.iterations} steps`)
  t.ok(largest(correctionAt(found.rewards, counts, none)) <= found.errorEstimate + 1e-12)
})

t.test('with any prior and any kind of comparison the estimate meets the score equations', async () => {
  fc.assert(
    fc.property(connectedRows(), priors, (rows, prior) => {
      const { counts } = pairCounts(rows)
      const found = fitBradleyTerry(counts, prior)
      const theta = found.rewards.map((value) => value - found.unseenReward)
      const centred = Math.abs(found.rewards.reduce((a, b) => a + b, 0)) < 1e-9
      return centred && largest(correctionAt(theta, counts, prior)) < 1e-10
    }),
    { seed: 2, numRuns: 300 },
  )
})

t.test('standard errors are those of the pseudo-inverse, and with a prior of the posterior', async () => {
  await fc.assert(
    fc.asyncProperty(connectedRows(), priors, async (rows, prior) => {
      const { counts, items } = pairCounts(rows)
      const [group] = (await fit({ comparisons: rows, model: { prior } })).groups
      const { rewards, unseenReward } = fitBradleyTerry(counts, prior)
      const covariance = covarianceAt(
        rewards.map((value) => value - unseenReward),
        counts,
        prior,
      )
      const named = group.standardErrors as Record<string, number>
      return (
        group.covariance === (prior.kind === 'none' ? 'fisher' : 'posterior') &&
        largest(items.map((name, k) => named[name] - Math.sqrt(covariance[k][k]))) < 1e-9
      )
    }),
    { seed: 3, numRuns: 200 },
  )
})

t.test('two items have the textbook estimate and standard error', async (t) => {
  const [group] = (await fit({ comparisons: [won('a', 'b', 60), won('b', 'a', 40)] })).groups
  t.ok(Math.abs(group.rewards.a - Math.log(1.5) / 2) < 1e-14)
  // The contrast's variance is 1/60 + 1/40; each reward is half of the contrast.
  t.ok(Math.abs((group.standardErrors?.a as number) - Math.sqrt(1 / 60 + 1 / 40) / 2) < 1e-14)
})
