package queries

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrDiffer says that the two sides do not hold the same events, or did not give the same answer.
var ErrDiffer = errors.New("the two sides differ")

// The values of an event as texts, from either table. They are all that the naive table holds, and of what it holds once and table events twice, some of the second copies.
const (
	oursValues = `toString(project_id), toString(event), toString(toUnixTimestamp64Milli(ts)), distinct_id, toString(event_id), toString(session_id), toString(request_id), user_id, anonymous_id,
		toString(toUnixTimestamp64Milli(sent_at)), toString(toUnixTimestamp64Milli(ts) + lag_ms), replaceOne(toString(ip), '::ffff:', ''), toString(type), name, toString(country), toString(city),
		toString(os), toString(os_version), toString(browser), toString(browser_version), toString(device), props, context,
		toString(url_path), toString(referrer_host), toString(utm_campaign), toString(screen_w), toString(revenue)`
	naiveValues = `toString(project_id), event, toString(toUnixTimestamp64Milli(ts)), distinct_id, toString(d.event_id), toString(d.session_id), toString(d.request_id), d.user_id, d.anonymous_id,
		toString(toUnixTimestamp64Milli(parseDateTime64BestEffort(d.sent_at, 3, 'UTC'))), toString(toUnixTimestamp64Milli(parseDateTime64BestEffort(d.received_at, 3, 'UTC'))), d.ip, d.type, d.name, d.country, d.city,
		d.os, d.os_version, d.browser, d.browser_version, d.device,
		substring(data, atProperties + 14, length(data) - atProperties - 14), substring(data, atContext + 11, atProperties - atContext - 11),
		d.context.page.path, domain(d.context.page.referrer), d.context.campaign.name, toString(d.context.screen.width), toString(d.properties.revenue)`
	naiveTuple = `Tuple(event_id UUID, session_id UUID, request_id UUID, user_id String, anonymous_id String, sent_at String, received_at String, ip String, type String, name String,
		country String, city String, os String, os_version String, browser String, browser_version String, device String,
		context Tuple(page Tuple(path String, referrer String), campaign Tuple(name String), screen Tuple(width UInt16)), properties Tuple(revenue Decimal(18, 4)))`
)

// A checksum is the sum of a hash of each row: whatever the order, and a row that is there twice counts twice.
const (
	oursChecksum  = "SELECT toDate(ts) AS day, count(), sum(cityHash64(" + oursValues + ")) FROM {db}.events GROUP BY day ORDER BY day"
	naiveChecksum = "WITH JSONExtract(data, '" + naiveTuple + "') AS d, position(data, ',\"context\":') AS atContext, position(data, ',\"properties\":{') AS atProperties\n" +
		"SELECT toDate(ts) AS day, count(), sum(cityHash64(" + naiveValues + ")) FROM {db}." + naiveTable + " GROUP BY day ORDER BY day"
)

// Sameness is what was found when both sides were compared.
type Sameness struct {
	Rows     uint64 `json:"rows"`
	Days     int    `json:"days"`
	Checksum string `json:"checksum"` // of all rows, hexadecimal
}

// dailySum is the events of a day.
type dailySum struct {
	rows, sum uint64
}

// compareTables demands that both tables hold the same events, want of them.
func (s *server) compareTables(ctx context.Context, want int) (Sameness, error) {
	ours, err := s.daily(ctx, oursChecksum)
	if err != nil {
		return Sameness{}, err
	}
	naive, err := s.daily(ctx, naiveChecksum)
	if err != nil {
		return Sameness{}, err
	}
	var all Sameness
	var sum uint64
	for day, a := range ours {
		if b := naive[day]; a != b {
			return Sameness{}, fmt.Errorf("%w: on %s table events has %d rows with checksum %x, table %s has %d with %x", ErrDiffer, day.Format(time.DateOnly), a.rows, a.sum, naiveTable, b.rows, b.sum)
		}
		delete(naive, day)
		all.Rows += a.rows
		sum += a.sum
	}
	for day, b := range naive {
		return Sameness{}, fmt.Errorf("%w: on %s table %s has %d rows, table events none", ErrDiffer, day.Format(time.DateOnly), naiveTable, b.rows)
	}
	if all.Rows != uint64(want) {
		return Sameness{}, fmt.Errorf("%w: both tables have %d rows, %d events were made", ErrDiffer, all.Rows, want)
	}
	all.Days, all.Checksum = len(ours), fmt.Sprintf("%016x", sum)
	return all, nil
}

func (s *server) daily(ctx context.Context, statement string) (map[time.Time]dailySum, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	rows, err := s.db.Conn().Query(s.with(ctx, "", nil), s.in(statement))
	if err != nil {
		return nil, fmt.Errorf("checksum: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err has told
	all := map[time.Time]dailySum{}
	for rows.Next() {
		var day time.Time
		var d dailySum
		if err := rows.Scan(&day, &d.rows, &d.sum); err != nil {
			return nil, fmt.Errorf("checksum: %w", err)
		}
		all[day] = d
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("checksum: %w", err)
	}
	return all, nil
}
