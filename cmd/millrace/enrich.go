package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/millrace/millrace/cmd/internal/config"
	"github.com/millrace/millrace/cmd/internal/countries"
	"github.com/millrace/millrace/pipeline/enrich"
)

// newEnricher makes what events are completed from: the databases of places, the user agents, the sessions.
func (s *server) newEnricher() (*enrich.Enricher, error) {
	cfg, log := s.c.Enrich, s.log.With("component", "enrich")
	if cfg.CountryDatabase == "" {
		path, err := countries.Path()
		if err != nil {
			log.Warn("there is no database of countries; events are stored without them", "error", err, "cure", "name a file in enrich.country_database, or none")
			path = enrich.None
		}
		cfg.CountryDatabase = path
	}
	secret, err := addressSecret(&s.c)
	if err != nil {
		return nil, err
	}
	return enrich.New(cfg, enrich.Deps{AddressSecret: secret, Logger: log, Metrics: s.metrics})
}

// addressSecret reads the secret of hashed addresses, and makes the one in the data directory when there is none. One that was named elsewhere is shared with other gateways and never
// made here.
func addressSecret(c *config.Config) ([]byte, error) {
	if c.Enrich.AddressSecretFile == "" {
		return enrich.MakeSecret(filepath.Join(c.Data, "address-secret"))
	}
	secret, err := enrich.ReadSecret(c.Enrich.AddressSecretFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("enrich.address_secret_file: %w: make it with `openssl rand -hex 32` and give every gateway the same", err)
	}
	return secret, err
}
