import type { Welfare } from '../../../../schemas/welfare.ts'
import type { WelfareFunctionEntry } from '../../../../schemas/welfare-functions.ts'
import type { AxiomId } from './axioms.ts'

/** Whether an axiom holds in its strict form, only in its weak one, or not. */
export type Strength = 'strictly' | 'weakly' | 'no'

/** What is said of a function: its claims, at temperature 0, are those of its example. */
export type FunctionEntry = Pick<
  WelfareFunctionEntry,
  'id' | 'meaning' | 'formula' | 'parameters' | 'source'
> & {
  example: Welfare
  claims: Partial<Record<AxiomId, Strength>>
  /** For which parameters an axiom holds in a stronger form than in the example. */
  conditions?: Partial<Record<AxiomId, string>>
}

/** What every function that chooses by a symmetric welfare of expected utilities satisfies. */
const COMMON = {
  anonymity: 'strictly',
  neutrality: 'strictly',
  'split-invariance': 'strictly',
  'duplication-invariance': 'strictly',
  'independence-of-the-unused': 'strictly',
  pareto: 'strictly',
  'pigou-dalton': 'strictly',
  'population-monotonicity': 'strictly',
  'fair-share': 'no',
  core: 'no',
  'an-answer-always': 'strictly',
  decisiveness: 'strictly',
} as const satisfies Partial<Record<AxiomId, Strength>>

/** Which of the changes to utilities and populations leave the policy as it is. */
function invariantTo(...changes: AxiomId[]): Partial<Record<AxiomId, Strength>> {
  const all = ['common-scale', 'common-shift', 'group-scale', 'group-shift', 'population'] as const
  return Object.fromEntries(all.map((change) => [change, changes.includes(change) ? 'strictly' : 'no']))
}

/** Every function that a request can name. */
export const FUNCTIONS: readonly FunctionEntry[] = [
  {
    id: 'utilitarian',
    meaning:
      'Maximises the population-weighted mean of the utilities: a large gain for some can outweigh losses of others.',
    formula: 'Σ_g n_g x_g',
    parameters: [],
    example: { function: 'utilitarian' },
    claims: {
      ...invariantTo('common-scale', 'common-shift', 'group-shift'),
      ...COMMON,
      'pigou-dalton': 'weakly',
    },
    source: 'Harsanyi, J. Political Economy 63 (1955)',
  },
  {
    id: 'nash',
    meaning:
      'Maximises the geometric mean of the gains: the policy at which no change gives larger relative gains than losses.',
    formula: '∏_g x_g^{n_g}',
    parameters: [],
    example: { function: 'nash' },
    claims: {
      ...invariantTo('common-scale', 'group-scale'),
      ...COMMON,
      'fair-share': 'strictly',
      core: 'strictly',
      'an-answer-always': 'no',
    },
    source: 'Nash, Econometrica 18 (1950); Kaneko & Nakamura, Econometrica 47 (1979)',
  },
  {
    id: 'maximin',
    meaning: 'Maximises the utility of the group that has least, whatever that costs the others.',
    formula: 'min_g x_g',
    parameters: [],
    example: { function: 'maximin' },
    claims: {
      ...invariantTo('common-scale', 'common-shift', 'population'),
      ...COMMON,
      pareto: 'weakly',
      'pigou-dalton': 'weakly',
    },
    source: 'Rawls, A Theory of Justice (1971)',
  },
  {
    id: 'power-mean',
    meaning:
      'Maximises the power mean of the gains: between utilitarian (exponent 1), Nash (0) and maximin (towards −∞).',
    formula: '(Σ_g n_g x_g^ρ)^{1/ρ}',
    parameters: [
      {
        name: 'exponent',
        meaning: 'ρ: the lower, the more the groups that have less count; 0 is Nash, 1 is utilitarian.',
        minimum: -1000,
        maximum: 1,
      },
    ],
    example: { function: 'power-mean', exponent: -1 },
    claims: { ...invariantTo('common-scale'), ...COMMON, 'an-answer-always': 'no' },
    conditions: {
      'fair-share': 'At exponent 0, which is nash.',
      core: 'At exponent 0, which is nash.',
      'an-answer-always': 'At exponent 1, which is utilitarian.',
    },
    source: 'Hardy, Littlewood & Pólya, Inequalities (1934); Atkinson, J. Economic Theory 2 (1970)',
  },
  {
    id: 'kolm-pollak',
    meaning:
      'Maximises the equally distributed equivalent under a constant aversion κ to gaps: what matters is by how much one ' +
      'group has more than another, not in what proportion.',
    formula: '−κ⁻¹ log Σ_g n_g e^{−κ x_g}',
    parameters: [
      {
        name: 'kappa',
        meaning:
          'κ, per unit of utility: a group that has 1/κ more than another counts 1/e of it; small is utilitarian, large is ' +
          'maximin.',
        minimum: 1e-9,
        maximum: 1e9,
      },
    ],
    example: { function: 'kolm-pollak', kappa: 1 },
    claims: { ...invariantTo('common-shift'), ...COMMON },
    source: 'Kolm, J. Economic Theory 12 (1976); Pollak, Australian Economic Papers 10 (1971)',
  },
  {
    id: 'leximin',
    meaning:
      'Maximises the utility of the group that has least; where that is settled, of the one that has second least; and so on.',
    formula: 'the largest (x_(1), x_(2), …) in the order of a dictionary',
    parameters: [],
    example: { function: 'leximin' },
    claims: { ...invariantTo('common-scale', 'common-shift', 'population'), ...COMMON },
    source: 'Sen, Collective Choice and Social Welfare (1970)',
  },
  {
    id: 'generalised-gini',
    meaning:
      'Maximises the mean of the utilities, each counted by its rank: the lower in the order, the more it counts.',
    formula: 'Σ_k x_(k) [Φ(N_k) − Φ(N_{k−1})]',
    parameters: [
      {
        name: 'weights',
        meaning:
          'How much equal parts of the population count, from the worst off to the best off; never rising.',
        minimum: 0,
        maximum: 1e9,
      },
      {
        name: 'parameter',
        meaning:
          'ν, in place of weights: the worst-off part t of the population counts 1 − (1 − t)^ν; 2, the default, is the Gini.',
        minimum: 1,
        maximum: 1000,
      },
    ],
    example: { function: 'generalised-gini', parameter: 2 },
    claims: {
      ...invariantTo('common-scale', 'common-shift'),
      ...COMMON,
      'population-monotonicity': 'no',
    },
    source:
      'Weymark, Mathematical Social Sciences 1 (1981); Donaldson & Weymark, J. Economic Theory 22 (1980)',
  },
  {
    id: 'cvar',
    meaning: 'Maximises the mean utility of the worst-off part of the population.',
    formula: 'Σ_k x_(k) [Φ(N_k) − Φ(N_{k−1})], Φ(t) = min(t/α, 1)',
    parameters: [
      {
        name: 'alpha',
        meaning:
          'α, the part of the population that is looked at, above 0: 1 is utilitarian, towards 0 maximin.',
        minimum: 0,
        maximum: 1,
      },
    ],
    example: { function: 'cvar', alpha: 0.5 },
    claims: {
      ...invariantTo('common-scale', 'common-shift'),
      ...COMMON,
      pareto: 'weakly',
      'pigou-dalton': 'weakly',
      'population-monotonicity': 'no',
    },
    conditions: { pareto: 'Strictly where alpha is above 1 minus the smallest population.' },
    source: 'Rockafellar & Uryasev, J. Risk 2 (2000)',
  },
  {
    id: 'kalai-smorodinsky',
    meaning:
      'Gives every group the same part, as large as can be, of the most that it could gain if nobody lost; then more to ' +
      'whoever can have it at no cost to others.',
    formula: 'min_g x_g / b_g, b_g = max {x_g(p) : x(p) ≥ 0}',
    parameters: [],
    example: { function: 'kalai-smorodinsky' },
    claims: {
      ...invariantTo('common-scale', 'group-scale', 'population'),
      ...COMMON,
      'pigou-dalton': 'no',
      'independence-of-the-unused': 'no',
      'an-answer-always': 'no',
    },
    source: 'Kalai & Smorodinsky, Econometrica 43 (1975); Imai, Econometrica 51 (1983)',
  },
  {
    id: 'relative-utilitarian',
    meaning:
      'Maximises the population-weighted mean of the utilities, each counted in units of how far policies can move its group.',
    formula: 'Σ_g n_g x_g / range_g',
    parameters: [],
    example: { function: 'relative-utilitarian' },
    claims: {
      ...invariantTo('common-scale', 'common-shift', 'group-scale', 'group-shift'),
      ...COMMON,
      'pigou-dalton': 'no',
      'independence-of-the-unused': 'no',
    },
    source: 'Dhillon & Mertens, Econometrica 67 (1999)',
  },
  {
    id: 'custom',
    meaning:
      'Maximises a welfare function of your own: an expression that is proven concave and nondecreasing before it is used.',
    formula: 'what `expression` says',
    parameters: [
      {
        name: 'expression',
        meaning:
          'W over x (utilities), n (population weights) and single groups such as x["east"]; what may be written is in the ' +
          'documentation.',
      },
    ],
    example: { function: 'custom', expression: '0.5 * mean(x) + 0.5 * min(x)' },
    claims: {
      neutrality: 'strictly',
      'duplication-invariance': 'strictly',
      'independence-of-the-unused': 'strictly',
      decisiveness: 'strictly',
    },
    source: 'Grant, Boyd & Ye, Disciplined convex programming (2006), for what is proven',
  },
  {
    id: 'pareto-front',
    meaning:
      'Chooses nothing: lists every choice that no other beats for all groups, with the group weights that lead to it.',
    formula: '{x : no x′ ≥ x with x′ ≠ x}',
    parameters: [],
    example: { function: 'pareto-front' },
    claims: {
      ...invariantTo('common-scale', 'common-shift', 'group-scale', 'group-shift', 'population'),
      anonymity: 'strictly',
      neutrality: 'strictly',
      'split-invariance': 'strictly',
      'an-answer-always': 'strictly',
      decisiveness: 'no',
    },
    source: 'Pareto, Manuale di economia politica (1906)',
  },
]
