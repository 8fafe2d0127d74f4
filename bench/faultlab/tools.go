package faultlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/millrace/millrace/bench/faultlab/stack"
	kafka "github.com/millrace/millrace/broker"
)

// command runs the program once, past the proxies; its output goes to NAME.log.
func (l *lab) command(ctx context.Context, name string, args ...string) error {
	path := filepath.Join(l.dir, name+".log")
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, l.o.Binary, append(args, "--config", l.configPath("operator"))...)
	cmd.Env = stack.CleanEnv()
	cmd.Stdout, cmd.Stderr = out, out
	if err := errors.Join(cmd.Run(), out.Close()); err != nil {
		return fmt.Errorf("millrace %s: %w: see %s", strings.Join(args, " "), err, path)
	}
	return nil
}

// rewindBy is how many offsets of each partition a tool that knows nothing of intents puts back.
const rewindBy = 150

// rewindAt puts the committed offsets back as a tool would, and kills the owner that finds the offsets behind the table.
func (l *lab) rewindAt(ctx context.Context, in *Injection) (what string, struck time.Time, err error) {
	struck = time.Now()
	for _, p := range l.sinks {
		if err := p.Kill(); err != nil && !errors.Is(err, stack.ErrDown) {
			return "", struck, err
		}
	}
	if err := l.emptyGroup(ctx); err != nil {
		return "", struck, err
	}
	committed, err := l.motion.committed(ctx)
	if err != nil {
		return "", struck, err
	}
	commit := kafka.OffsetCommit{Group: labGroup, Generation: -1}
	for i, p := range l.motion.all {
		commit.Offsets = append(commit.Offsets, kafka.PartitionOffset{Topic: labTopic, Partition: p, Offset: max(0, committed[i]-rewindBy)})
	}
	_, err = persist(ctx, func(ctx context.Context) (struct{}, error) {
		outcome, err := l.client.CommitOffsets(ctx, commit)
		for _, each := range outcome {
			err = errors.Join(err, each)
		}
		return struct{}{}, err
	})
	if err != nil {
		return "", struck, fmt.Errorf("put offsets back: %w", err)
	}
	what, err = l.killNext(ctx, in.Point)
	for _, p := range l.sinks {
		err = errors.Join(err, l.start(ctx, p))
	}
	if what != "" {
		what = fmt.Sprintf("offsets put back by %d each, then %s", rewindBy, what)
	}
	return what, struck, err
}

// emptyGroup makes the members that the killed sinks were leave the group, as their next lives would: offsets of a group with members cannot be set from outside.
func (l *lab) emptyGroup(ctx context.Context) error {
	for _, p := range l.sinks {
		id, err := os.ReadFile(filepath.Join(l.dir, p.Name(), "run", "sink-member"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		_, err = persist(ctx, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, l.client.LeaveGroup(ctx, labGroup, strings.TrimSpace(string(id)))
		})
		if err != nil {
			return fmt.Errorf("empty the group: %w", err)
		}
	}
	return nil
}

// Of the event that a constraint refuses.
const (
	badEvent       = "lab-refused"
	badConstraint  = "lab_refuses"
	constraintStmt = "ALTER TABLE " + labDatabase + ".events ADD CONSTRAINT IF NOT EXISTS " + badConstraint + " CHECK event != '" + badEvent + "'"
)

// badRow sends an event that the table does not take, and kills the sink while it finds that out.
func (l *lab) badRow(ctx context.Context, in *Injection) (what string, struck time.Time, err error) {
	id := uuid.New()
	struck = time.Now()
	if err := l.post(ctx, fmt.Sprintf(`{"events":[{"event":%q,"id":%q,"user_id":"lab-%d"}]}`, badEvent, id, in.Number)); err != nil {
		return "", struck, err
	}
	l.refusedIDs = append(l.refusedIDs, id.String())
	what, err = l.killNext(ctx, in.Point)
	for _, p := range l.sinks {
		err = errors.Join(err, l.start(ctx, p))
	}
	return what, struck, err
}

// post sends a native request until it is accepted.
func (l *lab) post(ctx context.Context, body string) error {
	_, err := persist(ctx, func(ctx context.Context) (struct{}, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+l.links.addr(clientGateway)+"/v1/events", bytes.NewReader([]byte(body)))
		if err != nil {
			return struct{}{}, err
		}
		req.SetBasicAuth(labKey, "")
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return struct{}{}, err
		}
		var answer bytes.Buffer
		_, err = answer.ReadFrom(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err == nil && (resp.StatusCode != http.StatusOK || !strings.Contains(answer.String(), `"rejected":0`)) {
			err = fmt.Errorf("status %s: %.200s", resp.Status, answer.String())
		}
		return struct{}{}, err
	})
	return err
}

// checkRefused looks for the events that the table does not take: all in quarantine, none in events.
func (l *lab) checkRefused(ctx context.Context) []string {
	var problems []string
	if stored, err := l.query(ctx, "SELECT toString(count()) FROM "+labDatabase+".events WHERE event = '"+badEvent+"'"); err != nil {
		problems = append(problems, err.Error())
	} else if stored[0] != "0" {
		problems = append(problems, stored[0]+" rows are in table events that its constraint refuses")
	}
	found, err := l.query(ctx, "SELECT DISTINCT extract(payload, '\"id\":\"([0-9a-f-]{36})\"') AS id FROM "+labDatabase+".quarantine WHERE from_record != '' ORDER BY id")
	if err != nil {
		return append(problems, err.Error())
	}
	want := slices.Sorted(slices.Values(l.refusedIDs))
	if !slices.Equal(found, want) {
		problems = append(problems, fmt.Sprintf("refused by the table and not in quarantine: %v; in quarantine and never refused: %v", differing(want, found), differing(found, want)))
	}
	return problems
}
