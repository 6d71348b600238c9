import { choleskySolve, dotRows } from '../../numeric/cholesky.ts'
import type { WelfareProblem } from '../problem.ts'
import { ridgeFactor } from '../ridge.ts'
import { type Columns, imageOf, worthOf } from './columns.ts'
import type { Derivatives } from './constraints.ts'

/** A sum has rounding of this part of its terms. */
export const BLUR = 1e-15

/** A row of which less than this part is left is a combination of the others. */
const DEPENDENT = 1e-13

/** Rounds of refinement of the system's solution. */
const REFINED = 3

/** Passes by which a policy's move is led to where its utilities should move. */
const LED = 2

/** Where a Newton step starts from. */
export type State = {
  /** p > 0; length n. */
  policy: Float64Array
  /** log(p/π). */
  tilt: Float64Array
  /** s, complementary to p. */
  costs: Float64Array
  /** h and then τ − Cp; length J + K. */
  slacks: Float64Array
  /** η and then μ, complementary to them. */
  multipliers: Float64Array
  /** σ: what the products should become. */
  barrier: number
}

export type Move = {
  policy: Float64Array
  costs: Float64Array
  /** Of Up and Cp. */
  image: Float64Array
  cells: Float64Array
  multipliers: Float64Array
  slacks: Float64Array
  /** How fast the barrier function rises along the move: the square of Newton's decrement, in units of welfare. */
  slope: number
}

/**
 * The Newton step of the interior point's equations, from which the policy, s, η and μ are eliminated: with D = p/(β + s),
 *
 *   dp = D(r + Aᵀdλ),  dy = A·dp,  P(dy, dz) + (dλ, 0) = b,  P = −∇²(f + η·h) + Jᵀ(η/h)J,
 *
 * where A is (U; C), less the D-weighted mean of each row in each context. With A√D = LQ and w = Lᵀdλ this is
 *
 *   dp = √D(√D·r + Qᵀw),  dy = L(Q√D·r + w),  (I + LᵀPL)w + LᵀP_yz dz = …,  P_zyL w + P_zz dz = …,
 *
 * which stays well conditioned where A or P degenerate.
 *
 * @returns null where rounding has left nothing to factorise
 */
export function newtonStep(
  problem: WelfareProblem,
  columns: Columns,
  { gradient, jacobian, hessian }: Derivatives,
  state: State,
): Move | null {
  const { groups, temperature } = problem
  const { rows, items, entries } = columns
  const { policy, tilt, costs, slacks, multipliers, barrier } = state
  const width = gradient.length
  const cells = width - groups
  const guardrails = rows - groups
  const smooth = slacks.length - guardrails
  const order = rows + cells
  const place = (k: number) => (k < groups ? k : k + guardrails)

  // P, b and what λ and μ are by their definitions, in the order x, Cp, z.
  const matrix = new Float64Array(order * order)
  const pull = new Float64Array(order)
  const defined = new Float64Array(rows)
  for (let k = 0; k < width; k++) {
    const row = place(k) * order
    for (let l = 0; l < width; l++) matrix[row + place(l)] = -hessian[k * width + l]
    if (k < groups) defined[k] = gradient[k]
    else pull[place(k)] = gradient[k]
  }
  const touched = new Int32Array(width)
  for (let j = 0; j < smooth; j++) {
    const row = j * width
    let count = 0
    for (let k = 0; k < width; k++) if (jacobian[row + k] !== 0) touched[count++] = k
    const hold = multipliers[j] / slacks[j]
    const wanted = barrier / slacks[j]
    for (let a = 0; a < count; a++) {
      const k = touched[a]
      const slope = jacobian[row + k]
      if (k < groups) {
        defined[k] += multipliers[j] * slope
        pull[k] += (wanted - multipliers[j]) * slope
      } else pull[place(k)] += wanted * slope
      for (let b = 0; b < count; b++)
        matrix[place(k) * order + place(touched[b])] += hold * slope * jacobian[row + touched[b]]
    }
  }
  for (let k = 0; k < guardrails; k++) {
    const at = groups + k
    const price = multipliers[smooth + k]
    const slack = slacks[smooth + k]
    defined[at] = -price
    pull[at] = price - barrier / slack
    matrix[at * order + at] = price / slack
  }

  // √D, √D·r, and √D·A = Q·Lᵀ. That s is v's distance to ν, but for the entropy, is an equation of which no more is left than
  // rounding where D is large, and there rounding must not speak.
  const worth = worthOf(columns, defined.subarray(0, groups), multipliers.subarray(smooth))
  const terms = termsOf(columns, defined)
  const root = new Float64Array(items)
  const forced = new Float64Array(items)
  const basis = new Float64Array(entries.length)
  forEachContext(problem, (_, from, to) => {
    let total = 0
    let level = 0
    for (let i = from; i < to; i++) {
      const mass = policy[i] / (temperature + costs[i])
      const entropy = temperature > 0 ? temperature * tilt[i] : 0
      root[i] = Math.sqrt(mass)
      worth[i] += costs[i] - entropy
      terms[i] += Math.abs(entropy)
      total += mass
      level += mass * worth[i]
    }
    level /= total
    let shift = 0
    for (let i = from; i < to; i++) {
      const off = worth[i] - level
      const rounding = BLUR * (terms[i] + Math.abs(level))
      forced[i] = barrier / policy[i] - costs[i] + (Math.abs(off) > rounding ? off : 0)
      shift += root[i] * root[i] * forced[i]
    }
    shift /= total
    for (let i = from; i < to; i++) forced[i] = root[i] * (forced[i] - shift)
    for (let r = 0; r < rows; r++) {
      const row = r * items
      let mean = 0
      for (let i = from; i < to; i++) mean += root[i] * root[i] * entries[row + i]
      mean /= total
      for (let i = from; i < to; i++) basis[row + i] = root[i] * (entries[row + i] - mean)
    }
  })
  const factor = orthogonalise(problem, root, basis, rows)
  const drift = new Float64Array(rows)
  const along = Float64Array.from({ length: rows }, (_, r) => dotRows(basis, r * items, forced, 0, items))
  for (let r = 0; r < rows; r++) for (let k = 0; k <= r; k++) drift[r] += factor[r * rows + k] * along[k]

  // (I + LᵀPL, LᵀP_yz; P_zyL, P_zz)(w, dz) = (Lᵀ(b − P·drift), …).
  const rest = pull.slice()
  for (let k = 0; k < order; k++) for (let r = 0; r < rows; r++) rest[k] -= matrix[k * order + r] * drift[r]
  const half = new Float64Array(order * rows)
  for (let k = 0; k < order; k++) {
    for (let r = 0; r < rows; r++) {
      const value = matrix[k * order + r]
      if (value !== 0) for (let l = 0; l <= r; l++) half[k * rows + l] += value * factor[r * rows + l]
    }
  }
  const system = new Float64Array(order * order)
  const solution = new Float64Array(order)
  for (let l = 0; l < rows; l++) {
    for (let r = l; r < rows; r++) {
      const value = factor[r * rows + l]
      if (value === 0) continue
      solution[l] += value * rest[r]
      for (let k = 0; k <= l; k++) system[l * order + k] += value * half[r * rows + k]
    }
    system[l * order + l] += 1
  }
  for (let k = rows; k < order; k++) {
    solution[k] = rest[k]
    for (let l = 0; l < rows; l++) system[k * order + l] = half[k * rows + l]
    for (let l = rows; l <= k; l++) system[k * order + l] = matrix[k * order + l]
  }
  if (!system.every(Number.isFinite) || !ridgeFactor(system, order)) return null
  choleskySolve(system, order, solution)

  // Back to what was eliminated.
  const reduced = new Float64Array(order)
  for (let r = 0; r < rows; r++) {
    reduced[r] = drift[r]
    for (let l = 0; l <= r; l++) reduced[r] += factor[r * rows + l] * solution[l]
  }
  for (let k = rows; k < order; k++) reduced[k] = solution[k]
  // dy is the small difference of what the items want and what holds them back, and good to the digits of these; P, where
  // slacks are nearly 0, makes much of the rest. So what the equations are off by goes into a second, smaller part.
  const refined = new Float64Array(order)
  const strain = new Float64Array(order)
  for (let round = 0; ; round++) {
    for (let k = 0; k < order; k++) {
      let small = 0
      strain[k] = pull[k]
      for (let l = 0; l < order; l++) {
        strain[k] -= matrix[k * order + l] * reduced[l]
        small += matrix[k * order + l] * refined[l]
      }
      strain[k] -= small
    }
    if (round === REFINED) break
    const off = new Float64Array(order)
    for (let l = 0; l < rows; l++) {
      off[l] = -solution[l]
      for (let r = l; r < rows; r++) off[l] += factor[r * rows + l] * strain[r]
    }
    for (let k = rows; k < order; k++) off[k] = strain[k]
    choleskySolve(system, order, off)
    for (let l = 0; l < rows; l++) {
      solution[l] += off[l]
      for (let r = l; r < rows; r++) refined[r] += factor[r * rows + l] * off[l]
    }
    for (let k = rows; k < order; k++) refined[k] += off[k]
    for (let k = 0; k < order; k++) {
      const sum = reduced[k] + refined[k]
      refined[k] -= sum - reduced[k]
      reduced[k] = sum
    }
  }
  const move: Move = {
    policy: forced.slice(),
    costs: new Float64Array(items),
    image: reduced.slice(0, rows),
    cells: reduced.slice(rows),
    multipliers: new Float64Array(slacks.length),
    slacks: new Float64Array(slacks.length),
    slope: 0,
  }
  for (let r = 0; r < rows; r++)
    for (let i = 0, at = r * items; i < items; i++, at++) move.policy[i] += basis[at] * solution[r]
  for (let i = 0; i < items; i++) {
    move.slope += move.policy[i] ** 2
    move.policy[i] *= root[i]
  }
  balance(problem, root, move.policy)
  for (let pass = 0; pass < LED; pass++) {
    lead(columns, { root, basis, half, system, order }, move)
    balance(problem, root, move.policy)
  }
  move.image = imageOf(columns, move.policy)
  for (let i = 0; i < items; i++)
    move.costs[i] = barrier / policy[i] - costs[i] - (costs[i] / policy[i]) * move.policy[i]
  for (let k = 0; k < order; k++)
    for (let l = 0; l < order; l++) move.slope += reduced[k] * matrix[k * order + l] * reduced[l]
  for (let j = 0; j < slacks.length; j++) {
    let change = 0
    let rest = 0
    if (j < smooth) {
      for (let k = 0; k < width; k++) {
        change += jacobian[j * width + k] * reduced[place(k)]
        rest += jacobian[j * width + k] * refined[place(k)]
      }
    } else {
      change = -reduced[groups + j - smooth]
      rest = -refined[groups + j - smooth]
    }
    move.slacks[j] = change
    move.multipliers[j] =
      barrier / slacks[j] - multipliers[j] - (multipliers[j] / slacks[j]) * (change + rest)
  }
  return move
}

/**
 * Makes a move of the policy lead to where its image is said to move: as the difference of what the items want and what holds
 * them back it has fewer digits than the image, which is refined. What is off by e is made up for by √D·Qᵀt with the least
 * tᵀt + (e − Lt)ᵀP(e − Lt), so that directions count as far as P minds them.
 *
 * @param system the Cholesky factor of a matrix that begins with I + LᵀPL
 */
function lead(
  { rows, items, entries }: Columns,
  {
    root,
    basis,
    half,
    system,
    order,
  }: { root: Float64Array; basis: Float64Array; half: Float64Array; system: Float64Array; order: number },
  { policy, image }: Move,
): void {
  const off = Float64Array.from(image, (move, r) => move - dotRows(entries, r * items, policy, 0, items))
  const shift = new Float64Array(rows)
  for (let r = 0; r < rows; r++) for (let l = 0; l < rows; l++) shift[l] += half[r * rows + l] * off[r]
  choleskySolve(system, rows, shift, order)
  for (let r = 0; r < rows; r++)
    for (let i = 0; i < items; i++) policy[i] += shift[r] * root[i] * basis[r * items + i]
}

/** Makes a move of the policy sum to 0 in each context, at the expense of the item that gives most easily. */
function balance(problem: WelfareProblem, root: Float64Array, move: Float64Array): void {
  forEachContext(problem, (_, from, to) => {
    let sum = 0
    let easiest = from
    for (let i = from; i < to; i++) {
      sum += move[i]
      if (root[i] > root[easiest]) easiest = i
    }
    move[easiest] -= sum
  })
}

/**
 * Makes rows orthonormal, and orthogonal to √D in each context, in place, by modified Gram–Schmidt, again where little is left of a row; a row of which nothing is
 * left becomes 0. Unlike a factor of the products of rows, it keeps differences that are small against the rows.
 *
 * @returns the lower triangular L with which the rows were L·(what they are now); rows × rows, row-major
 */
function orthogonalise(
  problem: WelfareProblem,
  root: Float64Array,
  basis: Float64Array,
  rows: number,
): Float64Array {
  const { items } = problem
  const factor = new Float64Array(rows * rows)
  for (let r = 0; r < rows; r++) {
    const own = basis.subarray(r * items, (r + 1) * items)
    const whole = Math.sqrt(dotRows(own, 0, own, 0, items))
    let left = whole
    for (let pass = 0; pass < 4; pass++) {
      const before = left
      for (let k = 0; k < r; k++) {
        const at = k * items
        const part = dotRows(own, 0, basis, at, items)
        if (part === 0) continue
        factor[r * rows + k] += part
        for (let i = 0; i < items; i++) own[i] -= part * basis[at + i]
      }
      forEachContext(problem, (_, from, to) => {
        const part = dotRows(own, from, root, from, to - from) / dotRows(root, from, root, from, to - from)
        for (let i = from; i < to; i++) own[i] -= part * root[i]
      })
      left = Math.sqrt(dotRows(own, 0, own, 0, items))
      if (left > 0.5 * before) break
    }
    const kept = left > DEPENDENT * whole
    factor[r * rows + r] = kept ? left : 0
    for (let i = 0; i < items; i++) own[i] = kept ? own[i] / left : 0
  }
  return factor
}

/** Σ_r |a_ri·λ_r|: of what each item's worth is the sum. */
function termsOf({ rows, items, entries }: Columns, weights: Float64Array): Float64Array {
  const terms = new Float64Array(items)
  for (let r = 0; r < rows; r++)
    for (let i = 0; i < items; i++) terms[i] += Math.abs(entries[r * items + i] * weights[r])
  return terms
}

/** Calls a function with each context and the items from … to − 1 that it has. */
export function forEachContext(
  { contexts: { starts, weights } }: WelfareProblem,
  visit: (context: number, from: number, to: number) => void,
): void {
  for (let q = 0; q < weights.length; q++) visit(q, starts[q], starts[q + 1])
}
