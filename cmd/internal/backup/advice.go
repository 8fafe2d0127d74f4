package backup

import (
	"fmt"
	"strings"
)

// Advice says what the next sink will find and what to do, for people.
func (r *Report) Advice() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	switch {
	case r.Manifest != nil && r.Manifest.ClusterID != r.ClusterID:
		say("The backup was made with another broker: cluster %s then, %s now. Its topics are not those of today.", name(r.Manifest.ClusterID), name(r.ClusterID))
		say("The next sink allots a new log number to each topic and loads it from its earliest record; restored rows keep the old number and are not compared.")
		say("Records that were loaded before the backup and were copied to this broker are loaded a second time.")
		return b.String()
	case r.newLife():
		say("The backup knows no log number of today's topics. The next sink allots one to each topic and goes on at the group's offsets, or at the earliest record.")
		return b.String()
	}
	var rewinds []string
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			line, rewind := r.partition(t, p)
			say("%s", line)
			if rewind != "" {
				rewinds = append(rewinds, rewind)
			}
		}
	}
	if len(rewinds) == 0 {
		say("Nothing was loaded since the backup: start the sink.")
	} else {
		say("The group's offsets are left as they are. The next sink finds fewer rows than were confirmed, parks these partitions and waits. Start it, and once `millrace sink status` says so:")
		for _, line := range rewinds {
			say("  %s", line)
		}
		say("It reads the records from there again and inserts the rows that are missing, none twice.")
	}
	say("Rollups are of slightly different moments than the events: `millrace sink reconcile --wait` compares and repairs them.")
	return b.String()
}

// newLife says that none of today's topics has a number in the restored tables.
func (r *Report) newLife() bool {
	for _, t := range r.Topics {
		if t.Log != 0 {
			return false
		}
	}
	return true
}

// partition describes one partition, with the command that goes on from it; empty when nothing is to be loaded again.
func (r *Report) partition(t Topic, p Partition) (line, rewind string) {
	top, ok := r.Highest[t.Name][p.Partition]
	if !ok {
		top = -1
	}
	line = fmt.Sprintf("topic %s partition %d: restored up to offset %d, confirmed up to %d, the topic holds %d to %d", t.Name, p.Partition, top, p.Committed-1, p.Start, p.End-1)
	if p.Committed < 0 {
		return fmt.Sprintf("topic %s partition %d: nothing was ever confirmed", t.Name, p.Partition), ""
	}
	// Below StoredBelow no row is missing. Without a manifest only the table can tell, which the sink does by itself.
	from := p.StoredBelow
	if from < 0 && r.Manifest != nil {
		from = 0
	}
	if from >= p.Committed || from < 0 && top+1 >= p.Committed {
		return line, ""
	}
	rewind = fmt.Sprintf("millrace sink rewind --topic %s --partition %d", t.Name, p.Partition)
	if from >= 0 {
		rewind += fmt.Sprintf(" --to %d", max(from, p.Start))
	}
	if lost := p.Start - max(from, top+1); lost > 0 && p.Start > from {
		line += fmt.Sprintf("; up to %d records before offset %d are gone from the topic, so rows of them that the backup lacks cannot be loaded again", lost, p.Start)
	}
	return line, rewind
}

func name(clusterID string) string {
	if clusterID == "" {
		return "without a name"
	}
	return clusterID
}
