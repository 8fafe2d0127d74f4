// @amplitude/analytics-node
import * as amplitude from '@amplitude/analytics-node'
import { scenario, options, reported, without, run, unknown } from './scenario.mjs'

await amplitude.init(
  scenario.key,
  without({
    serverUrl: scenario.url + (options.path ?? '/2/httpapi'),
    flushQueueSize: options.flushAt ?? scenario.calls.length,
    flushIntervalMillis: options.flushIntervalMillis ?? 300,
    flushMaxRetries: options.retries,
    enableRequestBodyCompression: options.gzip,
    logLevel: amplitude.Types.LogLevel.None,
  }),
).promise

const operations = { set: 'set', setOnce: 'setOnce', add: 'add', append: 'append', prepend: 'prepend', union: 'postInsert', remove: 'remove' }

// identifyObject turns the words of the scenario into operations on a profile.
function identifyObject(call, a) {
  const identify = new amplitude.Identify()
  if (call === 'clear') return identify.clearAll()
  if (call === 'unset') {
    for (const name of a.names) identify.unset(name)
    return identify
  }
  for (const [name, value] of Object.entries(a.traits ?? {})) identify[operations[call] ?? 'set'](name, value)
  return identify
}

await run({
  async send(call, a, n) {
    const about = without({
      user_id: a.user,
      device_id: a.anonymous,
      time: a.time && Date.parse(a.time),
      insert_id: a.id,
      session_id: a.session,
      groups: a.groupType && call === 'track' ? { [a.groupType]: a.group } : undefined,
      ...a.context,
    })
    let sent
    if (call === 'track' || call === 'page' || call === 'screen') sent = amplitude.track(a.event ?? a.name, a.properties, about)
    else if (call === 'group') sent = amplitude.groupIdentify(a.groupType, a.group, identifyObject('set', a), about)
    else if (call === 'setGroup') sent = amplitude.setGroup(a.groupType, a.group, about)
    else if (call === 'revenue') {
      const revenue = new amplitude.Revenue().setProductId(a.properties.product).setPrice(a.properties.price).setQuantity(a.properties.quantity)
      sent = amplitude.revenue(revenue, about)
    } else if (call === 'identify' || call === 'unset' || call === 'clear' || operations[call]) sent = amplitude.identify(identifyObject(call, a), about)
    else unknown(call)
    const { code, message } = await sent.promise
    reported(code === 200 ? undefined : `${code} ${message}`, n)
  },
})
