package queries

import (
	"strconv"
	"time"
)

// question is something that analysts ask, in SQL for both sides. Both return the same columns in the same order, and their rows in an order that is total.
type question struct {
	name  string
	asks  string
	days  int // the range ends with the data and is so long
	ours  string
	naive string
	// approximate are the columns of ours, counted from 0, that are estimates by design, and how far they may lie off, as a share.
	approximate map[int]float64
}

// peopleBound is how far an estimate of different people in a rollup may lie off: three standard deviations of uniqCombined64(12), which are 1.04/√4096 each.
const peopleBound = 0.05

// inRange is the condition of the project and the range for a table of events.
const inRange = "project_id = {project:UInt32} AND ts >= {from:DateTime64(3, 'UTC')} AND ts < {to:DateTime64(3, 'UTC')}"

// questions in the order of the report.
var questions = []question{
	{name: "events-per-day", asks: "events per day, 30 days", days: 30, ours: oursEventsPerDay, naive: naiveEventsPerDay},
	{name: "people-per-day", asks: "different people per day, 30 days", days: 30, ours: oursPeoplePerDay, naive: naivePeoplePerDay},
	{name: "top-pages", asks: "top 10 pages, 30 days", days: 30, ours: oursTopPages, naive: naiveTopPages},
	{
		name: "countries", asks: "events and people by country, 30 days", days: 30, ours: oursCountries, naive: naiveCountries,
		approximate: map[int]float64{2: peopleBound},
	},
	{name: "revenue-by-campaign", asks: "revenue by campaign, 60 days", days: 60, ours: oursRevenue, naive: naiveRevenue},
	{name: "funnel", asks: "funnel of 3 steps within a day, 14 days", days: 14, ours: oursFunnel, naive: naiveFunnel},
	{name: "funnel-by-country", asks: "the same funnel by country", days: 14, ours: oursFunnelBy, naive: naiveFunnelBy},
	{name: "weekly-retention", asks: "weekly retention, 8 weeks", days: 56, ours: oursRetention, naive: naiveRetention},
	{name: "timeline", asks: "the last 100 events of one person", days: Days, ours: oursTimeline, naive: naiveTimeline},
	{name: "event-by-id", asks: "one event by its id", days: Days, ours: oursEventByID, naive: naiveEventByID},
	{name: "property-filter", asks: "filter on a property without a column, 30 days", days: 30, ours: oursProperty, naive: naiveProperty},
	{name: "sessions", asks: "sessions and bounces per day, 30 days", days: 30, ours: oursSessions, naive: naiveSessions},
}

// parameters are what the statements of the question are given.
func (q *question) parameters(until time.Time, e example) map[string]string {
	return map[string]string{
		"project": strconv.Itoa(askedProject), "from": until.AddDate(0, 0, -q.days).Format(time.DateTime), "to": until.Format(time.DateTime),
		"user": e.user, "id": e.id, "plan": askedPlan,
	}
}

// askedPlan is the value that the property filter looks for.
const askedPlan = "enterprise"
