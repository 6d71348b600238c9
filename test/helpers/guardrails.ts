import fc from 'fast-check'
import { kolmPollak } from '../../src/engine/welfare/kolm-pollak.ts'
import { NO_GUARDRAILS, type WelfareFunction, type WelfareProblem } from '../../src/engine/welfare/problem.ts'
import { dualSize, kinds, powerMeanOf, problems, tableOf } from './problems.ts'

/** A welfare function with W, its dual set and W_* by their definitions. */
export type Defined = {
  name: string
  welfareFunction: WelfareFunction
  value(x: readonly number[], n: ArrayLike<number>): number
  /** W_*(λ). */
  conjugate(lambda: readonly number[], n: ArrayLike<number>): number
  /** What the last digits of λ are worth by the definition of W_*, which loses what the service does not. */
  rounding: number
  /** At least 1 within the dual set. */
  inside(lambda: readonly number[], n: ArrayLike<number>): number
}

const total = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)

/** Kolm–Pollak by its definition. */
export function kolmPollakOf(kappa: number): Defined {
  return {
    name: `kolm-pollak ${kappa}`,
    welfareFunction: kolmPollak(kappa),
    value(x, n) {
      const low = Math.min(...x)
      const excess = total(x.map((value, g) => n[g] * Math.expm1(-kappa * (value - low))))
      return low - Math.log1p(excess) / kappa
    },
    rounding: 1e-15 / kappa,
    // λ log(λ/n) − λ + n has no negative terms, and a sum of 0 is added.
    conjugate: (lambda, n) =>
      -total(lambda.map((l, g) => (l > 0 ? l * logRatio(l, n[g]) - l : 0) + n[g])) / kappa,
    inside: (lambda, n) => dualSize(Number.NEGATIVE_INFINITY, lambda, n),
  }
}

/** log(a/b), to all digits where they are close. */
function logRatio(a: number, b: number): number {
  return Math.abs(a - b) < b / 2 ? Math.log1p((a - b) / b) : Math.log(a / b)
}

/** The power means of all exponents, and Kolm–Pollak from all but utilitarian to all but maximin. */
export const functions: Defined[] = [
  ...kinds.map(({ exponent, welfareFunction }) => ({
    name: `exponent ${exponent}`,
    welfareFunction,
    value: (x: readonly number[], n: ArrayLike<number>) => powerMeanOf(exponent, x, n),
    conjugate: () => 0,
    rounding: 0,
    inside: (lambda: readonly number[], n: ArrayLike<number>) => dualSize(exponent, lambda, n),
  })),
  ...[1e-6, 1e-2, 1, 30, 1e6].map(kolmPollakOf),
]

/** What a problem's contexts hold: for each the first column and the end. */
export function spans({ contexts }: WelfareProblem): [number, number][] {
  return Array.from(contexts.weights, (_, q) => [contexts.starts[q], contexts.starts[q + 1]])
}

/** C_k·p for each guardrail. */
export function costsAt({ items, guardrails }: WelfareProblem, policy: ArrayLike<number>): number[] {
  return Array.from(guardrails.limits, (_, k) => {
    let sum = 0
    for (let i = 0; i < items; i++) sum += guardrails.costs[k * items + i] * policy[i]
    return sum
  })
}

/** How far a policy can move each guardrail: Σ_q w_q (max_i C_ki − min_i C_ki). */
export function costRanges(problem: WelfareProblem): number[] {
  const { items, guardrails, contexts } = problem
  return Array.from(guardrails.limits, (_, k) =>
    total(
      spans(problem).map(([from, to], q) => {
        const own = Array.from(guardrails.costs.subarray(k * items + from, k * items + to))
        return contexts.weights[q] * (Math.max(...own) - Math.min(...own))
      }),
    ),
  )
}

/** x(p), F(p) = W(x(p)) − β KL(p‖π), and D(λ, μ) = Σ_q w_q β log Σ_i π_i e^{v_i/β}/w_q + μ·τ − W_*(λ), as they are defined. */
export function byDefinition(
  problem: WelfareProblem,
  { value, conjugate }: Defined,
  policy: ArrayLike<number>,
  lambda: readonly number[],
  mu: readonly number[],
) {
  const { items, population, reference, temperature, contexts, guardrails } = problem
  const table = tableOf(problem)
  const x = table.map((row) => row.reduce((sum, u, i) => sum + u * policy[i], 0))
  let divergence = 0
  for (let i = 0; i < items; i++) {
    const p = policy[i]
    divergence += p > 0 ? p * logRatio(p, reference[i]) - p + reference[i] : reference[i]
  }
  const values = Array.from({ length: items }, (_, i) => {
    const paid = total(mu.map((price, k) => price * guardrails.costs[k * items + i]))
    return total(lambda.map((weight, g) => weight * table[g][i])) - paid
  })
  const best = spans(problem).map(([from, to], q) => {
    const weight = contexts.weights[q]
    const own = values.slice(from, to)
    const top = Math.max(...own)
    if (temperature === 0) return weight * top
    const mass = own.map((v, k) => (reference[from + k] / weight) * Math.expm1((v - top) / temperature))
    return weight * (top + temperature * Math.log1p(total(mass)))
  })
  const objective = value(x, population) - temperature * divergence
  const limits = total(mu.map((price, k) => price * guardrails.limits[k]))
  const bound = total(best) + limits - conjugate(lambda, population)
  const reach = table.map((row) =>
    total(
      spans(problem).map(([from, to], q) => {
        const own = row.slice(from, to)
        return contexts.weights[q] * (Math.max(...own) - Math.min(...own))
      }),
    ),
  )
  const spread = total(lambda.map((weight, g) => weight * reach[g]))
  return { x, objective, bound, size: Math.max(Math.abs(objective), spread) }
}

/** Where the columns of n items are cut into contexts, and what the contexts weigh before they are made to sum to 1. */
const cuts = (n: number) =>
  fc.record({
    ends: fc.subarray(Array.from({ length: n - 1 }, (_, i) => i + 1)).map((inner) => [...inner, n]),
    parts: fc.array(fc.constantFrom(1, 1, 2, 5, 0.01), { minLength: n, maxLength: n }),
  })

/** A guardrail: costs of any kind in some or all contexts, and how much room a policy that keeps all leaves. */
const rail = (n: number) =>
  fc.record({
    costs: fc.oneof(
      fc.array(fc.integer({ min: 0, max: 3 }), { minLength: n, maxLength: n }),
      fc.array(fc.integer({ min: -500, max: 500 }), { minLength: n, maxLength: n }),
      fc.constant<'floor'>('floor'),
    ),
    only: fc.nat(3),
    size: fc.integer({ min: -4, max: 4 }),
    room: fc.constantFrom(0.001, 0.02, 0.1, 0.5),
  })

/**
 * Welfare problems over contexts and within guardrails that a policy drawn at random keeps with some room. Utilities are at
 * least 0 with `gains`, and the worst of a group is 0 in every context.
 */
export function guardedProblems({
  temperature,
  gains = true,
  guardrails = [0, 3],
  values,
}: {
  temperature?: fc.Arbitrary<number>
  gains?: boolean
  guardrails?: [number, number]
  values?: fc.Arbitrary<number>[]
} = {}): fc.Arbitrary<WelfareProblem> {
  return problems({ temperature, gains: false, groups: [1, 4], items: [3, 10], values }).chain((problem) => {
    const { items: n, groups, utilities: u } = problem
    const drawn = fc.record({
      cut: cuts(n),
      inside: fc.array(fc.integer({ min: 1, max: 20 }), { minLength: n, maxLength: n }),
      rails: fc.array(rail(n), { minLength: guardrails[0], maxLength: guardrails[1] }),
    })
    return drawn.map(({ cut: { ends, parts }, inside, rails }) => {
      const sum = total(parts.slice(0, ends.length))
      const weights = Float64Array.from(ends, (_, q) => parts[q] / sum)
      const contexts = { starts: Int32Array.of(0, ...ends), weights }
      const shaped = { ...problem, contexts, guardrails: NO_GUARDRAILS }
      const reference = inEveryContext(shaped, problem.reference)
      const utilities = u.slice()
      if (gains) {
        for (let g = 0; g < groups; g++) {
          for (const [from, to] of spans(shaped)) {
            const own = utilities.subarray(g * n + from, g * n + to)
            const low = Math.min(...own)
            own.forEach((value, i) => {
              own[i] = value - low + (to - from === 1 ? 1 : 0)
            })
          }
          if (utilities.subarray(g * n, (g + 1) * n).every((value) => value === 0)) utilities[g * n] = 1
        }
      }
      const kept = inEveryContext(shaped, Float64Array.from(inside))
      const costs = new Float64Array(rails.length * n)
      const limits = new Float64Array(rails.length)
      rails.forEach((each, k) => {
        const q = each.only < weights.length && each.only > 0 ? each.only : null
        const [from, to] = q === null ? [0, n] : spans(shaped)[q]
        const share = q === null ? 1 : weights[q]
        for (let i = from; i < to; i++) {
          const cost =
            each.costs === 'floor' ? -utilities[(k % groups) * n + i] : each.costs[i] * 10 ** each.size
          costs[k * n + i] = cost / share
        }
        const one = {
          ...shaped,
          guardrails: { costs: costs.subarray(k * n, (k + 1) * n), limits: new Float64Array(1) },
        }
        limits[k] = costsAt(one, kept)[0] + each.room * (costRanges(one)[0] || 1)
      })
      return { ...shaped, utilities, reference, guardrails: { costs, limits } }
    })
  })
}

/** Positive numbers made to sum to w_q in each context. */
export function inEveryContext(problem: WelfareProblem, parts: ArrayLike<number>): Float64Array {
  const policy = Float64Array.from(parts)
  spans(problem).forEach(([from, to], q) => {
    const own = policy.subarray(from, to)
    const sum = own.reduce((a, b) => a + b, 0)
    own.forEach((part, i) => {
      own[i] = (problem.contexts.weights[q] * part) / sum
    })
  })
  return policy
}
