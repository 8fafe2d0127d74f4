package faultlab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/millrace/millrace/bench/load"
)

// Names of processes and links.
const (
	gatewayProcess    = "gateway"
	sinkProcess       = "sink-0"
	brokerProcess     = "broker"
	clickHouseProcess = "clickhouse"

	clientGateway  = "client-gateway"
	gatewayBroker  = "gateway-broker"
	sinkBroker     = "sink-broker"
	sinkClickHouse = "sink-clickhouse"
)

// Keys of requests of the Kafka protocol: https://kafka.apache.org/protocol#protocol_api_keys
const (
	apiProduce      = 0
	apiFetch        = 1
	apiOffsetCommit = 8
	apiOffsetFetch  = 9
	apiJoinGroup    = 11
	apiHeartbeat    = 12
	apiSyncGroup    = 14
)

const (
	usual   = 20
	many    = 50 // of killed servers in the full suite
	zombies = 5
)

func shortKinds() []*Kind {
	return []*Kind{
		killKind(gatewayProcess, "gateway-kill", Short, "SIGKILL of the gateway at random moments"),
		killKind(sinkProcess, "sink-kill", Short, "SIGKILL of the sink at random moments"),
		killKind(brokerProcess, "broker-kill", Short, "SIGKILL of the broker at random moments"),
		killKind(clickHouseProcess, "clickhouse-kill", Short, "SIGKILL of ClickHouse at random moments"),
		{
			Name: "clickhouse-kill-mid-insert", Suite: Short, Describe: "SIGKILL of ClickHouse while an INSERT is half sent", Injections: usual, Many: many, Failpoints: true,
			Plan: func(r *rand.Rand, n int) []Injection {
				return plan(n, func(int) Injection {
					return Injection{Action: ServerAt, Target: clickHouseProcess, Point: "mid-send", Wait: between(r, 0, 200*time.Millisecond), For: between(r, 0, 300*time.Millisecond)}
				})
			},
		},
		dropKind(gatewayBroker, Short, "answers to produce requests are lost after the broker has acted"),
		cutKind(gatewayBroker, Short, "the gateway's connections to the broker are cut within produce requests and their answers"),
		dropKind(sinkBroker, Short, "answers to the sink's fetches, commits and group requests are lost after the broker has acted"),
		cutKind(sinkBroker, Short, "the sink's connections to the broker are cut within requests and answers"),
		dropKind(sinkClickHouse, Short, "answers to INSERTs are lost after ClickHouse has acted"),
		cutKind(sinkClickHouse, Short, "the sink's connections to ClickHouse are cut within requests and answers"),
		{
			Name: "zombie", Suite: Short, Describe: "a sink freezes at a step of the protocol, another takes over, the first goes on", Injections: zombies, Sinks: 2, Failpoints: true,
			Plan: func(r *rand.Rand, n int) []Injection {
				points := []string{"after-intent", "mid-send", "after-send", "before-intent", "mid-send", "after-intent", "after-send"}
				from := r.IntN(len(points))
				return plan(n, func(i int) Injection {
					return Injection{Action: FreezeAt, Point: points[(from+i)%len(points)], Wait: between(r, 0, 300*time.Millisecond), For: between(r, 0, time.Second)}
				})
			},
		},
		{
			Name: "rebalance-storm", Suite: Short, Describe: "sinks leave by SIGKILL and SIGTERM and join again every two seconds", Injections: usual, Sinks: 3, Partitions: 6, Plan: storm,
			// Each coming and going begins the broker's wait anew: with more patience than between two of them no generation would begin before the end.
			rebalance: time.Second,
		},
		{
			Name: "poison", Suite: Short, Describe: "records that nobody can read among the good ones of topic events", Injections: usual, Plan: poisonPlan, Check: func(ctx context.Context, l *lab) []string { return l.checkPoison(ctx) },
		},
		{
			Name: "double-send", Suite: Short, Describe: "clients send every request twice", Injections: usual, Resend: load.Always,
			Plan: func(_ *rand.Rand, n int) []Injection {
				return plan(n, func(int) Injection { return Injection{Action: Repeats, Wait: 200 * time.Millisecond} })
			},
		},
	}
}

// plan draws n injections in order.
func plan(n int, draw func(i int) Injection) []Injection {
	all := make([]Injection, n)
	for i := range all {
		all[i] = draw(i)
	}
	return all
}

func killKind(target, name, suite, describe string) *Kind {
	return &Kind{
		Name: name, Suite: suite, Describe: describe, Injections: usual, Many: many,
		Plan: func(r *rand.Rand, n int) []Injection {
			return plan(n, func(int) Injection {
				return Injection{Action: Kill, Target: target, Wait: between(r, 0, 200*time.Millisecond), For: between(r, 0, 100*time.Millisecond)}
			})
		},
	}
}

// keysOf are the requests worth losing on a link, the most delicate ones more often.
func keysOf(r *rand.Rand, link string, i int) []int16 {
	switch link {
	case gatewayBroker:
		return []int16{apiProduce}
	case sinkBroker:
		if i%5 == 4 {
			return []int16{pick[int16](r, apiHeartbeat, apiFetch)}
		}
		return []int16{pick[int16](r, apiOffsetCommit, apiOffsetCommit, apiFetch)}
	}
	return nil
}

// insertBytes is what an INSERT sends at least; pings and queries are shorter.
const insertBytes = 4000

func dropKind(link, suite, describe string) *Kind {
	return &Kind{
		Name: fmt.Sprintf("reply-dropped-%s", link), Suite: suite, Describe: describe, Injections: usual,
		Plan: func(r *rand.Rand, n int) []Injection {
			return plan(n, func(i int) Injection {
				in := Injection{Action: DropReply, Target: link, Wait: between(r, 0, 300*time.Millisecond), APIKeys: keysOf(r, link, i)}
				if in.APIKeys == nil {
					in.MinRequest = insertBytes
				}
				return in
			})
		},
	}
}

func cutKind(link, suite, describe string) *Kind {
	return &Kind{
		Name: fmt.Sprintf("connection-cut-%s", link), Suite: suite, Describe: describe, Injections: usual,
		Plan: func(r *rand.Rand, n int) []Injection {
			return plan(n, func(i int) Injection {
				in := Injection{Action: Cut, Target: link, Wait: between(r, 0, 300*time.Millisecond), APIKeys: keysOf(r, link, i), ToClient: r.IntN(3) == 0}
				most := int64(12_000)
				switch {
				case in.ToClient:
					most = 10
				case link == sinkBroker:
					most = 40
				}
				in.After = 1 + r.Int64N(most)
				return in
			})
		},
	}
}

// storm lets sinks come and go, so that at least one is there and, now and then, all are.
func storm(r *rand.Rand, n int) []Injection {
	up := []bool{true, true, true}
	count := len(up)
	return plan(n, func(int) Injection {
		i := r.IntN(len(up))
		in := Injection{Target: fmt.Sprintf("sink-%d", i), Wait: between(r, 1200*time.Millisecond, 2200*time.Millisecond)}
		if up[i] && count == 1 {
			i = (i + 1) % len(up)
			in.Target = fmt.Sprintf("sink-%d", i)
		}
		if up[i] {
			in.Action, in.Hard = Leave, r.IntN(2) == 0
			count--
		} else {
			in.Action = Join
			count++
		}
		up[i] = !up[i]
		return in
	})
}
