/** What is believed of the rewards before any comparison. Every result says which prior was used. */
export type Prior =
  | { kind: 'none' }
  /** θ_i ~ N(0, s²), independently; with features the reward weights instead. */
  | { kind: 'gaussian'; standardDeviation: number }
  /** k wins and k losses of every item against a phantom item whose reward is 0, never a tie. */
  | { kind: 'pseudo-item'; strength: number }
  /** Jeffreys' prior, √det of the Fisher information: the bias reduction of Firth (Biometrika 80, 1993). */
  | { kind: 'firth' }
  /**
   * Each group's parameters are normal around the population's, with standard deviation τ (null: estimated), and the
   * population's rewards around 0 with σ. Where σ is not given their prior is flat if all comparisons together have a
   * finite estimate, and otherwise σ is estimated.
   */
  | { kind: 'pooled'; standardDeviation: number | null; populationDeviation: number | null }

/** How the outcome of a comparison depends on the rewards of its two items. */
export type OutcomeModel = {
  /** A tie is half a win to each side, or an outcome of its own with a probability (Davidson 1970). */
  ties: 'half-win' | 'davidson'
  /** Whether the item shown first has an advantage γ. */
  positionEffect: boolean
}

/** Parameters besides the rewards: γ, and η = log ν; with rankings also those of ties among three and four. */
export type Extra = 'position' | 'logTie' | 'logTie3' | 'logTie4'

export function extrasOf({ ties, positionEffect }: OutcomeModel): Extra[] {
  return [
    ...(positionEffect ? (['position'] as const) : []),
    ...(ties === 'davidson' ? (['logTie'] as const) : []),
  ]
}

/** Ties as half a win to each side, and no position effect. */
export const PLAIN: OutcomeModel = { ties: 'half-win', positionEffect: false }

/** A prior by which each group is fitted on its own. */
export type OwnPrior = Exclude<Prior, { kind: 'pooled' }>
