// posthog-node; options.mode "v1" speaks its newer protocol.
import { scenario, options, reported, without, date, run, unknown } from './scenario.mjs'

if (options.mode) process.env.POSTHOG_CAPTURE_MODE = options.mode
const { PostHog } = await import('posthog-node')

const posthog = new PostHog(
  scenario.key,
  without({
    host: scenario.url,
    flushAt: options.flushAt ?? scenario.calls.length,
    flushInterval: options.flushIntervalMillis ?? 1000,
    fetchRetryCount: options.retries,
    fetchRetryDelay: options.retryDelayMillis ?? 200,
    disableCompression: options.gzip === undefined ? undefined : !options.gzip,
  }),
)
posthog.on('error', (err) => reported(err))

await run({
  send(call, a) {
    const who = { distinctId: a.user ?? a.anonymous }
    switch (call) {
      case 'track':
      case 'page':
      case 'screen':
        return posthog.capture(
          without({
            ...who,
            event: call === 'track' ? a.event : call === 'page' ? '$pageview' : '$screen',
            properties: without({ ...a.properties, $session_id: a.session, $window_id: a.window, ...(a.name && { $screen_name: a.name }) }),
            groups: a.groupType && { [a.groupType]: a.group },
            timestamp: date(a.time),
            uuid: a.id,
          }),
        )
      case 'identify': {
        const properties = { $set: a.traits ?? {}, ...(a.anonymous && { $anon_distinct_id: a.anonymous }) }
        // identify() of this SDK knows no anonymous id; its documentation sends the event itself where there is one.
        if (a.anonymous) return posthog.capture({ ...who, event: '$identify', properties })
        return posthog.identify({ ...who, properties: a.traits })
      }
      case 'set':
        return posthog.identify({ ...who, properties: { $set: a.traits } })
      case 'setOnce':
        return posthog.identify({ ...who, properties: { $set: {}, $set_once: a.traits } })
      case 'unset':
        return posthog.unsetPersonProperties({ ...who, properties: a.names })
      case 'group':
        return posthog.groupIdentify(without({ groupType: a.groupType, groupKey: a.group, properties: a.traits, distinctId: a.user }))
      case 'alias':
        return posthog.alias({ distinctId: a.user, alias: a.previous })
    }
    unknown(call)
  },
  flush: () => posthog.shutdown(options.timeoutMillis ?? 60_000),
})
