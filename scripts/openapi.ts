import { writeFileSync } from 'node:fs'
import { examples } from '../schemas/examples.ts'
import { buildApp } from '../src/service/app.ts'
import { readConfig } from '../src/service/config.ts'

// Records what the service answers to the example requests, then writes openapi.yaml from the schemas.
const app = await buildApp(readConfig({ LOG_LEVEL: 'silent', WORKERS: '1' }))
for (const example of Object.values(examples)) {
  const { method, path, request } = example
  const response = await app.inject({
    method: method as 'GET' | 'POST',
    url: path,
    ...(request ? { payload: request } : {}),
  })
  if (response.statusCode !== 200)
    throw new Error(`${method} ${path} answered ${response.statusCode}: ${response.body}`)
  // The numbers in the metrics change with every run; their example stays as it was written.
  if (response.headers['content-type']?.includes('json')) example.response = response.json()
}
writeFileSync('schemas/examples.json', `${JSON.stringify(examples, null, 2)}\n`)
writeFileSync('openapi.yaml', app.swagger({ yaml: true }))
await app.close()
