// @segment/analytics-next and posthog-js in a real Chromium.
//
//   node browser.mjs segment-browser|posthog-browser < scenario.json
//
// The page comes from another origin than the one it sends to, as it does for everybody. The browser stays open until standard input ends; with "exit" the
// visitor leaves the page right after the last call, and the SDK may do what it does when a page goes away.
import { createServer } from 'node:http'
import { readFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { scenario, options, reported, say, end } from './scenario.mjs'

const modules = fileURLToPath(new URL('../node_modules/', import.meta.url))
const folders = { segment: '@segment/analytics-next/dist/umd', posthog: 'posthog-js/dist' }

const pages = createServer((req, res) => {
  const path = new URL(req.url, 'http://page').pathname
  const [, folder, ...rest] = path.split('/')
  if (path === '/') {
    res.setHeader('Content-Type', 'text/html; charset=utf-8')
    res.end('<!doctype html><title>Shop</title><h1>Shop</h1>')
    return
  }
  try {
    const body = readFileSync(join(modules, folders[folder], normalize('/' + rest.join('/'))))
    res.setHeader('Content-Type', 'text/javascript; charset=utf-8')
    res.end(body)
  } catch {
    res.statusCode = 404
    res.end()
  }
})
await new Promise((resolve) => pages.listen(0, '127.0.0.1', resolve))
const origin = `http://127.0.0.1:${pages.address().port}`

const profile = mkdtempSync(join(tmpdir(), 'millrace-chromium-'))
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})

try {
  const page = await browser.newPage()
  page.on('pageerror', (err) => reported(err))
  page.on('console', (m) => {
    if (options.console || (m.type() === 'error' && !m.text().startsWith('Failed to load resource'))) reported(`console: ${m.text()}`)
  })
  await page.exposeFunction('answered', (n, err) => reported(err ?? undefined, n))
  await page.goto(`${origin}/?utm_source=newsletter&utm_campaign=autumn`)
  await page.evaluate(process.argv[2] === 'posthog-browser' ? posthogPage : segmentPage, scenario)
  if (scenario.finish === 'exit') await page.goto('about:blank')
  for await (const _ of process.stdin);
} catch (err) {
  reported(err)
} finally {
  await browser.close()
  pages.close()
  rmSync(profile, { recursive: true, force: true })
}
end()

// The two functions below run in the page.

async function segmentPage({ url, key, calls, options = {}, finish }) {
  await new Promise((resolve, reject) => {
    const script = document.createElement('script')
    script.src = '/segment/index.js'
    script.onload = resolve
    script.onerror = () => reject(new Error('the SDK did not load'))
    document.head.append(script)
  })
  const { host, protocol } = new URL(url)
  const settings = { writeKey: key }
  if (options.settings) settings.cdnSettings = { integrations: { 'Segment.io': { apiKey: key } } }
  else settings.cdnURL = url
  const how = { apiHost: host + '/v1', protocol: protocol.slice(0, -1) }
  if (options.batch) how.deliveryStrategy = { strategy: 'batching', config: { size: options.flushAt ?? calls.length, timeout: options.flushIntervalMillis ?? 1000 } }
  const [analytics] = await window.AnalyticsNext.AnalyticsBrowser.load(settings, { integrations: { 'Segment.io': how } })
  for (const [n, { call, with: a }] of calls.entries()) {
    if (a.anonymous) analytics.setAnonymousId(a.anonymous)
    if (a.user && call !== 'identify' && call !== 'alias') analytics.user().id(a.user)
    const about = { ...(a.time && { timestamp: new Date(a.time) }), ...(a.context && { context: a.context }) }
    const make = {
      track: () => analytics.track(a.event, a.properties ?? {}, about),
      identify: () => analytics.identify(a.user, a.traits ?? {}, about),
      page: () => analytics.page(a.category, a.name, a.properties ?? {}, about),
      screen: () => analytics.screen(a.category, a.name, a.properties ?? {}, about),
      group: () => analytics.group(a.group, a.traits ?? {}, about),
      alias: () => analytics.alias(a.user, a.previous, about),
    }[call]
    if (!make) {
      await window.answered(n, `this SDK has no call ${call}`)
      continue
    }
    const sent = make().then(
      (ctx) => window.answered(n, ctx.failedDelivery?.()?.reason ? String(ctx.failedDelivery().reason) : null),
      (err) => window.answered(n, String(err?.reason ?? err)),
    )
    // An event takes the user that is set when it is sent, and not the one of when it was made.
    if (finish !== 'exit') await sent
  }
}

async function posthogPage({ url, key, calls, options = {} }) {
  const { default: posthog } = await import('/posthog/module.no-external.js')
  await new Promise((resolve) => {
    posthog.init(key, {
      api_host: url,
      persistence: 'memory',
      autocapture: false,
      capture_pageview: false,
      capture_pageleave: false,
      disable_session_recording: true,
      disable_surveys: true,
      advanced_disable_flags: options.flags ? undefined : true,
      disable_compression: options.gzip === false,
      bootstrap: { distinctID: calls[0].with.anonymous ?? calls[0].with.user, isIdentifiedID: !calls[0].with.anonymous },
      request_batching: options.batch !== false,
      opt_out_useragent_filter: true, // it takes a headless browser for a bot, and sends nothing
      loaded: resolve,
    })
  })
  for (const [n, { call, with: a }] of calls.entries()) {
    const about = { ...(a.time && { timestamp: new Date(a.time) }), ...(a.id && { uuid: a.id }) }
    const make = {
      track: () => posthog.capture(a.event, a.properties ?? {}, about),
      page: () => posthog.capture('$pageview', a.properties ?? {}, about),
      screen: () => posthog.capture('$screen', { ...a.properties, $screen_name: a.name }, about),
      identify: () => posthog.identify(a.user, a.traits, a.once),
      set: () => posthog.setPersonProperties(a.traits),
      setOnce: () => posthog.setPersonProperties({}, a.traits),
      unset: () => posthog.unsetPersonProperties(a.names),
      group: () => posthog.group(a.groupType, a.group, a.traits),
      alias: () => posthog.alias(a.user, a.previous),
    }[call]
    if (!make) await window.answered(n, `this SDK has no call ${call}`)
    else make()
  }
}
