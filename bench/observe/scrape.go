package observe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Bounds of one scrape: a server that is too busy to answer costs the run a gauge, never its rhythm.
const (
	scrapeTimeout  = time.Second
	maxScrapeBytes = 16 << 20
)

// scraper opens a connection per scrape, so that nothing is left behind at the end of a run, and asks no proxy.
var scraper = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// Scrape reads the metrics at the URL, in Prometheus' text format; keys are names with labels as they stand there, such as up{job="a"}. It gives up after one second
// or when ctx ends.
func Scrape(ctx context.Context, metricsURL string) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, scrapeTimeout)
	defer cancel()
	series, err := scrape(ctx, metricsURL)
	if err != nil {
		return nil, fmt.Errorf("metrics of %s: %w", metricsURL, err)
	}
	return series, nil
}

func scrape(ctx context.Context, metricsURL string) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, metricsURL, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/plain; version=0.0.4")
	resp, err := scraper.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end or given up
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", resp.Status)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxScrapeBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxScrapeBytes {
		return nil, fmt.Errorf("more than %d bytes", maxScrapeBytes)
	}
	return parseMetrics(string(text))
}

// parseMetrics reads Prometheus' text format, version 0.0.4: NAME{LABELS} VALUE [TIMESTAMP] on each line that is no comment.
func parseMetrics(text string) (map[string]float64, error) {
	series := make(map[string]float64)
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		end, err := seriesEnd(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		fields := strings.Fields(line[end:])
		if len(fields) == 0 || len(fields) > 2 {
			return nil, fmt.Errorf("line %d: want a value and perhaps a time behind %q", n, line[:end])
		}
		value, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return nil, fmt.Errorf("line %d: value of %q: %w", n, line[:end], err)
		}
		series[line[:end]] = value
	}
	return series, nil
}

// seriesEnd returns where the name and its labels end. Label values may hold anything, with \" for quotes.
func seriesEnd(line string) (int, error) {
	open := strings.IndexAny(line, "{ \t")
	if open <= 0 {
		return 0, errors.New("want a name and a value")
	}
	if line[open] != '{' {
		return open, nil
	}
	quoted := false
	for i := open + 1; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '}' && !quoted:
			return i + 1, nil
		}
	}
	return 0, fmt.Errorf("labels of %q do not end", line[:open])
}
