import { type CallName, type Expression, ExpressionFault, quoted, type Span } from './expression.ts'
import { curvatureFault, type Judged, trendFault } from './faults.ts'
import type { Domain, Program, Step } from './program.ts'
import {
  absolute,
  added,
  exponential,
  greatest,
  least,
  logarithm,
  multiplied,
  needsPositive,
  powerMeanOf,
  raised,
  scaled,
  summed,
} from './rules.ts'
import {
  constantTraits,
  entrywise,
  isConcave,
  isPositive,
  type Traits,
  type Trend,
  traitsOf,
} from './traits.ts'

/** The groups that an expression is about: their ids and population weights n, which sum to 1. */
export type GroupsKnown = { ids: readonly string[]; population: Float64Array }

/** The largest size of a constant that numbers of an expression make, and the largest exponent. */
const MAX_CONSTANT = 1e100
const MAX_EXPONENT = 1000

/**
 * Proves that an expression is a concave function of the utilities and does not fall when any of them rises, on a domain
 * that is convex and open, and turns it into a program.
 *
 * @throws ExpressionFault where that cannot be proven, with the sub-expression at which a rule fails
 */
export function prove(source: string, expression: Expression, groups: GroupsKnown): Program {
  const builder = newBuilder(source, groups)
  const judged = builder.judge(expression)
  const { traits } = judged
  if (traits.constant !== null) {
    const detail = 'is the same whatever the utilities are: a welfare function depends on x'
    throw new ExpressionFault(judged.span, detail)
  }
  if (traits.vector) {
    const detail =
      'is a vector, and welfare is one number: take sum, mean (by population), min, geomean or powermean of it'
    throw new ExpressionFault(judged.span, detail)
  }
  if (!isConcave(traits)) throw curvatureFault(source, judged, 'concave')
  if (traits.trend !== 'rising') throw trendFault(source, judged, 'rising')
  return { groups: groups.ids.length, steps: builder.steps, root: judged.step, domain: builder.domain }
}

/** Judges expressions, and collects the steps that compute them. */
function newBuilder(source: string, { ids, population }: GroupsKnown) {
  const groups = ids.length
  const places = new Map(ids.map((id, g) => [id, g]))
  const steps: Step[] = []
  const domain: Domain[] = []
  let utilities = -1
  let cell = 0
  let branch = 0

  const push = (step: Step) => steps.push(step) - 1
  const text = ({ span }: { span: Span }) => quoted(source, span)

  function judge(expression: Expression): Judged {
    const { kind, span } = expression
    switch (kind) {
      case 'number':
        return constant('number', span, Float64Array.of(expression.value), false)
      case 'vector': {
        if (expression.name === 'n') return constant('n', span, population, true)
        if (utilities < 0) utilities = push({ op: 'utilities', vector: true })
        return rising('x', span, utilities, true)
      }
      case 'entry': {
        const group = places.get(expression.group)
        if (group === undefined) throw new ExpressionFault(span, `is no group of the request: ${listOf(ids)}`)
        if (expression.name === 'n') return constant('n', span, Float64Array.of(population[group]), false)
        return rising('x', span, push({ op: 'utility', group, vector: false }), false)
      }
      case 'call':
        return call(expression.name, expression.of.map(judge), span)
    }
  }

  function rising(name: 'x', span: Span, step: number, vector: boolean): Judged {
    const traits = traitsOf({ vector, curvature: 'affine', trend: 'rising' })
    return { name, span, traits, step, parts: [], depth: 0 }
  }

  function constant(name: Judged['name'], span: Span, values: Float64Array, vector: boolean): Judged {
    return { name, span, traits: constantTraits(values, vector), step: -1, parts: [], depth: 0 }
  }

  function call(name: CallName, of: Judged[], span: Span): Judged {
    checkShapes(name, of, span)
    const values = of.map(({ traits }) => traits.constant)
    if (values.every((value) => value !== null)) return folded(name, of, values, span)
    const [u, v] = of
    switch (name) {
      case '+':
        return sumOf(name, span, u, v)
      case '-':
        return differenceOf(name, span, u, v)
      case 'negate':
        return scale(name, span, u, Float64Array.of(-1))
      case '*':
      case '.*':
        return product(name, span, u, v)
      case '/':
      case './':
        return quotient(name, span, u, v)
      case '^':
        return power(name, span, u, v)
      case 'sqrt':
        return powerBy(name, span, u, Float64Array.of(0.5))
      case 'log':
        return log(name, span, u)
      case 'exp':
        return through(name, span, exponential(u.traits), { op: 'exp', of: u.step }, [u], u.depth)
      case 'sum':
        return total(name, span, u, Float64Array.of(1))
      case 'mean':
        return total(name, span, u, population)
      case 'prod':
        return exponentialOf(name, span, total(name, span, log(name, span, u), Float64Array.of(1)))
      case 'geomean':
        return exponentialOf(name, span, total(name, span, log(name, span, u), population))
      case 'powermean':
        return powerMean(name, span, u, v)
      case 'min':
      case 'max':
        return kink(name, span, of)
      case 'abs':
        return magnitude(name, span, u)
    }
  }

  /** A judged sub-expression whose step is a new one. */
  function through(
    name: CallName,
    span: Span,
    traits: Traits,
    step: Record<string, unknown> & { op: Step['op'] },
    parts: Judged[],
    depth = parts.reduce((most, part) => Math.max(most, part.depth), 0),
    trend: Trend = 'rising',
  ): Judged {
    return {
      name,
      span,
      traits,
      step: push({ ...step, vector: traits.vector } as Step),
      parts: parts.filter(({ traits }) => traits.constant === null).map((part) => ({ part, trend })),
      depth,
    }
  }

  /** The step of a sub-expression, be it a constant. */
  function stepOf({ step, traits }: Judged): number {
    if (traits.constant === null) return step
    return push({ op: 'constant', values: traits.constant, vector: traits.vector })
  }

  /** Makes it a condition that a sub-expression is positive, where the rules do not know; the depth that results. */
  function positive(u: Judged): number {
    if (isPositive(u.traits)) return u.depth
    const depth = u.depth + 1
    if (!domain.some(({ step }) => step === u.step)) domain.push({ step: u.step, text: text(u), depth })
    return depth
  }

  function sumOf(name: CallName, span: Span, u: Judged, v: Judged): Judged {
    return through(name, span, added(u.traits, v.traits), { op: 'add', of: [stepOf(u), stepOf(v)] }, [u, v])
  }

  function differenceOf(name: CallName, span: Span, u: Judged, v: Judged): Judged {
    const difference = sumOf(name, span, u, scale('negate', v.span, v, Float64Array.of(-1)))
    const parts = difference.parts.map((own) =>
      own.part === u ? own : { part: v, trend: 'falling' as const },
    )
    return { ...difference, parts }
  }

  function scale(
    name: CallName,
    span: Span,
    u: Judged,
    factors: Float64Array,
    vector = u.traits.vector,
  ): Judged {
    if (u.traits.constant !== null)
      return constant(
        'number',
        span,
        entrywise(u.traits.constant, factors, (a, b) => a * b),
        vector,
      )
    if (factors.some((factor) => factor === 0))
      throw new ExpressionFault(span, 'has a factor of 0, which takes its other factor away: leave both out')
    const low = factors.reduce((a, b) => Math.min(a, b))
    const high = factors.reduce((a, b) => Math.max(a, b))
    const trend = low > 0 ? 'rising' : high < 0 ? 'falling' : 'neither'
    const traits = { ...scaled(u.traits, factors), vector }
    return through(name, span, traits, { op: 'scale', of: u.step, factors }, [u], u.depth, trend)
  }

  function product(name: CallName, span: Span, u: Judged, v: Judged): Judged {
    const vector = u.traits.vector || v.traits.vector
    if (u.traits.constant !== null) return scale(name, span, v, u.traits.constant, vector)
    if (v.traits.constant !== null) return scale(name, span, u, v.traits.constant, vector)
    const traits = multiplied(u.traits, v.traits)
    if (traits.degree === null && !traits.logConvex) throw productFault(u, v, span)
    const depth = Math.max(positive(u), positive(v))
    return through(name, span, traits, { op: 'multiply', of: [u.step, v.step] }, [u, v], depth)
  }

  function productFault(u: Judged, v: Judged, span: Span): ExpressionFault {
    const culprit = isConcave(u.traits) ? v : u
    return new ExpressionFault(
      span,
      'is a product of two parts that both depend on utilities. A product is concave only under a root, with concave ' +
        `positive factors and powers that sum to at most 1, such as sqrt(x["a"] * x["b"]); ${text(culprit)} is not known ` +
        'to be concave',
    )
  }

  function quotient(name: CallName, span: Span, u: Judged, v: Judged): Judged {
    const vector = u.traits.vector || v.traits.vector
    if (v.traits.constant !== null) {
      if (v.traits.constant.some((value) => value === 0))
        throw new ExpressionFault(v.span, 'is a division by 0')
      return scale(
        name,
        span,
        u,
        v.traits.constant.map((value) => 1 / value),
        vector,
      )
    }
    if (u.traits.constant === null)
      throw new ExpressionFault(
        span,
        'divides one thing that depends on utilities by another, which no rule proves concave: divide constants by x, ' +
          'or x by constants',
      )
    return scale(name, span, powerBy('^', span, v, Float64Array.of(-1)), u.traits.constant, vector)
  }

  function power(name: CallName, span: Span, u: Judged, v: Judged): Judged {
    if (v.traits.constant === null)
      throw new ExpressionFault(
        v.span,
        'is an exponent that depends on utilities; exponents are constants, and c^u is exp(log(c) * u)',
      )
    return powerBy(name, span, u, v.traits.constant, v)
  }

  function powerBy(name: CallName, span: Span, u: Judged, exponents: Float64Array, at?: Judged): Judged {
    if (exponents.some((r) => Math.abs(r) > MAX_EXPONENT))
      throw new ExpressionFault(at?.span ?? span, `is an exponent beyond ${MAX_EXPONENT}`)
    if (exponents.some((r) => r === 0))
      throw new ExpressionFault(
        at?.span ?? span,
        'is an exponent of 0, which makes 1 of everything: leave it out',
      )
    const vector = u.traits.vector || (at?.traits.vector ?? false)
    if (exponents.every((r) => r === 1) && vector === u.traits.vector) return u
    const traits = { ...raised(u.traits, exponents), vector }
    const trend = trendOfPower(u.traits, exponents)
    const depth = needsPositive(exponents) ? positive(u) : u.depth
    return through(name, span, traits, { op: 'power', of: u.step, exponents }, [u], depth, trend)
  }

  function log(name: CallName, span: Span, u: Judged): Judged {
    if (u.traits.constant !== null) return folded('log', [u], [u.traits.constant], span)
    const sum = sumOfExponentials(u)
    if (sum === null)
      return through(name, span, logarithm(u.traits), { op: 'log', of: u.step }, [u], positive(u))
    // So computed, no power is too large for a double, and none is lost.
    const total = sum.weights.reduce((a, b) => a + b)
    const weights = sum.weights.map((weight) => weight / total)
    const mean = push({ op: 'logMeanExp', of: sum.of, weights, vector: false })
    const shift = push({ op: 'constant', values: Float64Array.of(Math.log(total)), vector: false })
    return through(name, span, logarithm(u.traits), { op: 'add', of: [mean, shift] }, [u])
  }

  /** Σ_g w_g e^{v_g} with positive w, if that is what a sub-expression is. */
  function sumOfExponentials({ step }: Judged): { of: number; weights: Float64Array } | null {
    const sum = steps[step]
    if (sum.op !== 'sum') return null
    const term = steps[sum.of]
    const power = term.op === 'scale' ? steps[term.of] : term
    if (power.op !== 'exp' || !power.vector) return null
    const weights = term.op === 'scale' ? entrywise(sum.weights, term.factors, (w, c) => w * c) : sum.weights
    return weights.every((weight) => weight > 0) ? { of: power.of, weights } : null
  }

  function exponentialOf(name: CallName, span: Span, u: Judged): Judged {
    return {
      ...through(name, span, exponential(u.traits), { op: 'exp', of: u.step }, [u], u.depth),
      parts: u.parts[0].part.parts,
    }
  }

  function total(name: CallName, span: Span, u: Judged, weights: Float64Array): Judged {
    const all = weights.length === 1 ? new Float64Array(groups).fill(weights[0]) : weights
    return through(name, span, summed(u.traits, all), { op: 'sum', of: u.step, weights: all }, [u])
  }

  function powerMean(name: CallName, span: Span, u: Judged, v: Judged): Judged {
    const r = v.traits.constant?.[0]
    if (r === undefined || v.traits.vector)
      throw new ExpressionFault(v.span, 'must be one constant: the exponent of the power mean')
    if (r > 1 || r < -MAX_EXPONENT)
      throw new ExpressionFault(
        v.span,
        `must be from −${MAX_EXPONENT} to 1, and is ${r}: above 1 a power mean is convex`,
      )
    if (u.traits.constant !== null) throw new ExpressionFault(u.span, 'must depend on utilities')
    if (r === 1) return total(name, span, u, population)
    if (r === 0) return exponentialOf(name, span, total(name, span, log(name, span, u), population))
    const depth = positive(u)
    const traits = powerMeanOf(u.traits)
    const logs = push({ op: 'log', of: u.step, vector: true })
    const raisedLogs = push({ op: 'scale', of: logs, factors: Float64Array.of(r), vector: true })
    const mean = push({ op: 'logMeanExp', of: raisedLogs, weights: population, vector: false })
    const root = push({ op: 'scale', of: mean, factors: Float64Array.of(1 / r), vector: false })
    return through(name, span, traits, { op: 'exp', of: root }, [u], depth)
  }

  function kink(name: 'min' | 'max', span: Span, of: Judged[]): Judged {
    const within = of.length === 1
    const vector = !within && of.some(({ traits }) => traits.vector)
    const list = of.map(({ traits }) => traits)
    const traits = name === 'min' ? least(list, vector) : greatest(list, vector)
    const sizes = { cells: vector ? groups : 1, branches: within ? groups : of.length }
    const step = {
      op: name === 'min' ? 'least' : 'greatest',
      of: of.map(stepOf),
      within,
      cell,
      branch,
      ...sizes,
    } as const
    cell += sizes.cells
    branch += sizes.cells * sizes.branches
    return through(name, span, traits, step, of)
  }

  function magnitude(name: CallName, span: Span, u: Judged): Judged {
    if (u.traits.low >= 0) return u
    if (u.traits.high <= 0) return scale(name, span, u, Float64Array.of(-1))
    const minus = scale(name, span, u, Float64Array.of(-1))
    return {
      ...kink('max', span, [u, minus]),
      name,
      traits: absolute(u.traits),
      parts: [{ part: u, trend: 'neither' }],
    }
  }

  /** A constant that an operator or function makes of constants. */
  function folded(name: CallName, of: Judged[], values: Float64Array[], span: Span): Judged {
    const result = constantOf(
      name,
      values,
      of.map(({ traits }) => traits.vector),
      population,
    )
    const reduces = REDUCES.has(name) || (of.length === 1 && (name === 'min' || name === 'max'))
    const vector = !reduces && of.some(({ traits }) => traits.vector)
    for (const value of result) {
      if (Number.isFinite(value) && Math.abs(value) <= MAX_CONSTANT) continue
      const detail = Number.isFinite(value)
        ? `is a constant of size ${Math.abs(value).toExponential(1)}, and they go to ${MAX_CONSTANT}`
        : 'is a constant that has no finite real value'
      throw new ExpressionFault(span, detail)
    }
    return constant('number', span, result, vector)
  }

  return { judge, steps, domain }
}

/** How u^r moves when u rises. */
function trendOfPower({ low, high }: Traits, exponents: Float64Array): Trend {
  if (exponents.every((r) => r < 0)) return 'falling'
  if (exponents.some((r) => r < 0)) return 'neither'
  if (needsPositive(exponents) || low >= 0 || exponents.every((r) => r % 2 === 1)) return 'rising'
  return high <= 0 && exponents.every((r) => r % 2 === 0) ? 'falling' : 'neither'
}

/** The functions that make one number of a vector. */
const REDUCES = new Set<CallName>(['sum', 'mean', 'prod', 'geomean', 'powermean'])

/** Refuses what mixes up numbers and vectors. */
function checkShapes(name: CallName, of: Judged[], span: Span): void {
  const vectors = of.filter(({ traits }) => traits.vector)
  if (REDUCES.has(name) && !of[0].traits.vector)
    throw new ExpressionFault(of[0].span, `is one number, and ${name} takes a vector such as x`)
  if ((name === 'min' || name === 'max') && of.length === 1 && vectors.length === 0)
    throw new ExpressionFault(
      of[0].span,
      `is one number, and ${name} takes a vector such as x, or several arguments`,
    )
  if ((name === '*' || name === '/') && vectors.length === 2) {
    const detail = `has vectors on both sides: write .${name} for entry by entry${name === '*' ? ', and sum(a .* b) for the sum of the products' : ''}`
    throw new ExpressionFault(span, detail)
  }
}

function listOf(ids: readonly string[]): string {
  if (ids.length === 0) return 'groups that are to be discovered have no names yet'
  const list = ids
    .slice(0, 10)
    .map((id) => `"${id}"`)
    .join(', ')
  return `the groups are ${list}${ids.length > 10 ? ` and ${ids.length - 10} more` : ''}`
}

/** What an operator or function makes of constants. */
function constantOf(
  name: CallName,
  values: Float64Array[],
  vectors: boolean[],
  n: Float64Array,
): Float64Array {
  const [u, v] = values
  const of = (f: (a: number) => number) => u.map(f)
  const one = (value: number) => Float64Array.of(value)
  const mean = (f: (a: number) => number) => u.reduce((sum, a, g) => sum + n[g] * f(a), 0)
  switch (name) {
    case '+':
      return entrywise(u, v, (a, b) => a + b)
    case '-':
      return entrywise(u, v, (a, b) => a - b)
    case 'negate':
      return of((a) => -a)
    case '*':
    case '.*':
      return entrywise(u, v, (a, b) => a * b)
    case '/':
    case './':
      return entrywise(u, v, (a, b) => a / b)
    case '^':
      return entrywise(u, v, (a, b) => a ** b)
    case 'sqrt':
      return of(Math.sqrt)
    case 'log':
      return of(Math.log)
    case 'exp':
      return of(Math.exp)
    case 'abs':
      return of(Math.abs)
    case 'sum':
      return one(u.reduce((a, b) => a + b))
    case 'mean':
      return one(mean((a) => a))
    case 'prod':
      return one(u.reduce((a, b) => a * b))
    case 'geomean':
      return one(Math.exp(mean(Math.log)))
    case 'powermean':
      return one(v[0] === 0 ? Math.exp(mean(Math.log)) : mean((a) => a ** v[0]) ** (1 / v[0]))
    case 'min':
    case 'max': {
      const pick = name === 'min' ? Math.min : Math.max
      return vectors.length === 1 ? one(pick(...u)) : values.reduce((a, b) => entrywise(a, b, pick))
    }
  }
}
