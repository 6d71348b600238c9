/** What one entry of pair counts adds to ℓ and its derivatives, in terms of the difference d and of η = log ν. */
export type OutcomeTerms = {
  /** ∂ℓ/∂d and ∂ℓ/∂η. */
  pull: number
  tiePull: number
  /** −∂²ℓ/∂d², −∂²ℓ/∂d∂η and −∂²ℓ/∂η². */
  edge: number
  cross: number
  tieEdge: number
}

/** Zeroed terms for {@link davidsonTerms} and {@link binaryTerms} to fill. */
export function newTerms(): OutcomeTerms {
  return { pull: 0, tiePull: 0, edge: 0, cross: 0, tieEdge: 0 }
}

/**
 * Davidson's model (J. Amer. Statist. Assoc. 65, 1970): with Z = e^{d/2} + e^{−d/2} + ν, P(i) = e^{d/2}/Z,
 * P(j) = e^{−d/2}/Z, P(tie) = ν/Z.
 *
 * The differences are written as sums of products, so that nothing cancels where an outcome is all but certain.
 */
export function davidsonTerms(
  d: number,
  eta: number,
  wins: number,
  losses: number,
  ties: number,
  terms: OutcomeTerms,
): void {
  const top = Math.max(Math.abs(d) / 2, eta)
  const i = Math.exp(d / 2 - top)
  const j = Math.exp(-d / 2 - top)
  const t = Math.exp(eta - top)
  termsOfOdds(i, j, t, wins, losses, ties, terms)
}

/** The same from the odds of a win of either side and of a tie, up to a common factor; the binary model where t is 0. */
export function termsOfOdds(
  i: number,
  j: number,
  t: number,
  wins: number,
  losses: number,
  ties: number,
  terms: OutcomeTerms,
): void {
  const inverse = 1 / (i + j + t)
  const pi = i * inverse
  const pj = j * inverse
  const pt = t * inverse
  const n = wins + losses + ties
  terms.pull = wins * (pj + pt / 2) - losses * (pi + pt / 2) + (ties * (pj - pi)) / 2
  terms.tiePull = ties * (pi + pj) - (wins + losses) * pt
  terms.edge = (n / 4) * (4 * pi * pj + (pi + pj) * pt)
  terms.cross = (-n / 2) * (pi - pj) * pt
  terms.tieEdge = n * pt * (pi + pj)
}

/** ½(w_ij − w_ji)·d + t·η − N·log Z, each outcome measured against the likeliest so that no digits are lost. */
export function davidsonValue(d: number, eta: number, wins: number, losses: number, ties: number): number {
  const top = Math.max(Math.abs(d) / 2, eta)
  const log = Math.log(Math.exp(d / 2 - top) + Math.exp(-d / 2 - top) + Math.exp(eta - top))
  let value = 0
  if (wins > 0) value += wins * (d / 2 - top - log)
  if (losses > 0) value += losses * (-d / 2 - top - log)
  if (ties > 0) value += ties * (eta - top - log)
  return value
}

/** The binary model, P(i) = σ(d); a tie is already split into half a win to each side. */
export function binaryTerms(d: number, wins: number, losses: number, terms: OutcomeTerms): void {
  const small = Math.exp(-Math.abs(d))
  const inverse = 1 / (1 + small)
  const p = d >= 0 ? inverse : small * inverse
  const q = d >= 0 ? small * inverse : inverse
  terms.pull = wins * q - losses * p
  terms.edge = (wins + losses) * p * q
}
