package generate

import (
	"strings"

	"github.com/millrace/millrace/schema"
)

// fault is what is wrong with an event that must be refused. Each is something that clients really send, and each refuses the one event and not its request. They
// go by the limits that the server has unless it is told otherwise.
type fault uint8

const (
	faultless     fault = iota
	missingUser         // missing_user
	missingEvent        // missing_event
	badTime             // invalid_timestamp
	longName            // name_too_long
	illegalID           // illegal_id
	badType             // invalid_type, by a type that there is not
	tooDeep             // too_deep
	longID              // id_too_long
	badProperties       // invalid_type, by properties that are no object
	badText             // invalid_utf8
	numFaults
)

// spoil makes a track call of c that must be refused.
func (c *call) spoil(s *shop, f fault) {
	c.fault = f
	if c.typ != schema.Track {
		s.other(c)
		c.name = c.name[:0]
	}
}

var brokenTimes = []string{"2026-13-45T99:99:99.000Z", "yesterday", "Invalid Date", "18/11/2026 10:11", "NaN"}

var brokenTypes = []string{"trak", "event", "Track ", "pageview"}

var illegalIDs = []string{"undefined", "null", "anonymous", "[object Object]", "00000000-0000-0000-0000-000000000000", "NaN", "0"}

// latin1 is text in an encoding that JSON does not know.
const latin1 = "M\xfcller Stra\xdfe"

// deep is a value that nests deeper than 32 levels.
var deep = strings.Repeat(`{"child":`, 40) + `{"leaf":[1]}` + strings.Repeat("}", 40)

// longText is longer than the 200 bytes of a name and the 512 of an id.
var longText = "Stack trace: " + strings.Repeat("at com.example.shop.checkout.PaymentService.charge ", 12)
