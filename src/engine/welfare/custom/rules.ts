import {
  curvatureOfSum,
  curvatureThrough,
  degreeOf,
  entrywise,
  isConcave,
  isConvex,
  isPositive,
  opposite,
  type Traits,
  traitsOf,
  trendOfSum,
  trendThrough,
  withinOne,
} from './traits.ts'

// The rules of disciplined convex programming (Grant, Boyd & Ye, 2006), with three additions that welfare functions live
// by: products of powers (Nash), sums of powers under a root (power means), and logarithms of sums of exponentials
// (Kolm–Pollak). A rule that proves nothing leaves the curvature, or the trend, `neither`.

/** c∘u, for constant factors of which none is 0. */
export function scaled(u: Traits, factors: Float64Array): Traits {
  const least = factors.reduce((a, b) => Math.min(a, b))
  const greatest = factors.reduce((a, b) => Math.max(a, b))
  const ends = [least, greatest].flatMap((c) => [c * u.low, c * u.high])
  const range = { low: Math.min(...ends), high: Math.max(...ends) }
  const vector = u.vector || factors.length > 1
  if (least > 0) {
    const { curvature, trend, degree, power, logConvex } = u
    const logDegree = u.logDegree && entrywise(factors, u.logDegree, (c, d) => c * d)
    return { ...range, vector, constant: null, curvature, trend, degree, logDegree, power, logConvex }
  }
  if (greatest < 0) {
    const trend = trendThrough('falling', u.trend)
    return traitsOf({ ...range, vector, curvature: opposite(u.curvature), trend })
  }
  const curvature = u.curvature === 'affine' ? 'affine' : 'neither'
  return traitsOf({ ...range, vector, curvature, trend: 'neither' })
}

/** u + v. */
export function added(u: Traits, v: Traits): Traits {
  // A positive constant is a sum of powers with any exponent, and the logarithm of a constant.
  const powers = [u, v]
    .filter(({ constant, low }) => !(constant !== null && low > 0))
    .map(({ power }) => power)
  const logDegrees = [u, v].map(({ constant, logDegree }) =>
    constant === null ? logDegree : Float64Array.of(0),
  )
  return {
    vector: u.vector || v.vector,
    constant: null,
    curvature: curvatureOfSum(u.curvature, v.curvature),
    trend: trendOfSum(u.trend, v.trend),
    low: u.low + v.low,
    high: u.high + v.high,
    degree: null,
    logDegree: logDegrees[0] && logDegrees[1] && entrywise(logDegrees[0], logDegrees[1], (a, b) => a + b),
    power: powers.every((power) => power !== null && power === powers[0]) ? powers[0] : null,
    logConvex: u.logConvex && v.logConvex,
  }
}

/** u∘v, neither of them constant. */
export function multiplied(u: Traits, v: Traits): Traits {
  const vector = u.vector || v.vector
  const [first, second] = [degreeOf(u), degreeOf(v)]
  const trend = trendOfSum(u.trend, v.trend)
  if (first !== null && second !== null) {
    const degree = entrywise(first, second, (a, b) => a + b)
    return traitsOf({ vector, curvature: withinOne(degree) ? 'concave' : 'neither', trend, low: 0, degree })
  }
  if (u.logConvex && v.logConvex)
    return traitsOf({ vector, curvature: 'convex', trend, low: 0, logConvex: true })
  return traitsOf({ vector, curvature: 'neither', trend: 'neither' })
}

/** Σ_g w_g u_g, for positive weights, one for each of the entries. */
export function summed(u: Traits, weights: Float64Array): Traits {
  const total = weights.reduce((a, b) => a + b)
  const { logDegree } = u
  return {
    ...u,
    vector: false,
    low: total * u.low,
    high: total * u.high,
    degree: null,
    logDegree:
      logDegree &&
      Float64Array.of(
        weights.reduce((sum, weight, g) => sum + weight * logDegree[logDegree.length === 1 ? 0 : g], 0),
      ),
  }
}

/** log u. */
export function logarithm(u: Traits): Traits {
  const degree = degreeOf(u)
  const known = {
    vector: u.vector,
    trend: u.trend,
    low: u.low > 0 ? Math.log(u.low) : Number.NEGATIVE_INFINITY,
    high: u.high > 0 ? Math.log(u.high) : Number.POSITIVE_INFINITY,
  }
  if (degree !== null) return traitsOf({ ...known, curvature: 'concave', logDegree: degree })
  return traitsOf({ ...known, curvature: u.logConvex ? 'convex' : 'neither' })
}

/** e^u. */
export function exponential(u: Traits): Traits {
  const { logDegree } = u
  const concave = logDegree !== null && withinOne(logDegree)
  return traitsOf({
    vector: u.vector,
    curvature: concave ? 'concave' : curvatureThrough('convex', 'rising', u),
    trend: u.trend,
    low: Math.exp(u.low),
    high: Math.exp(u.high),
    degree: logDegree,
    logConvex: isConvex(u),
  })
}

/** Whether u^r is a rule's business only where u > 0, and so has that for its domain. */
export function needsPositive(exponents: Float64Array): boolean {
  return exponents.some((r) => r < 1)
}

/** u^r, for constant exponents of which none is 0. */
export function raised(u: Traits, exponents: Float64Array): Traits {
  const least = exponents.reduce((a, b) => Math.min(a, b))
  const greatest = exponents.reduce((a, b) => Math.max(a, b))
  const single = least === greatest ? least : null
  const vector = u.vector || exponents.length > 1
  const floor = Math.max(0, u.low)
  const base = isPositive(u) || needsPositive(exponents) ? degreeOf(u) : null
  const degree = base !== null && least > 0 ? entrywise(base, exponents, (d, r) => d * r) : null
  // (Σ c v^q)^r is the power q·r of a power mean, which is concave; a power above 1 of it would not be.
  const joint = single === null ? null : u.power !== null ? u.power * single : isConcave(u) ? single : null
  const power = joint !== null && joint <= 1 ? joint : null
  const known = { vector, power, degree, low: 0 }
  if ((degree !== null && withinOne(degree)) || (u.power !== null && power !== null && power > 0)) {
    // What is inside may fall with utilities and be put right by a negative exponent.
    const trend = least > 0 ? u.trend : trendThrough('falling', u.trend)
    return traitsOf({ ...known, curvature: 'concave', trend })
  }
  if (greatest < 0) {
    const curvature = curvatureThrough('convex', 'falling', u)
    const trend = trendThrough('falling', u.trend)
    return traitsOf({ ...known, curvature, trend, logConvex: isConcave(u) })
  }
  if (least > 0 && greatest <= 1) {
    const curvature = u.logConvex ? 'convex' : 'neither'
    return traitsOf({ ...known, curvature, trend: u.trend, logConvex: u.logConvex })
  }
  if (least >= 1 && u.low >= 0) {
    const low = Math.min(floor ** least, floor ** greatest)
    const curvature = curvatureThrough('convex', 'rising', u)
    return traitsOf({ ...known, low, curvature, trend: u.trend, logConvex: u.logConvex })
  }
  if (exponents.every((r) => r > 0 && r % 2 === 0)) {
    if (u.high <= 0) {
      const curvature = curvatureThrough('convex', 'falling', u)
      return traitsOf({ ...known, curvature, trend: trendThrough('falling', u.trend) })
    }
    return traitsOf({
      ...known,
      curvature: u.curvature === 'affine' ? 'convex' : 'neither',
      trend: 'neither',
    })
  }
  return traitsOf({ vector, degree, curvature: 'neither', trend: 'neither' })
}

/** M_r(u; n), r ≤ 1. */
export function powerMeanOf(u: Traits): Traits {
  const curvature = isConcave(u) ? 'concave' : 'neither'
  return traitsOf({ vector: false, curvature, trend: u.trend, low: Math.max(0, u.low), high: u.high })
}

/** The least of several. */
export function least(branches: Traits[], vector: boolean): Traits {
  return traitsOf({
    vector,
    curvature: branches.every(isConcave) ? 'concave' : 'neither',
    trend: branches.map(({ trend }) => trend).reduce(trendOfSum),
    low: Math.min(...branches.map(({ low }) => low)),
    high: Math.min(...branches.map(({ high }) => high)),
  })
}

/** The greatest of several. */
export function greatest(branches: Traits[], vector: boolean): Traits {
  return traitsOf({
    vector,
    curvature: branches.every(isConvex) ? 'convex' : 'neither',
    trend: branches.map(({ trend }) => trend).reduce(trendOfSum),
    low: Math.max(...branches.map(({ low }) => low)),
    high: Math.max(...branches.map(({ high }) => high)),
    logConvex: branches.every(({ logConvex }) => logConvex),
  })
}

/** |u|, where u can have either sign. */
export function absolute(u: Traits): Traits {
  return traitsOf({
    vector: u.vector,
    curvature: u.curvature === 'affine' ? 'convex' : 'neither',
    trend: 'neither',
    low: 0,
    high: Math.max(-u.low, u.high),
  })
}
