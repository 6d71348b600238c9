import t from 'tap'
import { fitBradleyTerry } from '../../src/engine/rewards/bradley-terry.ts'
import { pairCounts, won } from '../helpers/fit.ts'

function fit(rows: unknown) {
  const { counts, items } = pairCounts(rows)
  const found = fitBradleyTerry(counts, { kind: 'none' })
  return { ...found, of: (item: string) => found.rewards[items.indexOf(item)] }
}

t.test('a cycle with one heavier edge has the published estimate', async (t) => {
  const found = fit([won('0', '1', 2), won('1', '2'), won('2', '0')])
  t.match(found.of('0').toFixed(9), '0.419617625')
  t.match(found.of('1').toFixed(9), '-0.419617625')
  t.ok(Math.abs(found.of('2')) < 1e-15)
})

t.test('on a chain of 200 items every edge is its own log-odds', async (t) => {
  const name = (k: number) => `item ${String(k).padStart(3, '0')}`
  const rows = Array.from({ length: 199 }, (_, k) => [won(name(k), name(k + 1), 9), won(name(k + 1), name(k), 1)])
  const found = fit(rows.flat())
  for (let k = 0; k < 199; k++) {
    t.ok(Math.abs(found.of(name(k)) - found.of(name(k + 1)) - Math.log(9)) < 1e-12, `edge ${k}`)
  }
})
