/**
 * What is known of a sub-expression, as a function of the utilities x of all groups. A vector has a trait where each of its
 * entries has it.
 */
export type Traits = {
  vector: boolean
  /** Its value, length 1 or G, where it depends on no utility. */
  constant: Float64Array | null
  curvature: Curvature
  trend: Trend
  /** Bounds of its entries, wherever it is defined. */
  low: number
  high: number
  /**
   * Where it is a constant times a product of powers of concave positive functions, with powers of 0 or more: their sum, by
   * entry. Such a product is concave where the sum is at most 1.
   */
  degree: Float64Array | null
  /** Where it is the logarithm of such a product: the sum of its powers. */
  logDegree: Float64Array | null
  /** Where it is a sum of r-th powers of concave positive functions, with factors of 0 or more: r. */
  power: number | null
  /** Whether it is positive and its logarithm convex. */
  logConvex: boolean
}

export type Curvature = 'affine' | 'concave' | 'convex' | 'neither'
/** How it moves when utilities rise. */
export type Trend = 'constant' | 'rising' | 'falling' | 'neither'

/** Degrees are sums of population weights and the like: one above 1 by rounding is 1. */
const ROUNDING = 1e-12

/** Traits of a function of which nothing but these is known. */
export function traitsOf(known: Partial<Traits> & Pick<Traits, 'vector' | 'curvature' | 'trend'>): Traits {
  return {
    constant: null,
    low: Number.NEGATIVE_INFINITY,
    high: Number.POSITIVE_INFINITY,
    degree: null,
    logDegree: null,
    power: null,
    logConvex: false,
    ...known,
  }
}

export function constantTraits(values: Float64Array, vector: boolean): Traits {
  const low = values.reduce((a, b) => Math.min(a, b))
  const high = values.reduce((a, b) => Math.max(a, b))
  return traitsOf({
    vector,
    constant: values,
    curvature: 'affine',
    trend: 'constant',
    low,
    high,
    logConvex: low > 0,
  })
}

export function isConcave({ curvature }: Traits): boolean {
  return curvature === 'affine' || curvature === 'concave'
}

export function isConvex({ curvature }: Traits): boolean {
  return curvature === 'affine' || curvature === 'convex'
}

/** Whether it is above 0 wherever it is defined: products and sums of powers are of positive functions. */
export function isPositive({ low, logConvex, degree, power }: Traits): boolean {
  return low > 0 || logConvex || degree !== null || power !== null
}

/** The degree of a sub-expression as a product of powers; null where it is none. */
export function degreeOf(traits: Traits): Float64Array | null {
  if (traits.degree !== null) return traits.degree
  if (traits.constant !== null) return traits.low > 0 ? Float64Array.of(0) : null
  return isConcave(traits) ? Float64Array.of(1) : null
}

/** Whether products of these degrees are concave. */
export function withinOne(degree: Float64Array): boolean {
  return degree.every((sum) => sum <= 1 + ROUNDING)
}

/** The curvature of φ∘u, for φ of a curvature and trend. */
export function curvatureThrough(shape: 'concave' | 'convex', trend: Trend, inner: Traits): Curvature {
  if (inner.curvature === 'affine') return shape
  const wanted = trend === 'rising' ? shape : trend === 'falling' ? opposite(shape) : null
  return inner.curvature === wanted ? shape : 'neither'
}

export function trendThrough(trend: Trend, inner: Trend): Trend {
  if (inner === 'constant' || trend === 'constant') return 'constant'
  if (inner === 'neither' || trend === 'neither') return 'neither'
  return trend === inner ? 'rising' : 'falling'
}

export function opposite(curvature: Curvature): Curvature {
  if (curvature === 'concave') return 'convex'
  return curvature === 'convex' ? 'concave' : curvature
}

export function curvatureOfSum(a: Curvature, b: Curvature): Curvature {
  if (a === 'affine') return b
  return b === 'affine' || a === b ? a : 'neither'
}

export function trendOfSum(a: Trend, b: Trend): Trend {
  if (a === 'constant') return b
  return b === 'constant' || a === b ? a : 'neither'
}

/** f(a, b) entry by entry; a single entry goes with all of the other's. */
export function entrywise(
  a: Float64Array,
  b: Float64Array,
  f: (a: number, b: number) => number,
): Float64Array {
  const length = Math.max(a.length, b.length)
  return Float64Array.from({ length }, (_, k) => f(a[a.length === 1 ? 0 : k], b[b.length === 1 ? 0 : k]))
}
