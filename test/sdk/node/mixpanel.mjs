// mixpanel (node): one request for each call, unless options.batch collects the tracks.
import Mixpanel from 'mixpanel'
import { scenario, options, reported, without, date, run, unknown } from './scenario.mjs'

const url = new URL(scenario.url)
const mixpanel = Mixpanel.init(
  scenario.key,
  // The key is what lets this SDK import without TLS; it goes into the query as api_key.
  without({ host: url.host, protocol: url.protocol.slice(0, -1), path: '', verbose: options.verbose, key: options.import ? scenario.key : undefined, logger: { trace() {}, debug() {}, info() {}, warn() {}, error() {} } }),
)

const people = { set: 'set', identify: 'set', setOnce: 'set_once', add: 'increment', append: 'append', union: 'union', remove: 'remove' }
const groups = { group: 'set', groupSetOnce: 'set_once', groupUnion: 'union', groupRemove: 'remove' }

function properties(a) {
  return without({ ...a.properties, distinct_id: a.user ?? a.anonymous, $user_id: a.user, $device_id: a.anonymous, $insert_id: a.id, time: date(a.time), $session_id: a.session })
}

const collected = []

// answer gives the callback that the SDK calls once, and the promise that waits for it.
function answer(n, make) {
  return new Promise((resolve) => {
    make((err) => {
      reported(err, n)
      resolve()
    })
  })
}

await run({
  send(call, a, n) {
    if ((call === 'track' || call === 'page' || call === 'screen') && options.batch) {
      collected.push({ event: a.event ?? a.name, properties: properties(a) })
      // The callback is called once for the whole batch.
      if (scenario.calls.slice(n + 1).some((c) => c.call === 'track')) return
      return answer(n, (done) => (options.import ? mixpanel.import_batch(collected, done) : mixpanel.track_batch(collected, done)))
    }
    if (call === 'track' || call === 'page' || call === 'screen') {
      if (options.import) return answer(n, (done) => mixpanel.import(a.event ?? a.name, date(a.time), properties(a), done))
      return answer(n, (done) => mixpanel.track(a.event ?? a.name, properties(a), done))
    }
    if (call === 'identify' && a.anonymous) {
      // An identity is told by an event of its own; set is what fills the profile.
      return Promise.all([
        answer(n, (done) => mixpanel.track('$identify', { distinct_id: a.user, $identified_id: a.user, $anon_id: a.anonymous }, done)),
        answer(n, (done) => mixpanel.people.set(a.user, a.traits ?? {}, done)),
      ])
    }
    if (call === 'alias') return answer(n, (done) => mixpanel.alias(a.previous, a.user, done))
    if (call === 'unset') return answer(n, (done) => mixpanel.people.unset(a.user, a.names, done))
    if (call === 'clear') return answer(n, (done) => mixpanel.people.delete_user(a.user, done))
    if (call === 'revenue') return answer(n, (done) => mixpanel.people.track_charge(a.user, a.properties.price, a.properties, done))
    if (call === 'groupUnset') return answer(n, (done) => mixpanel.groups.unset(a.groupType, a.group, a.names, done))
    if (call === 'groupClear') return answer(n, (done) => mixpanel.groups.delete_group(a.groupType, a.group, done))
    if (people[call]) return answer(n, (done) => mixpanel.people[people[call]](a.user, a.traits, done))
    if (groups[call]) return answer(n, (done) => mixpanel.groups[groups[call]](a.groupType, a.group, a.traits, done))
    unknown(call)
  },
})
