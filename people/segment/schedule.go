package segment

import (
	"slices"
	"time"

	"github.com/millrace/millrace/schema"
)

// track is what the builder knows of the builds of one segment.
type track struct {
	last   Build   // the newest that a leader has begun; its State is that of its end, and zero when there is none
	active []Build // the last two whose members can be read, the newest first
	broken int     // how many of the last ones were broken off in turn
}

// read is the build that members are read from; ok is false when there is none.
func (t *track) read() (b Build, ok bool) {
	if t == nil || len(t.active) == 0 {
		return Build{}, false
	}
	return t.active[0], true
}

// job is a build to make.
type job struct {
	Definition
	id   schema.UUID // of the request; zero: the schedule's
	flaw string      // why it cannot be made
}

// due are the builds to make now, those that others refer to first. asked has the requests, the oldest first; of several for one segment the oldest is answered now.
func due(now time.Time, all []Definition, tracks map[key]*track, asked []Build) (jobs []job) {
	wanted := map[key]schema.UUID{}
	for _, r := range asked {
		if _, twice := wanted[r.key()]; !twice {
			wanted[r.key()] = r.ID
		}
	}
	for len(all) > 0 {
		n := slices.IndexFunc(all, func(d Definition) bool { return d.Project != all[0].Project })
		if n < 0 {
			n = len(all)
		}
		project := all[:n]
		all = all[n:]
		sorted, loop := order(project)
		if loop != nil {
			// Two who declared at the same time can bring that about.
			for _, d := range project {
				if !slices.ContainsFunc(sorted, func(s Definition) bool { return s.Name == d.Name }) && isDue(now, d, tracks[d.key()], wanted) {
					jobs = append(jobs, job{d, wanted[d.key()], "segments must not refer to themselves, and these do: " + shown(loop)})
				}
			}
		}
		for _, d := range sorted {
			if isDue(now, d, tracks[d.key()], wanted) {
				jobs = append(jobs, job{Definition: d, id: wanted[d.key()]})
			}
		}
	}
	return jobs
}

func isDue(now time.Time, d Definition, t *track, asked map[key]schema.UUID) bool {
	if _, ok := asked[d.key()]; ok {
		return true
	}
	every := d.Interval()
	switch {
	case every == 0:
		return false
	case t == nil || t.last.State == "" || t.last.Definition < d.Version:
		return true
	}
	return !now.Before(t.last.At.Add(every))
}
