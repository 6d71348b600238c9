import t from 'tap'
import { NoGains } from '../../src/engine/welfare/gains.ts'
import { optimise } from '../../src/engine/welfare/optimise.ts'
import type { Optimum, WelfareProblem } from '../../src/engine/welfare/problem.ts'
import { type Adversarial, adversarialProblem } from '../helpers/adversarial.ts'
import { adversarialRequest, attempt } from '../helpers/adversarial-requests.ts'
import { knownFamilies, knownFeatures } from '../helpers/known.ts'
import {
  distance,
  dualAt,
  dualSize,
  kindOf,
  objectiveAt,
  sizeOf,
  tableOf,
  trainedPolicy,
} from '../helpers/problems.ts'
import { FAMILIES } from '../helpers/welfare-functions.ts'

const PROBLEMS = 4000
/** Problems that are put to every function by requests; `bench/fuzz.ts` goes on from there. */
const REQUESTS = 200
/** Later problems of the stream that ask for what none of the first does. */
const HARDER = [10_831]
/**
 * The same for requests, as `bench/fuzz.ts` draws them: no policy moves anybody; groups that are alike but for a hair, next
 * to others whose weight vanishes; limits that keep policies far from the reference; rewards that differ by rounding.
 */
const HARDER_REQUESTS: [problem: number, name: string][] = [
  [1933, 'kolm-pollak'],
  [2282, 'maximin'],
  [2336, 'maximin'],
  [3434, 'kolm-pollak'],
  [5771, 'power-mean'],
  [408, 'relative-utilitarian'],
]

/** Σ_g λ_g·max_i |u_gi|: the size of the numbers that are added up. */
function termsOf(problem: WelfareProblem, weights: Float64Array): number {
  return tableOf(problem).reduce((sum, row, g) => sum + weights[g] * Math.max(...row.map(Math.abs)), 0)
}

/** What is wrong with an answer, or null. */
function faultOf({ problem, exponent }: Adversarial, optimum: Optimum): string | null {
  const { weights, policy, utilities, welfare, certificate, supportOnly } = optimum
  const numbers = [...weights, ...policy, ...utilities, welfare, certificate.gap, certificate.relativeGap]
  if (!numbers.every(Number.isFinite)) return 'numbers that are none'
  const total = policy.reduce((a, b) => a + b, 0)
  if (!(policy.every((p) => p >= 0) && Math.abs(total - 1) <= 1e-12)) return 'no lottery'
  const lambda = Array.from(weights)
  if (!(dualSize(exponent, lambda, problem.population) >= 1 - 1e-9)) return 'weights outside the dual set'

  // Where no item is worth anything the gap is rounding, and there is nothing to hold it against.
  const objective = objectiveAt(problem, exponent, policy)
  const terms = termsOf(problem, weights)
  const rounding = 1e-15 * (problem.temperature + terms)
  const gap = dualAt(problem, exponent, lambda) - objective
  const size = sizeOf(problem, lambda, objective)
  if (!(gap <= 1e-8 * size + rounding)) return `relative gap ${gap / size}, told ${certificate.relativeGap}`
  const losses = utilities.reduce((sum, x, g) => sum + weights[g] * Math.max(0, -x), 0)
  if (!(gap >= -1e-12 * size - losses - rounding)) return `negative gap ${gap / size}`

  if (problem.temperature === 0) return supportOnly ? null : 'not said to support only'
  const scale = lambda.reduce((a, b) => a + b, 0)
  const trained = trainedPolicy(
    tableOf(problem),
    lambda.map((weight) => weight / scale),
    problem.temperature / scale,
    problem.reference,
  )
  const exponents = terms / problem.temperature
  if (supportOnly) return exponents > 1e7 ? null : `supports only at exponents of ${exponents}`
  const far = distance(policy, trained)
  return far <= 1e-14 * (10 + exponents) ? null : `policy off by ${far} at exponents of ${exponents}`
}

/** What is wrong with a proof that no policy gives every group a gain, or null. */
function faultInProof({ problem }: Adversarial, { weights, bound }: NoGains): string | null {
  const values = new Array<number>(problem.items).fill(0)
  let terms = 0
  tableOf(problem).forEach((row, g) => {
    row.forEach((value, i) => {
      values[i] += weights[g] * value
    })
    terms += weights[g] * Math.max(...row.map(Math.abs))
  })
  const best = Math.max(...values)
  if (!(Math.abs(weights.reduce((a, b) => a + b, 0) - 1) <= 1e-12)) return 'weights off the simplex'
  if (!(Math.abs(bound - best) <= 1e-12 * terms)) return `bound ${bound}, not ${best}`
  return best <= 1e-8 * terms ? null : `an item is worth ${best} of ${terms}`
}

t.test('problems as an adversary would choose them are solved, or refused with a proof', async (t) => {
  const faults: string[] = []
  const met = { answers: 0, proofs: 0 }
  for (const k of [...Array(PROBLEMS).keys(), ...HARDER]) {
    const given = adversarialProblem(k)
    let fault: string | null
    try {
      const optimum = optimise(given.problem, kindOf(given.exponent).welfareFunction)
      met.answers++
      fault = faultOf(given, optimum)
    } catch (error) {
      if (error instanceof NoGains) {
        met.proofs++
        fault = faultInProof(given, error)
      } else fault = String(error)
    }
    if (fault !== null) faults.push(`${k}: ${fault} (${given.choices})`)
  }
  t.same(faults, [])
  t.ok(met.answers > PROBLEMS / 2 && met.proofs > PROBLEMS / 20, JSON.stringify(met))
})

t.test('so are requests for every welfare function, by numbers that prove it', async (t) => {
  const withs = knownFeatures()
  const { known } = knownFamilies()
  const faults: string[] = []
  let answers = 0
  for (const [k, name] of HARDER_REQUESTS) {
    const [family] = FAMILIES.filter((each) => each.name === name)
    const outcome = await attempt(adversarialRequest(k, withs), family, 1 + 100 * k)
    if (!('relativeGap' in outcome)) faults.push(`${k} ${JSON.stringify(outcome)}`)
  }
  for (let k = 0; k < REQUESTS; k++) {
    const problem = adversarialRequest(k, withs)
    for (const family of FAMILIES) {
      if (!known.includes(family.name)) continue
      const outcome = await attempt(problem, family, k)
      if ('fault' in outcome) faults.push(`${k} ${outcome.fault}`)
      if ('relativeGap' in outcome) answers++
    }
  }
  t.same(faults, [])
  t.ok(
    known.length >= 4 && answers > (known.length * REQUESTS) / 2,
    `${answers} answers of ${known.length} functions`,
  )
})
