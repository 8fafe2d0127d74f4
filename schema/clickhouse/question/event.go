package question

// eventColumns are the columns of view events_q: those of table events, its alias received_at, and person_h.
var eventColumns = []Column{
	{"project_id", "UInt32", "project that owns the event"},
	{"type", "LowCardinality(String)", "kind of call: track, identify, page, screen, group, alias, merge, unmerge"},
	{"event", "LowCardinality(String)", "name of the event; $identify, $pageview, $screen, $group, $alias for calls without one"},
	{"name", "String", "what the client called the page or screen"},
	{"ts", "DateTime64(3, 'UTC')", "when it happened, see ts_source"},
	{"event_id", "UUID", "id of the event: the client's, or a hash of it when that is no UUID"},
	{"session_id", "UUID", "session; a UUIDv7 whose day can be trusted; zero: none"},
	{"distinct_id", "String", "who did it: user id, else anonymous id"},
	{"user_id", "String", "id of the known user"},
	{"anonymous_id", "String", "id of the device or browser"},
	{"group_id", "String", "account or other group"},
	{"previous_id", "String", "the other id of an alias or merge"},
	{"client_ts", "DateTime64(3, 'UTC')", "time of the event by the client's clock, uncorrected; 1970: none given"},
	{"sent_at", "DateTime64(3, 'UTC')", "when the client sent the request, by its clock; 1970: not given"},
	{"ts_source", "LowCardinality(String)", "where ts comes from: client, corrected (by sent_at), received"},
	{"request_id", "UUID", "request that brought the event, see header X-Request-Id"},
	{"correlation_id", "String", "correlation id of the event or its request"},
	{"causation_id", "String", "id of what caused the event"},
	{"hops", "UInt8", "how many causation steps lie behind the event"},
	{"dialect", "LowCardinality(String)", "SDK family that the client spoke"},
	{"bot", "UInt8", "1: labelled as sent by a bot"},
	{"user_h", "UInt64", "cityHash64(distinct_id)"},
	{"url_host", "LowCardinality(String)", "host of the page"},
	{"url_path", "LowCardinality(String)", "path of the page"},
	{"referrer_host", "LowCardinality(String)", "host of the page before"},
	{"utm_source", "LowCardinality(String)", "campaign source"},
	{"utm_medium", "LowCardinality(String)", "campaign medium"},
	{"utm_campaign", "LowCardinality(String)", "campaign name"},
	{"lib", "LowCardinality(String)", "SDK"},
	{"lib_version", "LowCardinality(String)", "version of the SDK"},
	{"locale", "LowCardinality(String)", "language and region, de-DE"},
	{"country", "LowCardinality(String)", "country, ISO 3166-1 alpha-2"},
	{"city", "LowCardinality(String)", "city"},
	{"os", "LowCardinality(String)", "operating system"},
	{"os_version", "LowCardinality(String)", "version of the operating system"},
	{"browser", "LowCardinality(String)", "browser"},
	{"browser_version", "LowCardinality(String)", "version of the browser"},
	{"device", "LowCardinality(String)", "type of device"},
	{"screen_w", "UInt16", "width of the screen in pixels; 0: unknown"},
	{"screen_h", "UInt16", "height of the screen in pixels; 0: unknown"},
	{"ip", "IPv6", "address of the client, IPv4 as ::ffff:a.b.c.d; ::: unknown"},
	{"revenue", "Decimal(18, 4)", "property revenue or $revenue when it is a number in range, else 0"},
	{"props", "String", "properties, byte for byte as the client sent them; empty: none"},
	{"context", "String", "context, byte for byte as the client sent it; empty: none"},
	{"traits", "String", "traits as the client sent them, or {\"$set\":…} where the dialect has operations; empty: none"},
	{"lag_ms", "Int64", "received_at - ts in milliseconds"},
	{"_log", "UInt16", "life of the topic, see table logs"},
	{"_partition", "UInt16", "partition of the topic"},
	{"_offset", "UInt64", "offset in the partition"},
	{"received_at", "DateTime64(3, 'UTC')", "when the event arrived"},
	{"person_h", "UInt64", "the person: what questions group by; user_h, unless the id belongs to a person of another id"},
}

// pick returns columns of events_q by name.
func pick(names ...string) []Column {
	var all []Column
	for _, name := range names {
		for _, c := range eventColumns {
			if c.Name == name {
				all = append(all, c)
			}
		}
	}
	if len(all) != len(names) {
		panic("BUG: a column that events_q does not have")
	}
	return all
}
