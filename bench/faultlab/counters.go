package faultlab

import (
	"context"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/millrace/millrace/bench/observe"
)

const scrapeEvery = 250 * time.Millisecond

// counters adds up the counters of processes over all their lives, as far as they were read before each end. Safe for concurrent use.
type counters struct {
	mu    sync.Mutex
	last  map[string]map[string]float64 // by process
	total map[string]float64
}

func newCounters() *counters {
	return &counters{last: make(map[string]map[string]float64), total: make(map[string]float64)}
}

// run reads all processes (name to admin address) until ctx ends. One that is down or frozen is left out.
func (c *counters) run(ctx context.Context, processes map[string]string) {
	tick := time.NewTicker(scrapeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.read(ctx, processes)
		}
	}
}

// read reads all processes once.
func (c *counters) read(ctx context.Context, processes map[string]string) {
	var wg sync.WaitGroup
	for name, addr := range processes {
		wg.Go(func() {
			if series, err := observe.Scrape(ctx, "http://"+addr+"/metrics"); err == nil {
				c.add(name, series)
			}
		})
	}
	wg.Wait()
}

// add takes in what a process says now. A value below the one before is that of a new life.
func (c *counters) add(process string, series map[string]float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := c.last[process]
	for name, v := range series {
		if !strings.HasPrefix(name, "millrace_") || !isCounter(name) {
			continue
		}
		delta := v - last[name]
		if delta < 0 {
			delta = v
		}
		c.total[name] += delta
	}
	c.last[process] = series
}

func isCounter(series string) bool {
	name, _, _ := strings.Cut(series, "{")
	return strings.HasSuffix(name, "_total")
}

// snapshot returns the sums so far.
func (c *counters) snapshot() map[string]float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.total)
}

// sum adds up all series of a name.
func (c *counters) sum(name string) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0.0
	for series, v := range c.total {
		if series == name || strings.HasPrefix(series, name+"{") {
			n += v
		}
	}
	return n
}
