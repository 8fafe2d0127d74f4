package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// minute is what an identity, a profile or a segment may take to be seen.
const minute = time.Minute

// call sends a request to the query listener and reads the answer into into, which may be nil.
func (s *server) call(method, path, body string, into any) int {
	s.t.Helper()
	status, raw := s.onQuery(method, path, devKey, body)
	if into != nil {
		if err := json.Unmarshal(raw, into); err != nil {
			s.t.Fatalf("%s %s: %v: %s", method, path, err, raw)
		}
	}
	s.t.Logf("%s %s: %d %.300s", method, path, status, raw)
	return status
}

// reached asks a funnel of two events, and returns how many persons came to each.
func (s *server) reached(first, second string) string {
	s.t.Helper()
	now := time.Now().UTC()
	r := s.ask("funnel", devKey, fmt.Sprintf(`{"from":%q,"to":%q,"steps":[{"event":%q},{"event":%q}],"window_ms":86400000}`,
		now.Add(-24*time.Hour).Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339), first, second))
	if r.Status != http.StatusOK || len(r.Rows) != 2 {
		s.t.Fatalf("funnel: %d %s", r.Status, r.Raw)
	}
	return fmt.Sprint(r.Rows[0][2], r.Rows[1][2])
}

// A visitor who becomes known is one person, with what it did before, until somebody takes that back; segments follow, and say so on the topic; one who is erased is gone.
func TestPeople(t *testing.T) {
	s := start(t, t.TempDir())
	s.segment(`[
		{"call":"track","with":{"anonymousId":"visitor-1","event":"Viewed"}},
		{"call":"track","with":{"anonymousId":"visitor-2","event":"Viewed"}}
	]`)
	// By a process of its own, which takes more than a millisecond to start: events of the same one are in the order of their partitions.
	s.segment(`[{"call":"track","with":{"userId":"ann","event":"Bought","properties":{"revenue":12}}}]`)
	s.waitRows("events", 3)
	if got := s.reached("Viewed", "Bought"); got != "2 0" {
		t.Fatalf("before anybody is known: %s persons viewed and then bought", got)
	}

	s.segment(`[{"call":"identify","with":{"userId":"ann","anonymousId":"visitor-1","traits":{"plan":"pro","email":"ann@shop.example"}}}]`)
	eventually(t, minute, "the funnel joins both halves", func() bool { return s.reached("Viewed", "Bought") == "2 1" })
	eventually(t, minute, "a profile", func() bool {
		return s.count("SELECT count() FROM millrace.profiles_q WHERE distinct_id = 'ann' AND JSONExtractString(props, 'plan') = 'pro' AND ids = 2") == 1
	})

	if status := s.call(http.MethodPut, "/v1/segments/buyers", `{"name":"buyers","every":"1m","where":{"all":[{"did":{"event":"Viewed","within":"7d"}},{"did":{"event":"Bought","within":"7d"}}]}}`, nil); status/100 != 2 {
		t.Fatalf("the segment is refused: %d", status)
	}
	members := func() int {
		return s.count("SELECT count() FROM millrace.segment_members_q WHERE project_id = 1 AND segment = 'buyers'")
	}
	eventually(t, minute, "a member", func() bool { return members() == 1 })
	changes := func(event string) string {
		return "SELECT count() FROM millrace.events WHERE event = '" + event + "' AND distinct_id = 'ann' AND JSONExtractString(props, 'segment') = 'buyers' AND causation_id != '' AND hops = 1"
	}
	eventually(t, minute, "$segment_entered in events", func() bool { return s.count(changes("$segment_entered")) == 1 })
	out, exit := command(t, "tail", "segment_entered", "--from-start", "--json", "--limit", "1", "--data", s.dir)
	if exit != 0 || !strings.Contains(out, `"distinct_id":"ann"`) || !strings.Contains(out, `"causation_id":"`) {
		t.Errorf("on the topic: exit %d %s", exit, out)
	}
	viewers := func(where string) (n float64) {
		r := s.ask("trends", devKey, fmt.Sprintf(`{"from":%q,"to":%q,"interval":"day","series":[{"event":"Viewed"}],"measure":"persons","where":[%s]}`,
			time.Now().UTC().Add(-24*time.Hour).Format(time.RFC3339), time.Now().UTC().Add(time.Hour).Format(time.RFC3339), where))
		if r.Status != http.StatusOK {
			t.Fatalf("viewers by day: %d %s", r.Status, r.Raw)
		}
		for _, row := range r.Rows {
			n += row[2].(float64) // each viewed once, so on one day
		}
		return n
	}
	if all, members := viewers(""), viewers(`{"field":"segment","op":"is","values":["buyers"]}`); all != 2 || members != 1 {
		t.Errorf("%v viewers, %v of them in the segment, want 2 and 1", all, members)
	}

	// Undone: an SDK that says it again, as each page does, changes nothing.
	if a := s.post("/v1/events", []byte(`{"type":"unmerge","distinct_id":"ann","previous_id":"visitor-1"}`), "Authorization: Bearer "+devKey); a.Status != http.StatusOK {
		t.Fatalf("unmerge: %d %s", a.Status, a.Raw)
	}
	eventually(t, minute, "both halves apart again", func() bool { return s.reached("Viewed", "Bought") == "2 0" })
	s.segment(`[{"call":"identify","with":{"userId":"ann","anonymousId":"visitor-1"}}]`)
	if status := s.call(http.MethodPost, "/v1/segments/buyers/build", "", nil); status/100 != 2 {
		t.Fatalf("a build is refused: %d", status)
	}
	eventually(t, minute, "$segment_left in events", func() bool { return members() == 0 && s.count(changes("$segment_left")) == 1 })
	if got := s.reached("Viewed", "Bought"); got != "2 0" {
		t.Errorf("identified again after it was undone: %s", got)
	}
	if n := s.count(changes("$segment_entered")); n != 1 {
		t.Errorf("$segment_entered %d times", n)
	}

	// Erased: gone from the tables, refused at the door.
	var erased struct {
		ID string `json:"erasure"`
	}
	if status := s.call(http.MethodPost, "/v1/erasures", `{"user":"ann"}`, &erased); status/100 != 2 || erased.ID == "" {
		t.Fatalf("the erasure is refused: %d", status)
	}
	eventually(t, 2*minute, "nothing of ann", func() bool {
		return s.count("SELECT count() FROM millrace.events WHERE distinct_id = 'ann' OR user_id = 'ann'") == 0 && s.count("SELECT count() FROM millrace.profiles WHERE distinct_id = 'ann'") == 0
	})
	if n := s.count("SELECT count() FROM millrace.events WHERE distinct_id = 'visitor-2'"); n != 1 {
		t.Errorf("of another visitor %d events are left", n)
	}
	eventually(t, minute, "refused at the door", func() bool {
		a := s.post("/v1/track", []byte(`{"event":"Back","userId":"ann"}`), "Authorization: Bearer "+devKey)
		return strings.Contains(a.Raw, `"erased"`)
	})
}
