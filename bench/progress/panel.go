package progress

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/load"
	"github.com/millrace/millrace/bench/observe"
)

// The bars of the load and of a phase.
const (
	loadBar  = 40
	phaseBar = 24
	label    = 25 // columns of a phase's name
)

// panel is the block of the load.
func (p *Progress) panel(i *load.Interval, before, after *observe.Sample) []line {
	lines := []line{p.timeLine(i), p.rateLine(i), latencyLine(i), p.troubleLine()}
	if l := pipelineLine(after); l != nil {
		lines = append(lines, l)
	}
	if used := cpu(before, after); len(used) > 0 {
		l := heading("cpu")
		for n, u := range used {
			l = l.plus(gap(n)+u.name+" ", dim).plus(fmt.Sprintf("%.2f", u.cores), "")
		}
		lines = append(lines, l.plus(" cores", dim))
	}
	return lines
}

func (p *Progress) timeLine(i *load.Interval) line {
	at := time.Duration(i.At * float64(time.Second))
	l := line{{"  ", ""}}
	color := cyan
	if i.Warmup {
		color = yellow
	}
	if p.o.Total <= 0 {
		return l.plus(clock(at), bold)
	}
	share := min(i.At/p.o.Total.Seconds(), 1)
	l = append(l, bar(share, loadBar, color)...)
	l = l.plus(fmt.Sprintf(" %3.0f%%", math.Floor(share*100)), bold).plus("  "+clock(at)+" of "+clock(p.o.Total), "")
	switch left := p.o.Total - at; {
	case i.Warmup:
		l = l.plus("  warm-up", yellow)
	case left > 0:
		l = l.plus("  "+clock(left)+" left", dim)
	default:
		l = l.plus("  waiting for the last answers", dim)
	}
	return l
}

func (p *Progress) rateLine(i *load.Interval) line {
	asked, got := perSecond(i.Counts.Scheduled, i.Seconds), perSecond(i.Counts.Accepted, i.Seconds)
	color := green
	if got < 0.95*asked {
		color = yellow
	}
	l := heading("rate").plus("asked ", dim).plus(ledger.Grouped(round(asked))+"/s", "")
	l = l.plus(gap(1)+"accepted ", dim).plus(ledger.Grouped(round(got))+"/s", color)
	return l.plus(gap(1)+"in all ", dim).plus(ledger.Grouped(p.totals.Accepted), bold)
}

func latencyLine(i *load.Interval) line {
	l := heading("latency")
	if i.Latency.Count == 0 {
		return l.plus("no answers", yellow)
	}
	l = l.plus("p50 ", dim).plus(milliseconds(i.Latency.P50), "")
	l = l.plus(gap(1)+"p99 ", dim).plus(milliseconds(i.Latency.P99), bold)
	return l.plus(gap(1)+"max ", dim).plus(milliseconds(i.Latency.Max), "")
}

// troubleLine is of the whole run: what went wrong for a second must not vanish with it.
func (p *Progress) troubleLine() line {
	l := heading("trouble")
	for n, c := range []struct {
		name  string
		count uint64
		color style
	}{{"errors", p.totals.Errors, red}, {"late", p.totals.Late, yellow}, {"dropped", p.totals.Dropped, red}, {"rejected", p.totals.Rejected, ""}, {"unknown", p.totals.Unknown, red}} {
		color := c.color
		if c.count == 0 {
			color = ""
		}
		l = l.plus(gap(n)+c.name+" ", dim).plus(ledger.Grouped(c.count), color)
	}
	return l
}

// pipelineLine is nil when nothing is known.
func pipelineLine(s *observe.Sample) line {
	if s == nil {
		return nil
	}
	l := heading("pipeline")
	n := 0
	for _, g := range []struct {
		gauge, name string
		seconds     bool
	}{{observe.LagRecords, "lag", false}, {observe.OldestAge, "oldest", true}, {observe.Unacked, "unacked", false}, {observe.RingRequests, "waiting", false}} {
		v, known := s.Gauges[g.gauge]
		if !known || math.IsNaN(v) {
			continue
		}
		text := ledger.Grouped(round(v))
		if g.seconds {
			text = milliseconds(v * 1000)
		}
		l = l.plus(gap(n)+g.name+" ", dim).plus(text, "")
		n++
	}
	if n == 0 {
		return nil
	}
	return l
}

// phaseLine is a phase with its bar.
func phaseLine(name string, done, total uint64, width int) line {
	l := line{{fmt.Sprintf("  %-*s", label, name), ""}, {"  ", ""}}
	if total == 0 {
		return l.plus(ledger.Grouped(done), bold)
	}
	share := min(float64(done)/float64(total), 1)
	color := cyan
	if done >= total {
		color = green
	}
	counts := fmt.Sprintf("  %s of %s", ledger.Grouped(done), ledger.Grouped(total))
	if room := width - 2 - max(label, len(name)) - 2 - 5 - len(counts); room >= 8 {
		l = append(l, bar(share, min(room, phaseBar), color)...)
	}
	return l.plus(fmt.Sprintf(" %3.0f%%", math.Floor(share*100)), bold).plus(counts, "")
}

// use is how many processors a process kept busy.
type use struct {
	name  string
	cores float64
}

// first are the processes that are named first, in the order in which events pass them.
var first = []string{"gateway", "broker", "clickhouse"}

// cpu is what the processes used between two samples; of a process that is not in both, or that was replaced meanwhile, nothing is known.
func cpu(before, after *observe.Sample) []use {
	if before == nil || after == nil || after.At <= before.At {
		return nil
	}
	var used []use
	for name, b := range after.Processes {
		a, known := before.Processes[name]
		seconds := b.User + b.System - a.User - a.System
		if known && seconds >= 0 {
			used = append(used, use{name, seconds / (after.At - before.At)})
		}
	}
	rank := func(name string) int {
		if i := slices.Index(first, name); i >= 0 {
			return i
		}
		return len(first)
	}
	slices.SortFunc(used, func(a, b use) int {
		if d := rank(a.name) - rank(b.name); d != 0 {
			return d
		}
		return strings.Compare(a.name, b.name)
	})
	return used
}

func heading(text string) line { return line{{fmt.Sprintf("  %-9s ", text), cyan}} }

// gap stands before the nth thing in a line.
func gap(n int) string {
	if n == 0 {
		return ""
	}
	return "   "
}

func round(f float64) uint64 { return uint64(math.Round(max(f, 0))) }
