// @segment/analytics-node
import { Analytics } from '@segment/analytics-node'
import { scenario, options, reported, without, date, run, unknown } from './scenario.mjs'

const analytics = new Analytics(
  without({ writeKey: scenario.key, host: scenario.url, flushAt: options.flushAt ?? scenario.calls.length, flushInterval: options.flushIntervalMillis ?? 1000, maxRetries: options.retries }),
)
analytics.on('error', (err) => reported(`${err.code}: ${err.reason?.message ?? err.reason ?? ''}`))

const calls = ['track', 'identify', 'page', 'screen', 'group', 'alias']

await run({
  send(call, a, n) {
    if (!calls.includes(call)) unknown(call)
    const message = without({
      userId: a.user,
      anonymousId: a.anonymous,
      event: a.event,
      name: a.name,
      category: a.category,
      properties: a.properties,
      traits: a.traits,
      groupId: a.group,
      previousId: a.previous,
      messageId: a.id,
      timestamp: date(a.time),
      context: a.context,
    })
    analytics[call](message, (err) => reported(err, n))
  },
  flush: () => analytics.closeAndFlush({ timeout: options.timeoutMillis ?? 60_000 }),
})
