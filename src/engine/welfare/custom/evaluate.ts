import { branchOf, type Kink, lengthOfStep, type Program, type Step } from './program.ts'

/** A number for each entry of each step of a program. */
export type Entries = Float64Array[]

/**
 * What a kink's result is taken for.
 *
 * - `exact`: the least, or greatest, of its branches.
 * - `mixed`: a mixture of its branches; `shares` has one for each branch of all kinks, and those of a cell sum to 1. It is
 *   not below the least and not above the greatest, so that W so computed is smooth and nowhere below W.
 * - `free`: a variable of its own; `cells` has one for each cell of all kinks.
 */
export type Kinks =
  | { as: 'exact' }
  | { as: 'mixed'; shares: Float64Array }
  | { as: 'free'; cells: Float64Array }

/** Room for the entries of a program. */
export function newEntries({ steps, groups }: Program): Entries {
  return steps.map((step) => new Float64Array(lengthOfStep(step, groups)))
}

/** Computes all steps at utilities x. */
export function evaluate({ steps }: Program, x: Float64Array, kinks: Kinks, values: Entries): void {
  for (let s = 0; s < steps.length; s++) evaluateStep(steps[s], x, kinks, values, values[s])
}

function evaluateStep(step: Step, x: Float64Array, kinks: Kinks, values: Entries, out: Float64Array): void {
  const length = out.length
  switch (step.op) {
    case 'constant':
      for (let g = 0; g < length; g++) out[g] = at(step.values, g)
      return
    case 'utilities':
      out.set(x)
      return
    case 'utility':
      out[0] = x[step.group]
      return
    case 'scale': {
      const u = values[step.of]
      for (let g = 0; g < length; g++) out[g] = at(step.factors, g) * at(u, g)
      return
    }
    case 'add': {
      out.fill(0)
      for (const part of step.of) for (let g = 0; g < length; g++) out[g] += at(values[part], g)
      return
    }
    case 'multiply': {
      const [u, v] = [values[step.of[0]], values[step.of[1]]]
      for (let g = 0; g < length; g++) out[g] = at(u, g) * at(v, g)
      return
    }
    case 'sum': {
      const u = values[step.of]
      out[0] = 0
      for (let g = 0; g < u.length; g++) out[0] += step.weights[g] * u[g]
      return
    }
    case 'logMeanExp':
      out[0] = logMeanExp(values[step.of], step.weights)
      return
    case 'log': {
      const u = values[step.of]
      for (let g = 0; g < length; g++) out[g] = Math.log(at(u, g))
      return
    }
    case 'exp': {
      const u = values[step.of]
      for (let g = 0; g < length; g++) out[g] = Math.exp(at(u, g))
      return
    }
    case 'power': {
      const u = values[step.of]
      for (let g = 0; g < length; g++) out[g] = at(u, g) ** at(step.exponents, g)
      return
    }
    case 'least':
    case 'greatest':
      for (let c = 0; c < length; c++) out[c] = kinkAt(step, c, kinks, values)
  }
}

/** An entry of a vector, or the only one of a number. */
function at(values: Float64Array, g: number): number {
  return values.length === 1 ? values[0] : values[g]
}

function kinkAt(kink: Kink, cell: number, kinks: Kinks, values: Entries): number {
  if (kinks.as === 'free') return kinks.cells[kink.cell + cell]
  const { branches } = kink
  const first = kink.branch + cell * branches
  const pick = kink.op === 'least' ? Math.min : Math.max
  let result =
    kinks.as === 'mixed' ? 0 : kink.op === 'least' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY
  for (let b = 0; b < branches; b++) {
    const { step, entry } = branchOf(kink, cell, b)
    const value = at(values[step], entry)
    if (kinks.as === 'exact') result = pick(result, value)
    else if (kinks.shares[first + b] > 0) result += kinks.shares[first + b] * value
  }
  return result
}

/** log Σ w e^u, where Σ w = 1: with no large powers, and with the digits of a mean of small u. */
function logMeanExp(u: Float64Array, weights: Float64Array): number {
  let top = Number.NEGATIVE_INFINITY
  for (const value of u) if (value > top) top = value
  // Σ w (e^d − 1) keeps its digits where all d are small, Σ w e^d where the largest u has little weight.
  let excess = 0
  let sum = 0
  for (let g = 0; g < u.length; g++) {
    excess += weights[g] * Math.expm1(u[g] - top)
    sum += weights[g] * Math.exp(u[g] - top)
  }
  return top + (excess > -0.5 ? Math.log1p(excess) : Math.log(sum))
}

/** w_g e^{u_g − log Σ w e^u}: by how much log Σ w e^u moves with u_g. */
function softShare(u: Float64Array, weights: Float64Array, value: number, g: number): number {
  return weights[g] * Math.exp(u[g] - value)
}

/** φ′ and φ″ of a step that applies a function φ to each entry u. */
function slopeAt(step: Step & { op: 'log' | 'exp' | 'power' }, u: number, g: number): number {
  if (step.op === 'log') return 1 / u
  if (step.op === 'exp') return Math.exp(u)
  const r = at(step.exponents, g)
  return r * u ** (r - 1)
}

function bendAt(step: Step & { op: 'log' | 'exp' | 'power' }, u: number, g: number): number {
  if (step.op === 'log') return -1 / (u * u)
  if (step.op === 'exp') return Math.exp(u)
  const r = at(step.exponents, g)
  return r === 1 ? 0 : r * (r - 1) * u ** (r - 2)
}

/** Adds to the slope that belongs to an entry; that of a number collects what all entries of a vector ask of it. */
function give(slopes: Float64Array, g: number, value: number): void {
  slopes[slopes.length === 1 ? 0 : g] += value
}

/**
 * The gradient of Σ_s slopes_s·step_s by reverse accumulation.
 *
 * @param slopes what each entry of each step counts for; completed on the way, so that it ends as the slope in each entry
 * @param gradient that in x and then in the kinks' cells, where they are free; overwritten
 */
export function backward(
  { steps, groups }: Program,
  values: Entries,
  kinks: Kinks,
  slopes: Entries,
  gradient: Float64Array,
): void {
  gradient.fill(0)
  for (let s = steps.length - 1; s >= 0; s--) {
    const step = steps[s]
    const slope = slopes[s]
    switch (step.op) {
      case 'constant':
        break
      case 'utilities':
        for (let g = 0; g < groups; g++) gradient[g] += slope[g]
        break
      case 'utility':
        gradient[step.group] += slope[0]
        break
      case 'scale':
        for (let g = 0; g < slope.length; g++) give(slopes[step.of], g, at(step.factors, g) * slope[g])
        break
      case 'add':
        for (const part of step.of) for (let g = 0; g < slope.length; g++) give(slopes[part], g, slope[g])
        break
      case 'multiply': {
        const [u, v] = step.of
        for (let g = 0; g < slope.length; g++) {
          give(slopes[u], g, at(values[v], g) * slope[g])
          give(slopes[v], g, at(values[u], g) * slope[g])
        }
        break
      }
      case 'sum':
        for (let g = 0; g < step.weights.length; g++) slopes[step.of][g] += step.weights[g] * slope[0]
        break
      case 'logMeanExp':
        for (let g = 0; g < step.weights.length; g++)
          slopes[step.of][g] += slope[0] * softShare(values[step.of], step.weights, values[s][0], g)
        break
      case 'log':
      case 'exp':
      case 'power':
        for (let g = 0; g < slope.length; g++)
          if (slope[g] !== 0) give(slopes[step.of], g, slopeAt(step, at(values[step.of], g), g) * slope[g])
        break
      case 'least':
      case 'greatest':
        for (let c = 0; c < slope.length; c++)
          kinkBackward(step, c, slope[c], kinks, slopes, gradient, groups)
    }
  }
}

function kinkBackward(
  kink: Kink,
  cell: number,
  slope: number,
  kinks: Kinks,
  slopes: Entries,
  gradient: Float64Array,
  groups: number,
): void {
  if (kinks.as === 'free') {
    gradient[groups + kink.cell + cell] += slope
    return
  }
  if (kinks.as === 'exact') throw new Error('a kink has no gradient')
  const first = kink.branch + cell * kink.branches
  for (let b = 0; b < kink.branches; b++) {
    const { step, entry } = branchOf(kink, cell, b)
    if (kinks.shares[first + b] > 0) give(slopes[step], entry, kinks.shares[first + b] * slope)
  }
}

/**
 * How all steps move when one of x and the kinks' cells moves by 1.
 *
 * @param variable a group, or G + a cell
 */
export function forward(
  { steps, groups }: Program,
  values: Entries,
  kinks: Kinks,
  variable: number,
  moves: Entries,
): void {
  for (let s = 0; s < steps.length; s++) {
    const step = steps[s]
    const move = moves[s]
    switch (step.op) {
      case 'constant':
        move.fill(0)
        break
      case 'utilities':
        move.fill(0)
        if (variable < groups) move[variable] = 1
        break
      case 'utility':
        move[0] = variable === step.group ? 1 : 0
        break
      case 'scale':
        for (let g = 0; g < move.length; g++) move[g] = at(step.factors, g) * at(moves[step.of], g)
        break
      case 'add':
        move.fill(0)
        for (const part of step.of) for (let g = 0; g < move.length; g++) move[g] += at(moves[part], g)
        break
      case 'multiply': {
        const [u, v] = step.of
        for (let g = 0; g < move.length; g++)
          move[g] = at(values[u], g) * at(moves[v], g) + at(values[v], g) * at(moves[u], g)
        break
      }
      case 'sum':
        move[0] = 0
        for (let g = 0; g < step.weights.length; g++) move[0] += step.weights[g] * moves[step.of][g]
        break
      case 'logMeanExp': {
        move[0] = 0
        for (let g = 0; g < step.weights.length; g++) {
          const part = moves[step.of][g]
          if (part !== 0) move[0] += part * softShare(values[step.of], step.weights, values[s][0], g)
        }
        break
      }
      case 'log':
      case 'exp':
      case 'power':
        for (let g = 0; g < move.length; g++) {
          const part = at(moves[step.of], g)
          move[g] = part === 0 ? 0 : slopeAt(step, at(values[step.of], g), g) * part
        }
        break
      case 'least':
      case 'greatest':
        for (let c = 0; c < move.length; c++) move[c] = kinkMove(step, c, kinks, variable - groups, moves)
    }
  }
}

function kinkMove(kink: Kink, cell: number, kinks: Kinks, variable: number, moves: Entries): number {
  if (kinks.as === 'free') return variable === kink.cell + cell ? 1 : 0
  if (kinks.as === 'exact') throw new Error('a kink has no gradient')
  const first = kink.branch + cell * kink.branches
  let sum = 0
  for (let b = 0; b < kink.branches; b++) {
    const { step, entry } = branchOf(kink, cell, b)
    if (kinks.shares[first + b] > 0) sum += kinks.shares[first + b] * at(moves[step], entry)
  }
  return sum
}

/**
 * A column of the Hessian of Σ_s slopes_s·step_s, by reverse accumulation over a forward one.
 *
 * @param slopes as {@link backward} left them
 * @param moves as {@link forward} left them, for the variable whose column it is
 * @param bends room
 * @param column in x and then in the kinks' cells; overwritten
 */
export function backwardAlong(
  program: Program,
  values: Entries,
  kinks: Kinks,
  slopes: Entries,
  moves: Entries,
  bends: Entries,
  column: Float64Array,
): void {
  const { steps, groups } = program
  column.fill(0)
  for (const bend of bends) bend.fill(0)
  for (let s = steps.length - 1; s >= 0; s--) {
    const step = steps[s]
    const bend = bends[s]
    const slope = slopes[s]
    switch (step.op) {
      case 'constant':
        break
      case 'utilities':
        for (let g = 0; g < groups; g++) column[g] += bend[g]
        break
      case 'utility':
        column[step.group] += bend[0]
        break
      case 'scale':
        for (let g = 0; g < bend.length; g++) give(bends[step.of], g, at(step.factors, g) * bend[g])
        break
      case 'add':
        for (const part of step.of) for (let g = 0; g < bend.length; g++) give(bends[part], g, bend[g])
        break
      case 'multiply': {
        const [u, v] = step.of
        for (let g = 0; g < bend.length; g++) {
          give(bends[u], g, at(values[v], g) * bend[g] + at(moves[v], g) * slope[g])
          give(bends[v], g, at(values[u], g) * bend[g] + at(moves[u], g) * slope[g])
        }
        break
      }
      case 'sum':
        for (let g = 0; g < step.weights.length; g++) bends[step.of][g] += step.weights[g] * bend[0]
        break
      case 'logMeanExp':
        for (let g = 0; g < step.weights.length; g++) {
          const share = softShare(values[step.of], step.weights, values[s][0], g)
          bends[step.of][g] += share * (bend[0] + slope[0] * (moves[step.of][g] - moves[s][0]))
        }
        break
      case 'log':
      case 'exp':
      case 'power':
        for (let g = 0; g < bend.length; g++) {
          const u = at(values[step.of], g)
          const move = at(moves[step.of], g)
          let sum = bend[g] === 0 ? 0 : slopeAt(step, u, g) * bend[g]
          if (slope[g] !== 0 && move !== 0) sum += bendAt(step, u, g) * slope[g] * move
          give(bends[step.of], g, sum)
        }
        break
      case 'least':
      case 'greatest':
        for (let c = 0; c < bend.length; c++) kinkBackward(step, c, bend[c], kinks, bends, column, groups)
    }
  }
}
