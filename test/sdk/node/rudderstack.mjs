// @rudderstack/rudder-sdk-node
import Analytics from '@rudderstack/rudder-sdk-node'
import { scenario, options, reported, without, date, run, unknown } from './scenario.mjs'

const analytics = new Analytics(
  scenario.key,
  without({
    dataPlaneUrl: scenario.url,
    path: '/v1/batch',
    gzip: options.gzip,
    flushAt: options.flushAt ?? scenario.calls.length,
    flushInterval: options.flushIntervalMillis ?? 1000,
    retryCount: options.retries,
    logLevel: 'none',
    errorHandler: (err) => reported(err),
  }),
)

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
    const answered = new Promise((resolve) => {
      analytics[call](message, (err) => {
        reported(err, n)
        resolve()
      })
    })
    return answered
  },
  flush: () => analytics.flush(),
})
