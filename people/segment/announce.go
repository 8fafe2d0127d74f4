package segment

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/millrace/millrace/internal/retry"
	"github.com/millrace/millrace/people"
	"github.com/millrace/millrace/schema"
)

// notice is a build to announce. It belongs to the goroutine that announces.
type notice struct {
	Build
	resumed bool    // another process may have sent some of it
	waited  bool    // for what that has sent to be stored
	after   *uint64 // the person up to whom all is done
	seen    uint64  // changes that are done
	unnamed uint64  // of these, those of persons of whom no id is stored
	noted   time.Time
}

// announcer sends the events of builds, those of one segment in the order of its builds.
type announcer struct {
	*work
	mu   sync.Mutex
	fed  []*notice     // added and not taken yet; guarded by mu
	wake chan struct{} // has room for one
}

func newAnnouncer(w *work) *announcer { return &announcer{work: w, wake: make(chan struct{}, 1)} }

// add has a build announced. It may be called by any goroutine.
func (n *announcer) add(b Build, resumed bool) {
	n.mu.Lock()
	n.fed = append(n.fed, &notice{Build: b, resumed: resumed})
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *announcer) take() []*notice {
	n.mu.Lock()
	defer n.mu.Unlock()
	fed := n.fed
	n.fed = nil
	return fed
}

// run announces until ctx ends. An error is one after which this process must not go on.
func (n *announcer) run(ctx context.Context) error {
	var queue []*notice
	pause := n.cfg.RetryInterval
	for {
		rest, err := n.round(ctx, append(queue, n.take()...), pause)
		if err != nil {
			return err
		}
		if queue = rest; len(queue) > 0 {
			// What is added meanwhile waits, too: the door is the same.
			retry.Pause(ctx, pause)
			pause = min(2*pause, n.cfg.MaxRetryInterval)
			continue
		}
		pause = n.cfg.RetryInterval
		select {
		case <-ctx.Done():
		case <-n.wake:
		}
	}
}

// round announces what it can of the queue, and returns the rest: what failed, and what must come after that. pause is for the log.
func (n *announcer) round(ctx context.Context, queue []*notice, pause time.Duration) (rest []*notice, err error) {
	held := map[key]bool{}
	for _, one := range queue {
		if held[one.key()] {
			rest = append(rest, one)
			continue
		}
		err := n.announce(ctx, one)
		var stop stopError
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.As(err, &stop), errors.Is(err, people.ErrFenced):
			return nil, err
		}
		held[one.key()] = true
		rest = append(rest, one)
		n.log.Warn("who entered and left a segment could not be announced; it will be tried again", "project", one.Project, "segment", one.Segment, "build", one.ID.String(),
			"done", one.seen, "pause", pause, "error", err)
	}
	return rest, ctx.Err()
}

// stopError is one after which the process must not go on announcing.
type stopError struct{ error }

func (e stopError) Unwrap() error { return e.error }

func (n *announcer) step(ctx context.Context, s step) error {
	if err := n.passed(ctx, s); err != nil {
		return stopError{err}
	}
	return nil
}

// noteInterval is how often it is noted how many events were taken. It is what a new leader may send again.
const noteInterval = time.Second

// announce sends what is left of a build. After an error it may be called again.
func (n *announcer) announce(ctx context.Context, one *notice) error {
	if err := n.Still(ctx); err != nil {
		return err
	}
	if one.resumed && !one.waited {
		if err := n.await(ctx, one); err != nil {
			return err
		}
		one.waited = true
	}
	one.noted = time.Now()
	for {
		changes, err := n.next(ctx, one)
		if err != nil {
			return err
		}
		if len(changes) == 0 {
			return n.done(ctx, one)
		}
		if err := n.send(ctx, one, changes); err != nil {
			return err
		}
		last := changes[len(changes)-1].person
		one.after = &last
		one.seen += uint64(len(changes))
		if time.Since(one.noted) >= noteInterval {
			if err := n.note(ctx, one, Active, ""); err != nil {
				return err
			}
			one.noted = time.Now()
		}
	}
}

// next reads the changes that come next.
func (n *announcer) next(ctx context.Context, one *notice) (changes []change, err error) {
	p := one.key().params().and("id", one.ID.String()).and("most", number(uint64(n.cfg.SendBatch)))
	above := ""
	if one.after != nil {
		above = " AND person_h > {after:UInt64}"
		p["after"] = number(*one.after)
	}
	var c change
	var entered uint8
	err = n.query(ctx, `SELECT person_h, entered, distinct_id FROM {db}.segment_changes WHERE `+ofSegment+` AND build = {id:UUID}`+above+` ORDER BY person_h LIMIT {most:UInt64}`, p, func() {
		c.entered = entered == 1
		changes = append(changes, c)
	}, &c.person, &entered, &c.distinctID)
	if err != nil {
		return nil, fmt.Errorf("read the changes: %w", err)
	}
	return changes, nil
}

// send sends the events of changes that are not stored yet.
func (n *announcer) send(ctx context.Context, one *notice, changes []change) error {
	var unnamed uint64
	there := map[schema.UUID]bool{}
	if one.resumed {
		var err error
		if there, err = n.stored(ctx, one, changes); err != nil {
			return err
		}
	}
	var fresh []change
	for _, c := range changes {
		switch {
		case c.distinctID == "":
			unnamed++
		case !there[eventID(one.Build, c)]:
			fresh = append(fresh, c)
		}
	}
	if len(fresh) > 0 {
		text, err := body(one.Build, fresh)
		if err != nil {
			return err
		}
		if err := n.deps.Send(ctx, one.Project, text); err != nil {
			n.gauges.unsent.Inc()
			return fmt.Errorf("send events: %w", err)
		}
		n.gauges.sent.Add(len(fresh))
		if err := n.step(ctx, stepSent); err != nil {
			return err
		}
	}
	one.unnamed += unnamed
	n.gauges.unsayable.Add(int(unnamed))
	return nil
}

const storedEvents = ` FROM {db}.events WHERE project_id = {project:UInt32} AND event IN ('$segment_entered', '$segment_left') AND ts = fromUnixTimestamp64Milli({at:Int64}, 'UTC') AND causation_id = {id:String}`

func (one *notice) eventParams() params {
	return one.key().params().and("id", one.ID.String()).and("at", number(uint64(one.At.UnixMilli())))
}

// stored are the events of changes that are in table events.
func (n *announcer) stored(ctx context.Context, one *notice, changes []change) (map[schema.UUID]bool, error) {
	var all []string
	for _, c := range changes {
		all = append(all, eventID(one.Build, c).String())
	}
	there := map[schema.UUID]bool{}
	var id string
	err := n.query(ctx, `SELECT toString(event_id)`+storedEvents+` AND event_id IN {ids:Array(UUID)}`, one.eventParams().and("ids", list(all)), func() {
		if u, ok := schema.ParseUUID([]byte(id)); ok {
			there[u] = true
		}
	}, &id)
	if err != nil {
		return nil, fmt.Errorf("look for events that were sent: %w", err)
	}
	return there, nil
}

// awaitPoll is the pause between two looks for events that were sent.
const awaitPoll = 200 * time.Millisecond

// await waits until as many events are stored as the process before this one noted as sent.
func (n *announcer) await(ctx context.Context, one *notice) error {
	tick := time.NewTicker(awaitPoll)
	defer tick.Stop()
	for began := time.Now(); ; {
		stored, err := n.count(ctx, `SELECT uniqExact(event_id)`+storedEvents, one.eventParams())
		if err != nil {
			return fmt.Errorf("look for events that were sent: %w", err)
		}
		if stored >= one.Announced {
			return nil
		}
		if time.Since(began) >= n.cfg.ResumeWait {
			n.log.Warn("events that were sent are not stored yet, and those may be sent again under the same ids", "project", one.Project, "segment", one.Segment, "build", one.ID.String(),
				"sent", one.Announced, "stored", stored)
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// note writes how far the announcement is, if this process still leads.
func (n *announcer) note(ctx context.Context, one *notice, state State, note string) error {
	if err := n.Still(ctx); err != nil {
		return err
	}
	r := one.Build
	r.State, r.Note, r.Announced, r.Version = state, note, one.seen-one.unnamed, n.leader.Version()
	return n.write(ctx, r)
}

// done notes that all is sent.
func (n *announcer) done(ctx context.Context, one *notice) error {
	declared, err := n.count(ctx, `SELECT count() FROM {db}.segments FINAL WHERE project_id = {project:UInt32} AND name = {segment:String}`, one.key().params())
	if err != nil {
		return err
	}
	if declared == 0 {
		return nil // dropped meanwhile: its builds are gone, and a row would bring one back
	}
	note := ""
	if missing := one.Entered + one.Left - min(one.Entered+one.Left, one.seen-one.unnamed); missing > 0 {
		note = fmt.Sprintf("%d of %d changes were not announced: no id of these persons is stored any longer, or they were erased", missing, one.Entered+one.Left)
		n.log.Warn("not everybody who entered or left a segment was announced", "project", one.Project, "segment", one.Segment, "build", one.ID.String(), "note", note)
	}
	if err := n.note(ctx, one, Announced, note); err != nil {
		return err
	}
	return n.step(ctx, stepAnnounced)
}
