package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/cmd/internal/keys"
)

func newSend() *cobra.Command {
	var url, key, actor, kind, anonymous string
	cmd := &cobra.Command{
		Use:   "send EVENT [PROPERTY=VALUE…]",
		Short: "Post a test event and print the answer",
		Long: `Posts one event to a running server and prints the answer. A value that is JSON is sent as it is (3, true, {"a":1}), any other as a string.
Exit status 0 when the event was accepted.`,
		Example: `  millrace send "Signed Up" plan=pro seats=3
  millrace send Checkout total=12.5 --distinct-id u-17 --url https://events.example.com --key mr_prod_…`,
		Args: cobra.MinimumNArgs(1),
	}
	s := addSettings(cmd)
	cmd.Flags().StringVar(&url, "url", "", "the server's address (default: the server of the data directory)")
	cmd.Flags().StringVar(&key, "key", "", "write key (default: MILLRACE_DEV_KEY, else the development key of the data directory)")
	cmd.Flags().StringVar(&actor, "distinct-id", "test-user", "who did it")
	cmd.Flags().StringVar(&anonymous, "anonymous-id", "", "the anonymous id that goes with it")
	cmd.Flags().StringVar(&kind, "type", "track", "type of the event")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, _, err := s.load()
		if err != nil {
			return err
		}
		if url == "" {
			p, err := runningPorts(c.Data)
			if err != nil {
				return err
			}
			if p.Ingest == "" {
				return usageError{fmt.Errorf("the server of the data directory %s takes no events, it is a sink: name another one with --url or --data", c.Data)}
			}
			url = p.Ingest
		}
		if !strings.Contains(url, "://") {
			url = "http://" + url
		}
		if key == "" {
			if key, err = developmentKey(c.Data); err != nil {
				return err
			}
		}
		event := map[string]any{"event": args[0], "type": kind, "distinct_id": actor, "ts": time.Now().UTC().Format(time.RFC3339Nano)}
		if anonymous != "" {
			event["anonymous_id"] = anonymous
		}
		properties, err := parseProperties(args[1:])
		if err != nil {
			return err
		}
		if len(properties) > 0 {
			event["properties"] = properties
		}
		return post(cmd.OutOrStdout(), strings.TrimSuffix(url, "/")+"/v1/events", key, event)
	}
	return cmd
}

func developmentKey(data string) (string, error) {
	if key := os.Getenv(keys.DevKeyEnv); key != "" {
		return key, nil
	}
	secret, err := keys.ReadDevKey(data)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no development key in %s: give a key with --key", data)
	}
	return secret.Reveal(), err
}

// parseProperties reads NAME=VALUE words; the value is kept as JSON when it is JSON.
func parseProperties(words []string) (map[string]json.RawMessage, error) {
	properties := map[string]json.RawMessage{}
	for _, word := range words {
		name, value, ok := strings.Cut(word, "=")
		if !ok || name == "" {
			return nil, usageError{fmt.Errorf("%q is not PROPERTY=VALUE", word)}
		}
		if json.Valid([]byte(value)) {
			properties[name] = json.RawMessage(value)
			continue
		}
		text, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		properties[name] = text
	}
	return properties, nil
}

func post(out io.Writer, url, key string, event map[string]any) error {
	body, err := json.Marshal(event)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return usageError{err}
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: 30 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return unavailableError{fmt.Errorf("post the event: %w", err)}
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if _, err := fmt.Fprintf(out, "%s\n", bytes.TrimSpace(answer)); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the event was not accepted: %s", resp.Status)
	}
	return nil
}
