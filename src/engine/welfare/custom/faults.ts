import { type CallName, ExpressionFault, quoted, type Span } from './expression.ts'
import { type Curvature, opposite, type Traits, type Trend } from './traits.ts'

/** A sub-expression with what the rules say of it. */
export type Judged = {
  name: CallName | 'number' | 'x' | 'n'
  span: Span
  traits: Traits
  /** Its place among the steps; −1 for a constant, which gets one only where it is needed. */
  step: number
  /** Its parts that depend on utilities, and how it moves when they rise. */
  parts: readonly { part: Judged; trend: Trend }[]
  /** The longest chain of domains that it depends on. */
  depth: number
}

/** Those that keep the curvature of their parts, or turn it around. */
const LINEAR = new Set<Judged['name']>(['+', '-', 'negate', '*', '.*', '/', './', 'sum', 'mean'])

/** The refusal of an expression whose curvature is not the one wanted: the smallest sub-expression that is to blame. */
export function curvatureFault(source: string, judged: Judged, wanted: Curvature): ExpressionFault {
  const { name, span, traits, parts } = judged
  const { curvature } = traits
  if (LINEAR.has(name)) {
    for (const { part, trend } of parts) {
      const own = trend === 'falling' ? opposite(wanted) : wanted
      const bent = part.traits.curvature !== 'affine' && part.traits.curvature !== own
      if (bent && trend !== 'neither') return curvatureFault(source, part, own)
    }
  }
  if (curvature === opposite(wanted)) {
    const detail = `is ${curvature}, and only what is ${wanted} or linear can stand here. ${hint(name, wanted)}`
    return new ExpressionFault(span, detail)
  }
  for (const { part } of parts)
    if (part.traits.curvature === 'neither') return curvatureFault(source, part, neededBy(name, wanted))
  return new ExpressionFault(span, reason(source, judged))
}

/** What the argument of a function must be. */
function neededBy(name: Judged['name'], wanted: Curvature): Curvature {
  if (name === 'exp' || name === 'max' || name === 'abs') return 'convex'
  return name === '^' || LINEAR.has(name) ? wanted : 'concave'
}

/** What could stand in the place of a function that bends the wrong way. */
function hint(name: Judged['name'], wanted: Curvature): string {
  if (wanted === 'convex') return 'A minus in front turns the one into the other.'
  switch (name) {
    case 'max':
      return 'min is concave; max may stand where it counts against welfare, as in −max(0, 1 − u).'
    case 'abs':
      return 'abs may stand with a minus in front, where the sign of what is inside is known.'
    case 'exp':
      return '−exp(−u) is concave and rising.'
    case '^':
      return 'Powers from 0 to 1 are concave; below 0 they need a minus in front, as in −u^(−1), and above 1 they are convex.'
    case '/':
    case './':
      return 'c/u with c > 0 is convex, and concave with a minus in front.'
    default:
      return 'min, log, sqrt, powers from 0 to 1 and −exp(−u) are concave.'
  }
}

/** Why a function of parts that are fine by themselves is neither concave nor convex. */
function reason(source: string, { name, parts, traits }: Judged): string {
  const inner = parts.map(({ part }) => `${quoted(source, part.span)} is ${part.traits.curvature}`).join(', ')
  const rule = (text: string) => `is neither known to be concave nor convex: ${text}, and ${inner}`
  const sum = traits.degree?.reduce((a, b) => Math.max(a, b))
  switch (name) {
    case 'log':
      return rule(
        'log is concave and rising, so that what it is taken of must be concave (or a sum of exp(…))',
      )
    case 'sqrt':
      return rule('a root is concave and rising, so that what it is taken of must be concave')
    case 'exp':
      return rule(
        'exp is convex and rising, so that what it is taken of must be convex (or a sum of logarithms with factors that ' +
          'sum to at most 1)',
      )
    case 'prod':
    case 'geomean':
      return sum === undefined
        ? rule('a product needs concave factors')
        : `multiplies powers that sum to ${sum}; it is concave where they sum to at most 1, as in prod(x^n) or geomean(x)`
    case '*':
    case '.*':
      return (
        `is a product whose powers sum to ${sum ?? 'something unknown'}, and concave where they sum to at most 1: take a ` +
        'root of it, as in sqrt(x["a"] * x["b"])'
      )
    case '^':
      return sum === undefined
        ? rule(
            'a power from 0 to 1 needs a concave base, a negative one a concave base (it is convex then), one above 1 a ' +
              'convex base that cannot be negative, such as max(0, 1 - x)',
          )
        : `makes a product whose powers sum to ${sum}, and concave where they sum to at most 1`
    case 'powermean':
      return rule('a power mean needs a concave argument')
    case 'min':
      return rule('the least of several is concave where all of them are')
    case 'max':
      return rule('the greatest of several is convex where all of them are')
    case 'abs':
      return rule('abs needs an argument that is linear, or whose sign is known')
    default:
      return rule('a sum is concave where all its terms are, and convex where all are')
  }
}

/** The refusal of an expression that may fall when utilities rise: the largest sub-expression that surely counts against. */
export function trendFault(source: string, judged: Judged, wanted: Trend): ExpressionFault {
  const { span, traits, parts } = judged
  if (traits.trend !== 'neither') {
    const detail =
      `${wanted === 'rising' ? 'falls when utilities rise' : 'rises with the utilities and counts against welfare'}: ` +
      'welfare would fall when a group gets more, and a group weight would be negative. Only what rises may be added, and ' +
      'only what falls be subtracted'
    return new ExpressionFault(span, detail)
  }
  for (const { part, trend } of parts) {
    if (trend === 'neither') break
    const own = trend === 'rising' ? wanted : wanted === 'rising' ? 'falling' : 'rising'
    if (part.traits.trend !== own && part.traits.trend !== 'constant') return trendFault(source, part, own)
  }
  return new ExpressionFault(
    span,
    'may rise or fall when utilities rise: nothing proves the sign of what is inside. abs, even powers and factors of ' +
      'both signs need an argument of known sign, such as max(0, 1 - x)',
  )
}
