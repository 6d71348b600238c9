import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { build, post } from '../helpers/app.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { distance } from '../helpers/problems.ts'

const FOLDER = new URL('../../../shared/data/', import.meta.url)
if (!existsSync(FOLDER)) {
  throw new Error('These tests store the data sets in ../shared/data, and there is no such folder.')
}

type Row = {
  group: string
  annotator: string
  winner: string
  loser: string
  tie: boolean
  weight?: number
}

const NAMES = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.jsonl.gz'))
  .map((file) => file.slice(0, -'.jsonl.gz'.length))
const MEMBERS = ['group', 'annotator', 'winner', 'loser', 'tie', 'weight', 'context', 'timestamp']
const UPLOAD = { 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' }
const model = { prior: { kind: 'gaussian', standardDeviation: 2 }, standardErrors: 'clustered' }
const nobody = { ...model, standardErrors: 'sandwich' }

for (const store of ['the embedded store', 'PostgreSQL'] as const) {
  t.test(`real data are the same in ${store} as in the request`, async (t) => {
    const database = store === 'PostgreSQL' ? await (await startPostgres(t)).database() : ''
    const app = await build(t, database === '' ? {} : { DATABASE_URL: database })
    for (const name of NAMES) {
      const file = readFileSync(new URL(`${name}.jsonl.gz`, FOLDER))
      const rows = gunzipSync(file)
        .toString()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Row)
      const members = new Set(rows.flatMap((row) => Object.keys(row)))
      const covariates = [...members].filter((member) => !MEMBERS.includes(member))
      t.equal((await post(app, '/datasets', { id: name, covariates })).statusCode, 201)
      const stored = await post(app, `/datasets/${name}/comparisons`, file, UPLOAD)
      t.equal(stored.statusCode, 201, `${name}: ${stored.body.slice(0, 300)}`)
      t.equal(stored.json().batch.comparisons, rows.length)

      const some = [...new Set(rows.map(({ group }) => group))].slice(0, 4)
      const chosen = rows.filter(({ group }) => some.includes(group))
      const judges = (id: string) =>
        new Set(chosen.flatMap(({ group, annotator }) => (group === id ? [annotator] : [])))
      const asked = some.every((id) => judges(id).size > 1) ? model : nobody
      const comparisons = chosen.map(({ group, annotator, winner, loser, tie, weight = 1 }) => ({
        group,
        annotator,
        winner,
        loser,
        tie,
        weight,
      }))
      const welfare = { function: 'nash' }
      for (const [path, more] of [
        ['/fit', { model: asked }],
        ['/aggregate', { model: nobody, welfare }],
      ] as const) {
        const sent = (await post(app, path, { comparisons, ...more })).json()
        const kept = (await post(app, path, { dataset: { id: name, groups: some }, ...more })).json()
        t.equal(kept.data?.comparisons, chosen.length, `${name}: ${JSON.stringify(kept).slice(0, 300)}`)
        for (const [g, group] of sent.groups.entries()) {
          const own = kept.groups[g]
          t.equal(own.id, group.id)
          for (const member of ['rewards', 'standardErrors', 'utilities'])
            if (group[member] !== undefined)
              t.ok(near(own[member], group[member]), `${name}: ${member} of ${group.id}`)
        }
        if (path === '/aggregate') t.ok(near(kept.weights, sent.weights), `${name}: weights`)
      }
    }
  })
}

function near(a: Record<string, number>, b: Record<string, number>): boolean {
  const ids = Object.keys(b)
  return (
    ids.length === Object.keys(a).length &&
    distance(
      ids.map((id) => a[id]),
      ids.map((id) => b[id]),
    ) < 1e-9
  )
}
