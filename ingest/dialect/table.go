package dialect

import "github.com/millrace/millrace/schema"

// Shape is what the body of a route holds.
type Shape uint8

// The shapes. A family reads those that its routes name.
const (
	// Events: events in every form that the family has.
	Events Shape = iota
	// Single: one event, whose type the path may name (Segment).
	Single
	// Batch: an object around an array of events (Segment).
	Batch
	// Capture: events of the protocol that answers for each of them (PostHog v1).
	Capture
	// Updates: operations on the properties of people (Mixpanel).
	Updates
	// Groups: operations on the properties of groups (Mixpanel).
	Groups
	// Import: events of the past, with a strict answer when asked for (Mixpanel).
	Import
	// Discarded: what is no event, such as recordings of screens. It is answered and not kept.
	Discarded
)

// Route is what a path says of the requests that are sent to it.
type Route struct {
	// Path is the path as documented, without a trailing slash; it also labels metrics.
	Path string
	// Dialect is the SDK family.
	Dialect schema.Dialect
	Shape   Shape
	// Type is the type of the events when the path decides it, else TypeNone.
	Type schema.Type
	// Browser marks the paths that only SDKs in browsers use. Segment's need 429 where others take 503, PostHog's never.
	Browser bool
	// Get tells that GET is taken too, with the events in the query's data.
	Get bool
	// Pixel tells that the answer is an image, and that the event may stand in the query member by member.
	Pixel bool
	// Jitsu marks the paths of Jitsu's own SDK.
	Jitsu bool
	// Check tells that events are judged and answered for, and nothing is stored.
	Check bool
	// Index is the route's place in Routes.
	Index int

	// next is another family's route of the same path.
	next *Route
}

// Shared tells that several families use the path: which one a request speaks is known once Classify has seen its body.
func (r *Route) Shared() bool { return r.next != nil }

// of is the route of a shared path that speaks the dialect, nil when none does.
func (r *Route) of(d schema.Dialect) *Route {
	for ; r != nil; r = r.next {
		if r.Dialect == d {
			return r
		}
	}
	return nil
}

const (
	segment   = schema.DialectSegment
	posthog   = schema.DialectPostHog
	amplitude = schema.DialectAmplitude
	mixpanel  = schema.DialectMixpanel
)

// routes is the one place that maps a path to its dialect. Of the families that share a path, the first is the one that a body without any mark of its own is taken for.
var routes = [...]Route{
	{Path: "/v1/events", Dialect: schema.DialectNative},
	{Path: "/v1/validate", Dialect: schema.DialectNative, Check: true},

	{Path: "/v1/batch", Dialect: segment, Shape: Batch},
	{Path: "/v1/import", Dialect: segment, Shape: Batch},
	{Path: "/v1/track", Dialect: segment, Shape: Single, Type: schema.Track},
	{Path: "/v1/identify", Dialect: segment, Shape: Single, Type: schema.Identify},
	{Path: "/v1/page", Dialect: segment, Shape: Single, Type: schema.Page},
	{Path: "/v1/screen", Dialect: segment, Shape: Single, Type: schema.Screen},
	{Path: "/v1/group", Dialect: segment, Shape: Single, Type: schema.Group},
	{Path: "/v1/alias", Dialect: segment, Shape: Single, Type: schema.Alias},
	{Path: "/v1/merge", Dialect: segment, Shape: Single, Type: schema.Merge},
	{Path: "/v1/b", Dialect: segment, Shape: Batch, Browser: true},
	{Path: "/v1/t", Dialect: segment, Shape: Single, Type: schema.Track, Browser: true},
	{Path: "/v1/i", Dialect: segment, Shape: Single, Type: schema.Identify, Browser: true},
	{Path: "/v1/p", Dialect: segment, Shape: Single, Type: schema.Page, Browser: true},
	{Path: "/v1/s", Dialect: segment, Shape: Single, Type: schema.Screen, Browser: true},
	{Path: "/v1/g", Dialect: segment, Shape: Single, Type: schema.Group, Browser: true},
	{Path: "/v1/a", Dialect: segment, Shape: Single, Type: schema.Alias, Browser: true},
	{Path: "/b", Dialect: segment, Shape: Batch, Browser: true},
	{Path: "/beacon/v1/batch", Dialect: segment, Shape: Batch, Browser: true},
	{Path: "/pixel/v1/track", Dialect: segment, Shape: Single, Type: schema.Track, Get: true, Pixel: true},
	{Path: "/pixel/v1/page", Dialect: segment, Shape: Single, Type: schema.Page, Get: true, Pixel: true},
	{Path: "/v1/pixel/track", Dialect: segment, Shape: Single, Type: schema.Track, Get: true, Pixel: true},
	{Path: "/v1/pixel/identify", Dialect: segment, Shape: Single, Type: schema.Identify, Get: true, Pixel: true},
	{Path: "/v1/pixel/page", Dialect: segment, Shape: Single, Type: schema.Page, Get: true, Pixel: true},
	{Path: "/v1/pixel/screen", Dialect: segment, Shape: Single, Type: schema.Screen, Get: true, Pixel: true},
	{Path: "/v1/pixel/group", Dialect: segment, Shape: Single, Type: schema.Group, Get: true, Pixel: true},
	{Path: "/v1/pixel/alias", Dialect: segment, Shape: Single, Type: schema.Alias, Get: true, Pixel: true},

	{Path: "/api/s/track", Dialect: segment, Shape: Single, Type: schema.Track, Jitsu: true},
	{Path: "/api/s/identify", Dialect: segment, Shape: Single, Type: schema.Identify, Jitsu: true},
	{Path: "/api/s/page", Dialect: segment, Shape: Single, Type: schema.Page, Jitsu: true},
	{Path: "/api/s/screen", Dialect: segment, Shape: Single, Type: schema.Screen, Jitsu: true},
	{Path: "/api/s/group", Dialect: segment, Shape: Single, Type: schema.Group, Jitsu: true},
	{Path: "/api/s/alias", Dialect: segment, Shape: Single, Type: schema.Alias, Jitsu: true},
	{Path: "/api/s/event", Dialect: segment, Shape: Single, Jitsu: true},
	{Path: "/api/s/batch", Dialect: segment, Shape: Batch, Jitsu: true},
	{Path: "/api/s/s2s/track", Dialect: segment, Shape: Single, Type: schema.Track, Jitsu: true},
	{Path: "/api/s/s2s/identify", Dialect: segment, Shape: Single, Type: schema.Identify, Jitsu: true},
	{Path: "/api/s/s2s/page", Dialect: segment, Shape: Single, Type: schema.Page, Jitsu: true},
	{Path: "/api/s/s2s/screen", Dialect: segment, Shape: Single, Type: schema.Screen, Jitsu: true},
	{Path: "/api/s/s2s/group", Dialect: segment, Shape: Single, Type: schema.Group, Jitsu: true},
	{Path: "/api/s/s2s/alias", Dialect: segment, Shape: Single, Type: schema.Alias, Jitsu: true},
	{Path: "/api/s/s2s/event", Dialect: segment, Shape: Single, Jitsu: true},
	{Path: "/api/s/s2s/batch", Dialect: segment, Shape: Batch, Jitsu: true},

	{Path: "/batch", Dialect: segment, Shape: Batch},
	{Path: "/batch", Dialect: posthog},
	{Path: "/batch", Dialect: amplitude},
	{Path: "/capture", Dialect: posthog, Get: true},
	{Path: "/e", Dialect: posthog, Browser: true, Get: true},
	{Path: "/i/v0/e", Dialect: posthog, Browser: true, Get: true},
	{Path: "/i/v1/analytics/events", Dialect: posthog, Shape: Capture},
	{Path: "/i/v0/ai", Dialect: posthog},
	{Path: "/i/v0/ai/batch", Dialect: posthog},
	{Path: "/s", Dialect: posthog, Shape: Discarded, Browser: true},

	{Path: "/2/httpapi", Dialect: amplitude},
	{Path: "/httpapi", Dialect: amplitude},

	{Path: "/track", Dialect: mixpanel, Get: true},
	{Path: "/track", Dialect: posthog, Get: true},
	{Path: "/engage", Dialect: mixpanel, Shape: Updates, Get: true},
	{Path: "/groups", Dialect: mixpanel, Shape: Groups, Get: true},
	{Path: "/import", Dialect: mixpanel, Shape: Import, Get: true},
	{Path: "/record", Dialect: mixpanel, Shape: Discarded},
}

// prefixes may stand before a path of their family, for SDKs whose host setting takes a path: it tells the families that share one apart.
var prefixes = map[string]schema.Dialect{
	"segment": segment, "rudderstack": segment, "jitsu": segment, "posthog": posthog, "amplitude": amplitude, "mixpanel": mixpanel,
}

var byPath = func() map[string]*Route {
	m := make(map[string]*Route, len(routes))
	for i := range routes {
		r := &routes[i]
		r.Index = i
		first, shared := m[r.Path]
		if !shared {
			m[r.Path] = r
			continue
		}
		for first.next != nil {
			first = first.next
		}
		first.next = r
	}
	// A family's own route under its prefix: a copy that shares its path with nobody.
	for prefix, d := range prefixes {
		for i := range routes {
			if routes[i].Dialect == d {
				r := routes[i]
				r.next = nil
				m["/"+prefix+r.Path] = &r
			}
		}
	}
	return m
}()

// Lookup finds the route of a path, with or without a trailing slash. The result is shared and must not be changed.
func Lookup(path []byte) (*Route, bool) {
	if n := len(path); n > 1 && path[n-1] == '/' {
		path = path[:n-1]
	}
	r, ok := byPath[string(path)]
	return r, ok
}

// Routes lists the table in order. The result is shared and must not be changed.
func Routes() []Route { return routes[:] }

// Prefixes lists the words that may stand before a path, with their family.
func Prefixes() map[string]schema.Dialect { return prefixes }
