package clickhouse

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// pingInterval is how often the ports are tried: ClickHouse is up in a third of a second, and each start waits for it.
const pingInterval = 10 * time.Millisecond

// control speaks with the engine over HTTP, as the user default.
type control struct {
	addr   string // host:port
	client *http.Client
}

func newControl(addr string) *control {
	return &control{addr: addr, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}}
}

// waitReady returns when the engine with this display name answers a query, or with ctx's error. Another ClickHouse on the
// same port has another name.
func (c *control) waitReady(ctx context.Context, displayName string) error {
	tick := time.NewTicker(pingInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if name, err := c.query(ctx, "SELECT displayName()", nil); err == nil && name == displayName {
				return nil
			}
		}
	}
}

// cancelQueries tells every running query to end. Without it a stop waits for them until it is cut off. The local session's
// own query, which has no user, is left alone.
func (c *control) cancelQueries(ctx context.Context) error {
	_, err := c.query(ctx, "KILL QUERY WHERE user != '' AND query_id != queryID() ASYNC", nil)
	return err
}

// databaseExists looks for a database.
func (c *control) databaseExists(ctx context.Context, name string) (bool, error) {
	found, err := c.query(ctx, "SELECT count() FROM system.databases WHERE name = {name:String}", url.Values{"param_name": {parameterEscapes.Replace(name)}})
	return found == "1", err
}

// parameterEscapes writes a text as the value of a parameter, in which the engine undoes escapes.
var parameterEscapes = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`)

// query runs one statement and returns the answer without the final line end.
func (c *control) query(ctx context.Context, sql string, parameters url.Values) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.addr+"/?"+parameters.Encode(), strings.NewReader(sql))
	if err != nil {
		return "", err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(body))
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d: %s", resp.StatusCode, text)
	}
	return text, nil
}
