import type { WelfareFunctionEntry } from '../../../schemas/welfare.ts'

const COMMON = ['anonymity', 'neutrality', 'split invariance', 'weak Pareto']

/** The catalogue: every function that a request can name. Axioms are meant at temperature 0. */
export const WELFARE_FUNCTIONS: readonly WelfareFunctionEntry[] = [
  {
    id: 'utilitarian',
    meaning:
      'Maximises the population-weighted mean of the utilities: a large gain for some can outweigh losses of others.',
    formula: 'Σ_g n_g x_g',
    parameters: [],
    invariantTo: ['a common scale', 'a shift of each group'],
    satisfies: [...COMMON, 'strict Pareto', 'Pigou–Dalton (weakly)', 'population monotonicity'],
    fails: ['independence of the scale of each group', 'fair share'],
    source: 'Harsanyi, J. Political Economy 63 (1955)',
  },
  {
    id: 'nash',
    meaning:
      'Maximises the geometric mean of the gains: the policy at which no change gives larger relative gains than losses.',
    formula: '∏_g x_g^{n_g}',
    parameters: [],
    invariantTo: ['a scale of each group', 'a shift of each group, if its anchor moves along'],
    satisfies: [
      ...COMMON,
      'strict Pareto',
      'Pigou–Dalton',
      'population monotonicity',
      'fair share',
      'core stability',
    ],
    fails: ['an answer where some group can gain nothing'],
    source: 'Nash, Econometrica 18 (1950); Kaneko & Nakamura, Econometrica 47 (1979)',
  },
  {
    id: 'maximin',
    meaning: 'Maximises the utility of the group that has least, whatever that costs the others.',
    formula: 'min_g x_g',
    parameters: [],
    invariantTo: ['a common scale', 'a common shift'],
    satisfies: [...COMMON, 'Pigou–Dalton (weakly)'],
    fails: [
      'strict Pareto',
      'any influence of population weights',
      'independence of the scale of each group',
    ],
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
    invariantTo: ['a common scale'],
    satisfies: [...COMMON, 'strict Pareto', 'Pigou–Dalton', 'population monotonicity'],
    fails: ['independence of the scale of each group', 'an answer where some group can gain nothing'],
    source: 'Hardy, Littlewood & Pólya, Inequalities (1934); Atkinson, J. Economic Theory 2 (1970)',
  },
  {
    id: 'kolm-pollak',
    meaning:
      'Maximises the equally distributed equivalent under a constant aversion κ to gaps: what matters is by how much one group has more than another, not in what proportion.',
    formula: '−κ⁻¹ log Σ_g n_g e^{−κ x_g}',
    parameters: [
      {
        name: 'kappa',
        meaning:
          'κ, per unit of utility: a group that has 1/κ more than another counts 1/e of it; small is utilitarian, large is maximin.',
        minimum: 1e-9,
        maximum: 1e9,
      },
    ],
    invariantTo: ['a common shift', 'a common scale, if κ is divided by it'],
    satisfies: [...COMMON, 'strict Pareto', 'Pigou–Dalton', 'population monotonicity'],
    fails: ['independence of the scale of each group', 'fair share'],
    source: 'Kolm, J. Economic Theory 12 (1976); Pollak, Australian Economic Papers 10 (1971)',
  },
  {
    id: 'pareto-front',
    meaning:
      'Chooses nothing: lists every choice that no other beats for all groups, with the group weights that lead to it.',
    formula: '{x : no x′ ≥ x with x′ ≠ x}',
    parameters: [],
    invariantTo: ['a scale of each group', 'a shift of each group'],
    satisfies: ['anonymity', 'neutrality', 'strict Pareto'],
    fails: ['a single answer', 'split invariance of shares and hypervolume'],
    source: 'Pareto, Manuale di economia politica (1906)',
  },
]
