package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/broker"
	"github.com/millrace/millrace/schema/clickhouse"
)

// System is what a backup is of, and what a restore goes to.
type System struct {
	// DB should know one address only: what runs in a server is asked of the same one.
	DB     *clickhouse.DB
	Broker *broker.Client
	Topics []string // events and quarantine
	Group  string   // of the sinks
}

// Create copies the tables to the destination while everything runs, and returns the manifest, which the caller stores: without it a backup is of little
// use. progress may be nil; it is called from this goroutine. When ctx ends, the server is told to stop, and has when Create returns.
//
// A backup that fails is removed by ClickHouse itself, as far as it can.
func Create(ctx context.Context, s System, to Destination, build string, progress func(Progress)) (*Manifest, error) {
	m := &Manifest{Version: manifestVersion, Build: build, Begun: time.Now().UTC().Truncate(time.Millisecond), Database: s.DB.Database(), Destination: to.String(), Group: s.Group}
	if err := s.DB.Conn().QueryRow(ctx, "SELECT version()").Scan(&m.ClickHouse); err != nil {
		return nil, fmt.Errorf("read the server's version: %w", err)
	}
	before, err := tables(ctx, s.DB, m.Database)
	if err != nil {
		return nil, err
	}
	if len(before) == 0 {
		return nil, fmt.Errorf("database %s has no tables: check clickhouse.database, or run `millrace migrate up`", m.Database)
	}
	stored, _, err := s.offsets(ctx)
	if err != nil {
		return nil, err
	}
	done, err := perform(ctx, s.DB, "backup of database "+m.Database, "BACKUP DATABASE "+m.Database+" TO "+to.sql, nil, progress)
	if err != nil {
		return nil, err
	}
	m.Files, m.Bytes = done.files, done.total
	if err := s.complete(ctx, m, before, stored); err != nil {
		return nil, fmt.Errorf("the tables were copied to %s, which is of no use without the offsets, so remove it if it is still there: %w", to, err)
	}
	return m, nil
}

// complete adds what is read after the tables were copied.
func (s System) complete(ctx context.Context, m *Manifest, before map[string]uint64, stored []Topic) (err error) {
	if m.Topics, m.ClusterID, err = s.offsets(ctx); err != nil {
		return err
	}
	for i := range m.Topics {
		setStored(&m.Topics[i], stored[i].Partitions)
		if m.Topics[i].Log, err = logNumber(ctx, s.DB, m.ClusterID, m.Topics[i].Name); err != nil {
			return err
		}
	}
	after, err := tables(ctx, s.DB, m.Database)
	if err != nil {
		return err
	}
	for name, rows := range after {
		m.Tables = append(m.Tables, Table{Name: name, RowsBefore: before[name], RowsAfter: rows})
	}
	sortTables(m.Tables)
	m.Ended = time.Now().UTC().Truncate(time.Millisecond)
	return nil
}

// setStored notes what was committed before. A partition that is new since then has nothing in the backup that anybody could know of.
func setStored(t *Topic, before []Partition) {
	for i := range t.Partitions {
		p := &t.Partitions[i]
		p.StoredBelow = -1
		for _, b := range before {
			if b.Partition == p.Partition {
				p.StoredBelow = b.Committed
			}
		}
	}
}

// offsets reads what the group has committed for every partition of the topics. The topics come in the order of s.Topics.
func (s System) offsets(ctx context.Context) (all []Topic, clusterID string, err error) {
	md, err := s.Broker.Metadata(ctx, s.Topics...)
	if err != nil {
		return nil, "", fmt.Errorf("read the offsets: %w", err)
	}
	for _, name := range s.Topics {
		progress, err := s.Broker.Progress(ctx, s.Group, name)
		if err != nil {
			return nil, "", fmt.Errorf("read the offsets: %w", err)
		}
		t := Topic{Name: name}
		for _, p := range progress {
			t.Partitions = append(t.Partitions, Partition{Partition: p.Partition, StoredBelow: -1, Committed: p.Committed, Metadata: p.Metadata, Start: p.Start, End: p.End})
		}
		all = append(all, t)
	}
	return all, md.ClusterID, nil
}

// ErrLoading says that a sink is at work.
var ErrLoading = errors.New("a sink is loading")

// CheckIdle returns ErrLoading when the group has members.
func (s System) CheckIdle(ctx context.Context) error {
	g, err := s.Broker.DescribeGroup(ctx, s.Group)
	if err != nil {
		return err
	}
	if len(g.Members) == 0 {
		return nil
	}
	m := g.Members[0]
	return fmt.Errorf("%w: group %s has %d members, one of them %s at %s: stop every sink first (one that was killed is forgotten after sink.session_timeout)",
		ErrLoading, s.Group, len(g.Members), m.ClientID, m.Host)
}
