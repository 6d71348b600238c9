import { readFileSync } from 'node:fs'
import { cruise, type ICruiseResult } from 'dependency-cruiser'

// Checks the arrows between folders. A run that saw no modules is a failure, since it would see no violation either.
const { forbidden, options } = JSON.parse(readFileSync('.dependency-cruiser.json', 'utf8'))
const { enhancedResolveOptions, ...cruiseOptions } = options
const { output } = await cruise(
  ['src', 'routes', 'schemas'],
  { ...cruiseOptions, validate: true, ruleSet: { forbidden } },
  enhancedResolveOptions,
)
const { violations, totalCruised } = (output as ICruiseResult).summary
for (const { rule, from, to } of violations) process.stdout.write(`${rule.name}: ${from} → ${to}\n`)
process.stdout.write(`${totalCruised} modules, ${violations.length} violations\n`)
if (totalCruised < 40 || violations.length > 0) process.exitCode = 1
