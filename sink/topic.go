package sink

import (
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"
)

// The tables that are loaded.
const (
	eventsTable     = "events"
	quarantineTable = "quarantine"
)

// topic is a topic and how it is loaded.
type topic struct {
	log       uint16
	table     string
	time      string        // the column that the table is partitioned by
	keeps     time.Duration // how long the table keeps a row; 0: for good
	newLoader func() (loader, *spares)
}

func newTopics(events, quarantine Topic, p *promotions) map[string]topic {
	return map[string]topic{
		events.Name: {
			log: events.Log, table: eventsTable, time: "ts", keeps: events.Keeps,
			newLoader: func() (loader, *spares) {
				l := newEventLoader(p)
				return l, l.spares
			},
		},
		quarantine.Name: {
			log: quarantine.Log, table: quarantineTable, time: "at", keeps: quarantine.Keeps,
			newLoader: func() (loader, *spares) {
				l := newQuarantineLoader()
				return l, l.spares
			},
		},
	}
}

// insertStatement names every column: the table, given as it stands in SQL, may have more, with defaults. The rows follow as a native block.
func insertStatement(table string, input proto.Input) string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + table + " (")
	for i, col := range input {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("`" + col.Name + "`")
	}
	b.WriteString(") VALUES")
	return b.String()
}
