import type { Highs } from 'highs'

/** maximise c·x subject to rowLower ≤ A·x ≤ rowUpper and x ≥ 0. */
export type LinearProgram = {
  /** c; its length is the number of variables. */
  objective: Float64Array
  /** A: dense, row-major, rows × variables; or its non-zero entries. */
  rows: Float64Array | SparseRows
  rowLower: Float64Array
  rowUpper: Float64Array
}

/** One whose A is dense. */
export type DenseProgram = LinearProgram & { rows: Float64Array }

/** Row r has values[k] in column index[k], for k in offsets[r] … offsets[r + 1]; columns ascending. */
export type SparseRows = { offsets: Int32Array; index: Int32Array; values: Float64Array }

/** Solves a linear program; the optimal x, or null where nothing is feasible or the solver gives up. */
export type LinearProgramSolver = (program: LinearProgram) => Float64Array | null

/** The optimal x, and what a unit of each row's limit is worth: 0 or less where a lower limit holds, else 0 or more. */
export type Priced = { point: Float64Array; prices: Float64Array }

/** The same, with the price of every row. */
export type PricedProgramSolver = (program: LinearProgram) => Priced | null

let loaded: Promise<Highs> | null = null

/** Loads HiGHS, once in a thread. */
export function loadHighs(): Promise<Highs> {
  // The package's types describe its CommonJS shape, in which the loader is one `default` deeper.
  loaded ??= import('highs').then(({ default: load }) => (load as unknown as typeof load.default)())
  return loaded
}

/** A solver that runs to a tolerance of 1e-10. */
export async function linearProgramSolver(): Promise<LinearProgramSolver> {
  const solve = await pricedProgramSolver()
  return (program) => solve(program)?.point ?? null
}

/** A solver that runs to a tolerance of 1e-10, and tells prices as well. */
export async function pricedProgramSolver(): Promise<PricedProgramSolver> {
  const highs = await loadHighs()
  return ({ objective, rows, rowLower, rowUpper }) => {
    const numCols = objective.length
    const numRows = rowLower.length
    const { offsets, index, values } =
      rows instanceof Float64Array ? compressed(rows, numRows, numCols) : rows
    const data = {
      numCols,
      numRows,
      sense: highs.constants.objectiveSense.maximize,
      colCost: objective,
      colLower: new Float64Array(numCols),
      colUpper: new Float64Array(numCols).fill(highs.infinity),
      rowLower: rowLower.map((value) => (value === Number.NEGATIVE_INFINITY ? -highs.infinity : value)),
      rowUpper: rowUpper.map((value) => (value === Number.POSITIVE_INFINITY ? highs.infinity : value)),
      matrix: { format: 'csr' as const, numRows, numCols, starts: offsets, indices: index, values },
    }
    return highs.withModel(data, (model) => {
      model.options.set({
        output_flag: false,
        // Entries are given in units in which even the small ones count, and presolving costs digits where rows are alike.
        small_matrix_value: 1e-12,
        presolve: 'off',
        primal_feasibility_tolerance: 1e-10,
        dual_feasibility_tolerance: 1e-10,
      })
      try {
        model.run()
      } catch {
        return null
      }
      if (model.getModelStatus() !== highs.constants.modelStatus.optimal) return null
      const { colValue, rowDual } = model.getSolution()
      return rowDual === null ? null : { point: colValue, prices: rowDual }
    })
  }
}

function compressed(rows: Float64Array, numRows: number, numCols: number): SparseRows {
  const offsets = new Int32Array(numRows + 1)
  const index = new Int32Array(rows.length)
  const values = new Float64Array(rows.length)
  let filled = 0
  for (let r = 0; r < numRows; r++) {
    for (let c = 0; c < numCols; c++) {
      const value = rows[r * numCols + c]
      if (value === 0) continue
      index[filled] = c
      values[filled++] = value
    }
    offsets[r + 1] = filled
  }
  return { offsets, index: index.subarray(0, filled), values: values.subarray(0, filled) }
}
