package segment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/question"
)

// Errors of the store that are the caller's to mend. What is wrong with definitions is joined *question.Problem.
var (
	// ErrUnknown says that the project has no segment of the name.
	ErrUnknown = errors.New("there is no such segment")
	// ErrInUse says that others refer to a segment that is to be dropped.
	ErrInUse = errors.New("the segment is in use")
)

// maxSegments is how many a project may have. All of them are looked at when one changes.
const maxSegments = 1000

// maxDefinitionBytes is how long all definitions of a project may be together. The job reads those of all projects again and again.
const maxDefinitionBytes = 4 << 20

// Store declares, reads and drops segments. It is what people and programs use; the Builder makes the members. Safe for concurrent use: of two who declare the same the
// later one counts.
type Store struct {
	source clickhouse.Source
	now    func() time.Time
}

// NewStore makes a store. It asks nothing.
func NewStore(source clickhouse.Source) *Store { return &Store{source: source, now: time.Now} }

func (s *Store) book(ctx context.Context) (book, error) {
	db, err := s.source(ctx)
	if err != nil {
		return book{}, fmt.Errorf("segments: %w", err)
	}
	return book{db}, nil
}

// Parse reads a file of definitions: one, or an array of them. Every error is one or more joined *question.Problem, with pointers into the file.
func Parse(text []byte) ([]*question.Segment, error) {
	trimmed := bytes.TrimSpace(text)
	if len(trimmed) == 0 || trimmed[0] != '[' {
		one, err := question.ParseSegment(text)
		if err != nil {
			return nil, err
		}
		return []*question.Segment{one}, nil
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(trimmed, &parts); err != nil {
		return nil, &question.Problem{Code: question.CodeInvalidValue, Detail: "the file is no JSON: " + err.Error()}
	}
	var all []*question.Segment
	var errs []error
	seen := map[string]int{}
	for i, part := range parts {
		pointer := "/" + strconv.Itoa(i)
		one, err := question.ParseSegment(part)
		if err != nil {
			for _, p := range question.Problems(err) {
				errs = append(errs, &question.Problem{Pointer: pointer + p.Pointer, Code: p.Code, Detail: p.Detail})
			}
			continue
		}
		if first, twice := seen[one.Name]; twice {
			errs = append(errs, &question.Problem{Pointer: pointer + "/name", Code: question.CodeInvalidValue, Detail: one.Name + " is the name of element " + strconv.Itoa(first) + ", too"})
		}
		seen[one.Name] = i
		all = append(all, one)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return all, nil
}

// Change is what declaring a definition does.
type Change struct {
	Name string
	// What is "new", "changed" or "same".
	What string
	// Before is the definition that is there, as JSON, when it is changed.
	Before string
	// After is the definition, as JSON.
	After string
}

// Plan says what Declare would do with the definitions, or why it would refuse them. It changes nothing.
func (s *Store) Plan(ctx context.Context, project uint32, all []*question.Segment) ([]Change, error) {
	b, err := s.book(ctx)
	if err != nil {
		return nil, err
	}
	changes, _, err := s.plan(ctx, b, project, all)
	return changes, err
}

func (s *Store) plan(ctx context.Context, b book, project uint32, all []*question.Segment) (changes []Change, there map[string]Definition, err error) {
	var errs []error
	for _, one := range all {
		errs = append(errs, one.Validate())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	declared, err := b.definitions(ctx, project)
	if err != nil {
		return nil, nil, err
	}
	there, after := map[string]Definition{}, map[string]Definition{}
	for _, d := range declared {
		there[d.Name], after[d.Name] = d, d
	}
	for _, one := range all {
		text, err := json.Marshal(one)
		if err != nil {
			return nil, nil, fmt.Errorf("write definition %s: %w", one.Name, err)
		}
		c := Change{Name: one.Name, What: "new", After: string(text)}
		if d, ok := there[one.Name]; ok {
			c.What, c.Before = "changed", d.Text
			if d.Text == c.After {
				c.What, c.Before = "same", ""
			}
		}
		changes = append(changes, c)
		after[one.Name] = Definition{Project: project, Text: c.After, Segment: one}
	}
	return changes, there, refused(all, after)
}

// refused says what is wrong with segments together: after is all that will be declared.
func refused(all []*question.Segment, after map[string]Definition) error {
	var errs []error
	problem := func(i int, detail string) {
		pointer := "/where"
		if len(all) > 1 {
			pointer = "/" + strconv.Itoa(i) + pointer
		}
		errs = append(errs, &question.Problem{Pointer: pointer, Code: question.CodeInvalidValue, Detail: detail})
	}
	for i, one := range all {
		var unknown []string
		for _, name := range one.Segments() {
			if _, ok := after[name]; !ok {
				unknown = append(unknown, name)
			}
		}
		if len(unknown) > 0 {
			problem(i, "refers to "+strings.Join(unknown, ", ")+", which the project has no segment of the name of: declare it before, or in the same file")
		}
	}
	var declared []Definition
	for _, d := range after {
		declared = append(declared, d)
	}
	slices.SortFunc(declared, func(a, b Definition) int { return strings.Compare(a.Name, b.Name) })
	if _, loop := order(declared); loop != nil {
		for i, one := range all {
			if slices.Contains(loop, one.Name) {
				problem(i, "segments must not refer to themselves, and these do: "+shown(loop))
				break
			}
		}
	}
	size := 0
	for _, d := range declared {
		size += len(d.Text)
	}
	if size > maxDefinitionBytes {
		errs = append(errs, &question.Problem{Code: question.CodeTooLong, Detail: fmt.Sprintf("definitions of %d bytes together are above the limit of %d for a project: drop some", size, maxDefinitionBytes)})
	}
	if len(after) > maxSegments {
		errs = append(errs, &question.Problem{Code: question.CodeTooMany, Detail: fmt.Sprintf("%d segments are above the limit of %d for a project: drop some", len(after), maxSegments)})
	}
	return errors.Join(errs...)
}

// Declare declares segments of a project, all or none of them. Those that are there as declared are not touched. A segment with a schedule is built soon after it was
// declared or changed; until then the members are those of the build before.
func (s *Store) Declare(ctx context.Context, project uint32, all []*question.Segment) ([]Change, error) {
	b, err := s.book(ctx)
	if err != nil {
		return nil, err
	}
	changes, there, err := s.plan(ctx, b, project, all)
	if err != nil {
		return nil, err
	}
	var write []Definition
	for i, c := range changes {
		if c.What == "same" {
			continue
		}
		k := key{project, c.Name}
		version, err := s.version(ctx, b, k)
		if err != nil {
			return nil, err
		}
		if c.What == "new" {
			// What is left of a segment of the same name that was dropped is not of this one.
			if err := b.forget(ctx, k); err != nil {
				return nil, err
			}
		}
		write = append(write, Definition{Project: project, Text: c.After, Version: max(version, there[c.Name].Version+1), Segment: all[i]})
	}
	return changes, b.declare(ctx, write, false)
}

// version is one for the next change of a segment: the time, or more when a clock was ahead.
func (s *Store) version(ctx context.Context, b book, k key) (uint64, error) {
	highest, err := b.count(ctx, `SELECT max(version) FROM {db}.segments WHERE project_id = {project:UInt32} AND name = {segment:String}`, k.params())
	if err != nil {
		return 0, fmt.Errorf("read the segments: %w", err)
	}
	return max(uint64(s.now().UnixMicro()), highest+1), nil
}

// Drop removes a segment with all that was built of it. Nobody is told to have left. ErrUnknown, ErrInUse.
func (s *Store) Drop(ctx context.Context, project uint32, name string) error {
	b, err := s.book(ctx)
	if err != nil {
		return err
	}
	all, err := b.definitions(ctx, project)
	if err != nil {
		return err
	}
	d, err := find(all, name)
	if err != nil {
		return err
	}
	if by := users(all, name); len(by) > 0 {
		return fmt.Errorf("%w: %s refers to %s: drop or change that first", ErrInUse, strings.Join(by, ", "), name)
	}
	if d.Version, err = s.version(ctx, b, d.key()); err != nil {
		return err
	}
	if err := b.declare(ctx, []Definition{d}, true); err != nil {
		return err
	}
	return b.forget(ctx, d.key())
}

func find(all []Definition, name string) (Definition, error) {
	for _, d := range all {
		if d.Name == name {
			return d, nil
		}
	}
	return Definition{}, fmt.Errorf("%w: %q", ErrUnknown, name)
}

// Request asks for a build of a segment now and returns its id; Build tells how far it is. When one was asked for and is not begun, it is that. ErrUnknown.
func (s *Store) Request(ctx context.Context, project uint32, name string) (schema.UUID, error) {
	b, err := s.book(ctx)
	if err != nil {
		return schema.UUID{}, err
	}
	all, err := b.definitions(ctx, project)
	if err != nil {
		return schema.UUID{}, err
	}
	d, err := find(all, name)
	if err != nil {
		return schema.UUID{}, err
	}
	waiting, err := b.builds(ctx, `FINAL WHERE `+ofSegment+` AND state = 'building' AND version < {begun:UInt64} ORDER BY at LIMIT 1`, d.key().params().and("begun", number(askedVersions)))
	if err != nil {
		return schema.UUID{}, err
	}
	if len(waiting) > 0 {
		return waiting[0].ID, nil
	}
	r := Build{Project: project, Segment: name, ID: newID(), Definition: d.Version, At: s.now(), State: Building, Version: askedVersion}
	return r.ID, b.write(ctx, r)
}
