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
    id: 'leximin',
    meaning:
      'Maximises the utility of the group that has least; where that is settled, of the one that has second least; and so on.',
    formula: 'the largest (x_(1), x_(2), …) in the order of a dictionary',
    parameters: [],
    invariantTo: ['a common scale', 'a common shift'],
    satisfies: [...COMMON, 'strict Pareto', 'Pigou–Dalton'],
    fails: ['any influence of population weights', 'independence of the scale of each group'],
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
    invariantTo: ['a common scale', 'a common shift'],
    satisfies: [
      ...COMMON,
      'strict Pareto (if every part of the population counts)',
      'Pigou–Dalton (strictly where the weights fall)',
    ],
    fails: ['independence of the scale of each group', 'fair share'],
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
    invariantTo: ['a common scale', 'a common shift'],
    satisfies: [
      ...COMMON,
      'strict Pareto (if alpha is above 1 minus the smallest population)',
      'Pigou–Dalton (weakly)',
    ],
    fails: ['strict Pareto', 'independence of the scale of each group', 'fair share'],
    source: 'Rockafellar & Uryasev, J. Risk 2 (2000)',
  },
  {
    id: 'kalai-smorodinsky',
    meaning:
      'Gives every group the same part, as large as can be, of the most that it could gain if nobody lost; then more to whoever can have it at no cost to others.',
    formula: 'min_g x_g / b_g, b_g = max {x_g(p) : x(p) ≥ 0}',
    parameters: [],
    invariantTo: ['a scale of each group', 'a shift of each group, if its anchor moves along'],
    satisfies: [...COMMON, 'strict Pareto'],
    fails: [
      'an answer where some group can gain nothing',
      'independence of alternatives that are not chosen',
    ],
    source: 'Kalai & Smorodinsky, Econometrica 43 (1975); Imai, Econometrica 51 (1983)',
  },
  {
    id: 'relative-utilitarian',
    meaning:
      'Maximises the population-weighted mean of the utilities, each counted in units of how far policies can move its group.',
    formula: 'Σ_g n_g x_g / range_g',
    parameters: [],
    invariantTo: ['a scale of each group', 'a shift of each group'],
    satisfies: [...COMMON, 'strict Pareto', 'population monotonicity'],
    fails: ['Pigou–Dalton', 'independence of alternatives that are not chosen', 'fair share'],
    source: 'Dhillon & Mertens, Econometrica 67 (1999)',
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
