import type { Highs } from 'highs'

/** maximise c·x subject to rowLower ≤ A·x ≤ rowUpper and x ≥ 0. */
export type LinearProgram = {
  /** c; its length is the number of variables. */
  objective: Float64Array
  /** A, dense, row-major: rows × variables. */
  rows: Float64Array
  rowLower: Float64Array
  rowUpper: Float64Array
}

/** Solves a linear program; the optimal x, or null where nothing is feasible. */
export type LinearProgramSolver = (program: LinearProgram) => Float64Array | null

let loaded: Promise<Highs> | null = null

/** Loads HiGHS, once in a thread, and returns a solver that runs to a tolerance of 1e-10. */
export async function linearProgramSolver(): Promise<LinearProgramSolver> {
  // The package's types describe its CommonJS shape, in which the loader is one `default` deeper.
  loaded ??= import('highs').then(({ default: load }) => (load as unknown as typeof load.default)())
  const highs = await loaded
  return ({ objective, rows, rowLower, rowUpper }) => {
    const numCols = objective.length
    const numRows = rowLower.length
    const data = {
      numCols,
      numRows,
      sense: highs.constants.objectiveSense.maximize,
      colCost: objective,
      colLower: new Float64Array(numCols),
      colUpper: new Float64Array(numCols).fill(highs.infinity),
      rowLower: rowLower.map((value) => (value === Number.NEGATIVE_INFINITY ? -highs.infinity : value)),
      rowUpper: rowUpper.map((value) => (value === Number.POSITIVE_INFINITY ? highs.infinity : value)),
      matrix: { format: 'csr' as const, numRows, numCols, ...compressed(rows, numRows, numCols) },
    }
    return highs.withModel(data, (model) => {
      model.options.set({
        output_flag: false,
        primal_feasibility_tolerance: 1e-10,
        dual_feasibility_tolerance: 1e-10,
      })
      model.run()
      return model.getModelStatus() === highs.constants.modelStatus.optimal
        ? model.getSolution().colValue
        : null
    })
  }
}

/** A dense matrix as compressed sparse rows. */
function compressed(rows: Float64Array, numRows: number, numCols: number) {
  const starts = new Int32Array(numRows + 1)
  const indices = new Int32Array(rows.length)
  const values = new Float64Array(rows.length)
  let filled = 0
  for (let r = 0; r < numRows; r++) {
    for (let c = 0; c < numCols; c++) {
      const value = rows[r * numCols + c]
      if (value === 0) continue
      indices[filled] = c
      values[filled++] = value
    }
    starts[r + 1] = filled
  }
  return { starts, indices: indices.subarray(0, filled), values: values.subarray(0, filled) }
}
