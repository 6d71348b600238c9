import { normal } from '../numeric/random.ts'
import { sigmoid, softplus } from '../numeric/sigmoid.ts'
import type { Likelihood } from './likelihood.ts'
import { centre } from './newton-step.ts'

/** Adds −θ_i²/(2s²) for every reward (or reward weight): the log-density of θ_i ~ N(0, s²), up to a constant. */
export function withGaussianPrior(base: Likelihood, standardDeviation: number): Likelihood {
  const precision = 1 / (standardDeviation * standardDeviation)
  return withDiagonalPrior(base, {
    value: (x) => (-precision * x * x) / 2,
    slope: (x) => -precision * x,
    curvature: () => precision,
  })
}

/** Adds k·log σ(θ_i) + k·log σ(−θ_i) for every item: k wins and k losses against a phantom item whose reward is 0. */
export function withPhantom(base: Likelihood, strength: number): Likelihood {
  const likelihood = withDiagonalPrior(base, {
    value: (x) => -strength * (softplus(x) + softplus(-x)),
    slope: (x) => strength * (sigmoid(-x) - sigmoid(x)),
    curvature: (x) => 2 * strength * sigmoid(x) * sigmoid(-x),
  })
  const totals = base.totals.map((total, a) => (a < base.rewards ? total + 2 * strength : total))
  const reach = (step: Float64Array) => {
    let largest = base.reach(step)
    for (let v = 0; v < base.rewards; v++) if (!(Math.abs(step[v]) <= largest)) largest = Math.abs(step[v])
    return largest
  }
  return { ...likelihood, totals, reach }
}

/** A concave function of one reward, added for each. */
type Term = { value(x: number): number; slope(x: number): number; curvature(x: number): number }

function withDiagonalPrior(base: Likelihood, term: Term): Likelihood {
  const m = base.rewards
  const gradient = new Float64Array(base.size)
  const diagonal = new Float64Array(base.size)
  const added = new Float64Array(m)
  const { drawScore } = base
  return {
    ...base,
    shiftInvariant: false,
    gradient,
    diagonal,
    value(at) {
      let sum = base.value(at)
      for (let v = 0; v < m; v++) sum += term.value(at[v])
      return sum
    },
    linearise(at) {
      base.linearise(at)
      gradient.set(base.gradient)
      // Of a shift the data say nothing, and of what rounding says instead a wide prior would make much.
      if (base.shiftInvariant) centre(gradient, m)
      diagonal.set(base.diagonal)
      for (let v = 0; v < m; v++) {
        gradient[v] += term.slope(at[v])
        added[v] = term.curvature(at[v])
        diagonal[v] += added[v]
      }
    },
    multiply(x, out) {
      base.multiply(x, out)
      for (let v = 0; v < m; v++) out[v] += added[v] * x[v]
    },
    addCurvature(matrix, order) {
      base.addCurvature(matrix, order)
      const kept = order - base.extras.length
      for (let v = 0; v < kept; v++) matrix[v * order + v] += added[v]
    },
    drawScore:
      drawScore === null
        ? null
        : (random) => {
            const drawn = drawScore(random)
            for (let v = 0; v < m; v++) drawn[v] += Math.sqrt(added[v]) * normal(random)
            return drawn
          },
  }
}
