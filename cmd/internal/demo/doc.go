// Package demo tells the first weeks of a made-up product, a planner for teams called Quill, as events that are sent through the real door: visitors come by channel,
// country and device, some sign up, some of those stay and pay. It is there to try questions on: what can be found in it was put there on purpose.
//
//   - acquisition by channel, with a campaign that multiplies the visitors of one day and brings people who convert and stay less
//   - a sign-up funnel with drop-offs that differ by device and country, and a release that breaks the sign-up form of one browser for two days
//   - activation, subscriptions with revenue, upgrades, renewals, cancellations, refunds
//   - weeks with a rhythm, retention that decays, a few people who use the product far more than all others, accounts that people share
//
// Where to look:
//   - options.go, story.go: what is told, and the facts of it before anything is sent
//   - calendar.go, market.go, habit.go, dice.go: the days; countries, devices, channels; who comes back; chance
//   - person.go, visit.go, product.go, billing.go: who somebody is, and what they do
//   - stream.go, queue.go: all of them side by side, in the order of time
//   - event.go: one event as JSON
//   - send.go, door.go, result.go: requests, their answers, and what is in at the end
//   - stored.go: whether a story is in the tables already
//
// The same options always tell the same events, byte for byte: everything random comes from the seed, the first day and a person's number, so nothing of a person has
// to be kept between two visits but a few numbers. Memory grows with the people who will come back, some 50 bytes each, not with events. What happens is a list of
// guesses about people and no model of anybody.
//
// A person has one distinct id before and after signing up. Country and browser are properties: the door reads neither from a context.
//
// Story.Send starts one goroutine for each connection and joins them.
package demo
