package query

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Why a query was ended early.
var (
	errGone     = errors.New("the client has gone")
	errAsked    = errors.New("somebody asked for its end")
	errStopping = errors.New("the server is stopping")
	errOverdue  = errors.New("it ran longer than ClickHouse was told to let it")
	errHung     = errors.New("ClickHouse does not answer")
)

// patience is how long things may take that should take no time.
type patience struct {
	// overdue is how long after its timeout a query is ended from here: ClickHouse knows whole seconds, looks at its clock between blocks only, and may hang.
	overdue time.Duration
	// end is how long a query has to end after it was told to. Then its connection is cut.
	end time.Duration
	// kill bounds one KILL QUERY, which an engine at its limits answers late, and again is how often it is repeated: the first may come before the server knows
	// the query.
	kill, again time.Duration
}

var usualPatience = patience{overdue: 200 * time.Millisecond, end: 6 * time.Second, kill: 3 * time.Second, again: 200 * time.Millisecond}

// running is a query that is with ClickHouse.
type running struct {
	id      string
	project uint32
	// server is where it was sent last; a store publishes nothing else.
	server atomic.Pointer[string]
	// unwanted is closed by cancel, once.
	unwanted chan struct{}
	cancel   func()
}

// table holds the queries of this process that run. Safe for concurrent use.
type table struct {
	mu      sync.Mutex
	queries map[string]*running
}

// add makes an entry, which remove takes away. ok is false when there is one of the id.
func (t *table) add(id string, project uint32) (r *running, ok bool) {
	r = &running{id: id, project: project, unwanted: make(chan struct{})}
	r.cancel = sync.OnceFunc(func() { close(r.unwanted) })
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, taken := t.queries[id]; taken {
		return nil, false
	}
	t.queries[id] = r
	return r, true
}

func (t *table) remove(r *running) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.queries, r.id)
}

func (t *table) get(id string) *running {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.queries[id]
}

// execute asks ClickHouse, and sees to it that the query ends when nobody wants it any more: when the client or the server ends, on DELETE, or after its time. why is then the
// reason, and err what ClickHouse said. It returns when the query has ended there, or when it did not want to and its connection was cut. The body of a result is read
// under a context that release ends, which the caller must call whatever is returned.
func (s *Server) execute(client context.Context, c call, id string, project uint32, f format, timeout time.Duration) (res *result, release context.CancelFunc, why, err error) {
	q, ok := s.table.add(id, project)
	if !ok {
		return nil, func() {}, nil, &exception{code: errSameID, name: "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING"}
	}
	defer s.table.remove(q)
	ctx, cut := context.WithCancel(context.WithoutCancel(client))
	pending, answered := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() { why = s.watch(client, pending, q, timeout, cut) })
	res, err = s.engine.query(ctx, c, id, formats[f].engine, timeout, func(server string) { q.server.Store(&server) })
	answered()
	watcher.Wait()
	return res, cut, why, err
}

// watch waits until the query is no longer pending, or until its end is wanted, which it brings about and gives the reason for.
func (s *Server) watch(client, pending context.Context, q *running, timeout time.Duration, cut context.CancelFunc) (why error) {
	late := time.NewTimer(timeout + s.patience.overdue)
	defer late.Stop()
	select {
	case <-pending.Done():
		return nil
	case <-client.Done():
		why = errGone
	case <-q.unwanted:
		why = errAsked
	case <-s.stopping:
		why = errStopping
	case <-late.C:
		why = errOverdue
	}
	enough := time.NewTimer(s.patience.end)
	defer enough.Stop()
	again := time.NewTicker(s.patience.again)
	defer again.Stop()
	for {
		var failed error
		if server := q.server.Load(); server != nil {
			_, failed = s.kill(context.WithoutCancel(pending), *server, q.id, q.project)
		}
		select {
		case <-pending.Done():
			return why
		case <-enough.C:
			s.log.Warn("a query that was told to end does not; its connection is cut", "query_id", q.id, "reason", why, "waited", s.patience.end, "error", failed)
			cut()
			if failed != nil && errors.Is(why, errOverdue) {
				return errHung
			}
			return why
		case <-again.C:
		}
	}
}

// kill ends a query on a server and tells whether there was one.
func (s *Server) kill(ctx context.Context, server, id string, project uint32) (found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience.kill)
	defer cancel()
	return s.engine.kill(ctx, server, id, project)
}
