import { seededRandom } from '../../src/engine/numeric/random.ts'
import type { WelfareProblem } from '../../src/engine/welfare/problem.ts'
import { problemOf } from './problems.ts'

/** A problem and an exponent as an adversary would choose them, and what was chosen. */
export type Adversarial = { problem: WelfareProblem; exponent: number; choices: string }

/**
 * The k-th welfare problem of a stream that is hard on solvers: utilities of all sizes, near-ties, rows and columns that
 * are there twice or nearly, or zero, up to fifty groups, one item or one group, scales a trillion apart, populations down
 * to 1e-9, references down to 1e-14, every anchor, temperatures from 1e-6 to 1e6, and exponents from −1000 to 0.999999.
 */
export function adversarialProblem(k: number): Adversarial {
  const random = seededRandom(k)
  const choices: string[] = []
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]
  const choose = <T extends string>(what: string, from: readonly T[]): T => {
    const chosen = pick(from)
    choices.push(`${what} ${chosen}`)
    return chosen
  }
  const groups = pick([1, 2, 2, 3, 3, 4, 5, 6, 8, 10, 20, 50])
  const items = pick([1, 2, 2, 3, 3, 4, 5, 8, 12, 20, 40, 100])

  const kind = choose('utilities', [
    'real',
    'integer',
    'binary',
    'near-ties',
    'heavy-tailed',
    'low-rank',
  ] as const)
  const factors = Array.from({ length: groups + items }, () => random() * 2 - 1)
  const utility = (g: number, i: number) => {
    switch (kind) {
      case 'real':
        return random() * 4 - 1
      case 'integer':
        return Math.floor(random() * 12) - 3
      case 'binary':
        return random() < 0.5 ? 0 : 1
      case 'near-ties':
        return Math.floor(random() * 3) + Math.floor(random() * 3) * 10 ** -pick([6, 8, 10, 12, 14])
      case 'heavy-tailed':
        return 10 ** (random() * 12 - 6)
      case 'low-rank':
        return factors[g] * factors[groups + i] + 0.3 * factors[groups + i]
    }
  }
  const table = Array.from({ length: groups }, (_, g) =>
    Array.from({ length: items }, (_, i) => utility(g, i)),
  )
  const repeated = choose('repeated', ['nothing', 'nothing', 'nothing', 'groups', 'items', 'both'])
  const hair = pick([0, 1e-13, 1e-9])
  const nearly = (value: number) => value * (1 + hair * (random() - 0.5))
  if (repeated === 'groups' || repeated === 'both') {
    for (let g = 1; g < groups; g++)
      if (random() < 0.5) table[g] = table[Math.floor(random() * g)].map(nearly)
  }
  if (repeated === 'items' || repeated === 'both') {
    for (let i = 1; i < items; i++) {
      const twin = Math.floor(random() * i)
      if (random() < 0.5) for (const row of table) row[i] = nearly(row[twin])
    }
  }

  const smallest = { uniform: 0, tiny: 6, 'very tiny': 14 }[
    choose('reference', ['uniform', 'tiny', 'very tiny'])
  ]
  const reference = shares(items, () => 10 ** (-smallest * random()))
  const anchor = choose('anchor', ['worst', 'worst', 'worst', 'zero', 'reference', 'item'] as const)
  for (const row of table) {
    const low = Math.min(...row)
    const middle = low + row.reduce((sum, value, i) => sum + reference[i] * (value - low), 0)
    const zero = { worst: low, zero: 0, reference: middle, item: row[0] }[anchor]
    row.forEach((value, i) => {
      row[i] = value - zero
    })
  }
  const nothing = pick(['nowhere', 'nowhere', 'nowhere', 'nowhere', 'nowhere', 'item', 'group'])
  if (nothing === 'item') for (const row of table) row[items - 1] = 0
  if (nothing === 'group' && random() < 0.3) table[groups - 1].fill(0)

  const apart = { one: 0, mild: 2, wild: 12 }[choose('scales', ['one', 'one', 'mild', 'wild'])]
  const common = pick([1, 1, 1e6, 1e-6])
  for (const row of table) {
    const size = common * 10 ** (apart * (random() - 0.5))
    row.forEach((value, i) => {
      row[i] = value * size
    })
  }
  const skew = { equal: 0, mild: 1, skew: 4, 'very skew': 9 }[
    choose('population', ['equal', 'mild', 'skew', 'very skew'])
  ]
  const population = shares(groups, () => 10 ** (-skew * random()))
  const largest = Math.max(...table.flat().map(Math.abs))
  const temperature = pick([
    0,
    0,
    10 ** (random() * 12 - 6),
    Math.min(1e6, Math.max(1e-6, largest * 10 ** (random() * 6 - 4))),
  ])
  const exponent = pick([
    1,
    0,
    0,
    Number.NEGATIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    -1,
    0.5,
    0.9,
    0.999999,
    1e-3,
    1e-9,
    -1e-9,
    -0.1,
    -4,
    -20,
    -1000,
    1 - 2 * random(),
    -(10 ** (random() * 3)),
  ])
  choices.push(`exponent ${exponent}, temperature ${temperature}, ${groups} groups, ${items} items`)
  return {
    problem: problemOf(table, { population, reference, temperature }),
    exponent,
    choices: choices.join(', '),
  }
}

/** Numbers that sum to 1. */
function shares(length: number, draw: () => number): number[] {
  const parts = Array.from({ length }, draw)
  const sum = parts.reduce((a, b) => a + b, 0)
  return parts.map((part) => part / sum)
}
