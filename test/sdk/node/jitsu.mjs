// @jitsu/js on a server. It keeps one user per process, so that the calls are made in turn.
import { createRequire } from 'node:module'
import { scenario, options, reported, without, run, unknown } from './scenario.mjs'

const { jitsuAnalytics } = createRequire(import.meta.url)('@jitsu/js')
let current
// The SDK reports a failure on the console and resolves all the same.
console.error = (...what) => reported(what.map(String).join(' '), current)
const jitsu = jitsuAnalytics({ host: scenario.url, writeKey: scenario.key, s2s: options.s2s ?? true, fetchTimeoutMs: 10_000 })

await run({
  inTurn: true,
  async send(call, a, n) {
    current = n
    if (a.anonymous) jitsu.setAnonymousId(a.anonymous)
    const opts = without({ userId: a.user, anonymousId: a.anonymous, groupId: a.group, context: a.context })
    switch (call) {
      case 'track':
        return jitsu.track(a.event, a.properties ?? {}, opts)
      case 'page':
        return jitsu.page(without({ ...a.properties, name: a.name }), opts)
      case 'identify':
        return jitsu.identify(a.user, a.traits ?? {}, opts)
      case 'group':
        return jitsu.group(a.group, a.traits ?? {}, opts)
    }
    unknown(call)
  },
})
