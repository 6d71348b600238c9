import { writeFileSync } from 'node:fs'
import { batchOf, examples, steady } from '../schemas/examples.ts'
import { buildApp } from '../src/service/app.ts'
import { readConfig } from '../src/service/config.ts'

// Records what the service answers to the example requests, then writes openapi.yaml from the schemas.
const app = await buildApp(readConfig({ LOG_LEVEL: 'silent', WORKERS: '1', DATA_DIR: ':memory:' }))
let batch = ''
for (const example of Object.values(examples)) {
  const { method, path, request } = example
  const response = await app.inject({
    method: method as 'GET' | 'POST' | 'PUT' | 'DELETE',
    url: path.replace('{batch}', batch),
    ...(request ? { payload: request } : {}),
  })
  if (response.statusCode >= 300)
    throw new Error(`${method} ${path} answered ${response.statusCode}: ${response.body}`)
  batch = batchOf(response.headers.location) ?? batch
  // The numbers in the metrics change with every run; their example stays as it was written.
  const type = String(response.headers['content-type'])
  if (type === 'application/x-ndjson') example.response = response.body
  else if (type.includes('json')) example.response = steady(response.json())
}
writeFileSync('schemas/examples.json', `${JSON.stringify(examples, null, 2)}\n`)
writeFileSync('openapi.yaml', app.swagger({ yaml: true }))
await app.close()
