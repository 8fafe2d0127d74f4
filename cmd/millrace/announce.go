package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// announceTimeout bounds one request to the door.
const announceTimeout = 30 * time.Second

// maxAnnounceAnswer bounds what is read of its answer.
const maxAnnounceAnswer = 1 << 20

// announcer returns what sends the events of segments through the door like anybody's: this process's own, else the one of segments.door.
func (s *server) announcer() (func(ctx context.Context, project uint32, body []byte) error, error) {
	var transport http.RoundTripper = &http.Transport{IdleConnTimeout: time.Minute} // its own door it reaches by no proxy, whatever the environment says
	door, key := "http://"+s.ports.Ingest, func(project uint32) (string, error) { return s.keys.Own(project).Reveal(), nil }
	switch {
	case s.c.Segments.Door != "":
		door, transport = strings.TrimSuffix(s.c.Segments.Door, "/"), http.DefaultTransport
		keys, err := readProjectKeys(s.c.Segments.KeysFile)
		if err != nil {
			return nil, err
		}
		key = func(project uint32) (string, error) {
			if k, ok := keys[project]; ok {
				return k, nil
			}
			return "", fmt.Errorf("no key of project %d in %s (segments.keys_file): add a line `%[1]d KEY`", project, s.c.Segments.KeysFile)
		}
	case !s.role.ingests():
		return func(context.Context, uint32, []byte) error {
			return errors.New("this process has no door to send $segment_entered and $segment_left to: set segments.door and segments.keys_file")
		}, nil
	}
	client := &http.Client{Transport: transport, Timeout: announceTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return func(ctx context.Context, project uint32, body []byte) error {
		k, err := key(project)
		if err != nil {
			return err
		}
		return announce(ctx, client, door+"/v1/events", k, body)
	}, nil
}

// announce posts events. nil: all that can be accepted are stored.
func announce(ctx context.Context, client *http.Client, url, key string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "millrace-segments")
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("send to the door: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnnounceAnswer))
	if err != nil {
		return fmt.Errorf("read the door's answer: %w", err)
	}
	var answer struct {
		Code, Detail string
		Results      []struct{ Result, Code, Detail string }
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("read the door's answer, status %d: %w", resp.StatusCode, err)
	}
	for _, r := range answer.Results {
		if r.Result == "retry" {
			return fmt.Errorf("the door asks to send again: %s: %s", r.Code, r.Detail)
		}
	}
	// A 400 with results has refused each event for good: of erased people, above all.
	if resp.StatusCode != http.StatusOK && len(answer.Results) == 0 {
		return fmt.Errorf("the door says %d %s: %s", resp.StatusCode, answer.Code, answer.Detail)
	}
	return nil
}

// readProjectKeys reads lines of a project's number and a write key of it.
func readProjectKeys(path string) (map[uint32]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("segments.keys_file: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read from
	all := map[uint32]string{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		parts := strings.Fields(line)
		project, err := strconv.ParseUint(parts[0], 10, 32)
		if err != nil || project == 0 || len(parts) != 2 {
			return nil, fmt.Errorf("segments.keys_file: %s line %d is not a project's number and a key", path, n)
		}
		all[uint32(project)] = parts[1]
	}
	return all, lines.Err()
}
