import { type Random, seededRandom } from '../numeric/random.ts'
import { type Done, untold } from '../parts.ts'
import { NoGains } from '../welfare/gains.ts'
import type { WelfareProblem } from '../welfare/problem.ts'
import type { Rule } from '../welfare/rule.ts'
import { coalitionProblem, policyOfNobody } from './coalitions.ts'

/** How far each group moved the policy. */
export type Influence = {
  /** Shapley values of the policy's entries, G × n, row-major: Σ_g φ_gi = p*_i − p*(∅)_i. */
  values: Float64Array
  /** Standard errors of the same; null where every coalition was solved. */
  errors: Float64Array | null
  /** How many coalitions were solved. */
  coalitions: number
  /** How many orders in which groups arrive were drawn; 0 where every coalition was solved. */
  orders: number
  /** Coalitions that found no policy at which all of them gain, and that count as having no say. */
  disagreeing: number
}

/** Up to so many groups every coalition is solved: 1,024 of them. */
const EXACT_GROUPS = 10
/** Above that about so many coalitions are solved, fewer where problems are larger than so many groups × items … */
const SOLVED = 2000
const ENTRIES = 2000
/** … but never fewer than those of so many pairs of orders. */
const LEAST_PAIRS = 8

/**
 * How much of the way from nobody's policy to p* is due to each group: the Shapley value (1953) of the game S ↦ p*(S), the
 * policy that the rule chooses for the groups of S alone, with their populations divided by n(S), and p*(∅) = π.
 *
 * Of the orders in which groups may arrive, φ_g is the mean of what the policy moves by when g arrives. Up to ten groups
 * all coalitions are solved. Above that orders are drawn, each together with its reverse (antithetic pairs: Mitchell,
 * Cooper, Frank & Holmes, J. Machine Learning Research 23, 2022), and the errors are those of the mean over pairs. In
 * each order the moves add up to p* − π, so the sum is exact all the same.
 *
 * @param done told which part of the coalitions, or of the orders, has been solved
 */
export async function influenceOf(
  problem: WelfareProblem,
  rule: Rule,
  seed: number,
  done: Done = untold,
): Promise<Influence> {
  const game = policyGame(problem, rule)
  return problem.groups <= EXACT_GROUPS
    ? overCoalitions(problem, game, done)
    : overOrders(problem, game, seed, done)
}

type Game = {
  /** p*(S); length n. */
  policyOf(members: readonly number[]): Promise<Float64Array>
  solved: number
  disagreeing: number
}

function policyGame(problem: WelfareProblem, rule: Rule): Game {
  const nobody = policyOfNobody(problem)
  const game: Game = {
    solved: 0,
    disagreeing: 0,
    async policyOf(members) {
      if (members.length === 0) return nobody
      game.solved++
      try {
        return (await rule(coalitionProblem(problem, members))).policy
      } catch (error) {
        if (!(error instanceof NoGains)) throw error
        game.disagreeing++
        return nobody
      }
    },
  }
  return game
}

/** φ_g = Σ_{S ∌ g} |S|! (G − |S| − 1)! / G! · (p*(S ∪ g) − p*(S)), a coalition at a time. */
async function overCoalitions({ groups, items }: WelfareProblem, game: Game, done: Done): Promise<Influence> {
  const values = new Float64Array(groups * items)
  /** |S|! (G − |S| − 1)! / G!, by |S|. */
  const shares = [1 / groups]
  for (let size = 1; size < groups; size++) shares.push((shares[size - 1] * size) / (groups - size))
  for (let coalition = 0; coalition < 1 << groups; coalition++) {
    done(coalition / (1 << groups))
    const members: number[] = []
    for (let g = 0; g < groups; g++) if ((coalition >> g) & 1) members.push(g)
    const policy = await game.policyOf(members)
    for (let g = 0; g < groups; g++) {
      // What g arrives at where it is a member, and what it leaves behind where it is not.
      const share = (coalition >> g) & 1 ? shares[members.length - 1] : -shares[members.length]
      for (let i = 0; i < items; i++) values[g * items + i] += share * policy[i]
    }
  }
  const { solved, disagreeing } = game
  return { values, errors: null, coalitions: solved, orders: 0, disagreeing }
}

async function overOrders(
  { groups, items }: WelfareProblem,
  game: Game,
  seed: number,
  done: Done,
): Promise<Influence> {
  const size = groups * items
  const affordable = SOLVED * Math.min(1, ENTRIES / size)
  const pairs = Math.max(LEAST_PAIRS, Math.round(affordable / (2 * groups)))
  const random = seededRandom(seed)
  const mean = new Float64Array(size)
  const squares = new Float64Array(size)
  const order = Array.from({ length: groups }, (_, g) => g)
  const everybody = await game.policyOf(order)
  for (let pair = 1; pair <= pairs; pair++) {
    done((pair - 1) / pairs)
    shuffle(order, random)
    const moves = new Float64Array(size)
    await addMoves(order, everybody, game, items, moves)
    await addMoves([...order].reverse(), everybody, game, items, moves)
    // Welford's update, so that no large sums cancel.
    for (let k = 0; k < size; k++) {
      const off = moves[k] / 2 - mean[k]
      mean[k] += off / pair
      squares[k] += off * (moves[k] / 2 - mean[k])
    }
  }
  const errors = squares.map((sum) => Math.sqrt(sum / (pairs - 1) / pairs))
  return {
    values: mean,
    errors,
    coalitions: game.solved,
    orders: 2 * pairs,
    disagreeing: game.disagreeing,
  }
}

/** Adds what the policy moves by as each group arrives in an order. */
async function addMoves(
  order: readonly number[],
  everybody: Float64Array,
  game: Game,
  items: number,
  moves: Float64Array,
): Promise<void> {
  let before = await game.policyOf([])
  for (let k = 0; k < order.length; k++) {
    // Members in one order whatever way they came, so that a coalition has one policy to the last digit.
    const members = order.slice(0, k + 1).sort((a, b) => a - b)
    const after = k + 1 === order.length ? everybody : await game.policyOf(members)
    for (let i = 0; i < items; i++) moves[order[k] * items + i] += after[i] - before[i]
    before = after
  }
}

function shuffle(order: number[], random: Random): void {
  for (let k = order.length - 1; k > 0; k--) {
    const other = Math.floor(random() * (k + 1))
    const held = order[k]
    order[k] = order[other]
    order[other] = held
  }
}

/** How much of the policy each group moved: half the sum over entries of |φ_gi|; length G. */
export function reachOf({ groups, items }: WelfareProblem, { values }: Influence): Float64Array {
  return Float64Array.from({ length: groups }, (_, g) => {
    let sum = 0
    for (let i = g * items; i < (g + 1) * items; i++) sum += Math.abs(values[i])
    return sum / 2
  })
}
