package people

import (
	"context"
	"time"
)

// dictionary is dictionary identity in the server, which holds table identity_overrides in memory. A server loads it again by itself within seconds of a change, unless it is embedded in
// another program: then nobody does but this. Of several servers the others follow by themselves.
type dictionary struct {
	stale bool // it lacks what was written
	next  time.Time
}

// rest is how many times as long as a load took no other one is begun, so that loads take a tenth of a processor; mostRest bounds it, for what was written is to be seen within a minute.
const (
	rest     = 10
	mostRest = 20 * time.Second
)

// refresh has the server load it again when it is stale and not too soon. What fails is tried again; a server of one's own may not let us, and does without.
func (l *Leader) refresh(ctx context.Context) {
	if !l.loaded.stale || time.Now().Before(l.loaded.next) {
		return
	}
	began := time.Now()
	err := l.store.reload(ctx)
	l.loaded.next = time.Now().Add(min(rest*time.Since(began), mostRest))
	if err != nil {
		l.log.Debug("the dictionary of identities is left to the server", "error", err)
		return
	}
	l.loaded.stale = false
}

func (s *store) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.db.Do(ctx, s.call(nil, nil), func(ctx context.Context) error {
		return s.db.Conn().Exec(ctx, "SYSTEM RELOAD DICTIONARY "+s.table("identity"))
	})
}
