/**
 * A welfare expression as a list of steps, each computed from earlier ones: a number, or a vector with one entry a group.
 * A number among vectors counts as a vector of equal entries.
 */
export type Program = {
  /** G. */
  groups: number
  steps: readonly Step[]
  /** The step that is W. */
  root: number
  /** Where W is defined: each of these steps must be above 0, in every entry. In the order of their steps. */
  domain: readonly Domain[]
}

export type Step = { vector: boolean } & (
  | { op: 'constant'; values: Float64Array }
  /** The vector x. */
  | { op: 'utilities' }
  /** x_g. */
  | { op: 'utility'; group: number }
  /** c∘u. */
  | { op: 'scale'; of: number; factors: Float64Array }
  | { op: 'add'; of: readonly number[] }
  | { op: 'multiply'; of: readonly [number, number] }
  /** Σ_g w_g u_g; one weight stands for equal ones. */
  | { op: 'sum'; of: number; weights: Float64Array }
  /** log Σ_g w_g e^{u_g}, where Σ w = 1. */
  | { op: 'logMeanExp'; of: number; weights: Float64Array }
  | { op: 'log'; of: number }
  | { op: 'exp'; of: number }
  /** u^r, entry by entry. */
  | { op: 'power'; of: number; exponents: Float64Array }
  | Kink
)

/**
 * The least or the greatest of several branches: of the entries of one vector (`within`), or of several steps entry by
 * entry. The only steps that are not smooth.
 */
export type Kink = {
  vector: boolean
  op: 'least' | 'greatest'
  of: readonly number[]
  within: boolean
  /** Where its results and its branches are, among those of all kinks: `cells` results, each of `branches`. */
  cell: number
  cells: number
  branch: number
  branches: number
}

/** A step that must be above 0, where it is written, and how many other such steps it depends on in a chain, plus 1. */
export type Domain = { step: number; text: string; depth: number }

/** The kinks of a program, in the order of their cells. */
export function kinksOf({ steps }: Program): Kink[] {
  return steps.filter((step): step is Kink => step.op === 'least' || step.op === 'greatest')
}

/** How many results, and how many branches, all kinks have together. */
export function kinkSizes(program: Program): { cells: number; branches: number } {
  let cells = 0
  let branches = 0
  for (const kink of kinksOf(program)) {
    cells += kink.cells
    branches += kink.cells * kink.branches
  }
  return { cells, branches }
}

/** The steps on which the root and the domain depend, and no others; kinks are numbered anew. */
export function trimmed({ groups, steps, root, domain }: Program): Program {
  const needed = new Set<number>()
  const open = [root, ...domain.map(({ step }) => step)]
  while (open.length > 0) {
    const s = open.pop() as number
    if (needed.has(s)) continue
    needed.add(s)
    open.push(...partsOf(steps[s]))
  }
  const kept = [...needed].sort((a, b) => a - b)
  const places = new Map(kept.map((s, place) => [s, place]))
  const place = (s: number) => places.get(s) as number
  let cell = 0
  let branch = 0
  const moved = kept.map((s): Step => {
    const step = steps[s]
    if (step.op === 'constant' || step.op === 'utilities' || step.op === 'utility') return step
    if (typeof step.of === 'number') return { ...step, of: place(step.of) } as Step
    const of = step.of.map(place)
    if (step.op !== 'least' && step.op !== 'greatest') return { ...step, of } as Step
    const kink = { ...step, of, cell, branch }
    cell += step.cells
    branch += step.cells * step.branches
    return kink
  })
  const within = domain.map((needed) => ({ ...needed, step: place(needed.step) }))
  return { groups, steps: moved, root: place(root), domain: within }
}

/** The steps from which a step is computed. */
export function partsOf(step: Step): readonly number[] {
  if (step.op === 'constant' || step.op === 'utilities' || step.op === 'utility') return []
  return typeof step.of === 'number' ? [step.of] : step.of
}

/** The step and the entry that a branch of a kink's cell is. */
export function branchOf(
  { of, within }: Kink,
  cell: number,
  branch: number,
): { step: number; entry: number } {
  return within ? { step: of[0], entry: branch } : { step: of[branch], entry: cell }
}

/** How many numbers a step is. */
export function lengthOfStep({ vector }: Step, groups: number): number {
  return vector ? groups : 1
}
