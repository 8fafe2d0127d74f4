package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/cmd/internal/admin"
	"github.com/millrace/millrace/cmd/internal/logging"
	"github.com/millrace/millrace/ingest"
	"github.com/millrace/millrace/people"
	"github.com/millrace/millrace/people/erase"
	"github.com/millrace/millrace/people/segment"
	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/pipeline/enrich"
	"github.com/millrace/millrace/query"
	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/clickhouse"
	"github.com/millrace/millrace/schema/clickhouse/promote"
	"github.com/millrace/millrace/sink"
)

// Config is the whole configuration of millrace.
type Config struct {
	// Profile is a named bundle of defaults: dev, small or prod. Default dev.
	Profile string `yaml:"profile"`
	// Data is the data directory. Default ./data; /var/lib/millrace with small and prod.
	Data       string                     `yaml:"data"`
	Ingest     ingest.Config              `yaml:"ingest"`
	Limits     schema.Limits              `yaml:"limits"`
	Pipeline   pipeline.Config            `yaml:"pipeline"`
	Enrich     enrich.Config              `yaml:"enrich"`
	Broker     broker.Config              `yaml:"broker"`
	ClickHouse clickhouse.Config          `yaml:"clickhouse"`
	Retention  clickhouse.RetentionConfig `yaml:"retention"`
	Sink       sink.Config                `yaml:"sink"`
	Query      query.Config               `yaml:"query"`
	Properties promote.Config             `yaml:"properties"`
	People     people.Config              `yaml:"people"`
	Segments   segment.Config             `yaml:"segments"`
	Erase      erase.Config               `yaml:"erase"`
	Admin      admin.Config               `yaml:"admin"`
	Log        logging.Config             `yaml:"log"`
}

// Profiles.
const (
	Dev   = "dev"   // one machine, for trying: loopback only, a development key in clear
	Small = "small" // one machine, for real: every interface, keys of its own, the embedded engines
	Prod  = "prod"  // clusters: as small, and no development key at all
)

// Default returns the defaults of profile dev.
func Default() Config {
	return Config{
		Profile:    Dev,
		Data:       "./data",
		Ingest:     ingest.DefaultConfig(),
		Limits:     schema.DefaultLimits(),
		Pipeline:   pipeline.DefaultConfig(),
		Enrich:     enrich.DefaultConfig(),
		Broker:     broker.DefaultConfig(),
		ClickHouse: clickhouse.DefaultConfig(),
		Retention:  clickhouse.DefaultRetention(),
		Sink:       sink.DefaultConfig(),
		Query:      query.DefaultConfig(),
		Properties: promote.DefaultConfig(),
		People:     people.DefaultConfig(),
		Segments:   segment.DefaultConfig(),
		Erase:      erase.DefaultConfig(),
		Admin:      admin.DefaultConfig(),
		Log:        logging.DefaultConfig(),
	}
}

// ApplyProfile sets the profile's defaults.
func (c *Config) ApplyProfile(name string) error {
	switch name {
	case Dev:
	case Small, Prod:
		c.Data = "/var/lib/millrace"
		c.Ingest.Listen = ":7080"
	default:
		return fmt.Errorf("%q is no profile: choose dev, small or prod", name)
	}
	return nil
}

// Validate reports every problem at once.
func (c Config) Validate() error {
	errs := []error{
		c.Ingest.Validate(), c.Limits.Validate(), c.Pipeline.Validate(), c.Enrich.Validate(), c.Broker.Validate(), c.ClickHouse.Validate(), c.Retention.Validate(), c.Sink.Validate(),
		c.Query.Validate(), c.Properties.Validate(), c.People.Validate(), c.Segments.Validate(), c.Erase.Validate(), c.Admin.Validate(), c.Log.Validate(),
	}
	if strings.TrimSpace(c.Data) == "" {
		errs = append(errs, errors.New("data: is empty: name the data directory"))
	}
	if largest := c.Limits.MaxEventBytes; c.Ingest.MaxDecompressedBytes < largest {
		errs = append(errs, fmt.Errorf("ingest.max_decompressed_bytes: %d is below limits.max_event_bytes (%d), so the largest event could never come in", c.Ingest.MaxDecompressedBytes, largest))
	}
	if keep, least := c.Retention.Events, c.Limits.MaxAge+clickhouse.RetentionMargin; keep != 0 && keep < least {
		errs = append(errs, fmt.Errorf("retention.events: %v is less than a day above limits.max_age (%v): ClickHouse would drop accepted events as they come in; raise it to %v, or lower limits.max_age to %v", keep, c.Limits.MaxAge, least, max(keep-clickhouse.RetentionMargin, 0)))
	}
	if c.Pipeline.RingBytes < c.Ingest.MaxDecompressedBytes {
		errs = append(errs, fmt.Errorf("pipeline.ring_bytes: %d is below ingest.max_decompressed_bytes (%d), so the largest request could never wait for the broker", c.Pipeline.RingBytes, c.Ingest.MaxDecompressedBytes))
	}
	return errors.Join(errs...)
}

// Warnings lists what works and is probably not meant.
func (c Config) Warnings() []string {
	var all []string
	if c.Profile == Prod && len(c.Broker.Addresses) == 0 {
		all = append(all, "profile prod runs the embedded broker, which keeps one copy on this machine: set broker.addresses, or say profile small")
	}
	if c.Profile == Prod && len(c.ClickHouse.Addresses) == 0 {
		all = append(all, "profile prod runs the embedded ClickHouse, which keeps one copy on this machine: set clickhouse.addresses, or say profile small")
	}
	return all
}
