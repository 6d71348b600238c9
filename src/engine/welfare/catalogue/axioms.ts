import type { AxiomEntry } from '../../../../schemas/welfare-functions.ts'

/** Every axiom and invariance that the catalogue speaks of, with what a counterexample to it shows. */
export const AXIOMS = [
  {
    id: 'common-scale',
    kind: 'invariance',
    meaning: 'Multiplying all utilities by one number leaves the policy as it is.',
    broken: 'The second request has all utilities multiplied by one number, and another policy is chosen.',
    source: 'd’Aspremont & Gevers, Review of Economic Studies 44 (1977)',
  },
  {
    id: 'common-shift',
    kind: 'invariance',
    meaning: 'Adding one number to all utilities leaves the policy as it is.',
    broken: 'The second request has one number added to all utilities, and another policy is chosen.',
    source: 'd’Aspremont & Gevers, Review of Economic Studies 44 (1977)',
  },
  {
    id: 'group-scale',
    kind: 'invariance',
    meaning:
      'Multiplying the utilities of a group by a number of its own leaves the policy as it is: units need not be comparable.',
    broken:
      'The second request has the utilities of each group in other units, and another policy is chosen.',
    source: 'Nash, Econometrica 18 (1950)',
  },
  {
    id: 'group-shift',
    kind: 'invariance',
    meaning:
      'Adding to the utilities of a group a number of its own leaves the policy as it is: zeros need not be comparable, and ' +
      'the anchor does not matter.',
    broken:
      'The second request counts the utilities of each group from another zero, and another policy is chosen.',
    source: 'd’Aspremont & Gevers, Review of Economic Studies 44 (1977)',
  },
  {
    id: 'population',
    kind: 'invariance',
    meaning: 'The sizes of the groups do not matter.',
    broken: 'The second request has groups of other sizes, and another policy is chosen.',
    source: 'Rawls, A Theory of Justice (1971)',
  },
  {
    id: 'anonymity',
    kind: 'axiom',
    meaning: 'The names and the order of the groups do not matter.',
    broken: 'In the second request the groups have changed their names, and another policy is chosen.',
    source: 'May, Econometrica 20 (1952)',
  },
  {
    id: 'neutrality',
    kind: 'axiom',
    meaning: 'The names and the order of the items do not matter.',
    broken:
      'In the second request the items have changed their names, and the policy does not change with them.',
    source: 'May, Econometrica 20 (1952)',
  },
  {
    id: 'split-invariance',
    kind: 'axiom',
    meaning: 'To count a group as two of the same mind, who share its population, changes nothing.',
    broken: 'The second request has the first group in two parts, and another policy is chosen.',
    source: 'Dalton, Economic Journal 30 (1920), as the principle of population',
  },
  {
    id: 'duplication-invariance',
    kind: 'axiom',
    meaning: 'An item that is there twice gives every group what it gave when it was there once.',
    broken: 'The second request has the first item twice, and groups reach other utilities.',
    source: 'Tideman, Social Choice and Welfare 4 (1987)',
  },
  {
    id: 'independence-of-the-unused',
    kind: 'axiom',
    meaning:
      'To leave out an item that the policy does not use changes nothing, if utilities are counted from the same zero.',
    broken:
      'The second request lacks an item that the first answer does not use, and groups reach other utilities.',
    source: 'Nash, Econometrica 18 (1950), as independence of irrelevant alternatives',
  },
  {
    id: 'pareto',
    kind: 'axiom',
    meaning:
      'Weakly: no lottery is better for every group. Strictly: none is better for some group and worse for none.',
    broken: 'Another lottery is better for some group and worse for none.',
    source: 'Pareto, Manuale di economia politica (1906)',
  },
  {
    id: 'pigou-dalton',
    kind: 'axiom',
    meaning:
      'A transfer from a better-off group to a worse-off one of the same size, that leaves them in that order, never makes an ' +
      'item worse; strictly: it makes it better.',
    broken:
      'Item b is item a after a transfer from g2, who is better off, to g1, who is of the same size, and a keeps a share.',
    source: 'Dalton, Economic Journal 30 (1920)',
  },
  {
    id: 'population-monotonicity',
    kind: 'axiom',
    meaning: 'A group that grows never gets less.',
    broken: 'In the second request g1 is larger, and it gets less.',
    source: 'Thomson, Econometrica 51 (1983)',
  },
  {
    id: 'fair-share',
    kind: 'axiom',
    meaning:
      'Every group gets at least its part of the population times the best that it could get, if no gain is negative.',
    broken: 'A group gets less than its part of the population times the best that it could get.',
    source:
      'Steinhaus, Econometrica 16 (1948); Bogomolnaia, Moulin & Stong, Social Choice and Welfare 24 (2005)',
  },
  {
    id: 'core',
    kind: 'axiom',
    meaning:
      'No coalition could do better for all its members with its part of the probability, if no gain is negative.',
    broken: 'A coalition could do better for all its members with its part of the probability.',
    source: 'Foley, Econometrica 38 (1970); Fain, Goel & Munagala, WINE (2016)',
  },
  {
    id: 'an-answer-always',
    kind: 'axiom',
    meaning: 'There is an answer even where some group can gain nothing.',
    broken: 'All items are the same to g1, and the request is refused.',
    source: 'Arrow, Social Choice and Individual Values (1951), as unrestricted domain',
  },
  {
    id: 'decisiveness',
    kind: 'axiom',
    meaning: 'One policy is chosen.',
    broken: 'Several items are left to choose from.',
    source: 'Arrow, Social Choice and Individual Values (1951)',
  },
] as const satisfies readonly (AxiomEntry & { broken: string })[]

export type AxiomId = (typeof AXIOMS)[number]['id']
