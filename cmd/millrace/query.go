package main

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/millrace/millrace/cmd/internal/config"
	"github.com/millrace/millrace/cmd/internal/keys"
	"github.com/millrace/millrace/query"
	"github.com/millrace/millrace/schema/clickhouse/access"
)

// prepareQuery makes the server for questions. It asks ClickHouse nothing: one that is away refuses questions, not the start.
func (s *server) prepareQuery() error {
	secret, err := sqlSecret(&s.c)
	if err != nil {
		return err
	}
	password, err := s.c.ClickHouse.ReadPassword()
	if err != nil {
		return err
	}
	tlsConfig, err := s.c.ClickHouse.TLS.Config()
	if err != nil {
		return err
	}
	account := func(name func(project uint32) string) func(uint32) query.Account {
		return func(project uint32) query.Account {
			user := name(project)
			return query.Account{User: user, Password: secret.Password(user)}
		}
	}
	s.query, err = query.New(s.c.Query, query.Deps{
		Keys: queryKeyring{s.keys},
		ClickHouse: query.Endpoint{
			URLs: clickHouseURLs(&s.c, s.ports.ClickHouseHTTP), Database: access.ViewsDatabase(s.c.ClickHouse.Database), TLS: tlsConfig,
			Reader: account(access.Reader), Analyst: account(access.Analyst), Operator: query.Account{User: s.c.ClickHouse.Username, Password: password},
		},
		Others: s.peopleRoutes(), Live: s.health.Live, Ready: s.health.Ready, Log: s.log.With("component", "query"), Metrics: s.metrics,
	})
	return err
}

// clickHouseURLs are where ClickHouse speaks HTTP: the embedded engine's address, else what was configured, else the usual port of each server.
func clickHouseURLs(c *config.Config, embedded string) (urls []string) {
	scheme, port := "http", "8123"
	if c.ClickHouse.TLS.Enabled {
		scheme, port = "https", "8443"
	}
	addresses := c.Query.HTTPAddresses
	switch {
	case embedded != "":
		scheme, addresses = "http", []string{embedded}
	case len(addresses) == 0:
		for _, a := range c.ClickHouse.Addresses {
			if host, _, err := net.SplitHostPort(a); err == nil {
				addresses = append(addresses, net.JoinHostPort(host, port))
			}
		}
	}
	for _, a := range addresses {
		urls = append(urls, scheme+"://"+a)
	}
	return urls
}

// checkQuery tells whether questions can be asked.
func (s *server) checkQuery(ctx context.Context) (string, error) {
	if s.query == nil {
		return "", errStarting
	}
	if err := s.query.Ping(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("ClickHouse answers, %d queries running", s.query.Running()), nil
}

// queryKeyring shows the keys to the query server.
type queryKeyring struct{ store *keys.Store }

func (k queryKeyring) Lookup(key []byte) (query.Caller, bool) {
	found, ok := k.store.Lookup(key)
	return query.Caller{Project: found.Project, KeyID: found.ID, Query: found.Scopes.Has(keys.Query)}, ok
}

// askLine is a command to ask a first question with.
func askLine(address, key string) string {
	if address == "" || key == "" {
		return ""
	}
	return strings.Join([]string{`curl -u ` + key + `: http://` + address + `/v1/query/sql`, `-d '{"query":"SELECT event, count() FROM events GROUP BY event"}'`}, " ")
}
