package enrich

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// Deps is what enrichment works with. Logger and Metrics are required.
type Deps struct {
	// AddressSecret is what hashed addresses are made with. Without one an address that should be hashed is dropped.
	AddressSecret []byte
	Logger        *slog.Logger
	Metrics       *metrics.Set
}

// Enricher holds what enrichment knows beyond a request: databases of places, user agents that were understood, sessions that go on. Make it with New, give it to
// Requests (Use), keep it fresh with Run. It is safe for concurrent use.
type Enricher struct {
	cfg           Config
	log           *slog.Logger
	stats         *stats
	agents        *agentCache
	visits        *visits   // nil: no sessions
	city, country *database // nil: not looked up
	secret        []byte
}

// New reads the databases, so it may take some tenths of a second. One that is missing or broken is logged and left out until Run finds it whole. Every problem of
// cfg and deps is reported at once.
func New(cfg Config, deps Deps) (*Enricher, error) {
	err := cfg.Validate()
	if deps.Logger == nil || deps.Metrics == nil {
		err = errors.Join(err, errors.New("no logger or no metrics"))
	}
	if err != nil {
		return nil, fmt.Errorf("enrich: %w", err)
	}
	x := &Enricher{cfg: cfg, log: deps.Logger, secret: deps.AddressSecret}
	if x.agents, err = newAgentCache(cfg.AgentCacheEntries); err != nil {
		return nil, fmt.Errorf("enrich: %w", err)
	}
	if cfg.SessionTimeout > 0 {
		x.visits = newVisits(cfg.SessionTimeout, cfg.SessionEntries)
	}
	if cfg.CountryDatabase != "" && cfg.CountryDatabase != None {
		x.country = &database{name: "country", key: "enrich.country_database", path: cfg.CountryDatabase, log: deps.Logger}
	}
	if cfg.CityDatabase != "" {
		x.city = &database{name: "city", key: "enrich.city_database", path: cfg.CityDatabase, log: deps.Logger}
	}
	x.stats = newStats(x, deps.Metrics)
	for _, d := range x.databases() {
		d.refresh()
	}
	return x, nil
}

// Run opens databases anew when their files change, until ctx ends. Call it once.
func (x *Enricher) Run(ctx context.Context) error {
	t := time.NewTicker(x.cfg.ReloadInterval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			for _, d := range x.databases() {
				d.refresh()
			}
		}
	}
}

// databases are those that are configured.
func (x *Enricher) databases() []*database {
	var all []*database
	for _, d := range [...]*database{x.country, x.city} {
		if d != nil {
			all = append(all, d)
		}
	}
	return all
}
