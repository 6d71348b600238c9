import type { Random } from '../../src/engine/numeric/random.ts'

/** What a welfare function may depend on besides the utilities. */
export type Facts = {
  /** n; length G, sum 1. */
  population: number[]
  /** How far items differ for each group; length G. */
  ranges: number[]
  /** The most that any policy gives each group; length G. */
  bests: number[]
  /** The unit of each group: how far policies can move it, ∞ for one that none moves; 1 for all where none moves any. */
  reaches: number[]
}

/**
 * A welfare function as its definition has it, written out here and in peers.py, apart from the engine: what the engine's
 * answers are held against.
 */
export type Definition = {
  /** As a request names it. */
  welfare: { function: string; [parameter: string]: unknown }
  /** Whether utilities must not be negative. */
  needsGains: boolean
  /** Whether W depends on the most that policies can give each group, which limits and contexts may change. */
  usesBests?: boolean
  /** Whether, at temperature 0, more is asked than the most of W: then weights support the policy, and W no longer. */
  lexicographic?: boolean
  /** Whether a policy that has nearly the best welfare has nearly its utilities: W is curved enough, or lexicographic. */
  curved?: boolean
  /** Where W is a logarithm of a sum: the size of what its rounding is relative to. */
  grain?: number
  /** W(x). */
  value(x: number[], facts: Facts): number
  /** How far weights λ are outside of the set where W_* is finite; 0 inside. Null where that is not decided here. */
  outside: ((lambda: number[], facts: Facts) => number) | null
  /** W_*(λ) = inf_x {λ·x − W(x)}, for λ in that set. */
  conjugate(lambda: number[], facts: Facts): number
}

const zero = () => 0
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
const dot = (a: readonly number[], b: readonly number[]) => sum(a.map((value, k) => value * b[k]))

/** How far weights are from a lottery over the groups. */
function offSimplex(lambda: number[]): number {
  return Math.max(Math.abs(sum(lambda) - 1), ...lambda.map((weight) => -weight))
}

/** The power mean of exponent ρ, at any exponent; 0 is the geometric mean. */
export function powerMeanOf(x: readonly number[], population: readonly number[], exponent: number): number {
  if (exponent <= 0 && x.some((value) => value <= 0)) return 0
  const logs = x.map((value) => Math.log(Math.max(0, value)))
  if (exponent === 0) return Math.exp(dot(logs, population))
  const top = Math.max(...logs.map((log) => exponent * log))
  if (top === Number.NEGATIVE_INFINITY) return 0
  const mean = logs.reduce((total, log, g) => total + population[g] * Math.exp(exponent * log - top), 0)
  return Math.exp((top + Math.log(mean)) / exponent)
}

function powerMean(welfare: Definition['welfare'], exponent: number): Definition {
  const dual = exponent / (exponent - 1)
  return {
    welfare,
    needsGains: true,
    curved: exponent >= -4 && exponent <= 0.5,
    value: (x, { population }) => powerMeanOf(x, population, exponent),
    outside: (lambda, { population }) =>
      Math.max(
        0,
        1 -
          powerMeanOf(
            lambda.map((weight, g) => weight / population[g]),
            population,
            dual,
          ),
        ...lambda.map((weight) => -weight),
      ),
    conjugate: zero,
  }
}

function utilitarian(
  welfare: Definition['welfare'],
  weigh: (facts: Facts) => number[] = ({ population }) => population,
): Definition {
  return {
    welfare,
    needsGains: false,
    value: (x, facts) => dot(x, weigh(facts)),
    outside: (lambda, facts) => {
      const own = weigh(facts)
      return Math.max(...lambda.map((weight, g) => (weight === own[g] ? 0 : Math.abs(weight / own[g] - 1))))
    },
    conjugate: zero,
  }
}

function maximin(welfare: Definition['welfare']): Definition {
  return {
    welfare,
    needsGains: false,
    value: (x) => Math.min(...x),
    outside: offSimplex,
    conjugate: zero,
  }
}

function kolmPollak(welfare: Definition['welfare'], kappa: number): Definition {
  return {
    welfare,
    needsGains: false,
    curved: kappa >= 0.3 && kappa <= 10,
    grain: 1 / kappa,
    value: (x, { population }) => {
      const low = Math.min(...x)
      return (
        low -
        Math.log(x.reduce((total, value, g) => total + population[g] * Math.exp(-kappa * (value - low)), 0)) /
          kappa
      )
    },
    outside: offSimplex,
    conjugate: (lambda, { population }) =>
      -lambda.reduce(
        (total, weight, g) => total + (weight > 0 ? weight * Math.log(weight / population[g]) : 0),
        0,
      ) / kappa,
  }
}

/** Σ_k x_(k) [Φ(N_k) − Φ(N_{k−1})] from the worst off up; Φ concave from Φ(0) = 0 to Φ(1) = 1. */
function rankDependent(
  welfare: Definition['welfare'],
  curve: (share: number) => number,
  /** Φ(1 − above) − Φ(1 − above − own), where it can be told without cancelling. */
  rise: ((above: number, own: number) => number) | null = null,
): Definition {
  const phi = (share: number) => curve(Math.min(1, Math.max(0, share)))
  return {
    welfare,
    needsGains: false,
    value: (x, { population }) => {
      let below = 0
      let total = 0
      const order = [...x.keys()].sort((a, b) => x[a] - x[b])
      order.forEach((g, k) => {
        const above = order.slice(k + 1).reduce((sum, other) => sum + population[other], 0)
        const part = rise === null ? phi(below + population[g]) - phi(below) : rise(above, population[g])
        total += x[g] * part
        below += population[g]
      })
      return total
    },
    // λ(S) ≤ Φ(n(S)) for all S: as Φ is the least of its tangents, the sets to look at are those of the largest λ/n.
    outside: (lambda, { population }) => {
      let worst = offSimplex(lambda)
      let taken = 0
      let weight = 0
      const order = [...lambda.keys()].sort((a, b) => lambda[b] / population[b] - lambda[a] / population[a])
      for (const g of order) {
        taken += population[g]
        weight += lambda[g]
        worst = Math.max(worst, weight - phi(taken))
      }
      return worst
    },
    conjugate: zero,
  }
}

/** Expressions with a conjugate in closed form. */
const CUSTOM: Record<string, (welfare: Definition['welfare']) => Definition> = {
  'min(x)': maximin,
  'geomean(x)': (welfare) => powerMean(welfare, 0),
  'powermean(x, -2)': (welfare) => powerMean(welfare, -2),
  'sum(n .* x) + 2 * min(x)': (welfare) => ({
    welfare,
    needsGains: false,
    value: (x, { population }) => dot(x, population) + 2 * Math.min(...x),
    outside: (lambda, { population }) => offSimplex(lambda.map((weight, g) => (weight - population[g]) / 2)),
    conjugate: zero,
  }),
  '0.5 * mean(x) + 0.5 * min(x)': (welfare) => ({
    welfare,
    needsGains: false,
    value: (x, { population }) => (dot(x, population) + Math.min(...x)) / 2,
    outside: (lambda, { population }) => offSimplex(lambda.map((weight, g) => 2 * weight - population[g])),
    conjugate: zero,
  }),
  // The adversary's first group.
  'x["group 00"] + 2 * min(x)': (welfare) => ({
    welfare,
    needsGains: false,
    value: (x) => x[0] + 2 * Math.min(...x),
    outside: (lambda) => offSimplex(lambda.map((weight, g) => (g === 0 ? weight - 1 : weight) / 2)),
    conjugate: zero,
  }),
  // λ = t n + (1 − t) 2 s, with s a lottery over the groups.
  'min(mean(x), 2 * min(x))': (welfare) => ({
    welfare,
    needsGains: false,
    value: (x, { population }) => Math.min(dot(x, population), 2 * Math.min(...x)),
    outside: (lambda, { population }) => {
      const t = 2 - sum(lambda)
      return Math.max(-t, t - 1, ...lambda.map((weight, g) => t * population[g] - weight))
    },
    conjugate: zero,
  }),
  // Every group has a kink at −1, where its slope falls from twice its population to its population.
  'sum(n .* min(x, 2 * x + 1))': (welfare) => ({
    welfare,
    needsGains: false,
    grain: 1,
    value: (x, { population }) =>
      dot(
        x.map((value) => Math.min(value, 2 * value + 1)),
        population,
      ),
    outside: (lambda, { population }) =>
      Math.max(
        ...lambda.map((weight, g) => Math.max(1 - weight / population[g], weight / population[g] - 2)),
      ),
    conjugate: (lambda, { population }) => sum(lambda.map((weight, g) => population[g] - weight)),
  }),
  // λ = α n + (Σλ − α) s, with α the best for what remains of the conjugates of the roots.
  'sqrt(mean(x)) + sqrt(min(x))': (welfare) => ({
    welfare,
    needsGains: true,
    value: (x, { population }) => Math.sqrt(dot(x, population)) + Math.sqrt(Math.min(...x)),
    outside: (lambda) => Math.max(0, ...lambda.map((weight) => -weight)),
    conjugate: (lambda, { population }) => {
      const total = sum(lambda)
      const alpha = Math.min(total / 2, ...lambda.map((weight, g) => weight / population[g]))
      return -1 / (4 * alpha) - 1 / (4 * (total - alpha))
    },
  }),
  'sum(n .* sqrt(x))': (welfare) => ({
    welfare,
    needsGains: true,
    curved: true,
    value: (x, { population }) => dot(x.map(Math.sqrt), population),
    outside: (lambda) => Math.max(0, ...lambda.map((weight) => -weight)),
    conjugate: (lambda, { population }) => -sum(lambda.map((weight, g) => population[g] ** 2 / (4 * weight))),
  }),
  'sum(n .* log(x))': (welfare) => ({
    welfare,
    needsGains: true,
    curved: true,
    value: (x, { population }) => dot(x.map(Math.log), population),
    outside: (lambda) => Math.max(0, ...lambda.map((weight) => -weight)),
    conjugate: (lambda, { population }) =>
      sum(lambda.map((weight, g) => population[g] * (1 + Math.log(weight / population[g])))),
  }),
}

/** The definition of the welfare function that a request names. */
export function definitionOf(welfare: Definition['welfare']): Definition {
  const parameter = (name: string) => welfare[name] as number
  switch (welfare.function) {
    case 'utilitarian':
      return utilitarian(welfare)
    case 'nash':
      return powerMean(welfare, 0)
    case 'maximin':
      return maximin(welfare)
    // What comes after the least is held against the peer alone.
    case 'leximin':
      return { ...maximin(welfare), curved: true, lexicographic: true }
    case 'power-mean':
      return powerMean(welfare, parameter('exponent'))
    case 'kolm-pollak':
      return kolmPollak(welfare, parameter('kappa'))
    case 'generalised-gini':
      return rankDependent(
        welfare,
        'weights' in welfare ? curveThrough(welfare.weights as number[]) : giniCurve(parameter('parameter')),
        'weights' in welfare ? null : giniRise(parameter('parameter')),
      )
    case 'cvar':
      return rankDependent(welfare, (share) => Math.min(1, share / parameter('alpha')))
    case 'kalai-smorodinsky':
      return {
        welfare,
        needsGains: false,
        usesBests: true,
        lexicographic: true,
        curved: true,
        value: (x, { bests }) => Math.min(...x.map((value, g) => value / bests[g])),
        outside: (lambda, { bests }) => offSimplex(lambda.map((weight, g) => weight * bests[g])),
        conjugate: zero,
      }
    case 'relative-utilitarian':
      return utilitarian(welfare, ({ population, reaches }) =>
        population.map((share, g) => share / reaches[g]),
      )
    case 'custom':
      return CUSTOM[welfare.expression as string](welfare)
    default:
      throw new Error(`no definition of ${welfare.function}`)
  }
}

function giniCurve(parameter: number) {
  return (share: number) => 1 - (1 - share) ** parameter
}

function giniRise(parameter: number) {
  return (above: number, own: number) => (above + own) ** parameter - above ** parameter
}

/** The sums of weights, joined by straight lines. */
function curveThrough(weights: readonly number[]) {
  const total = sum(weights)
  return (share: number) => {
    const at = share * weights.length
    const whole = Math.min(weights.length - 1, Math.floor(at))
    return (sum(weights.slice(0, whole)) + (at - whole) * weights[whole]) / total
  }
}

const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)]

/** A kind of welfare function, and how a member of it is drawn for utilities of some size: as people would, or wildly. */
export type Family = {
  name: string
  parameters?(random: Random, size: number, wild: boolean): Record<string, unknown>
}

/** Every welfare function with a single optimum, in the order of the catalogue. */
export const FAMILIES: Family[] = [
  { name: 'utilitarian' },
  { name: 'nash' },
  { name: 'maximin' },
  {
    name: 'power-mean',
    parameters: (random, _, wild) => {
      const usual = [0.9, 0.5, 0.1, -0.1, -1, -2, -4, -10, 1 - 3 * random()]
      const hard = [0.999, 1e-6, -1e-6, -20, -1000, -100 * random()]
      return { exponent: pick(random, wild ? [...usual, ...hard] : usual) }
    },
  },
  {
    name: 'kolm-pollak',
    parameters: (random, size, wild) => {
      const kappa = 10 ** (wild ? 6 * random() - 3 : 2 * random() - 1) / (size || 1)
      return { kappa: Math.min(1e9, Math.max(1e-9, kappa)) }
    },
  },
  {
    name: 'generalised-gini',
    parameters: (random) => {
      if (random() < 0.5) return { parameter: pick(random, [1, 1.5, 2, 3, 10]) }
      const weights = Array.from({ length: 1 + Math.floor(6 * random()) }, () => Math.ceil(9 * random()))
      return { weights: weights.sort((a, b) => b - a) }
    },
  },
  {
    name: 'cvar',
    parameters: (random) => ({ alpha: pick(random, [1, 0.5, 0.25, 0.1, 0.01, 1 - random()]) }),
  },
  { name: 'leximin' },
  { name: 'kalai-smorodinsky' },
  { name: 'relative-utilitarian' },
  { name: 'custom', parameters: (random) => ({ expression: pick(random, Object.keys(CUSTOM)) }) },
]

/** A member of a family. */
export function drawMember({ name, parameters }: Family, random: Random, size = 1, wild = false): Definition {
  return definitionOf({ function: name, ...parameters?.(random, size, wild) })
}
