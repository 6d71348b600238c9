import type { FitRequest } from '../schemas/fit.ts'
import type { Model } from '../schemas/model.ts'
import { fit } from '../src/engine/fit.ts'
import { normal, type Random, seededRandom } from '../src/engine/numeric/random.ts'

/**
 * How often intervals of estimate ± 1.96 standard errors hold what they are for, over 2,000 simulated data sets of each
 * kind. What they are for is where the estimate goes as data grow: under the true model its parameters, and elsewhere the
 * maximum of the expected log-likelihood.
 *
 * Run by hand: `node bench/coverage.ts [data sets]`. Fails where a parameter of a kind is outside 93% to 97%;
 * kinds in brackets are shown for what they are not for.
 */

type Row = {
  group: string
  winner: string
  loser: string
  tie?: boolean
  count?: number
  weight?: number
  first?: string
  annotator?: string
}

type Setting = {
  name: string
  model: Model
  /** One data set; `expected` stands for endless data, of which the fit is the target. */
  simulate(random: Random): Row[]
  expected(): Row[]
}

const ITEMS = ['a', 'b', 'c', 'd', 'e', 'f']
const THETA = [0.9, 0.5, 0.2, -0.1, -0.5, -1]
const PAIRS = ITEMS.flatMap((_, i) => ITEMS.slice(i + 1).map((_, k) => [i, i + 1 + k] as const))
/** Rows of expected outcomes count so many times. */
const ENDLESS = 1e6

function row(winner: number, loser: number, more: Partial<Row> = {}): Row {
  return { group: 'all', winner: ITEMS[winner], loser: ITEMS[loser], ...more }
}

/** P(i), P(j), P(tie). */
function chances(d: number, nu: number): [number, number, number] {
  const [i, j] = [Math.exp(d / 2), Math.exp(-d / 2)]
  const total = i + j + nu
  return [i / total, j / total, nu / total]
}

/** A comparison of i and j as it came out, i being first where z is 1. */
function outcome(random: Random, i: number, j: number, d: number, nu: number, more: Partial<Row> = {}): Row {
  const [pi, pj] = chances(d, nu)
  const u = random()
  if (u < pi) return row(i, j, more)
  return u < pi + pj ? row(j, i, more) : row(i, j, { ...more, tie: true })
}

/** The three outcomes of a comparison, weighted by their chances. */
function outcomes(i: number, j: number, d: number, nu: number, more: Partial<Row> = {}): Row[] {
  const [pi, pj, pt] = chances(d, nu)
  return [
    row(i, j, { ...more, weight: ENDLESS * pi }),
    row(j, i, { ...more, weight: ENDLESS * pj }),
    ...(nu > 0 ? [row(i, j, { ...more, tie: true, weight: ENDLESS * pt })] : []),
  ]
}

/** So many comparisons of every pair, in both orders; z·γ is what being first adds. */
function independent(name: string, model: Model, each: number, nu: number, gamma: number): Setting {
  const orders = gamma === 0 ? [0] : [1, -1]
  const games = each / orders.length
  const shown = (i: number, j: number, z: number) => (z === 0 ? {} : { first: ITEMS[z === 1 ? i : j] })
  return {
    name,
    model,
    simulate: (random) =>
      PAIRS.flatMap(([i, j]) =>
        orders.flatMap((z) =>
          Array.from({ length: games }, () =>
            outcome(random, i, j, THETA[i] - THETA[j] + z * gamma, nu, shown(i, j, z)),
          ),
        ),
      ),
    expected: () =>
      PAIRS.flatMap(([i, j]) =>
        orders.flatMap((z) => outcomes(i, j, THETA[i] - THETA[j] + z * gamma, nu, shown(i, j, z))),
      ),
  }
}

/** Weights that differ by a factor of ten, and have nothing to do with the outcome. */
function weighted(each: number): Setting {
  const plain = independent('', {}, each, 0, 0)
  return {
    name: 'sandwich: weights',
    model: { standardErrors: 'sandwich' },
    simulate: (random) => plain.simulate(random).map((row) => ({ ...row, weight: 10 ** (random() - 0.5) })),
    expected: plain.expected,
  }
}

/** Annotators with rewards of their own, normal around the group's with standard deviation τ; each judges every pair twice. */
function annotators(count: number, tau: number, nu: number, model: Model): Setting {
  // ∫ over the difference of two rewards, N(d, 2τ²), by the trapezoidal rule.
  const grid = Array.from({ length: 401 }, (_, k) => (k - 200) / 25)
  const mass = grid.reduce((sum, x) => sum + Math.exp((-x * x) / 2), 0)
  return {
    name: `clustered: ${count} annotators${model.ties === undefined ? '' : ', ties'}`,
    model: { ...model, standardErrors: 'clustered' },
    simulate: (random) =>
      Array.from({ length: count }, (_, a) => {
        const own = THETA.map((value) => value + tau * normal(random))
        return [...PAIRS, ...PAIRS].map(([i, j]) =>
          outcome(random, i, j, own[i] - own[j], nu, { annotator: String(a) }),
        )
      }).flat(),
    expected: () =>
      PAIRS.flatMap(([i, j]) => {
        const sums = [0, 0, 0]
        for (const x of grid) {
          const p = chances(THETA[i] - THETA[j] + Math.SQRT2 * tau * x, nu)
          for (let o = 0; o < 3; o++) sums[o] += (p[o] * Math.exp((-x * x) / 2)) / mass
        }
        const more = (o: number) => ({ annotator: '0', weight: ENDLESS * sums[o] })
        return [
          row(i, j, more(0)),
          row(j, i, more(1)),
          ...(nu > 0 ? [row(i, j, { ...more(2), tie: true })] : []),
        ]
      }),
  }
}

const SETTINGS: Setting[] = [
  independent('fisher: Bradley–Terry', {}, 20, 0, 0),
  independent('fisher: Davidson ties', { ties: 'davidson' }, 20, 0.8, 0),
  independent('fisher: position effect', { positionEffect: true }, 20, 0, 0.4),
  independent('fisher: ties and position', { ties: 'davidson', positionEffect: true }, 20, 0.8, 0.4),
  independent('sandwich: half-win ties', { standardErrors: 'sandwich' }, 20, 1.5, 0),
  weighted(40),
  annotators(80, 0.8, 0, {}),
  annotators(120, 0.8, 0.8, { ties: 'davidson' }),
  independent('(fisher: half-win ties)', {}, 20, 1.5, 0),
  { ...annotators(80, 0.8, 0, {}), name: '(sandwich: 80 annotators)', model: { standardErrors: 'sandwich' } },
]

/** Rewards and extras, and their standard errors. */
async function estimate(comparisons: Row[], model: Model): Promise<{ values: number[]; errors: number[] }> {
  const [{ rewards, standardErrors, parameters, parameterErrors }] = (
    await fit({ comparisons, model } as FitRequest)
  ).groups
  const extras = Object.entries(parameters)
  return {
    values: [
      ...Object.values(rewards),
      ...extras.map(([name, value]) => (name === 'tie' ? Math.log(value) : value)),
    ],
    errors: [...Object.values(standardErrors ?? {}), ...Object.values(parameterErrors)],
  }
}

async function coverageOf({ model, simulate, expected }: Setting, sets: number) {
  const target = (await estimate(expected(), { ...model, standardErrors: 'fisher' })).values
  const random = seededRandom(1)
  const held = new Float64Array(target.length)
  let refused = 0
  for (let set = 0; set < sets; set++) {
    try {
      const { values, errors } = await estimate(simulate(random), model)
      values.forEach((value, a) => {
        if (Math.abs(value - target[a]) <= 1.959964 * errors[a]) held[a]++
      })
    } catch {
      refused++
    }
  }
  const shares = Array.from(held, (count) => count / (sets - refused))
  return {
    mean: shares.reduce((sum, share) => sum + share / shares.length, 0),
    low: Math.min(...shares),
    high: Math.max(...shares),
    refused,
  }
}

const sets = Number(process.argv[2] ?? 2000)
const percent = (share: number) => `${(100 * share).toFixed(1)}%`.padStart(7)
process.stdout.write(`${'95% intervals'.padEnd(34)}   mean    low   high   no estimate\n`)
let failed = false
for (const setting of SETTINGS) {
  const { mean, low, high, refused } = await coverageOf(setting, sets)
  if (!setting.name.startsWith('(') && !(low > 0.93 && high < 0.97)) failed = true
  process.stdout.write(
    `${setting.name.padEnd(34)}${percent(mean)}${percent(low)}${percent(high)}${String(refused).padStart(9)}\n`,
  )
}
process.exitCode = failed ? 1 : 0
