package question

import (
	"regexp"
	"slices"
	"strconv"
	"time"
)

// Segment declares a set of persons: all for whom a rule holds. ParseSegment reads one from JSON.
//
// The rule is about everyone of the project at a moment: persons with an event before it, with a profile, or in a segment that a leaf of the rule names. What happened at
// the moment or later does not count.
type Segment struct {
	// Name is what the segment is called in conditions, in other segments and in SQL: a to z, 0 to 9 and _, 64 at most.
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Every is how often the segment is built: a number and s, m, h, d or w. nil is 15m; the empty text, only on demand. See Interval.
	Every *string `json:"every,omitempty"`
	// Announce is whether persons who enter and leave are told of by events; nil: they are. See Announces.
	Announce *bool `json:"announce,omitempty"`
	Where    Rule  `json:"where"`
}

// Limits of segments.
const (
	defaultEvery = 15 * time.Minute
	minEvery     = time.Minute
	maxEvery     = 366 * 24 * time.Hour
	// maxLeaves is how many bits there are.
	maxLeaves = 64
	// maxSequences is how many leaves may be sequences: their text is the longest, and each takes the server as long to think about as many other leaves.
	maxSequences = 16
	maxRuleDepth = 10
	maxTimes     = 1_000_000_000
)

// Names of the events that tell of those who enter and leave segments. An announcement must not make anybody a member by itself: they count for steps only that name them.
const (
	EventSegmentEntered = "$segment_entered"
	EventSegmentLeft    = "$segment_left"
)

var segmentName = regexp.MustCompile(`^[a-z0-9_]{1,64}$`)

// IsSegmentName tells whether a segment may be called so.
func IsSegmentName(name string) bool { return segmentName.MatchString(name) }

const nameRule = "a name is of a to z, 0 to 9 and _, 64 of them at most"

// Interval is how often a valid segment is built; zero: only on demand.
func (s *Segment) Interval() time.Duration {
	switch {
	case s.Every == nil:
		return defaultEvery
	case *s.Every == "":
		return 0
	}
	d, _ := parseDuration(*s.Every)
	return d
}

// Announces tells whether events are to tell of persons who enter and leave.
func (s *Segment) Announces() bool { return s.Announce == nil || *s.Announce }

// Validate reports every problem at once, each as a *Problem. Whether the segments that it names exist, and do not name it in their turn, is not looked at.
func (s *Segment) Validate() error {
	var r report
	if r.need(s.Name != "", "/name", CodeRequired, "is missing: "+nameRule) {
		r.need(IsSegmentName(s.Name), "/name", CodeInvalidValue, clip(s.Name)+" is no name: "+nameRule)
	}
	r.short(s.Description, "/description")
	if s.Every != nil && *s.Every != "" {
		checkDuration(&r, *s.Every, minEvery, maxEvery, "/every")
	}
	leaves := s.Where.check(&r, "/where", 1)
	r.need(leaves <= maxLeaves, "/where", CodeTooMany, strconv.Itoa(leaves)+" leaves are above the limit of "+strconv.Itoa(maxLeaves)+": make a segment of a part, and name it here")
	sequences := 0
	s.Where.walk(func(leaf Rule) {
		if leaf.Sequence != nil {
			sequences++
		}
	})
	r.need(sequences <= maxSequences, "/where", CodeTooMany, strconv.Itoa(sequences)+" sequences are above the limit of "+strconv.Itoa(maxSequences)+": make a segment of a part, and name it here")
	if s.Name != "" {
		r.need(!slices.Contains(s.Segments(), s.Name), "/where", CodeInvalidValue, "names the segment itself, "+clip(s.Name))
	}
	return r.err()
}

// Segments are the names of the segments that the rule looks at, as leaves and in conditions, sorted.
func (s *Segment) Segments() []string {
	var all []string
	s.Where.walk(func(leaf Rule) {
		if leaf.Segment != "" {
			all = append(all, leaf.Segment)
		}
		for _, step := range leaf.steps() {
			for _, c := range step.Where {
				if c.Field == segmentField {
					all = append(all, c.Values...)
				}
			}
		}
	})
	slices.Sort(all)
	return slices.Compact(all)
}
