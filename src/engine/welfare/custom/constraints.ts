import {
  backward,
  backwardAlong,
  type Entries,
  evaluate,
  forward,
  type Kinks,
  newEntries,
} from './evaluate.ts'
import { branchOf, kinkSizes, kinksOf, lengthOfStep, type Program } from './program.ts'

/**
 * A program without kinks: W(x) = max_z {f(x, z) : h(x, z) ≥ 0}, where z_c stands for the result of cell c of a kink, and h
 * says that it is not above its branches (not below, where the kink takes the greatest), and that the domain's steps are
 * not negative. f and all h_j are smooth and concave, and f rises with the least and falls with the greatest of branches.
 */
export type Lifted = {
  program: Program
  /** How many z there are. */
  cells: number
  /** What each h_j is: sign·(entry of a step), minus sign·z_cell; for a domain's step there is no cell. */
  constraints: readonly Constraint[]
  /** How many of them are branches; those of the domain follow. */
  branches: number
}

export type Constraint = { step: number; entry: number; sign: 1 | -1; cell: number }

export function lift(program: Program): Lifted {
  const constraints: Constraint[] = []
  for (const kink of kinksOf(program)) {
    for (let c = 0; c < kink.cells; c++) {
      for (let b = 0; b < kink.branches; b++) {
        const { step, entry } = branchOf(kink, c, b)
        const { vector } = program.steps[step]
        const sign = kink.op === 'least' ? 1 : -1
        constraints.push({ step, entry: vector ? entry : 0, sign, cell: kink.cell + c })
      }
    }
  }
  for (const { step } of program.domain) {
    const length = lengthOfStep(program.steps[step], program.groups)
    for (let entry = 0; entry < length; entry++) constraints.push({ step, entry, sign: 1, cell: -1 })
  }
  const { cells, branches } = kinkSizes(program)
  return { program, cells, constraints, branches }
}

/** f and h at a point (x, z), and where they are finite and h > 0, their derivatives. */
export type LiftedValues = { objective: number; slacks: Float64Array; values: Entries }

export function evaluateLifted(
  { program, constraints }: Lifted,
  x: Float64Array,
  cells: Float64Array,
): LiftedValues {
  const values = newEntries(program)
  evaluate(program, x, { as: 'free', cells }, values)
  const slacks = Float64Array.from(constraints, ({ step, entry, sign, cell }) => {
    const value = values[step][entry]
    return sign * (cell < 0 ? value : value - cells[cell])
  })
  return { objective: values[program.root][0], slacks, values }
}

/** The derivatives of f and of h in x and then in z. */
export type Derivatives = {
  /** ∇f; length G + m. */
  gradient: Float64Array
  /** ∇h, row by row; J × (G + m). */
  jacobian: Float64Array
  /** ∇²(f + Σ_j η_j h_j); (G + m)², symmetric. */
  hessian: Float64Array
}

export function differentiate(
  { program, constraints, cells }: Lifted,
  z: Float64Array,
  { values }: LiftedValues,
  multipliers: Float64Array,
): Derivatives {
  const width = program.groups + cells
  const kinks: Kinks = { as: 'free', cells: z }
  const gradient = new Float64Array(width)
  const own = newEntries(program)
  own[program.root][0] = 1
  backward(program, values, kinks, own, gradient)

  const slopes = newEntries(program)
  slopes[program.root][0] = 1
  constraints.forEach(({ step, entry, sign }, j) => {
    slopes[step][entry] += sign * multipliers[j]
  })
  const column = new Float64Array(width)
  backward(program, values, kinks, slopes, column)

  const jacobian = new Float64Array(constraints.length * width)
  const hessian = new Float64Array(width * width)
  const moves = newEntries(program)
  const bends = newEntries(program)
  for (let k = 0; k < width; k++) {
    forward(program, values, kinks, k, moves)
    for (let j = 0; j < constraints.length; j++) {
      const { step, entry, sign, cell } = constraints[j]
      const own = cell >= 0 && cell === k - program.groups ? 1 : 0
      jacobian[j * width + k] = sign * (moves[step][entry] - own)
    }
    backwardAlong(program, values, kinks, slopes, moves, bends, column)
    hessian.set(column, k * width)
  }
  return { gradient, jacobian, hessian }
}
