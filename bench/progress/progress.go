package progress

import (
	"io"
	"sync"
	"time"

	"github.com/millrace/millrace/bench/load"
	"github.com/millrace/millrace/bench/observe"
)

// How often Phase writes when nothing but the count has changed.
const (
	redrawEvery = 100 * time.Millisecond
	relineEvery = 5 * time.Second
)

// Options say what the output is.
type Options struct {
	Terminal bool          // lines are redrawn in place
	Color    bool          // escape sequences for colours, on a terminal only; the caller looks at NO_COLOR
	Total    time.Duration // how long the load will last; 0: unknown
	Width    func() int    // columns of the terminal, asked before each drawing; nil or 0: 80
	Now      func() time.Time
}

// Progress is one run's display. Its methods may be called from any goroutine; errors of the output are ignored, since there is nobody to tell.
type Progress struct {
	mu     sync.Mutex
	o      Options
	screen screen
	totals load.Counts // of all intervals but those of the warm-up

	phase     string
	phaseAt   time.Time // of its last line
	phaseDone uint64    // what that line said
	phaseOf   uint64
	ended     bool
}

// New writes nothing yet. Now may be nil: time.Now.
func New(out io.Writer, o Options) *Progress {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Color = o.Color && o.Terminal
	return &Progress{o: o, screen: screen{out: out, color: o.Color}}
}

// Tick shows an interval. The samples are those taken at its beginning and end; without both there is nothing to say of processes, without the second
// nothing of the pipeline. On a terminal errors, late and dropped sends are those of the run so far, in a log those of the interval.
func (p *Progress) Tick(i load.Interval, before, after *observe.Sample) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.phase = ""
	if !i.Warmup {
		p.totals.Accepted += i.Counts.Accepted
		p.totals.Rejected += i.Counts.Rejected
		p.totals.Unknown += i.Counts.Unknown
		p.totals.Errors += i.Counts.Errors
		p.totals.Late += i.Counts.Late
		p.totals.Dropped += i.Counts.Dropped
	}
	if !p.o.Terminal {
		p.screen.write(plainTick(&i, cpu(before, after), after))
		return
	}
	p.screen.draw("load", p.width(), p.panel(&i, before, after))
}

// Phase shows work before or after the load, such as "rendering events" or "draining": done of total, of which 0 is unknown. It may be called often: most
// calls with the same name write nothing, but the first and the one that reaches the total do.
func (p *Progress) Phase(name string, done, total uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	now := p.o.Now()
	if name == p.phase {
		every := relineEvery
		if p.o.Terminal {
			every = redrawEvery
		}
		complete := total > 0 && done >= total
		if done == p.phaseDone && total == p.phaseOf || !complete && now.Sub(p.phaseAt) < every {
			return
		}
	}
	p.phase, p.phaseAt, p.phaseDone, p.phaseOf = name, now, done, total
	if !p.o.Terminal {
		p.screen.write(plainPhase(name, done, total))
		return
	}
	width := p.width()
	p.screen.draw("phase "+name, width, []line{phaseLine(name, done, total, width)})
}

// Done leaves the terminal as it was found, below what was shown last. It must be called at the end of every run, also of one that was ended early; it may be called twice, and
// what comes after it is not shown.
func (p *Progress) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.screen.restore()
}

// width is what a line may take. The last column stays free: some terminals go to the next line as soon as it is written.
func (p *Progress) width() int {
	width := 0
	if p.o.Width != nil {
		width = p.o.Width()
	}
	if width <= 0 {
		width = 80
	}
	return width - 1
}
