package question_test

import "testing"

// Every view and every typed question gives what a plain program makes of the same events: random small data with ties, repeats, odd times and odd properties, each
// block inserted twice. So do the query API, and the views that the projects' users read.
func TestAnswers(t *testing.T) {
	n := seeds(t)
	s := startFor(t, n)
	t.Cleanup(func() {
		asked, called := s.projects.asked.Load(), s.projects.called.Load()
		t.Logf("%d data sets: %d questions were asked of the API, and %d views as the project's analyst, too", n, asked, called)
		if least := int64(n-1) * 5; asked < least || called < least {
			t.Errorf("fewer than %d", least)
		}
	})
	data, controls := map[uint32][]event{}, map[uint32][]event{}
	var all []event
	for seed := range max(n, controlSeeds) {
		events := generate(seed)
		if seed < n {
			data[seed] = events
		}
		if seed < controlSeeds {
			controls[seed] = events
		}
		all = append(all, events...)
	}
	load(t, s, all)
	for _, c := range []struct {
		name string
		test func(*testing.T, server, map[uint32][]event)
		data map[uint32][]event
	}{
		{"trends", testTrends, data},
		{"funnels", testFunnels, data},
		{"retention", testRetention, data},
		{"paths", testPaths, data},
		{"activity", testActivity, data},
		{"sessions", testSessions, data},
		{"timeline", testTimeline, data},
		{"event by id", testEventByID, data},
		{"windowFunnel", testWindowFunnel, controls},
		{"mistakes", testMistakes, controls},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, s, c.data)
		})
	}
}
