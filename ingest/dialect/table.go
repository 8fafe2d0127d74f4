package dialect

import "github.com/millrace/millrace/schema"

// Route is what a path says of the requests that are posted to it.
type Route struct {
	// Path is the path as documented, without a trailing slash; it also labels metrics.
	Path string
	// Dialect is the SDK family.
	Dialect schema.Dialect
	// Type is the type of the events when the path decides it, else TypeNone.
	Type schema.Type
	// Batch tells, of a Segment path, that the body is a batch and not one event.
	Batch bool
	// Browser marks the short paths that only SDKs in browsers use; they need 429 where others take 503.
	Browser bool
	// Index is the route's place in Routes.
	Index int
}

// routes is the one place that maps a path to its dialect.
var routes = [...]Route{
	{Path: "/v1/events", Dialect: schema.DialectNative},
	{Path: "/v1/batch", Dialect: schema.DialectSegment, Batch: true},
	{Path: "/v1/track", Dialect: schema.DialectSegment, Type: schema.Track},
	{Path: "/v1/identify", Dialect: schema.DialectSegment, Type: schema.Identify},
	{Path: "/v1/page", Dialect: schema.DialectSegment, Type: schema.Page},
	{Path: "/v1/screen", Dialect: schema.DialectSegment, Type: schema.Screen},
	{Path: "/v1/group", Dialect: schema.DialectSegment, Type: schema.Group},
	{Path: "/v1/alias", Dialect: schema.DialectSegment, Type: schema.Alias},
	{Path: "/v1/b", Dialect: schema.DialectSegment, Batch: true, Browser: true},
	{Path: "/v1/t", Dialect: schema.DialectSegment, Type: schema.Track, Browser: true},
	{Path: "/v1/i", Dialect: schema.DialectSegment, Type: schema.Identify, Browser: true},
	{Path: "/v1/p", Dialect: schema.DialectSegment, Type: schema.Page, Browser: true},
	{Path: "/v1/s", Dialect: schema.DialectSegment, Type: schema.Screen, Browser: true},
	{Path: "/v1/g", Dialect: schema.DialectSegment, Type: schema.Group, Browser: true},
	{Path: "/v1/a", Dialect: schema.DialectSegment, Type: schema.Alias, Browser: true},
}

var byPath = func() map[string]*Route {
	m := make(map[string]*Route, len(routes))
	for i := range routes {
		routes[i].Index = i
		m[routes[i].Path] = &routes[i]
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
