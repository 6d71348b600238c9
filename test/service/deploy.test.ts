import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { build } from '../helpers/app.ts'

const root = new URL('../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')

type Service = {
  image?: string
  build?: string
  volumes?: string[]
  depends_on?: object
  environment?: object
}
const compose = parse(read('compose.yaml')) as { services: Record<string, Service>; volumes: object }

/** The series that an expression reads. */
function seriesIn(expression: string): string[] {
  return expression.match(/\b(?:commonweal|process|nodejs)_[a-z0-9_]+/g) ?? []
}

async function known(t: Parameters<typeof build>[0]): Promise<Set<string>> {
  const app = await build(t)
  await app.inject('/health/live')
  const text = (await app.inject('/metrics')).body
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)]
  return new Set(
    types.flatMap(([, name, type]) =>
      type === 'histogram' ? ['bucket', 'sum', 'count'].map((part) => `${name}_${part}`) : [name],
    ),
  )
}

t.test('what compose.yaml mounts, builds and depends on is there', async (t) => {
  for (const [name, service] of Object.entries(compose.services)) {
    t.ok(service.image !== undefined || service.build !== undefined, name)
    for (const volume of service.volumes ?? []) {
      const [from] = volume.split(':')
      if (from.startsWith('./')) t.ok(existsSync(new URL(from, root)), from)
      else t.ok(from in compose.volumes, from)
    }
    const needed = Array.isArray(service.depends_on)
      ? service.depends_on
      : Object.keys(service.depends_on ?? {})
    for (const other of needed) t.ok(other in compose.services, `${name} needs ${other}`)
  }
})

t.test('every series on the dashboard and in the alerts is one that the service has', async (t) => {
  const series = await known(t)
  const dashboard = JSON.parse(read('deploy/grafana/commonweal.json'))
  const alerts = parse(read('deploy/alerts.yaml'))
  const expressions: string[] = [
    ...dashboard.panels.flatMap(({ targets }: { targets: { expr: string }[] }) =>
      targets.map(({ expr }) => expr),
    ),
    ...alerts.groups.flatMap(({ rules }: { rules: { expr: string }[] }) => rules.map(({ expr }) => expr)),
  ]
  t.ok(expressions.length >= 15)
  for (const expression of expressions) {
    for (const name of seriesIn(expression)) t.ok(series.has(name), name)
    for (const [, label] of expression.matchAll(/\[([^\]]+)\]/g))
      t.match(label, /^(\$__rate_interval|\d+[smhd])$/)
    const depth = [...expression].reduce((open, c) => open + (c === '(' ? 1 : c === ')' ? -1 : 0), 0)
    t.equal(depth, 0, `brackets of ${expression}`)
  }
})

t.test('the dashboard has no two panels in one place, and asks the source that is provisioned', async (t) => {
  const { panels } = JSON.parse(read('deploy/grafana/commonweal.json'))
  const { datasources } = parse(read('deploy/grafana/datasources.yaml'))
  const cells = new Set<string>()
  for (const { id, datasource, gridPos, title } of panels) {
    t.equal(datasource.uid, datasources[0].uid, title)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        if (cells.has(`${x},${y}`)) t.fail(`panel ${id} lies on another`)
        cells.add(`${x},${y}`)
      }
    }
    t.ok(gridPos.x + gridPos.w <= 24, title)
  }
})

t.test('Prometheus finds the service under its name and port', async (t) => {
  const { scrape_configs: jobs, rule_files: rules } = parse(read('deploy/prometheus.yaml'))
  const [{ names, port }] = jobs[0].dns_sd_configs
  t.ok(names[0] in compose.services)
  t.match(read('Dockerfile'), new RegExp(`EXPOSE ${port}\\b`))
  t.ok(compose.services.prometheus.volumes?.some((volume) => volume.includes(rules[0])))
})
