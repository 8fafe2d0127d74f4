package enrich

import (
	"errors"
	"fmt"
	"time"
)

// Config is the section "enrich".
type Config struct {
	// CountryDatabase is the file that countries are looked up in, in MaxMind's format (mmdb). Default empty = where `make deps` puts it; none = no countries.
	CountryDatabase string `yaml:"country_database"`
	// CityDatabase is a file of the same format that has cities, which you bring along; the country comes from it, too, where it knows one. Default empty = no cities.
	CityDatabase string `yaml:"city_database"`
	// ReloadInterval is how often both files are looked at for a change. Default 1m.
	ReloadInterval time.Duration `yaml:"reload_interval"`
	// AgentCacheEntries is how many user agents are remembered as they were understood, about 1 KiB each at most. Rounded up to a power of two. Default 8192.
	AgentCacheEntries int `yaml:"agent_cache_entries"`
	// SessionTimeout is how long somebody does nothing before the next event begins a new session, for events that come without one. 0 = such events have none.
	// Default 30m.
	SessionTimeout time.Duration `yaml:"session_timeout"`
	// SessionEntries is how many people's sessions are remembered, 80 bytes each. Rounded up to a power of two. Default 262144.
	SessionEntries int `yaml:"session_entries"`
	// AddressSecretFile holds the secret that hashed addresses are made with; gateways that share it hash alike. Default empty = the file address-secret in the data
	// directory, made at the first start.
	AddressSecretFile string `yaml:"address_secret_file"`
}

// None is the CountryDatabase of those who want no countries.
const None = "none"

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{
		ReloadInterval:    time.Minute,
		AgentCacheEntries: 8192,
		SessionTimeout:    30 * time.Minute,
		SessionEntries:    1 << 18,
	}
}

// Validate reports every problem of the section at once, each beginning with the full key.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("enrich."+format, args...))
		}
	}
	check(c.ReloadInterval >= time.Second && c.ReloadInterval <= 24*time.Hour, "reload_interval: %v is not within 1s and 24h; the default is 1m", c.ReloadInterval)
	check(c.AgentCacheEntries >= 64 && c.AgentCacheEntries <= 1<<20, "agent_cache_entries: %d is not within 64 and 1048576; the default is 8192", c.AgentCacheEntries)
	check(c.SessionTimeout >= 0 && c.SessionTimeout <= maxSession, "session_timeout: %v is not within 0 (no sessions) and %v; the default is 30m", c.SessionTimeout, maxSession)
	check(c.SessionEntries >= 64 && c.SessionEntries <= 1<<26, "session_entries: %d is not within 64 and 67108864; the default is 262144", c.SessionEntries)
	check(c.CityDatabase != None, "city_database: is %q: leave it empty for no cities", None)
	return errors.Join(errs...)
}
