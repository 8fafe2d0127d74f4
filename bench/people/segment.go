package people

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	schema "github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

// Segment is what it cost to build one.
type Segment struct {
	Name       string `json:"name"`
	Asks       string `json:"asks"`
	Definition string `json:"definition"`
	Members    uint64 `json:"members"`
	Builds     []Cost `json:"builds"`
	Tight      Cost   `json:"tight"`             // with a quarter of the memory
	Refused    string `json:"refused,omitempty"` // what the server said when that was not enough; then Tight is empty
}

// definitions, from cheap to dear. The last names the first.
var definitions = []struct{ asks, definition string }{
	{"at least two pages in 30 days", `{"name": "returning", "where": {"did": {"event": "$pageview", "at_least": 2, "within": "30d"}}}`},
	{"a checkout and no purchase in 30 days", `{"name": "undecided", "where": {"all": [{"did": {"event": "checkout_started", "within": "30d"}}, {"did_not": {"event": "purchase", "within": "30d"}}]}}`},
	{"view, checkout, purchase in a row", `{"name": "through", "where": {"sequence": {"steps": [{"event": "product_viewed"}, {"event": "checkout_started"}, {"event": "purchase"}], "window_ms": 604800000, "within": "60d"}}}`},
	{"plan and another segment, or never a purchase", `{"name": "mixed", "where": {"any": [{"all": [{"profile": {"field": "plan", "op": "is", "values": ["pro"]}}, {"segment": "returning"}]}, {"did_not": {"event": "purchase"}}]}}`},
}

// Bounds of a build, in bytes; half of it is where groups go to disk.
const (
	usualMemory = 1 << 30
	tightMemory = usualMemory / 4
)

// memoryExceeded is the server's code for a statement that needs more memory than it may have.
const memoryExceeded = 241

func outOfMemory(err error) bool {
	var refused *clickhouse.Exception
	return errors.As(err, &refused) && refused.Code == memoryExceeded
}

// membersTable is where builds go.
const membersTable = "segment_members_of_bench"

const buildSQL = `INSERT INTO {db}.` + membersTable + ` (project_id, segment, build, person_h, at)
SELECT {project:UInt32}, {segment_name:String}, {build:UUID}, person_h, {moment:DateTime64(3, 'UTC')}
FROM
(
`

// segments builds all.
func (r *run) segments(ctx context.Context) error {
	if _, _, err := r.server.exec(ctx, "CREATE TABLE {db}."+membersTable+" AS {db}.segment_members", nil); err != nil {
		return err
	}
	done := 0
	for _, d := range definitions {
		parsed, err := question.ParseSegment([]byte(d.definition))
		if err != nil {
			return err
		}
		s := Segment{Name: parsed.Name, Asks: d.asks, Definition: d.definition}
		var builds []priced
		for i := range r.o.Builds + 1 {
			r.o.Progress("building segments", uint64(done), uint64(len(definitions)*(r.o.Builds+1)))
			done++
			memory := usualMemory
			if i == r.o.Builds {
				memory = tightMemory
			}
			build, one, err := r.build(ctx, parsed, memory)
			if err != nil && (memory == usualMemory || !outOfMemory(err)) {
				return fmt.Errorf("segment %s: %w", s.Name, err)
			} else if err != nil {
				s.Refused = err.Error()
				break
			}
			builds = append(builds, one)
			var members uint64
			if err := r.server.row(ctx, "SELECT count() FROM {db}."+membersTable+" WHERE project_id = 1 AND segment = {segment:String} AND build = {build:UUID}", map[string]string{"segment": s.Name, "build": build.String()}, &members); err != nil {
				return err
			}
			if i > 0 && members != s.Members {
				return fmt.Errorf("%w: segment %s has %d members, and had %d in the build before", ErrWrong, s.Name, members, s.Members)
			}
			s.Members = members
			if i == 0 {
				if err := r.activate(ctx, &s, build); err != nil {
					return err
				}
			}
		}
		costs, err := r.server.costs(ctx)
		if err != nil {
			return err
		}
		if s.Builds, err = price(costs, builds); err != nil {
			return err
		}
		if s.Refused == "" {
			s.Tight, s.Builds = s.Builds[r.o.Builds], s.Builds[:r.o.Builds]
		}
		r.result.Segments = append(r.result.Segments, s)
	}
	return nil
}

// mostUntracked is what a thread of the server may use before it counts, by default; a small limit would not be noticed.
const mostUntracked = 4 << 20

// build finds the members once.
func (r *run) build(ctx context.Context, s *question.Segment, memory int) (build uuid.UUID, one priced, err error) {
	q, err := s.Build(r.server.database, project, r.o.Until)
	if err != nil {
		return build, one, err
	}
	build = uuid.New()
	q.Params["segment_name"], q.Params["build"], q.Params["moment"] = s.Name, build.String(), instant(r.o.Until)
	id, took, err := r.server.exec(ctx, buildSQL+q.Text+"\n)", q.Params,
		schema.Setting{Name: "max_memory_usage", Value: strconv.Itoa(memory)}, schema.Setting{Name: "max_bytes_before_external_group_by", Value: strconv.Itoa(memory / 2)},
		schema.Setting{Name: "max_bytes_before_external_sort", Value: strconv.Itoa(memory / 2)},
		schema.Setting{Name: "max_untracked_memory", Value: strconv.Itoa(min(memory/16, mostUntracked))})
	return build, pricedAs(id, took), err
}

// activate makes a build the one that others see.
func (r *run) activate(ctx context.Context, s *Segment, build uuid.UUID) error {
	parameters := map[string]string{"segment": s.Name, "definition": s.Definition, "build": build.String(), "moment": instant(r.o.Until), "members": strconv.FormatUint(s.Members, 10), "version": strconv.FormatInt(time.Now().UnixMicro(), 10)}
	for _, statement := range []string{
		"INSERT INTO {db}.segment_members SELECT * FROM {db}." + membersTable + " WHERE project_id = 1 AND segment = {segment:String} AND build = {build:UUID}",
		"INSERT INTO {db}.segments (project_id, name, definition, version) SELECT 1, {segment:String}, {definition:String}, {version:UInt64}",
		"INSERT INTO {db}.segment_builds (project_id, segment, build, definition, at, state, size, version) SELECT 1, {segment:String}, {build:UUID}, {version:UInt64}, {moment:DateTime64(3, 'UTC')}, 'active', {members:UInt64}, 1",
	} {
		if _, _, err := r.server.exec(ctx, statement, parameters); err != nil {
			return err
		}
	}
	var members uint64
	if err := r.server.row(ctx, "SELECT count() FROM {db}.segment_members_q WHERE project_id = 1 AND segment = {segment:String}", parameters, &members); err != nil {
		return err
	}
	if members != s.Members {
		return fmt.Errorf("%w: segment %s has %d members as one reads them, and %d were built", ErrWrong, s.Name, members, s.Members)
	}
	return nil
}
