package backup

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/millrace/millrace/schema/clickhouse"
)

// Progress tells how far ClickHouse is with a statement.
type Progress struct {
	What        string // in words
	Done, Total uint64 // bytes; Total 0: not known yet
	Elapsed     time.Duration
}

const (
	// A statement that has run for some time is looked at again after a twentieth of it, within these.
	minPoll, maxPoll = 50 * time.Millisecond, time.Second
	// silence is how long the server may be away before the outcome is taken for unknown.
	silence = 30 * time.Second
	// cancelTimeout bounds the wait for the end of a statement that was cancelled.
	cancelTimeout = 30 * time.Second
)

// ErrUnknownOutcome says that the server was away too long, or was started anew, while it worked.
var ErrUnknownOutcome = errors.New("outcome is not known")

// operation is a BACKUP or RESTORE that runs in the server.
type operation struct {
	db       *clickhouse.DB
	what     string
	id       string
	begun    time.Time
	progress func(Progress)
}

// state is a row of system.backups.
type state struct {
	status, message               string
	files, total, written, readIn uint64
}

func (s *state) ended() bool {
	return s.status != "CREATING_BACKUP" && s.status != "RESTORING"
}

// perform starts a statement in the background of the server, with further settings of its own, and watches it to its end. When ctx ends it is cancelled
// first.
func perform(ctx context.Context, db *clickhouse.DB, what, statement string, settings []string, progress func(Progress)) (state, error) {
	var b [12]byte
	if _, err := rand.Read(b[:]); err != nil {
		return state{}, err
	}
	if progress == nil {
		progress = func(Progress) {}
	}
	o := &operation{db: db, what: what, id: "millrace-" + hex.EncodeToString(b[:]), begun: time.Now(), progress: progress}
	var id, status string
	if err := db.Conn().QueryRow(ctx, statement+" SETTINGS "+strings.Join(append(settings, "id = '"+o.id+"'"), ", ")+" ASYNC").Scan(&id, &status); err != nil {
		// The statement may have begun all the same.
		return state{}, errors.Join(fmt.Errorf("%s: %w", what, explain(err)), o.cancelIfThere(ctx))
	}
	s, err := o.watch(ctx)
	if err != nil {
		return s, fmt.Errorf("%s: %w", what, err)
	}
	return s, nil
}

// watch polls until the statement has ended.
func (o *operation) watch(ctx context.Context) (state, error) {
	heard := time.Now()
	for {
		s, err := o.state(ctx)
		switch {
		case ctx.Err() != nil:
			return s, errors.Join(context.Cause(ctx), o.cancel(ctx))
		case errors.Is(err, sql.ErrNoRows):
			return s, fmt.Errorf("%w: the server knows nothing of it, so it was started anew", ErrUnknownOutcome)
		case err != nil:
			if time.Since(heard) > silence {
				return s, fmt.Errorf("%w: no answer for %v, see id %s in system.backups: %w", ErrUnknownOutcome, silence, o.id, err)
			}
		case s.ended():
			return s, s.err()
		default:
			heard = time.Now()
			o.progress(Progress{What: o.what, Done: max(s.written, s.readIn), Total: s.total, Elapsed: time.Since(o.begun)})
		}
		pause(ctx, min(max(time.Since(o.begun)/20, minPoll), maxPoll))
	}
}

// pause waits for d, or until ctx has ended.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func (o *operation) state(ctx context.Context) (s state, err error) {
	err = o.db.Conn().QueryRow(parameters(ctx, "id", o.id),
		"SELECT toString(status), error, num_files, total_size, uncompressed_size, bytes_read FROM system.backups WHERE id = {id:String}").
		Scan(&s.status, &s.message, &s.files, &s.total, &s.written, &s.readIn)
	if strings.HasPrefix(s.status, "RESTOR") {
		s.written = 0 // the size of the whole backup
	}
	return s, err
}

// cancel ends the statement in the server and waits until it has, so that nothing is written afterwards. ctx may have ended.
func (o *operation) cancel(ctx context.Context) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer stop()
	for {
		s, err := o.state(ctx)
		if errors.Is(err, sql.ErrNoRows) || err == nil && s.ended() {
			return nil
		}
		if err == nil {
			// Its end is seen in system.backups; what KILL says is of no use.
			err = o.db.Conn().Exec(parameters(ctx, "id", o.id), "KILL QUERY WHERE query_id IN (SELECT query_id FROM system.backups WHERE id = {id:String}) ASYNC")
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s could not be cancelled in %v, see id %s in system.backups: %w", o.what, cancelTimeout, o.id, errors.Join(err, ctx.Err()))
		}
		pause(ctx, minPoll)
	}
}

// cancelIfThere is cancel after a start whose outcome is not known. A server that refused it, or cannot be asked, has nothing to cancel.
func (o *operation) cancelIfThere(ctx context.Context) error {
	ask, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer stop()
	if _, err := o.state(ask); err != nil {
		return nil //nolint:nilerr // what went wrong is reported by the caller
	}
	return o.cancel(ctx)
}

func (s *state) err() error {
	switch s.status {
	case "BACKUP_CREATED", "RESTORED":
		return nil
	}
	return explain(errors.New(firstLine(s.message)))
}

// explain adds the cure, as far as there is one, to what ClickHouse says.
func explain(err error) error {
	for _, c := range []struct{ text, cure string }{
		{"BACKUP_NOT_FOUND", "there is no backup at this place: check the name, or --from"},
		{"BACKUP_ALREADY_EXISTS", "there is a backup at this place: choose another one"},
		{"ACCESS_DENIED", "the user may not: GRANT BACKUP ON database.*, and CHECK, CREATE, INSERT and DROP for a restore"},
		{"backups.allowed_path", "name a path below one that the server's configuration allows in backups.allowed_path"},
		{"backups.allowed_disk", "name a disk that the server's configuration allows in backups.allowed_disk"},
		{"NOT_ENOUGH_SPACE", "make room on the disk"},
		{"No space left", "make room on the disk"},
		{"BACKUP_DAMAGED", "the backup is damaged: use another one"},
		{"BACKUP_ENTRY_NOT_FOUND", "the backup is damaged: use another one"},
		{"has unexpected size", "the backup is damaged: use another one"},
		{"No such file or directory", "the backup is damaged: use another one"},
	} {
		if strings.Contains(err.Error(), c.text) {
			return fmt.Errorf("%w: %s", err, c.cure)
		}
	}
	return err
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	line, _, _ = strings.Cut(line, ", Stack trace")
	return strings.TrimSpace(line)
}

// parameters gives a query one server-side parameter. The values here are our own names and hold nothing to escape.
func parameters(ctx context.Context, name, value string) context.Context {
	return driver.Context(ctx, driver.WithParameters(driver.Parameters{name: value}))
}
