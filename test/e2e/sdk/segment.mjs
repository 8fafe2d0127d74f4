// Sends a scenario through the real @segment/analytics-node and prints what went over the wire.
//
//   node segment.mjs URL KEY < scenario.json
//
// The scenario is a JSON array of {"call": "track", "with": {…arguments…}}. Each request body that the SDK sends is printed as one line, so that the test compares rows with
// the bytes that were sent and not with what it believes was sent. Exit status 1 when the SDK reports an error.
import { Analytics } from '@segment/analytics-node'
import { readFileSync } from 'node:fs'

const [url, writeKey] = process.argv.slice(2)
const scenario = JSON.parse(readFileSync(0, 'utf8'))
const analytics = new Analytics({ writeKey, host: url, flushAt: scenario.length, flushInterval: 500 })

let failed = false
analytics.on('error', (err) => {
  failed = true
  console.error('sdk error:', err.code, err.reason ?? '')
})
analytics.on('http_request', ({ body }) => process.stdout.write((typeof body === 'string' ? body : JSON.stringify(body)) + '\n'))

for (const { call, with: args } of scenario) analytics[call](args)
await analytics.closeAndFlush({ timeout: 15_000 })
process.exit(failed ? 1 : 0)
