package faultlab

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func all(t *testing.T) []*Kind {
	t.Helper()
	kinds, err := Kinds(Full)
	if err != nil {
		t.Fatal(err)
	}
	return append(kinds, soakKind())
}

func TestASeedFixesTheSchedule(t *testing.T) {
	for _, k := range all(t) {
		n := max(k.Injections, 10)
		a, b := k.Schedule(7, n), k.Schedule(7, n)
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s: two schedules of one seed differ", k.Name)
		}
		if len(a) != n || a[0].Number != 1 || a[n-1].Number != n {
			t.Errorf("%s: %d injections planned, want %d, numbered", k.Name, len(a), n)
		}
		if k.Name != "double-send" && reflect.DeepEqual(a, k.Schedule(8, n)) {
			t.Errorf("%s: another seed gives the same schedule", k.Name)
		}
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var back []Injection
		if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(a, back) {
			t.Errorf("%s: its schedule does not survive a file: %v", k.Name, err)
		}
	}
}

func TestKindsCanBeRun(t *testing.T) {
	names := map[string]bool{}
	for _, k := range all(t) {
		if names[k.Name] {
			t.Errorf("%s is there twice", k.Name)
		}
		names[k.Name] = true
		if k.Describe == "" || k.Plan == nil {
			t.Errorf("%s lacks words or a plan", k.Name)
		}
		processes := []string{gatewayProcess, brokerProcess, clickHouseProcess, sinkProcess, "sink-1", "sink-2"}[:3+k.sinks()]
		linkNames := []string{clientGateway, gatewayBroker, sinkBroker, sinkClickHouse}
		for _, in := range k.Schedule(3, 40) {
			switch in.Action {
			case Cut, DropReply, Latency, HalfOpen:
				if !slices.Contains(linkNames, in.Target) {
					t.Errorf("%s: %s: no such link", k.Name, in.String())
				}
				_ = in.fault() // panics when there is none
			case Kill, Term, Freeze, Leave, Join, ServerAt:
				if !slices.Contains(processes, in.Target) {
					t.Errorf("%s: %s: no such process", k.Name, in.String())
				}
			case Statement:
				if len(in.SQL) == 0 || len(in.Undo) == 0 || in.Evidence == "" {
					t.Errorf("%s: %s: a statement without a way back or evidence", k.Name, in.String())
				}
			}
			if needs := in.Point != ""; needs && !k.Failpoints {
				t.Errorf("%s: %s needs failpoints, the kind does not say so", k.Name, in.String())
			}
		}
	}
}

func TestShortSuite(t *testing.T) {
	kinds, err := Kinds(Short)
	if err != nil || len(kinds) != 15 {
		t.Fatalf("%d kinds, %v: want 15", len(kinds), err)
	}
	for _, k := range kinds {
		if want := usual; k.Injections != want && k.Name != "zombie" {
			t.Errorf("%s: %d injections, want %d", k.Name, k.Injections, want)
		}
	}
}

func TestStormLeavesSomebody(t *testing.T) {
	for seed := range uint64(50) {
		up := map[string]bool{"sink-0": true, "sink-1": true, "sink-2": true}
		for _, in := range storm(random(seed, "storm"), 100) {
			if up[in.Target] != (in.Action == Leave) {
				t.Fatalf("seed %d: %s of one that is up: %v", seed, in.String(), up[in.Target])
			}
			up[in.Target] = in.Action == Join
			if !up["sink-0"] && !up["sink-1"] && !up["sink-2"] {
				t.Fatalf("seed %d: nobody is left after %s", seed, in.String())
			}
		}
	}
}

func TestNamesThatAreNoKinds(t *testing.T) {
	_, err := find([]string{"sink-kill", "zombi"})
	if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), `"zombi"`) || !strings.Contains(err.Error(), "perhaps zombie") {
		t.Errorf("error %v", err)
	}
	kinds, err := find([]string{"zombie", "sink-kill"})
	if err != nil || len(kinds) != 2 || kinds[0].Name != "sink-kill" {
		t.Errorf("%v, %v: want both, in the order of the list", kinds, err)
	}
	if _, err := Kinds("medium"); !errors.Is(err, ErrUsage) {
		t.Errorf("a suite that does not exist: %v", err)
	}
}

func TestKindsThatNeedFailpointsAreRefused(t *testing.T) {
	o := Options{Only: []string{"zombie"}}
	if _, err := o.kinds(); !errors.Is(err, ErrNoFailpoints) || !strings.Contains(err.Error(), "make faultlab") {
		t.Errorf("error %v", err)
	}
	o.Only = []string{"sink-kill"}
	if _, err := o.kinds(); err != nil {
		t.Errorf("a kind that needs none: %v", err)
	}
}
