package custom

// Definition is a metric as it was declared. Parse makes it: what it returns is valid and has every name filled in.
type Definition struct {
	// Name makes up the names of its relations: view metric_NAME, which people read, and table metric_NAME__BUILD behind it.
	Name string `json:"name"`
	// Project whose events count; 0: those of all.
	Project uint32 `json:"project,omitempty"`
	// Events are the names that count; none: all.
	Events []string `json:"events,omitempty"`
	// Where are further conditions, all of which must hold.
	Where []Condition `json:"where,omitempty"`
	// By are the dimensions, beside project and time.
	By []Dimension `json:"by,omitempty"`
	// Sums are what is added up, beside the number of events.
	Sums []Sum `json:"sums,omitempty"`
	// Uniques are what different ones are counted of: nothing, or "user".
	Uniques []string `json:"uniques,omitempty"`
	// Interval is minute, hour or day, UTC.
	Interval string `json:"interval"`
	// KeepDays is how many days of events the table holds; 0: all.
	KeepDays int `json:"keep_days,omitempty"`
}

// Condition is what a field of an event must be.
type Condition struct {
	// Field is a column, or properties.KEY or traits.KEY. Of two equal keys the first counts.
	Field string `json:"field"`
	// Op is one of operators.
	Op string `json:"op"`
	// Values to compare with: one or more for is and is_not, of which any may match, none for set and not_set, else one.
	Values []string `json:"values,omitempty"`
}

// Dimension is what events are grouped by.
type Dimension struct {
	// Field is a column, or properties.KEY.
	Field string `json:"field"`
	// Type of a property: string (numbers as text; cut after so many characters), integer or bool. Empty for columns.
	Type string `json:"type,omitempty"`
	// As names the column of the table.
	As string `json:"as"`
}

// Sum is what is added up.
type Sum struct {
	// Field is revenue, or properties.KEY: of which numbers count.
	Field string `json:"field"`
	// As names the column of the table.
	As string `json:"as"`
}

// Limits of a definition. What the view does with each event is paid for by the sink's inserts.
const (
	mostMetrics    = 64
	mostEvents     = 100
	mostConditions = 20
	mostValues     = 100
	mostDimensions = 8
	mostSums       = 16
	mostBytes      = 1000    // of a text: event, value, key
	mostStatement  = 100_000 // bytes of a view's statement: servers read 262,144 by default
	leastKeepDays  = 3       // the last day before the end is compared with events no more, so that one full day is
	mostKeepDays   = 36500
	// textLength is how many characters of a property a dimension keeps: what clients send must not make keys of any size.
	textLength = 200
)

// The intervals, and what the column of time is called.
const (
	minute = "minute"
	hour   = "hour"
	day    = "day"
)
