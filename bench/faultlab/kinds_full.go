package faultlab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	fewer       = 10 // of faults that last for seconds
	insertError = "millrace_sink_insert_errors_total"
)

func fullKinds() []*Kind {
	kinds := []*Kind{
		freezeKind(gatewayProcess), freezeKind(sinkProcess), freezeKind(brokerProcess), freezeKind(clickHouseProcess),
		stepKind("sink-kill-at-steps", "the sink is killed at each step of a block", 24,
			"before-intent", "after-intent", "mid-send", "after-send", "before-commit", "after-commit"),
		thenKind("sink-kill-in-recovery", "the sink is killed with a block announced, and its heir at each step of takeover and recovery", 18,
			[]string{"after-intent", "mid-send", "after-send"},
			"takeover-start", "takeover-same-log", "takeover-rows-lost", "takeover-pending", "recover-kill", "recover-read", "recover-insert", "recover-verify", "recover-audit"),
		statementKind("rows-deleted", "the rows of an announced block are deleted by hand, the sink is killed, and its heir while it brings them back", deleteRows, "recover-missing", "recover-attach", ""),
		statementKind("rows-copied", "the rows of an announced block are copied by hand, the sink is killed, and its heir while it removes the copies", copyRows, "recover-surplus", ""),
		{
			Name: "offsets-put-back", Suite: Full, Describe: "a tool puts the committed offsets back, the sink is killed while it finds out what is missing", Injections: fewer, Failpoints: true,
			Plan: func(r *rand.Rand, n int) []Injection {
				return plan(n, func(int) Injection {
					return Injection{Action: RewindAt, Point: "takeover-behind", Wait: between(r, 0, 500*time.Millisecond)}
				})
			},
		},
		{
			Name: "rows-refused", Suite: Full, Describe: "the table refuses one event of a block, the sink is killed while it finds out which", Injections: fewer, Failpoints: true,
			Plan: func(r *rand.Rand, n int) []Injection {
				return plan(n, func(i int) Injection {
					return Injection{Action: BadRow, Point: []string{"bisect-cut", "bisect-quarantine"}[i%2], Wait: between(r, 0, 300*time.Millisecond)}
				})
			},
			Prepare: func(ctx context.Context, l *lab) error { return l.exec(ctx, constraintStmt) },
			Check:   func(ctx context.Context, l *lab) []string { return l.checkRefused(ctx) },
		},
	}
	for _, link := range []string{clientGateway, gatewayBroker, sinkBroker, sinkClickHouse} {
		kinds = append(kinds, latencyKind(link), halfOpenKind(link))
	}
	return append(kinds,
		dropKind(clientGateway, Full, "answers to clients are lost after the gateway has acted"),
		cutKind(clientGateway, Full, "clients' connections are cut within requests and answers"),
		changeKind("clickhouse-read-only", "table events is read-only for a while", "ALTER TABLE {database}.events MODIFY SETTING table_readonly = 1", "ALTER TABLE {database}.events MODIFY SETTING table_readonly = 0"),
		changeKind("too-many-parts", "ClickHouse refuses INSERTs for a while because of too many parts",
			"ALTER TABLE {database}.events MODIFY SETTING parts_to_throw_insert = 1, parts_to_delay_insert = 1", "ALTER TABLE {database}.events RESET SETTING parts_to_throw_insert, parts_to_delay_insert"),
		changeKind("memory-limit", "a view makes INSERTs run into ClickHouse's limit of memory for a while", memoryView, dropView),
		changeKind("view-throws", "a view throws for a while", throwingView, dropView),
		changeKind("column-renamed", "a column is renamed by hand and back", "ALTER TABLE {database}.events RENAME COLUMN locale TO locale_renamed", "ALTER TABLE {database}.events RENAME COLUMN locale_renamed TO locale"),
		termKind(gatewayProcess), termKind(sinkProcess),
		twoSinks(),
	)
}

// Statements about the block that is announced when they run.
const (
	deleteRows = "ALTER TABLE {database}.events DELETE WHERE _partition = {partition} AND _offset >= {offset} SETTINGS mutations_sync = 2"
	copyRows   = "INSERT INTO {database}.events SELECT * FROM {database}.events WHERE _partition = {partition} AND _offset >= {offset} SETTINGS insert_deduplicate = 0, deduplicate_insert = 'disable'"
)

// Views that break INSERTs. Nothing reads them.
const (
	throwingView = "CREATE MATERIALIZED VIEW {database}.lab_broken ENGINE = Null AS SELECT throwIf(_offset >= 0, 'broken by the fault lab') AS broken FROM {database}.events"
	memoryView   = "CREATE MATERIALIZED VIEW {database}.lab_broken ENGINE = Null AS SELECT groupArray(repeat('x', 1000000)) AS broken FROM {database}.events ARRAY JOIN range(10000) AS n"
	dropView     = "DROP TABLE IF EXISTS {database}.lab_broken SYNC"
)

func freezeKind(target string) *Kind {
	name := target
	if target == sinkProcess {
		name = "sink"
	}
	return &Kind{
		Name: name + "-freeze", Suite: Full, Describe: fmt.Sprintf("SIGSTOP of %s for 2 to 8 seconds", name), Injections: fewer,
		Plan: func(r *rand.Rand, n int) []Injection {
			return plan(n, func(int) Injection {
				return Injection{Action: Freeze, Target: target, Wait: between(r, 0, 500*time.Millisecond), For: between(r, 2*time.Second, 8*time.Second)}
			})
		},
	}
}

// stepKind kills the sink at each of the points in turn.
func stepKind(name, describe string, injections int, points ...string) *Kind {
	return &Kind{
		Name: name, Suite: Full, Describe: describe, Injections: injections, Failpoints: true,
		Plan: func(r *rand.Rand, n int) []Injection {
			return plan(n, func(i int) Injection {
				return Injection{Action: KillAt, Point: points[i%len(points)], Wait: between(r, 0, 300*time.Millisecond), For: between(r, 0, 200*time.Millisecond)}
			})
		},
	}
}

// thenKind kills the sink at one of the first points, and its next life at each of the second in turn.
func thenKind(name, describe string, injections int, first []string, second ...string) *Kind {
	return &Kind{
		Name: name, Suite: Full, Describe: describe, Injections: injections, Failpoints: true,
		Plan: func(r *rand.Rand, n int) []Injection {
			return plan(n, func(i int) Injection {
				return Injection{Action: KillAt, Point: pick(r, first...), Then: second[i%len(second)], Wait: between(r, 0, 300*time.Millisecond)}
			})
		},
	}
}

// statementKind damages the block that is announced when everything of it was sent.
func statementKind(name, describe, statement string, then ...string) *Kind {
	return &Kind{
		Name: name, Suite: Full, Describe: describe, Injections: 12, Failpoints: true,
		Plan: func(r *rand.Rand, n int) []Injection {
			return plan(n, func(i int) Injection {
				return Injection{Action: StatementAt, Point: "after-send", SQL: []string{statement}, Then: then[i%len(then)], Wait: between(r, 0, 300*time.Millisecond)}
			})
		},
	}
}

func latencyKind(link string) *Kind {
	return &Kind{
		Name: "latency-" + link, Suite: Full, Describe: "everything is late for seconds, by up to half a second", Injections: fewer,
		Plan: func(r *rand.Rand, n int) []Injection {
			return plan(n, func(int) Injection {
				return Injection{
					Action: Latency, Target: link, ToClient: r.IntN(2) == 0, Delay: between(r, 50*time.Millisecond, 300*time.Millisecond), Jitter: 50 * time.Millisecond,
					For: between(r, time.Second, 4*time.Second), Wait: between(r, 0, 300*time.Millisecond),
				}
			})
		},
	}
}

func halfOpenKind(link string) *Kind {
	return &Kind{
		Name: "half-open-" + link, Suite: Full, Describe: "a connection passes nothing on in one direction for seconds", Injections: fewer,
		Plan: func(r *rand.Rand, n int) []Injection {
			return plan(n, func(int) Injection {
				return Injection{Action: HalfOpen, Target: link, ToClient: r.IntN(2) == 0, For: between(r, 2*time.Second, 6*time.Second), Wait: between(r, 0, 300*time.Millisecond)}
			})
		},
	}
}

// changeKind changes something in ClickHouse that makes INSERTs fail, and changes it back.
func changeKind(name, describe, do, undo string) *Kind {
	return &Kind{
		Name: name, Suite: Full, Describe: describe, Injections: fewer,
		Plan: func(r *rand.Rand, n int) []Injection {
			return plan(n, func(int) Injection {
				return Injection{
					Action: Statement, SQL: []string{do}, Undo: []string{undo}, Evidence: insertError, Wait: between(r, 0, 500*time.Millisecond), For: between(r, 500*time.Millisecond, 3*time.Second),
				}
			})
		},
	}
}

func termKind(target string) *Kind {
	name := target
	if target == sinkProcess {
		name = "sink"
	}
	return &Kind{
		Name: name + "-sigterm", Suite: Full, Describe: fmt.Sprintf("SIGTERM of %s under load; it must end by itself with status 0", name), Injections: usual,
		Plan: func(r *rand.Rand, n int) []Injection {
			return plan(n, func(int) Injection {
				return Injection{Action: Term, Target: target, Wait: between(r, 0, 500*time.Millisecond), For: between(r, 0, 300*time.Millisecond)}
			})
		},
	}
}

// twoSinks has two sinks share the work. Either is killed, and either leaves and joins again under load.
func twoSinks() *Kind {
	return &Kind{
		Name: "two-sinks", Suite: Full, Describe: "two sinks share the partitions; either is killed or leaves, and comes back under load", Injections: usual, Sinks: 2, Partitions: 6,
		Plan: func(r *rand.Rand, n int) []Injection {
			return plan(n, func(int) Injection {
				return Injection{
					Action: pick(r, Kill, Term), Target: pick(r, "sink-0", "sink-1"), Wait: between(r, 200*time.Millisecond, time.Second), For: between(r, 0, 2*time.Second),
				}
			})
		},
	}
}
