import fc from 'fast-check'
import t from 'tap'
import type { OptimumResult } from '../../schemas/aggregate.ts'
import type { FitRequest } from '../../schemas/fit.ts'
import type { Question, QuestionsRequest } from '../../schemas/questions.ts'
import { aggregate } from '../../src/engine/aggregate.ts'
import { fit } from '../../src/engine/fit.ts'
import { normal, seededRandom } from '../../src/engine/numeric/random.ts'
import type { Problem } from '../../src/engine/problem.ts'
import { ask, bestPair, type Design, everyDifference, newDesign } from '../../src/engine/questions/design.ts'
import { informationOf } from '../../src/engine/questions/information.ts'
import { planQuestions } from '../../src/engine/questions/plan.ts'
import { questions } from '../../src/engine/questions.ts'
import type { Extra } from '../../src/engine/rewards/model.ts'
import { inverse, largest, type Row, won } from '../helpers/fit.ts'

type Request = Omit<QuestionsRequest, 'comparisons'> & { comparisons: (Row & { first?: string })[] }

/** What is sent: where a request has rankings, comparisons go among them, as rankings of two. */
function sent({ comparisons, rankings, ...members }: Partial<Request>) {
  if (rankings === undefined) return { ...members, comparisons }
  const pairs = (comparisons ?? []).map(({ group, winner, loser, tie, count, weight }) => ({
    group,
    ranking: tie === true ? [[winner, loser]] : [winner, loser],
    count,
    weight,
  }))
  return { ...members, rankings: [...rankings, ...pairs] }
}

const asked = (request: Request) => questions(sent(request) as unknown as QuestionsRequest)

/** Rows from words such as `ab5`: a beat b five times; `ab=2`: they tied twice. */
function rows(words: string, group = 'all'): Row[] {
  return words.split(' ').map((word) => {
    const tie = word[2] === '='
    const count = Number(word.slice(tie ? 3 : 2) || 1)
    return { ...won(word[0], word[1], count), group, ...(tie ? { tie: true } : {}) }
  })
}

/** Answers that are what the model expects: they leave the estimate where it is, and add their information to it. */
function expectedAnswers(
  { group, items: [a, b], times }: Pick<Question, 'group' | 'items' | 'times'>,
  difference: number,
  { tie, position = 0 }: Record<string, number>,
  weight = 1,
): (Row & { first?: string })[] {
  const d = difference + position
  const chances = [Math.exp(d / 2), Math.exp(-d / 2), tie ?? 0]
  const sum = chances.reduce((x, y) => x + y)
  const first = position === 0 ? {} : { first: a }
  const row = (winner: string, loser: string, chance: number) => ({
    ...won(winner, loser, times),
    group,
    weight: (weight * chance) / sum,
    ...first,
  })
  const decided = [row(a, b, chances[0]), row(b, a, chances[1])]
  return tie === undefined ? decided : [...decided, { ...row(a, b, tie), tie: true }]
}

/** The mean variance of the differences between a group's rewards, by the errors that /fit answers with. */
async function meanVariance(request: Request, group: string, ids: readonly string[]): Promise<number> {
  const { comparisons, rankings, items, model } = request
  const pairs = ids.flatMap((a, i) => ids.slice(0, i).map((b) => ({ item: a, against: b })))
  const { groups } = await fit({
    ...sent({ comparisons, rankings, items, model }),
    contrasts: pairs,
  } as unknown as FitRequest)
  const contrasts = groups.find(({ id }) => id === group)?.contrasts ?? []
  return contrasts.reduce(
    (sum, { standardError }) => sum + (standardError ?? Number.NaN) ** 2 / pairs.length,
    0,
  )
}

/** What the service knows of all items of a group, and the parameters beside them. */
async function estimates({ comparisons, rankings, items, model }: Request) {
  const body = sent({ comparisons, rankings, items, model })
  const { groups } = (await aggregate({
    ...body,
    welfare: { function: 'utilitarian' },
  } as never)) as OptimumResult
  const { groups: fits } = await fit(body as never)
  return {
    rewards: Object.fromEntries(groups.map(({ id, rewards }) => [id, rewards])),
    parameters: Object.fromEntries(fits.map(({ id, parameters }) => [id, parameters])),
  }
}

/** So little that it tells nothing, and yet /fit answers with errors of an item that a group never compared. */
const NOTHING = 1e-9

/** The request with its questions answered as the model expects. */
async function answered(request: Request, list: readonly Question[]): Promise<Request> {
  const { rewards, parameters } = await estimates(request)
  const answersTo = (question: Pick<Question, 'group' | 'items' | 'times'>, weight?: number) => {
    const { group, items } = question
    const own = rewards[group]
    return expectedAnswers(question, own[items[0]] - own[items[1]], parameters[group], weight)
  }
  const proper = request.model?.prior?.kind === 'gaussian' || request.model?.prior?.kind === 'pseudo-item'
  const unseen = (proper ? (request.items ?? []) : []).filter(
    ({ id }) => !request.comparisons.some(({ winner, loser }) => winner === id || loser === id),
  )
  return {
    ...request,
    comparisons: [
      ...request.comparisons,
      ...list.flatMap((question) => answersTo(question)),
      ...unseen.flatMap(({ id }) => answersTo({ group: 'all', items: [id, 'a'], times: 1 }, NOTHING)),
    ],
  }
}

const DATA = 'ab5 ba3 bc4 cb2 ca3 ac6 cd2 dc1 da1 ad7 ab=2 cd=1'
const declare = (letters: string) => Array.from(letters, (id) => ({ id }))
const shown = (list: Row[]) => list.map((row, k) => ({ ...row, first: k % 3 === 0 ? row.loser : row.winner }))

/** Requests under every model for which questions are planned, whose estimate expected answers leave alone. */
const PLANNED: Record<string, Request> = {
  'no prior': { comparisons: rows(DATA) },
  'no prior, an item never compared': { comparisons: rows(DATA), items: declare('abcde') },
  'a gaussian prior': {
    comparisons: rows(DATA),
    model: { prior: { kind: 'gaussian', standardDeviation: 0.8 } },
  },
  'a gaussian prior, two items never compared': {
    comparisons: rows(DATA),
    items: declare('eabfcd'),
    model: { prior: { kind: 'gaussian', standardDeviation: 0.8 } },
  },
  'a pseudo-item, an item never compared': {
    comparisons: rows('ab5 bc3 cd1'),
    items: declare('abcde'),
    model: { prior: { kind: 'pseudo-item', strength: 0.7 } },
  },
  'Davidson ties': { comparisons: rows(DATA), model: { ties: 'davidson' } },
  'a position effect': { comparisons: shown(rows(DATA)), model: { positionEffect: true } },
  'both, with a prior and an item never compared': {
    comparisons: shown(rows(DATA)),
    items: declare('abcde'),
    model: { ties: 'davidson', positionEffect: true, prior: { kind: 'gaussian', standardDeviation: 1.5 } },
  },
  rankings: {
    comparisons: rows('ab2 bc1 cd1 da1'),
    rankings: ['abcd', 'dbca', 'cadb', 'bd', 'acd'].map((order) => ({ group: 'all', ranking: [...order] })),
    model: { prior: { kind: 'gaussian', standardDeviation: 2 } },
  },
  'rankings with ties of two and of three': {
    comparisons: rows('ab2 bc1 cd1 da1 bd=1'),
    rankings: [
      ['a', ['b', 'c'], 'd'],
      ['d', ['a', 'b', 'c']],
      ['c', 'a', 'd'],
    ].map((ranking) => ({ group: 'all', ranking })),
    model: { ties: 'davidson', prior: { kind: 'gaussian', standardDeviation: 2 } },
  },
  features: {
    comparisons: rows(DATA),
    items: declare('abcde').map(({ id }, k) => ({ id, features: [k % 2, k / 3, (k * k) % 5] })),
    model: { prior: { kind: 'gaussian', standardDeviation: 3 } },
  },
  'groups pooled': {
    comparisons: [...rows(DATA), ...rows('ab1 ba2 be2', 'few')],
    items: declare('abcde'),
    model: { prior: { kind: 'pooled', standardDeviation: 0.5, populationDeviation: 1.2 } },
  },
}

for (const [name, request] of Object.entries(PLANNED)) {
  t.test(`the variance expected is that of the fit once answers are as expected: ${name}`, async (t) => {
    const { questions: list, groups } = await asked({ ...request, count: 9 })
    for (const { id, variance } of groups) {
      const own = list.filter(({ group }) => group === id)
      t.equal(
        own.reduce((sum, { times }) => sum + times, 0),
        9,
      )
      const ids = request.items?.map((item) => item.id) ?? ['a', 'b', 'c', 'd']
      const links = own.filter(({ reason }) => reason === 'connects')
      const before = await meanVariance(await answered(request, links), id, ids)
      const after = await meanVariance(await answered(request, own), id, ids)
      t.ok(Math.abs((variance?.before ?? 0) / before - 1) < 1e-8, `${id}: before`)
      t.ok(Math.abs((variance?.after ?? 0) / after - 1) < 1e-8, `${id}: after`)
      const gains = own.reduce((sum, { gain }) => sum + (gain ?? 0), 0)
      t.ok(Math.abs(gains - (1 - after / before)) < 1e-8, `${id}: gains`)
    }
  })

  t.test(`no other pair would lower the variance more: ${name}`, async (t) => {
    const [{ id, unseenItems }] = (await asked(request)).groups
    const linked = request.model?.prior === undefined ? unseenItems.length : 0
    const { questions: list } = await asked({ ...request, count: 2 * linked + 1 })
    const own = list.filter(({ group }) => group === id)
    const links = own.slice(0, linked)
    t.equal(own.length, linked + 1)
    t.ok(links.every(({ reason, times }) => reason === 'connects' && times === 2))
    const start = await answered(request, links)
    const ids = request.items?.map((item) => item.id) ?? ['a', 'b', 'c', 'd']
    const chosen = await meanVariance(await answered(start, own.slice(linked)), id, ids)
    for (const a of ids) {
      for (const b of ids) {
        if (a === b) continue
        const question: Question = { group: id, items: [a, b], times: 1, gain: null, reason: 'variance' }
        t.ok(
          (await meanVariance(await answered(start, [question]), id, ids)) >= chosen * (1 - 1e-9),
          `${a}, ${b}`,
        )
      }
    }
  })
}

/** A covariance of so many rewards and extras. */
function randomCovariance(size: number, seed: number): Float64Array {
  const random = seededRandom(seed)
  const factor = Array.from({ length: size * size }, () => normal(random))
  return Float64Array.from({ length: size * size }, (_, k) => {
    const [a, b] = [Math.floor(k / size), k % size]
    let sum = 0
    for (let c = 0; c < size; c++) sum += factor[a * size + c] * factor[b * size + c]
    return sum + (a === b ? 0.1 : 0)
  })
}

const MODELS: Extra[][] = [[], ['position'], ['logTie'], ['position', 'logTie']]

function randomDesign(m: number, extras: Extra[], seed: number) {
  const random = seededRandom(seed)
  const size = m + extras.length
  const rewards = Float64Array.from({ length: m }, () => 2 * normal(random))
  const information = informationOf(rewards, extras, {
    ...(extras.includes('position') ? { position: 0.4 } : {}),
    ...(extras.includes('logTie') ? { logTie: -0.6 } : {}),
  })
  const values = randomCovariance(size, seed)
  const goal = everyDifference(m)
  return { design: newDesign({ values, size, rewards: m }, information, goal), values, rewards, size }
}

/** The information of one comparison, from the chances of its outcomes: Σ p (∂log p)(∂log p)ᵀ. */
function informationBetween(design: Design, rewards: Float64Array, i: number, j: number): number[][] {
  const { size, information } = design
  const { position, logTie } = information
  const d = rewards[i] - rewards[j] + (position === null ? 0 : 0.4)
  const nu = logTie === null ? 0 : Math.exp(-0.6)
  const weights = [Math.exp(d / 2), Math.exp(-d / 2), nu]
  const sum = weights.reduce((a, b) => a + b)
  const chances = weights.map((weight) => weight / sum)
  // Half a tie is a win by half: what is observed is (win − loss)/2 and the tie.
  const outcomes = [
    [0.5, 0],
    [-0.5, 0],
    [0, 1],
  ]
  const mean = [0, 1].map((c) => outcomes.reduce((total, outcome, k) => total + chances[k] * outcome[c], 0))
  const matrix = Array.from({ length: size }, () => new Array<number>(size).fill(0))
  outcomes.forEach((outcome, k) => {
    const score = new Array<number>(size).fill(0)
    score[i] = outcome[0] - mean[0]
    score[j] = -score[i]
    if (position !== null) score[position] = score[i]
    if (logTie !== null) score[logTie] = outcome[1] - mean[1]
    for (let a = 0; a < size; a++)
      for (let b = 0; b < size; b++) matrix[a][b] += chances[k] * score[a] * score[b]
  })
  return matrix
}

/** (V⁻¹ + B)⁻¹. */
function after(covariance: number[][], information: number[][]): number[][] {
  return inverse(inverse(covariance).map((row, a) => row.map((value, b) => value + information[a][b])))
}

function square(values: Float64Array, size: number): number[][] {
  return Array.from({ length: size }, (_, a) => Array.from(values.subarray(a * size, (a + 1) * size)))
}

function lossOf(covariance: number[][], m: number): number {
  return covariance.slice(0, m).reduce((sum, row, a) => sum + (2 / (m - 1)) * row[a], 0)
}

t.test('updates of rank one and two stay where an inversion from scratch arrives', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 3, max: 6 }), fc.constantFrom(...MODELS), fc.nat(), (m, extras, seed) => {
      const { design, values, rewards, size } = randomDesign(m, extras, seed)
      let covariance = square(values, size)
      const random = seededRandom(seed)
      for (let k = 0; k < 12; k++) {
        const a = Math.floor(random() * m)
        const b = (a + 1 + Math.floor(random() * (m - 1))) % m
        const [i, j] = design.information.ordered || a < b ? [a, b] : [b, a]
        ask(design, i, j)
        covariance = after(covariance, informationBetween(design, rewards, i, j))
      }
      // V and M = V·C·V, above the diagonal.
      const errors = covariance.flatMap((row, a) =>
        row.flatMap((value, b) => {
          if (b < a) return []
          let effect = 0
          for (let c = 0; c < m; c++) effect += (2 / (m - 1)) * covariance[a][c] * covariance[c][b]
          return [design.covariance[a * size + b] - value, design.effect[a * size + b] - effect]
        }),
      )
      return largest([...errors, design.loss - lossOf(covariance, m)]) <= 1e-8 * largest(covariance.flat())
    }),
    { seed: 21, numRuns: 200 },
  )
})

t.test('the best pair, and its gain, are those of trying all', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 6 }), fc.constantFrom(...MODELS), fc.nat(), (m, extras, seed) => {
      const { design, values, rewards, size } = randomDesign(m, extras, seed)
      const covariance = square(values, size)
      const { i, j, gain } = bestPair(design)
      const gains = rewards.map(() => 0)
      let best = Number.NEGATIVE_INFINITY
      let chosen = Number.NaN
      gains.forEach((_, a) => {
        gains.forEach((_, b) => {
          if (a === b) return
          const value = design.loss - lossOf(after(covariance, informationBetween(design, rewards, a, b)), m)
          best = Math.max(best, value)
          if (a === i && b === j) chosen = value
        })
      })
      return Math.abs(gain - best) <= 1e-9 * design.loss && Math.abs(chosen - best) <= 1e-9 * design.loss
    }),
    { seed: 22, numRuns: 300 },
  )
})

t.test('one after the other, three pairs are nearly as good as the best three of all', async () => {
  fc.assert(
    fc.property(fc.constantFrom(...MODELS), fc.nat(), (extras, seed) => {
      const m = 4
      const { design, values, rewards, size } = randomDesign(m, extras, seed)
      const before = design.loss
      planQuestions([design], 3)
      const pairs = [0, 1, 2, 3].flatMap((a) => [0, 1, 2, 3].map((b) => [a, b])).filter(([a, b]) => a !== b)
      const start = square(values, size)
      let least = before
      for (const [k, [a, b]] of pairs.entries()) {
        const first = after(start, informationBetween(design, rewards, a, b))
        for (const [l, [c, d]] of pairs.slice(k).entries()) {
          const second = after(first, informationBetween(design, rewards, c, d))
          for (const [e, f] of pairs.slice(k + l)) {
            const third = after(second, informationBetween(design, rewards, e, f))
            least = Math.min(least, lossOf(third, m))
          }
        }
      }
      const share = (before - design.loss) / (before - least)
      return share > 0.95 && share < 1 + 1e-9
    }),
    { seed: 23, numRuns: 20 },
  )
})

/** Φ(−z), by Simpson's rule. */
function tail(z: number): number {
  const steps = 20_000
  const h = (12 - z) / steps
  let sum = 0
  for (let k = 0; k <= steps; k++) {
    const weight = k === 0 || k === steps ? 1 : k % 2 === 1 ? 4 : 2
    sum += weight * Math.exp(-((z + k * h) ** 2) / 2)
  }
  return (sum * h) / 3 / Math.sqrt(2 * Math.PI)
}

/** Σ_g f_g² Var(θ_gw − θ_gj), with what /fit answers. */
async function varianceToWinner(
  { comparisons, items, model }: Request,
  factors: Record<string, number>,
  winner: string,
  rival: string,
): Promise<number> {
  const contrasts = [{ item: winner, against: rival }]
  const { groups } = await fit({ comparisons, items, model, contrasts } as unknown as FitRequest)
  return groups.reduce(
    (sum, { id, contrasts }) => sum + (factors[id] * (contrasts?.[0].standardError ?? Number.NaN)) ** 2,
    0,
  )
}

t.test('with a welfare function questions make the winner more certain, across groups', async (t) => {
  const request: Request = {
    comparisons: [...rows(DATA, 'east'), ...rows('ab2 ba3 bc4 cb4 ca3 ac2 cd6 dc6', 'west')],
    groups: [
      { id: 'east', population: 0.6 },
      { id: 'west', population: 0.4 },
    ],
    welfare: { function: 'nash' },
    utility: { scale: 'unit-range' },
    policy: { temperature: 0.2 },
  }
  const { comparisons, groups, welfare, utility, policy } = request
  const optimum = (await aggregate({
    comparisons,
    groups,
    welfare,
    utility,
    policy,
  } as never)) as OptimumResult
  const factors = Object.fromEntries(
    optimum.groups.map(({ id, weight, scaleFactor }) => [id, weight * (scaleFactor as number)]),
  )
  const { questions: list, winner, variance, groups: parts } = await asked({ ...request, count: 12 })
  t.equal(winner?.item, optimum.ranking[0].item)
  t.equal(
    list.reduce((sum, { times }) => sum + times, 0),
    12,
  )
  t.ok(list.every(({ reason }) => reason === 'winner'))

  const rivals = Object.entries(winner?.rivals ?? {})
  t.equal(rivals.length, 3)
  const all = rivals.reduce((sum, [, chance]) => sum + chance, 0)
  const first = winner?.item as string
  const mean = async (data: Request) => {
    let sum = 0
    for (const [rival, chance] of rivals)
      sum += (chance / all) * (await varianceToWinner(data, factors, first, rival))
    return sum
  }
  for (const [rival, chance] of rivals) {
    const lead = (optimum.rewards[first] as number) - (optimum.rewards[rival] as number)
    const expected = tail(lead / Math.sqrt(await varianceToWinner(request, factors, first, rival)))
    t.ok(Math.abs(chance - expected) < 1e-8, `${rival}: ${chance}`)
  }
  const before = await mean(request)
  t.ok(Math.abs((variance?.before ?? 0) / before - 1) < 1e-8)
  t.ok(Math.abs((variance?.after ?? 0) / (await mean(await answered(request, list))) - 1) < 1e-8)
  t.ok(
    Math.abs(parts.reduce((sum, part) => sum + (part.variance?.after ?? 0), 0) - (variance?.after ?? 0)) <
      1e-12,
  )

  const [best] = (await asked({ ...request, count: 1 })).questions
  const least = await mean(await answered(request, [best]))
  for (const group of ['east', 'west'])
    for (const [a, b] of ['ab', 'ac', 'ad', 'bc', 'bd', 'cd'])
      t.ok((await mean(await answered(request, [{ ...best, group, items: [a, b] }]))) >= least * (1 - 1e-9))
})

t.test(
  'a group without an estimate is asked what connects it, and no welfare optimum is needed for that',
  async (t) => {
    // a beat b, who beat c; d and e beat each other but nobody else; f was never compared.
    const request: Request = { comparisons: rows('ab3 bc2 de1 ed1'), items: declare('abcdef'), count: 100 }
    const alone = await asked(request)
    t.ok(alone.questions.every(({ reason, gain }) => reason === 'connects' && gain === null))
    t.strictSame(alone.groups[0].variance, null)
    t.strictSame(alone.groups[0].unseenItems, ['f'])
    t.strictSame(alone.groups[0].connectivity?.components, [['a'], ['b'], ['c'], ['d', 'e']])
    const together = await asked({
      ...request,
      comparisons: [...request.comparisons, ...rows(DATA, 'whole')],
      welfare: { function: 'maximin' },
    })
    t.strictSame(
      together.questions.filter(({ group }) => group === 'all'),
      alone.questions,
    )
    t.ok(together.questions.every(({ reason }) => reason === 'connects'))
    t.equal(together.winner, undefined)
  },
)

/** Whether every item can reach every other along the edges. */
function stronglyConnected(items: readonly string[], edges: readonly (readonly [string, string])[]): boolean {
  const reach = (backwards: boolean) => {
    const found = new Set([items[0]])
    for (let grown = true; grown; ) {
      grown = false
      for (const [a, b] of edges) {
        const [from, to] = backwards ? [b, a] : [a, b]
        if (found.has(from) && !found.has(to)) grown = found.add(to).size > 0
      }
    }
    return found.size === items.length
  }
  return reach(false) && reach(true)
}

/** How many pieces are left when it does not matter who won. */
function piecesOf(items: readonly string[], edges: readonly (readonly [string, string])[]): number {
  let left = [...items]
  let pieces = 0
  for (; left.length > 0; pieces++) {
    const found = new Set([left[0]])
    for (let size = 0; size < found.size; ) {
      size = found.size
      for (const [a, b] of edges) if (found.has(a) || found.has(b)) found.add(a).add(b)
    }
    left = left.filter((item) => !found.has(item))
  }
  return pieces
}

/** A few comparisons among up to seven items. */
const sparse = fc.array(fc.tuple(fc.nat(6), fc.integer({ min: 1, max: 6 }), fc.boolean()), {
  minLength: 1,
  maxLength: 9,
})

t.test(
  'connecting questions are enough if each is answered both ways, and no more than the parts that they join',
  async () => {
    await fc.assert(
      fc.asyncProperty(sparse, async (drawn) => {
        const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
        const comparisons = drawn.map(([a, step, tie]) => ({
          ...won(names[a], names[(a + step) % 7]),
          ...(tie ? { tie } : {}),
        }))
        const { questions: list, groups } = await asked({
          comparisons,
          items: declare('abcdefg'),
          count: 1000,
        })
        const links = list.filter(({ reason }) => reason === 'connects')
        const edges = comparisons.flatMap(({ winner, loser, tie }): [string, string][] =>
          tie === true
            ? [
                [winner, loser],
                [loser, winner],
              ]
            : [[winner, loser]],
        )
        const bothWays = (some: readonly Question[]) =>
          some.flatMap(({ items: [a, b] }): [string, string][] => [
            [a, b],
            [b, a],
          ])
        if (!stronglyConnected(names, [...edges, ...bothWays(links)])) return false
        // Two pieces need a win of each side, and what has been beaten only one of its own.
        const pieces = piecesOf(names, edges)
        const parts = groups[0].connectivity?.components.length ?? 1
        const seen = new Set(comparisons.flatMap(({ winner, loser }) => [winner, loser])).size
        const twice = links.filter(({ times }) => times === 2).length
        const once = links.filter(({ times }) => times === 1).length
        return (
          twice === pieces - 1 &&
          once <= parts + names.length - seen - pieces &&
          once + twice === links.length
        )
      }),
      { seed: 24, numRuns: 300 },
    )
  },
)

t.test(
  'a link is asked once where one of its sides has beaten the other, and twice where neither has',
  async (t) => {
    const { questions: list } = await asked({
      comparisons: rows('ab3 bc2 cb1 de1 ed1'),
      items: declare('abcdef'),
      count: 100,
    })
    const times = (a: string, b: string) =>
      list.find(({ items }) => [...items].sort().join('') === a + b)?.times ?? 0
    t.equal(times('a', 'b') + times('a', 'c'), 1, 'a beat b: what is missing is that b or c beats a')
    t.equal(list.length, 3)
    t.equal(list.find(({ items }) => items.includes('f'))?.times, 2)
    t.equal(
      list.reduce((sum, question) => sum + question.times, 0),
      5,
    )
  },
)

t.test('a surprise is asked for where it is likeliest', async (t) => {
  const { questions: list } = await asked({ comparisons: rows('ab3 bc3 ac3'), count: 100 })
  t.strictSame(list.map(({ items, times }) => [...items, times]).sort(), [
    ['a', 'b', 1],
    ['b', 'c', 1],
  ])
})

t.test("with Jeffreys' prior one answer connects, whichever it is", async () => {
  await fc.assert(
    fc.asyncProperty(sparse, async (drawn) => {
      const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
      const comparisons = drawn.map(([a, step]) => won(names[a], names[(a + step) % 7]))
      const request: Request = { comparisons, items: declare('abcdefg'), model: { prior: { kind: 'firth' } } }
      const { questions: list } = await asked({ ...request, count: 1000 })
      const links = list.filter(({ reason }) => reason === 'connects')
      const all = comparisons.map(({ winner, loser }): [string, string] => [winner, loser])
      const eitherWay = (edges: [string, string][]) =>
        edges.flatMap(([a, b]): [string, string][] => [
          [a, b],
          [b, a],
        ])
      const pairs = links.map(({ items: [a, b] }): [string, string] => [a, b])
      return (
        links.every(({ times }) => times === 1) &&
        stronglyConnected(names, eitherWay([...all, ...pairs])) &&
        pairs.every(
          (pair) =>
            !stronglyConnected(names, eitherWay([...all, ...pairs.filter((other) => other !== pair)])),
        )
      )
    }),
    { seed: 25, numRuns: 150 },
  )
})

t.test('no more is asked than was wanted, and only about items that count', async (t) => {
  const few = await asked({ comparisons: rows('ab1 bc1 cd1'), count: 2 })
  t.equal(
    few.questions.reduce((sum, { times }) => sum + times, 0),
    2,
  )
  const undeclared = await asked({
    comparisons: [...rows('ab2 ba1', 'x'), ...rows('cd2 dc1', 'y')],
    count: 3,
  })
  t.strictSame(
    undeclared.questions.map(({ group, items, times }) => [group, ...items, times]),
    [
      ['x', 'a', 'b', 3],
      ['y', 'c', 'd', 3],
    ],
  )
  t.strictSame(
    undeclared.groups.map(({ unseenItems }) => unseenItems),
    [[], []],
  )
  t.equal((await asked({ comparisons: rows(DATA) })).settings.count, 10)
})

t.test('what cannot be planned is refused where it is wrong', async (t) => {
  const comparisons = rows(DATA)
  const pointersOf = async (members: Partial<Request> & Record<string, unknown>) => {
    try {
      await asked({ comparisons, ...members } as Request)
      return []
    } catch (error) {
      return (error as Problem).errors.map(({ pointer }) => pointer)
    }
  }
  const welfare = { function: 'nash' } as const
  t.strictSame(await pointersOf({ model: { standardErrors: 'sandwich' } }), ['/model/standardErrors'])
  t.strictSame(await pointersOf({ model: { reliability: {} } }), ['/model/reliability'])
  t.strictSame(await pointersOf({ utility: {}, policy: {} }), ['/utility', '/policy'])
  t.strictSame(await pointersOf({ welfare: { function: 'pareto-front' } }), ['/welfare/function'])
  t.strictSame(await pointersOf({ welfare, utility: { scale: 'win-probability' } }), ['/utility/scale'])
  t.strictSame(await pointersOf({ welfare, model: { prior: { kind: 'pooled' } } }), ['/model/prior/kind'])
  t.strictSame(
    await pointersOf({
      comparisons: comparisons.map((row) => ({ ...row, featureDifference: [0.5] })),
    }),
    ['/comparisons'],
  )
  const ring = (n: number) =>
    Array.from({ length: n }, (_, k) => [
      won(`i${k}`, `i${(k + 1) % n}`),
      won(`i${(k + 1) % n}`, `i${k}`),
    ]).flat()
  t.strictSame(await pointersOf({ comparisons: ring(1001) }), ['/comparisons'])
  t.strictSame(
    await pointersOf({
      comparisons: ring(4),
      items: Array.from({ length: 1001 }, (_, k) => ({ id: `i${k}` })),
    }),
    ['/items'],
  )
  const twoGroups = [...ring(900), ...ring(900).map((row) => ({ ...row, group: 'other' }))]
  t.strictSame(await pointersOf({ comparisons: twoGroups, count: 900 }), ['/count'])
})
