import { writeFileSync } from 'node:fs'
import type { AggregateRequest, FrontPolicy, FrontResult } from '../schemas/aggregate.ts'
import { aggregate } from '../src/engine/aggregate.ts'

/** The clinicians and patients of the README. */
const COUNTS: [group: string, winner: string, loser: string, count: number][] = [
  ['clinicians', 'cautious', 'brief', 30],
  ['clinicians', 'brief', 'cautious', 10],
  ['clinicians', 'cautious', 'warm', 36],
  ['clinicians', 'warm', 'cautious', 4],
  ['clinicians', 'brief', 'warm', 28],
  ['clinicians', 'warm', 'brief', 12],
  ['patients', 'warm', 'brief', 24],
  ['patients', 'brief', 'warm', 16],
  ['patients', 'warm', 'cautious', 34],
  ['patients', 'cautious', 'warm', 6],
  ['patients', 'brief', 'cautious', 31],
  ['patients', 'cautious', 'brief', 9],
]

/** The front that docs/pareto-front.md tells of. */
export const REQUEST: AggregateRequest = {
  comparisons: COUNTS.map(([group, winner, loser, count]) => ({ group, winner, loser, count })),
  groups: [
    { id: 'clinicians', population: 0.7 },
    { id: 'patients', population: 0.3 },
  ],
  policy: { temperature: 0.1 },
  welfare: { function: 'pareto-front' },
}

/** Pixels of a unit of utility, and of the margins. */
const [UNIT, MARGIN] = [190, 48]

/** Draws the front: its policies as dots, and as rings the policies at weights in even steps of 1/20. */
export async function frontPicture(): Promise<string> {
  const { front, groups } = (await aggregate(REQUEST)) as FrontResult
  const policies = front as FrontPolicy[]
  const [width, height] = groups.map(({ best }) => best * UNIT)
  const place = ([first, second]: number[]) =>
    [MARGIN + first * UNIT, MARGIN / 2 + height - second * UNIT].map((value) => value.toFixed(1))
  const dots = policies.map(({ utilities }) => place([utilities.clinicians, utilities.patients]))
  const rings = Array.from({ length: 21 }, (_, k) => place(utilitiesAt(groups, [k / 20, 1 - k / 20])))
  const mark = (kind: string, radius: number) => (at: string[]) =>
    `  <circle class="${kind}" cx="${at[0]}" cy="${at[1]}" r="${radius}"/>`
  const [left, bottom] = [MARGIN, MARGIN / 2 + height]
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${(width + 1.5 * MARGIN).toFixed(0)}" height="${(height + 1.5 * MARGIN).toFixed(0)}" font-family="sans-serif" font-size="13">`,
    '  <title>What clinicians and patients get from each policy of the front</title>',
    '  <style>.axis, .curve { fill: none; stroke: #888 } .ring { fill: none; stroke: #c50 } .dot { fill: #06c } text { fill: #555 }</style>',
    '  <rect width="100%" height="100%" fill="#fff"/>',
    `  <path class="axis" d="M${left} ${(MARGIN / 2).toFixed(1)} V${bottom.toFixed(1)} H${(left + width).toFixed(1)}"/>`,
    `  <text x="${(left + width / 2).toFixed(1)}" y="${(bottom + 28).toFixed(1)}" text-anchor="middle">clinicians get</text>`,
    `  <text x="${left - 16}" y="${(MARGIN / 2 + height / 2).toFixed(1)}" text-anchor="middle" transform="rotate(-90 ${left - 16} ${(MARGIN / 2 + height / 2).toFixed(1)})">patients get</text>`,
    `  <polyline class="curve" points="${dots.map((at) => at.join()).join(' ')}"/>`,
    ...rings.map(mark('ring', 6)),
    ...dots.map(mark('dot', 3)),
    `  <circle class="dot" cx="${left + 20}" cy="${(bottom - 44).toFixed(1)}" r="3"/><text x="${left + 34}" y="${(bottom - 40).toFixed(1)}">the front as it is answered: ${dots.length} policies</text>`,
    `  <circle class="ring" cx="${left + 20}" cy="${(bottom - 22).toFixed(1)}" r="6"/><text x="${left + 34}" y="${(bottom - 18).toFixed(1)}">weights in 20 even steps</text>`,
    '</svg>',
  ].join('\n')}\n`
}

/** What the groups get from the Gibbs policy at weights. */
function utilitiesAt(groups: FrontResult['groups'], weights: number[]): number[] {
  const items = Object.keys(groups[0].utilities)
  const masses = items.map((item) =>
    Math.exp(groups.reduce((sum, { utilities }, g) => sum + weights[g] * utilities[item], 0) / 0.1),
  )
  const total = masses.reduce((a, b) => a + b)
  return groups.map(({ utilities }) =>
    items.reduce((sum, item, i) => sum + (utilities[item] * masses[i]) / total, 0),
  )
}

if (import.meta.main)
  writeFileSync(new URL('../docs/pareto-front.svg', import.meta.url), await frontPicture())
