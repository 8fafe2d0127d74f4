package promote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/VictoriaMetrics/metrics"

	schema "github.com/millrace/millrace/schema/clickhouse"
)

// Deps are what a Surveyor works with.
type Deps struct {
	DB     *schema.DB
	Logger *slog.Logger
	// Metrics of several Surveyors may be the same. nil: none are kept.
	Metrics *metrics.Set
}

// Surveyor keeps the catalogue of properties. Its methods are safe for concurrent use, and any number of processes may have one: what one has looked at is not due for the others.
type Surveyor struct {
	cfg Config
	db  *schema.DB
	log *slog.Logger

	looks   *metrics.Counter
	failed  *metrics.Counter
	sampled *metrics.Counter
	seconds *metrics.PrometheusHistogram
}

// NewSurveyor returns a Surveyor. It starts nothing.
func NewSurveyor(cfg Config, d Deps) (*Surveyor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if d.Metrics == nil {
		d.Metrics = metrics.NewSet()
	}
	return &Surveyor{
		cfg: cfg, db: d.DB, log: d.Logger.With("component", "properties"),
		looks:   d.Metrics.GetOrCreateCounter("millrace_properties_looks_total"),
		failed:  d.Metrics.GetOrCreateCounter("millrace_properties_look_errors_total"),
		sampled: d.Metrics.GetOrCreateCounter("millrace_properties_sampled_event_names_total"),
		seconds: d.Metrics.GetOrCreatePrometheusHistogram("millrace_properties_look_seconds"),
	}, nil
}

// Run looks every Interval until ctx ends, then returns nil. ClickHouse may be away at any time. A statement that is under way when ctx ends is awaited.
func (s *Surveyor) Run(ctx context.Context) error {
	t := time.NewTicker(s.cfg.Interval)
	defer t.Stop()
	for {
		if _, err := s.Look(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("the catalogue of properties could not be brought up to date; tried again", "error", err, "retry_in", s.cfg.Interval)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// Look is what one look came to.
type Look struct {
	Sampled int // names of events, by project
	Skipped int // of those, how many could not be read: their props are too much for the memory or the time that a look may take
	Waiting int // names that were due beyond MaxPerLook
}

// together is how many names one statement samples.
const together = 8

// Look brings the catalogue up to date: it samples the names of events that are new or have grown, and those that were not looked at for a day. It reads a bounded number of
// events, and nothing when nothing has come in. The error is of the server; what was looked at before it is kept.
func (s *Surveyor) Look(ctx context.Context) (Look, error) {
	start := time.Now()
	s.looks.Inc()
	look, err := s.look(ctx, start)
	s.seconds.UpdateDuration(start)
	s.sampled.Add(look.Sampled - look.Skipped)
	if err != nil {
		s.failed.Inc()
	}
	return look, err
}

func (s *Surveyor) look(ctx context.Context, now time.Time) (look Look, err error) {
	due, err := s.due(ctx, now)
	if err != nil {
		return look, err
	}
	if len(due) > s.cfg.MaxPerLook {
		look.Waiting = len(due) - s.cfg.MaxPerLook
		due = due[:s.cfg.MaxPerLook]
	}
	for len(due) > 0 {
		chunk := due[:min(together, len(due))]
		due = due[len(chunk):]
		err := s.sample(ctx, chunk, now)
		if tooMuch(err) {
			// One of them is. Each alone, so that it hides no other.
			err = nil
			for i := range chunk {
				if err = s.sample(ctx, chunk[i:i+1], now); tooMuch(err) {
					s.log.Warn("the properties of an event are too much to look at", "project", chunk[i].project, "event", chunk[i].event, "error", err)
					look.Skipped++
					err = nil
				}
				if err != nil {
					break
				}
			}
		}
		if err != nil {
			return look, fmt.Errorf("sample the properties of events: %w", err)
		}
		look.Sampled += len(chunk)
	}
	return look, nil
}

// tooMuch tells that the server refused the work for its size.
func tooMuch(err error) bool {
	var refused *clickhouse.Exception
	const rows, slow, memory = 158, 159, 241
	return errors.As(err, &refused) && (refused.Code == rows || refused.Code == slow || refused.Code == memory)
}

// name is a name of events that is due.
type name struct {
	project uint32
	event   string
	total   uint64    // events in the window
	since   time.Time // the day from which on there are enough for a sample, or the first of the window
	recent  uint64    // events from then on
	keys    uint64    // in the catalogue
}

// settings bound what a look takes from whoever else uses the server.
func settings() []schema.Setting {
	return []schema.Setting{
		{Name: "max_memory_usage", Value: strconv.Itoa(1 << 30)},
		{Name: "max_execution_time", Value: strconv.Itoa(int(statementTime / time.Second))},
		{Name: "timeout_overflow_mode", Value: "throw"},
		{Name: "max_threads", Value: "1"},
		{Name: "use_query_cache", Value: "0"},
		{Name: "async_insert", Value: "0"},
		{Name: "join_use_nulls", Value: "0"},
		{Name: "aggregate_functions_null_for_empty", Value: "0"},
		{Name: "log_comment", Value: "millrace properties"},
	}
}

const (
	// statementTime bounds a statement on the server, answerTime how long its answer is waited for.
	statementTime = 30 * time.Second
	answerTime    = statementTime + 15*time.Second
)

// awaited is a context for one statement, which outlives the end of ctx: the server is not left in the middle of it.
func awaited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), answerTime)
}

// dueQuery finds the names that are due, those that were not looked at for longest first. How many events there are is known from the rollup by hour, and from when on there are enough of
// them from its days.
const dueQuery = `
SELECT project_id, event, total, since, recent, keys
FROM
(
    SELECT project_id, event, sum(events) AS total,
        arrayReverseSort(d -> d.1, groupArray((day, events))) AS days,
        arrayCumSum(days.2) AS sums,
        arrayFirstIndex(n -> n >= {sample:UInt64}, sums) AS enough,
        if(enough = 0, length(days), enough) AS last,
        days[last].1 AS since,
        sums[last] AS recent
    FROM
    (
        SELECT project_id, event, toDate32(hour) AS day, toUInt64(greatest(sum(n), 0)) AS events
        FROM {db}.rollup_1h
        WHERE hour >= {from:DateTime64(0, 'UTC')}
        GROUP BY project_id, event, day
        HAVING events > 0
    )
    GROUP BY project_id, event
    ORDER BY project_id, total DESC, event
    LIMIT {events:UInt64} BY project_id
) AS now
LEFT JOIN
(
    SELECT project_id, event, maxIf(latest, type = '') AS known, uniqExactIf(key, type != '') AS keys
    FROM {db}.properties
    GROUP BY project_id, event
) AS then USING (project_id, event)
WHERE known.sampled = 0 OR total >= known.total * {growth:Float64} OR (total != known.total AND known.at < {again:DateTime64(3, 'UTC')})
ORDER BY known.at, total DESC, project_id, event
LIMIT {looks:UInt64}`

// due lists the names that are worth a sample.
func (s *Surveyor) due(ctx context.Context, now time.Time) ([]name, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := awaited(ctx)
	defer cancel()
	rows, err := s.db.Conn().Query(with(ctx, parameters{
		"sample": strconv.Itoa(s.cfg.Sample), "events": strconv.Itoa(s.cfg.MaxEvents), "growth": fmt.Sprint(growth),
		"from":  now.Add(-window).UTC().Truncate(24 * time.Hour).Format(time.DateTime),
		"again": now.Add(-again).UTC().Format(time.DateTime),
		"looks": strconv.Itoa(10 * s.cfg.MaxPerLook),
	}, settings()...), inDatabase(dueQuery, s.db))
	if err != nil {
		return nil, fmt.Errorf("find events that are new: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err has told
	var due []name
	for rows.Next() {
		var n name
		if err := rows.Scan(&n.project, &n.event, &n.total, &n.since, &n.recent, &n.keys); err != nil {
			return nil, fmt.Errorf("find events that are new: %w", err)
		}
		due = append(due, n)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("find events that are new: %w", err)
	}
	return due, nil
}
