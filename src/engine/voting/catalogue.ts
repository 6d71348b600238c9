import type { VotingRuleEntry } from '../../../schemas/vote.ts'

/** What all rules satisfy. */
const COMMON = ['anonymity', 'split invariance']
const ANY_SCALE = 'a common scale of all margins'
const ANY_INCREASE = 'any change of margins that keeps their signs and their order'

/** The catalogue: every rule that a request can name, in the order in which they are told. */
export const VOTING_RULES: readonly VotingRuleEntry[] = [
  {
    id: 'borda',
    meaning: 'Chooses the item whose margins over all others have the largest sum: the best on average.',
    formula: 'max_i Σ_j m_ij',
    invariantTo: [ANY_SCALE],
    satisfies: [...COMMON, 'neutrality'],
    fails: ['Condorcet consistency', 'winners in the Smith set', 'independence of clones'],
    source: 'Borda 1781; Young, J. Economic Theory 9 (1974)',
  },
  {
    id: 'copeland',
    meaning: 'Chooses the item that beats most of the others, however narrowly.',
    formula: 'max_i #{j : m_ij > 0} − #{j : m_ij < 0}',
    invariantTo: [ANY_SCALE, ANY_INCREASE],
    satisfies: [...COMMON, 'neutrality', 'Condorcet consistency', 'winners in the Smith set'],
    fails: ['independence of clones'],
    source: 'Copeland 1951',
  },
  {
    id: 'schulze',
    meaning: 'Chooses the item that has to every other at least as strong a chain of majorities as back.',
    formula: '{i : s_ij ≥ s_ji ∀j}, s_ij = max over paths of the smallest margin',
    invariantTo: [ANY_SCALE, ANY_INCREASE],
    satisfies: [
      ...COMMON,
      'neutrality',
      'Condorcet consistency',
      'winners in the Smith set',
      'independence of clones',
    ],
    fails: [],
    source: 'Schulze, Social Choice and Welfare 36 (2011)',
  },
  {
    id: 'ranked-pairs',
    meaning:
      'Locks in majorities from the largest down, but for those that would close a cycle; chooses whom none is against.',
    formula: '{i : no locked j → i}',
    invariantTo: [ANY_SCALE, ANY_INCREASE],
    satisfies: [
      ...COMMON,
      'Condorcet consistency',
      'winners in the Smith set',
      'independence of clones where no other margins are equal',
    ],
    fails: ['neutrality'],
    source: 'Tideman, Social Choice and Welfare 4 (1987)',
  },
  {
    id: 'split-cycle',
    meaning: 'Discards the smallest majorities of every cycle, and chooses whoever is then undefeated.',
    formula: '{j : no i with m_ij > s_ji}, s_ji as in schulze',
    invariantTo: [ANY_SCALE, ANY_INCREASE],
    satisfies: [
      ...COMMON,
      'neutrality',
      'Condorcet consistency',
      'winners in the Smith set',
      'independence of clones',
    ],
    fails: [],
    source: 'Holliday & Pacuit, Public Choice 197 (2023)',
  },
  {
    id: 'kemeny',
    meaning: 'Chooses the first item of the order that agrees most with the margins.',
    formula: 'max over orders of Σ m_ij over i above j',
    invariantTo: [ANY_SCALE],
    satisfies: [...COMMON, 'neutrality', 'Condorcet consistency', 'winners in the Smith set'],
    fails: ['independence of clones'],
    source: 'Kemeny, Daedalus 88 (1959)',
  },
  {
    id: 'maximal-lotteries',
    meaning: 'Chooses a lottery to which no item, and no other lottery, is preferred.',
    formula: 'p ≥ 0, Σ p = 1, Σ_i p_i m_ij ≥ 0 ∀j',
    invariantTo: [ANY_SCALE],
    satisfies: [
      ...COMMON,
      'neutrality',
      'Condorcet consistency',
      'winners in the Smith set',
      'independence of clones',
    ],
    fails: ['a single winner'],
    source: 'Kreweras 1965; Fishburn, Review of Economic Studies 51 (1984)',
  },
]
