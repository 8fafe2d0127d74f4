package main

import (
	"testing"
	"time"

	"github.com/millrace/millrace/bench/scenario"
)

// TestBenchRunFlags shows what the command line changes in a scenario, and that it leaves one that can be run and passed.
func TestBenchRunFlags(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want func(s *scenario.Scenario) bool
	}{
		"none": {nil, func(s *scenario.Scenario) bool { return s.Thresholds.Ledger && s.Thresholds.Queryable == 5*time.Second }},
		"rate": {[]string{"--rate", "50"}, func(s *scenario.Scenario) bool { return s.Duration() == 30*time.Second && s.Load.Stages[0].Rate == 50 }},
		"duration": {[]string{"--duration", "2s"}, func(s *scenario.Scenario) bool {
			return s.Load.Stages[0].Rate == 10000 && s.Load.Warmup == 0 && s.Description == "quick, changed on the command line: duration 2s"
		}},
		"saturate": {[]string{"--saturate", "--rate", "50"}, func(s *scenario.Scenario) bool { return s.Load.Mode == scenario.Saturate }},
		// Both are measured in ClickHouse: a threshold that nothing can be held against would fail every run.
		"no-verify": {[]string{"--no-verify"}, func(s *scenario.Scenario) bool { return !s.Thresholds.Ledger && s.Thresholds.Queryable == 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := scenario.Read("quick")
			if err != nil {
				t.Fatal(err)
			}
			var f benchFlags
			cmd := f.command()
			if err := cmd.ParseFlags(c.args); err != nil {
				t.Fatal(err)
			}
			f.change(cmd, &s)
			if err := s.Validate(); err != nil || !c.want(&s) {
				t.Errorf("error %v, scenario:\n%s", err, s.YAML())
			}
		})
	}
}
