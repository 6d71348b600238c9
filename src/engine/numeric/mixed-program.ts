import { type LinearProgram, loadHighs, type SparseRows } from './linear-program.ts'

/** A linear program whose last `binaries` variables are 0 or 1. */
export type MixedProgram = Omit<LinearProgram, 'rows'> & { rows: SparseRows; binaries: number }

/** The best x that was found, and whether it is proven that none is better by more than 1e-9. */
export type MixedSolution = { x: Float64Array; proven: boolean }

/**
 * Solves a mixed-integer program with HiGHS, by branch and bound.
 *
 * @param nodes after so many nodes of the search it is given up: a count and not a time, so that the answer is always
 *   the same
 * @returns null where nothing feasible was found
 */
export async function solveMixedProgram(
  { objective, rows, rowLower, rowUpper, binaries }: MixedProgram,
  nodes: number,
): Promise<MixedSolution | null> {
  const highs = await loadHighs()
  const { optimal, solutionLimit } = highs.constants.modelStatus
  const numCols = objective.length
  const numRows = rowLower.length
  const data = {
    numCols,
    numRows,
    sense: highs.constants.objectiveSense.maximize,
    colCost: objective,
    colLower: new Float64Array(numCols),
    colUpper: new Float64Array(numCols).fill(highs.infinity).fill(1, numCols - binaries),
    integrality: new Int32Array(numCols).fill(1, numCols - binaries),
    rowLower: rowLower.map((value) => (value === Number.NEGATIVE_INFINITY ? -highs.infinity : value)),
    rowUpper: rowUpper.map((value) => (value === Number.POSITIVE_INFINITY ? highs.infinity : value)),
    matrix: {
      format: 'csr' as const,
      numRows,
      numCols,
      starts: rows.offsets,
      indices: rows.index,
      values: rows.values,
    },
  }
  return highs.withModel(data, (model) => {
    model.options.set({ output_flag: false, mip_max_nodes: nodes, mip_abs_gap: 1e-9, mip_rel_gap: 0 })
    model.run()
    const status = model.getModelStatus()
    if (status !== optimal && status !== solutionLimit) return null
    return { x: model.getSolution().colValue, proven: status === optimal }
  })
}
