import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { seededRandom } from '../src/engine/numeric/random.ts'
import { type Margins, marginsOf } from '../src/engine/voting/margins.ts'
import { RULES, type Rule, type RuleResult, voteOn } from '../src/engine/voting/vote-on.ts'

/**
 * Whether pref_voting and VoteKit choose the same winners, ties included, on random profiles; and how long each rule takes:
 * `node bench/voting.ts [profiles]`. The peers run in the environment that `npm run bench:peers` makes.
 *
 * Half of the profiles have few voters, so that margins tie, vanish and go round in circles; the others have many. Exits
 * with an error where a set of winners differs.
 */

type Ballots = [order: number[], count: number][]
type Winners = Record<string, number[]>
type Peers = {
  pref_voting: Winners
  votekit: Omit<Winners, 'tiers'> & { tiers: number[][] }
}

const count = Number(process.argv[2] ?? 1400)
const random = seededRandom(4)
const profiles = Array.from({ length: count }, (_, k) => profileOf(2 + (k % 6), k % 2 === 0 ? 8 : 200))
const differences = await compare(profiles)
times()
process.exitCode = differences === 0 ? 0 : 1

/** Up to so many voters, each with an order of all items drawn at random. */
function profileOf(items: number, mostVoters: number): { ballots: Ballots; margins: Margins } {
  const voters = 1 + Math.floor(mostVoters * random())
  const ballots = Array.from({ length: Math.min(voters, 8) }, (): Ballots[number] => [
    Array.from({ length: items }, (_, item) => ({ item, key: random() }))
      .sort((a, b) => a.key - b.key)
      .map(({ item }) => item),
    1 + Math.floor((random() * 2 * voters) / 8),
  ])
  const raw = new Float64Array(items * items)
  for (const [order, times] of ballots) {
    order.forEach((i, place) => {
      for (const j of order.slice(place + 1)) {
        raw[i * items + j] += times
        raw[j * items + i] -= times
      }
    })
  }
  return { ballots, margins: marginsOf(raw, items, 0) }
}

/** In how many orders equal margins can be taken: pref_voting takes those that are zero both ways, too. */
function ordersOf({ items, levels }: Margins): number {
  const sizes = new Map<number, number>()
  for (const level of levels) sizes.set(level, (sizes.get(level) ?? 0) + 1)
  const positive = levels.filter((level) => level > 0).length
  sizes.set(0, items * (items - 1) - 2 * positive)
  const factorial = (k: number): number => (k <= 1 ? 1 : k * factorial(k - 1))
  return Array.from(sizes.values()).reduce((product, size) => product * factorial(size), 1)
}

async function compare(all: typeof profiles): Promise<number> {
  const child = spawn(`${import.meta.dirname}/.venv/bin/python`, [`${import.meta.dirname}/voting-peers.py`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.end(
    JSON.stringify(all.map(({ ballots, margins }) => ({ ballots, everyOrder: ordersOf(margins) <= 720 }))),
  )
  const tally = new Map<string, { compared: number; same: number; tied: number }>()
  const note = (what: string, same: boolean, tied: boolean, k: number) => {
    const entry = tally.get(what) ?? { compared: 0, same: 0, tied: 0 }
    tally.set(what, entry)
    entry.compared++
    if (same) entry.same++
    else if (entry.compared - entry.same <= 3) print(`${what}: differs on ${JSON.stringify(all[k].ballots)}`)
    if (tied) entry.tied++
  }
  let k = -1
  for await (const line of createInterface({ input: child.stdout })) {
    if (k < 0) print(`Peers: ${line}`)
    else judge(all[k].margins, JSON.parse(line), (what, same, tied) => note(what, same, tied, k))
    k++
  }
  if (k !== all.length) throw new Error(`the peers answered ${k} of ${all.length} profiles`)
  print('\n| | profiles | the same winners | with several winners |\n|---|---|---|---|')
  let wrong = 0
  for (const [what, { compared, same, tied }] of tally) {
    print(`| ${what} | ${compared} | ${same} | ${tied} |`)
    wrong += compared - same
  }
  return wrong
}

/** A line of what this command says. */
function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

type Note = (what: string, same: boolean, tied: boolean) => void

function judge(margins: Margins, { pref_voting: theirs, votekit }: Peers, note: Note): void {
  const { condorcet, results } = voteOn(margins)
  const found = new Map(results.map((result) => [result.rule, result]))
  const result = <R extends Rule>(rule: R) => found.get(rule) as Extract<RuleResult, { rule: R }>
  const equal = (a: readonly number[], b: readonly number[]) => [...a].sort().join() === [...b].sort().join()
  const matches = (what: string, ours: readonly number[], others: readonly number[]) =>
    note(what, equal(ours, others), ours.length > 1)

  for (const rule of ['borda', 'copeland', 'schulze', 'split-cycle', 'kemeny'] as const)
    matches(`pref_voting ${rule}`, result(rule).winners ?? [], theirs[rule])
  const { possibleWinners, winners } = result('ranked-pairs')
  if (theirs['ranked-pairs'] !== undefined)
    matches('pref_voting ranked-pairs, any order of ties', possibleWinners ?? [], theirs['ranked-pairs'])
  matches(
    'pref_voting Condorcet winner',
    condorcet.winner === null ? [] : [condorcet.winner],
    theirs.condorcet,
  )
  matches('pref_voting Smith set (top cycle)', condorcet.tiers[0], theirs.smith)
  matches('pref_voting Schwartz set (GOCHA)', condorcet.schwartz, theirs.schwartz)
  const { lottery, unique, winners: drawn } = result('maximal-lotteries')
  if (unique) {
    const near = theirs.lottery.every((share, i) => Math.abs(share - lottery[i]) < 1e-6)
    note('pref_voting maximal lottery, where there is one', near, drawn.length > 1)
  } else {
    const within = theirs.lottery.every((share, i) => share < 1e-6 || drawn.includes(i))
    note(
      'pref_voting maximal lottery, where there are several: ours draws all that theirs does',
      within,
      true,
    )
  }

  matches('VoteKit borda', result('borda').winners, votekit.borda)
  note(
    'VoteKit dominating tiers',
    condorcet.tiers.map((tier) => tier.join()).join('|') ===
      votekit.tiers.map((tier) => tier.join()).join('|'),
    condorcet.tiers[0].length > 1,
  )
  // It elects one item, by name among several that win, or that none of these beats; so one must win alone.
  const schulze = result('schulze').winners
  if (schulze.length === 1) matches('VoteKit schulze, where one wins alone', schulze, votekit.schulze)
  if (ordersOf(margins) === 1) matches('VoteKit ranked-pairs, no ties', winners, votekit['ranked-pairs'])
}

/** How long each rule takes where all items are in one circle. */
function times(): void {
  print(`\n| items | margins | ${RULES.join(' | ')} |\n|---|---|${RULES.map(() => '---|').join('')}`)
  for (const items of [10, 100, 300, 1000]) {
    const raw = new Float64Array(items * items).map(() => random() - 0.5)
    const timed = <T>(run: () => T): [T, string] => {
      const start = performance.now()
      const value = run()
      return [value, `${(performance.now() - start).toFixed(items > 10 ? 0 : 1)} ms`]
    }
    const [margins, first] = timed(() => marginsOf(raw, items, 1e-12))
    const rest = RULES.map((rule) => timed(() => voteOn(margins, [rule], items <= 100))[1])
    print(`| ${items} | ${first} | ${rest.join(' | ')} |`)
  }
}
