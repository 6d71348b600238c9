import { peakOf } from '../numeric/peak.ts'
import { type Done, inParts, untold } from '../parts.ts'
import type { Choices } from './choices.ts'
import { bestFit, type Fitted, refit } from './weights.ts'

/** The best fit at one exponent. */
export type Point = { exponent: number; fitted: Fitted }

/** How the likelihood depends on the exponent, all else at its best. */
export type Profile = {
  /** By exponent, ascending; the best among them. */
  points: Point[]
  best: Point
  /** The exponents whose log-likelihood is within 1.92 of the best: the lowest and the highest. */
  low: number
  high: number
  /** Whether all exponents between them are, too, as far as points show. */
  connected: boolean
  /** How many starts there were at the best grid point, and how many came to its value. */
  starts: number
  agreeing: number
}

/** The exponents at which weights are looked for from all starts. */
export const LOWEST = -10
const GRID = [LOWEST, -8, -6, -5, -4, -3, -2.5, -2, -1.5, -1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1]
/** Half the 95% quantile of χ² with one degree of freedom. */
export const WITHIN = 1.920729410347062
/** How exactly the ends of the interval are found, and the best exponent, which is then rounded to five decimals. */
const FINE = 1e-5
const PEAK = 1e-7

/**
 * The profile likelihood of the exponent ρ over [−10, 1] (Murphy & van der Vaart, J. Amer. Statist. Assoc. 95, 2000, on why
 * it may be used as a likelihood).
 *
 * @param done told which part of the steps has been taken: two at each exponent of the grid but the last, and then the
 * search for the best and for both ends
 */
export function profileOf(choices: Choices, done: Done = untold): Profile {
  const steps = inParts(2 * GRID.length + 2, done)
  let step = 0
  const next = () => steps(step++)(0)
  let total = 0
  for (const mass of choices.mass) total += mass
  const counts: { starts: number; agreeing: number }[] = []
  const grid: Point[] = []
  for (const exponent of GRID) {
    next()
    const { fitted, ...count } = bestFit(
      choices,
      exponent,
      grid.slice(-1).map((point) => point.fitted),
    )
    grid.push({ exponent, fitted })
    counts.push(count)
  }
  // Back again, as a good point may be found on the far side first.
  for (let k = grid.length - 2; k >= 0; k--) {
    next()
    const fitted = refit(choices, grid[k].exponent, [grid[k + 1].fitted])
    if (fitted.value > grid[k].fitted.value + 1e-12) grid[k] = { exponent: grid[k].exponent, fitted }
  }
  const top = grid.reduce((best, point, k) => (point.fitted.value > grid[best].fitted.value ? k : best), 0)
  const at = (exponent: number, near: readonly Point[]): Point => ({
    exponent,
    fitted: refit(
      choices,
      exponent,
      near.map((point) => point.fitted),
    ),
  })
  const around = grid.slice(Math.max(0, top - 1), top + 2)
  next()
  const peak = peakOf(
    (exponent) => at(exponent, around).fitted.value,
    around[0].exponent,
    around[around.length - 1].exponent,
    PEAK,
  )
  const found = at(Math.round(peak * 1e5) / 1e5, around)
  // Where the likelihood is flat, or best at a grid point, that is the plainer answer.
  const better = found.fitted.value > grid[top].fitted.value + 1e-12
  const best = better ? found : grid[top]
  const points = better ? [...grid, best].sort((a, b) => a.exponent - b.exponent) : grid

  const within = ({ fitted }: Point) => total * (best.fitted.value - fitted.value) <= WITHIN
  const first = points.findIndex(within)
  const last = points.length - 1 - [...points].reverse().findIndex(within)
  const edge = (inside: Point, outside: Point): number => {
    next()
    let [near, far] = [inside.exponent, outside.exponent]
    while (Math.abs(near - far) > FINE) {
      const middle = (near + far) / 2
      if (within(at(middle, [inside, outside]))) near = middle
      else far = middle
    }
    return near
  }
  return {
    points,
    best,
    low: first === 0 ? points[0].exponent : edge(points[first], points[first - 1]),
    high: last === points.length - 1 ? points[last].exponent : edge(points[last], points[last + 1]),
    connected: points.slice(first, last + 1).every(within),
    ...counts[top],
  }
}
