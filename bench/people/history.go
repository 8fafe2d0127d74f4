package people

import (
	"fmt"
	"strings"
)

// historyLog is the life of the topic that the history has: none that a server would give to one.
const historyLog = 60000

// The most events that a user has.
const perUser = 7

// historySQL makes the events of the users from {first} to {end} in the month {month}, as text of a SELECT with the columns that historyColumns names. All of it follows from the numbers
// of the users and the seed. Days of a user are within eight after the first, and no first day is later than Days-8.
//
//	0 page, 1 product_viewed, 2 product_added (half of them)              as visitor
//	3 $identify with traits                                               a minute later, the other half the day after
//	4 checkout_started, 5 purchase or product_viewed, 6 page (half)       as user
const historySQL = `
SELECT
    u, j, r, ts,
    concat('user-', toString(u)) AS user,
    toString(reinterpretAsUUID(sipHash128({seed:UInt64}, u))) AS visitor
FROM
(
    SELECT
        number AS u, j, cityHash64({seed:UInt64}, number) AS r,
        toDateTime64({from:DateTime('UTC')}, 3, 'UTC')
            + toIntervalMillisecond(r % 52 * 86400000 + bitShiftRight(r, 8) % 64800000
                + [0, 40000, 95000, 160000, 400000, 90000000, 180000000][j + 1] + if(j >= 3 AND bitTest(r, 40), 86400000, 0) + if(j >= 5, bitShiftRight(r, 20) % 10 * 25000000, 0)) AS ts
    FROM numbers({first:UInt64}, {end:UInt64} - {first:UInt64})
    ARRAY JOIN range(toUInt8(7)) AS j
    WHERE (j != 2 OR bitTest(r, 41)) AND (j != 6 OR bitTest(r, 42)) AND ({month:UInt32} = 0 OR toYYYYMM(ts) = {month:UInt32})
)`

// historyEvents are columns of table events and what they are in terms of historySQL, of the number n of the row in its INSERT, and of the parameters.
var historyEvents = [][2]string{
	{"project_id", "1"},
	{"type", "['page', 'track', 'track', 'identify', 'track', 'track', 'page'][j + 1]"},
	{"event", "if(j = 5 AND r % 4 = 0, 'product_viewed', ['$pageview', 'product_viewed', 'product_added', '$identify', 'checkout_started', 'purchase', '$pageview'][j + 1])"},
	{"ts", "ts"},
	{"event_id", "reinterpretAsUUID(sipHash128({seed:UInt64}, u, j))"},
	{"distinct_id", "if(j < 3, visitor, user)"},
	{"user_id", "if(j < 3, '', user)"},
	{"anonymous_id", "visitor"},
	{"sent_at", "ts + toIntervalMillisecond(300)"},
	{"ts_source", "'client'"},
	{"request_id", "reinterpretAsUUID(sipHash128(u, j))"},
	{"dialect", "'segment'"},
	{"user_h", "cityHash64(distinct_id)"},
	{"url_host", "'shop.example'"},
	{"url_path", "concat('/', ['', 'products', 'cart', 'account', 'checkout', 'thanks', ''][j + 1])"},
	{"referrer_host", "if(j = 0, ['www.google.com', '', 'news.example', 'www.bing.com'][bitShiftRight(r, 30) % 4 + 1], '')"},
	{"lib", "'analytics.js'"},
	{"lib_version", "'2.11.1'"},
	{"locale", "'de-DE'"},
	{"country", "['DE', 'US', 'FR', 'GB', 'ES', 'IT', 'NL', 'PL'][bitShiftRight(r, 12) % 8 + 1]"},
	{"os", "['iOS', 'Android', 'Windows', 'macOS'][bitShiftRight(r, 16) % 4 + 1]"},
	{"browser", "['Safari', 'Chrome', 'Firefox'][bitShiftRight(r, 24) % 3 + 1]"},
	{"device", "['mobile', 'desktop'][bitShiftRight(r, 17) % 2 + 1]"},
	{"revenue", "if(j = 5 AND r % 4 != 0, toDecimal64(bitShiftRight(r, 33) % 20000 / 100, 4), 0)"},
	{"props", "if(j = 3, '', format('{{\"product_id\":\"p-{}\",\"category\":\"{}\",\"price\":{},\"quantity\":{},\"title\":\"Article number {} of the catalogue\"}}', toString(bitShiftRight(r, 28 + j) % 5000), " +
		"['books', 'games', 'shoes', 'music', 'tools'][bitShiftRight(r, 22) % 5 + 1], toString(bitShiftRight(r, 33) % 20000 / 100), toString(1 + j % 3), toString(bitShiftRight(r, 28 + j) % 5000)))"},
	{"context", "'{\"page\":{\"path\":\"/products\",\"url\":\"https://shop.example/products\"},\"library\":{\"name\":\"analytics.js\",\"version\":\"2.11.1\"}}'"},
	{"traits", "if(j = 3, " + historyTraits + ", '')"},
	{"lag_ms", "toInt64(500 + r % 4000)"},
	{"_log", fmt.Sprint(historyLog)},
	{"_partition", fmt.Sprintf("toUInt16((n + {base:UInt64}) %% %d)", partitions)},
	{"_offset", fmt.Sprintf("intDiv(n + {base:UInt64}, %d)", partitions)},
}

// historyTraits is what a user identifies with, its names in order.
const historyTraits = `format('{{"email":"{}@mail.example","logins":{},"plan":"{}"}}', user, toString(r % 50), ['free', 'free', 'pro', 'team'][bitShiftRight(r, 44) % 4 + 1])`

// historyInsert puts users' events of one month into table events. The number of the row is counted on one thread.
func historyInsert() string {
	var names, values []string
	for _, c := range historyEvents {
		names, values = append(names, c[0]), append(values, c[1]+" AS "+c[0])
	}
	return "INSERT INTO {db}.events (" + strings.Join(names, ", ") + ")\nSELECT\n    " + strings.Join(values, ",\n    ") + "\nFROM (SELECT *, rowNumberInAllBlocks() AS n FROM (" + historySQL + "\n))\nSETTINGS max_threads = 1"
}

// historyCounts tells how many events each month has of each block of users.
const historyCounts = `
SELECT toUInt32(toYYYYMM(ts)) AS of, intDiv(u, {block:UInt64}) AS block, count()
FROM (` + historySQL + `)
GROUP BY of, block
ORDER BY of, block`
