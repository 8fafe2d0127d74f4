package people

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	freshLook = 100 * time.Millisecond
	// freshTimeout is how long everybody who has been sent may take to be joined. A server that loads the dictionary by itself may be 15 s late alone.
	freshTimeout  = 3 * time.Minute
	answerTimeout = 30 * time.Second
)

// stranger is a visitor of whom the tables know nothing yet.
type stranger struct {
	visitor, user string
	sent          time.Time
	Fresh
}

// greet sends visitors through the door, then has one after the other identify, and watches until views join both halves of each.
func (r *run) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, freshTimeout+time.Duration(r.o.Fresh)*r.o.Pause, fmt.Errorf("visitors who identified were not one person with their visits after %v", freshTimeout))
	defer cancel()
	var all []*stranger
	var visits []map[string]any
	for i := range r.o.Fresh {
		s := &stranger{visitor: fmt.Sprintf("%s%d-visitor", r.server.prefix, i), user: fmt.Sprintf("%s%d-user", r.server.prefix, i)}
		all = append(all, s)
		visits = append(visits, map[string]any{"type": "track", "event": "product_viewed", "anonymousId": s.visitor})
	}
	if err := r.send(ctx, visits...); err != nil {
		return err
	}
	if err := r.arrived(ctx, len(all)); err != nil {
		return err
	}
	look, next := time.NewTicker(freshLook), time.NewTicker(r.o.Pause)
	defer look.Stop()
	defer next.Stop()
	for sent, joined := 0, 0; joined < len(all); {
		if sent == 0 {
			if err := r.identify(ctx, all[sent]); err != nil {
				return err
			}
			sent++
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-next.C:
			if sent == len(all) {
				continue
			}
			if err := r.identify(ctx, all[sent]); err != nil {
				return err
			}
			sent++
		case <-look.C:
			n, err := r.joined(ctx, all[:sent])
			if err != nil {
				return err
			}
			joined = n
			r.o.Progress("identifying visitors", uint64(joined), uint64(len(all)))
		}
	}
	for _, s := range all {
		r.result.Job.Fresh = append(r.result.Job.Fresh, s.Fresh)
	}
	return nil
}

// arrived waits until the visits are in the tables.
func (r *run) arrived(ctx context.Context, want int) error {
	look := time.NewTicker(freshLook)
	defer look.Stop()
	for {
		var n uint64
		if err := r.server.row(ctx, "SELECT count() FROM {db}.events WHERE project_id = 1 AND ts >= {until:DateTime('UTC')} AND startsWith(anonymous_id, {prefix:String})", r.ofStrangers(), &n); err != nil {
			return err
		}
		if n == uint64(want) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-look.C:
		}
	}
}

func (r *run) ofStrangers() map[string]string {
	return map[string]string{"prefix": r.server.prefix, "until": r.o.Until.UTC().Format(time.DateTime)}
}

func (r *run) identify(ctx context.Context, s *stranger) error {
	s.sent = time.Now()
	err := r.send(ctx, map[string]any{"type": "identify", "userId": s.user, "anonymousId": s.visitor, "traits": map[string]any{"plan": "pro"}})
	s.Accepted = time.Since(s.sent).Seconds()
	return err
}

// joined looks at those who have identified, and returns how many are one person.
func (r *run) joined(ctx context.Context, all []*stranger) (n int, err error) {
	byID := map[string]*stranger{}
	for _, s := range all {
		byID[s.visitor] = s
	}
	var id string
	see := func(field func(*stranger) *float64) func() {
		return func() {
			if s := byID[id]; s != nil && *field(s) == 0 {
				*field(s) = time.Since(s.sent).Seconds()
			}
		}
	}
	parameters := r.ofStrangers()
	var visitors []string
	for i := range all {
		visitors = append(visitors, fmt.Sprintf("SELECT {visitor%d:String} AS id", i))
		parameters[fmt.Sprintf("visitor%d", i)] = all[i].visitor
	}
	err = errors.Join(
		r.server.rows(ctx, "SELECT id FROM ("+strings.Join(visitors, " UNION ALL ")+") WHERE cityHash64(id) IN (SELECT user_h FROM {db}.identity_overrides WHERE project_id = 1 AND person_h != user_h AND user_h IN (SELECT cityHash64(id) FROM ("+
			strings.Join(visitors, " UNION ALL ")+")))", parameters, see(func(s *stranger) *float64 { return &s.Override }), &id),
		r.server.rows(ctx, "SELECT distinct_id FROM {db}.events_q WHERE project_id = 1 AND ts >= {until:DateTime('UTC')} AND startsWith(distinct_id, {prefix:String}) AND user_id = '' AND person_h = cityHash64(replaceRegexpOne(distinct_id, 'visitor$', 'user'))",
			r.ofStrangers(), see(func(s *stranger) *float64 { return &s.Joined }), &id),
	)
	if err != nil {
		return 0, err
	}
	for _, s := range all {
		if s.Joined > 0 {
			n++
		}
	}
	return n, nil
}

// send has the door take calls. Anything but an answer that takes all of them is an error.
func (r *run) send(ctx context.Context, calls ...map[string]any) error {
	body, err := json.Marshal(map[string]any{"batch": calls})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+loopback(r.lab.door)+"/v1/batch", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.SetBasicAuth(devKey, "")
	req.Header.Set("Content-Type", "application/json")
	// A connection of its own for each: a server that stops waits for none.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the door answered %s: %.500s", res.Status, answer)
	}
	return nil
}
