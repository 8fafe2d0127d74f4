// What the programs of this folder share: each reads one scenario, sends it through the real SDK of its name, and says what the SDK said.
//
//   node segment.mjs < scenario.json
//
// The scenario is one line: {"url", "key", "options": {…}, "calls": [{"call": "track", "with": {…}}], "finish": "flush" | "exit"}. The words inside "with" are the same for all SDKs: user, anonymous,
// event, name, category, properties, traits, group, groupType, previous, id, time, context, session, window. With "exit" the process ends right after the last call, without a flush.
// Each line of the output is one JSON object: {"call": n, "ok": true}, {"call": n, "error": "…"} or {"error": "…"} as the SDK reports them, then {"end": true, "calls": n, "errors": n}.
import { readSync, writeSync } from 'node:fs'

export const scenario = JSON.parse(firstLine())
export const options = scenario.options ?? {}

let errors = 0

// firstLine reads standard input up to the end of a line: what comes later is for those who wait for it.
function firstLine() {
  const parts = []
  const buffer = Buffer.alloc(1 << 16)
  for (;;) {
    let n
    try {
      n = readSync(0, buffer)
    } catch (err) {
      if (err.code === 'EAGAIN') continue
      throw err
    }
    const end = buffer.subarray(0, n).indexOf(10)
    parts.push(Buffer.from(buffer.subarray(0, end < 0 ? n : end)))
    if (n === 0 || end >= 0) return Buffer.concat(parts).toString()
  }
}

// Synchronous, so that a line written before process.exit is not lost.
export function say(line) {
  writeSync(1, JSON.stringify(line) + '\n')
}

// reported says what the SDK answered to call number n, or, without n, what it reported of itself.
export function reported(err, n) {
  if (!err) {
    if (n !== undefined) say({ call: n, ok: true })
    return
  }
  errors++
  say({ call: n, error: text(err) })
}

function text(err) {
  if (Array.isArray(err)) return err.map(text).join('; ')
  return err instanceof Error ? err.message : typeof err === 'string' ? err : JSON.stringify(err)
}

// without drops members that are undefined, because some SDKs treat a member that is there differently from one that is not.
export function without(object) {
  return Object.fromEntries(Object.entries(object).filter(([, v]) => v !== undefined))
}

export function date(time) {
  return time === undefined ? undefined : new Date(time)
}

// run makes the calls in order. send(call, with, n) may return a promise, which is waited for at the end, or at once when inTurn is set.
export async function run({ send, flush, inTurn = false }) {
  // As a server's process does, this one stays alive: the timers of some SDKs do not keep it so while they wait to try again.
  setInterval(() => {}, 60_000)
  const promises = []
  for (const [n, { call, with: args }] of scenario.calls.entries()) {
    try {
      const p = send(call, args, n)
      if (scenario.finish !== 'exit' && inTurn) await p
      else if (p?.catch) promises.push(p.catch((err) => reported(err, n)))
    } catch (err) {
      reported(err, n)
    }
  }
  if (scenario.finish !== 'exit') {
    try {
      await flush?.()
      await Promise.all(promises)
    } catch (err) {
      reported(err)
    }
  }
  end()
}

export function end() {
  say({ end: true, calls: scenario.calls.length, errors })
  process.exit(0)
}

export function unknown(call) {
  throw new Error(`this SDK has no call ${call}`)
}
