package schema

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func TestUUIDAgreesWithGoogle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "u"))
		text := u.String()
		if text != uuid.UUID(u).String() {
			t.Fatalf("String %s", text)
		}
		for _, s := range []string{text, strings.ToUpper(text)} {
			if back, ok := ParseUUID([]byte(s)); !ok || back != u {
				t.Fatalf("ParseUUID(%s) = %s, %v", s, back, ok)
			}
		}
	})
	for _, bad := range []string{"", "x", "0192b6c1-7d2e-7a3b-9c1f-0123456789a", "0192b6c1-7d2e-7a3b-9c1f-0123456789ag", "0192b6c17d2e-7a3b-9c1f-0123456789ab-", "{192b6c1-7d2e-7a3b-9c1f-0123456789a}"} {
		if u, ok := ParseUUID([]byte(bad)); ok || u != (UUID{}) {
			t.Errorf("ParseUUID(%q) = %s, %v", bad, u, ok)
		}
	}
}

func TestNewUUIDv7(t *testing.T) {
	const ms = 1793527872131
	a, b := NewUUIDv7(ms), NewUUIDv7(ms)
	if a == b {
		t.Error("two ids are equal")
	}
	if got, ok := a.UnixMilli(); !ok || got != ms {
		t.Errorf("time %d, %v", got, ok)
	}
	if g := uuid.UUID(a); g.Version() != 7 || g.Variant() != uuid.RFC4122 {
		t.Errorf("version %d variant %d", g.Version(), g.Variant())
	}
}

// contentEvent is an event without id, with its own time.
func contentEvent(name, at string) (*Event, []byte) {
	var b Batch
	e := b.Add()
	e.Type = Track
	e.Set(FieldEvent, b.Append([]byte(name), false))
	e.ClientTime = b.Append([]byte(at), false)
	return e, b.Buf
}

func TestDerivedIDs(t *testing.T) {
	var d IDs
	if id := d.Client(1, []byte("0192B6C1-7d2e-7a3b-9c1f-0123456789ab")); id.String() != "0192b6c1-7d2e-7a3b-9c1f-0123456789ab" {
		t.Errorf("a UUID became %s", id)
	}
	// Pinned: another value would make every stored event with such an id look new.
	if id := d.Client(1, []byte("m-1")); id.String() != pinnedClientID {
		t.Errorf("m-1 became %s", id)
	}
	distinct := map[UUID]string{}
	add := func(what string, id UUID) {
		if other, dup := distinct[id]; dup {
			t.Errorf("%s and %s are both %s", what, other, id)
		}
		distinct[id] = what
	}
	add("client m-1 of 1", d.Client(1, []byte("m-1")))
	add("client m-1 of 2", d.Client(2, []byte("m-1")))
	add("key m-1 event 0", d.Idempotent(1, []byte("m-1"), 0))
	add("key m-1 event 1", d.Idempotent(1, []byte("m-1"), 1))
	a, abuf := contentEvent("A", "t")
	b, bbuf := contentEvent("At", "")
	first := d.Content(1, a, abuf)
	add("content A,t", first)
	add("content A,t again", d.Content(1, a, abuf))
	add("content A,t third", d.Content(1, a, abuf))
	add("content At", d.Content(1, b, bbuf))
	add("content A,t of 2", d.Content(2, a, abuf))
	d.Reset()
	if again := d.Content(1, a, abuf); again != first {
		t.Errorf("the same event in a second request: %s, then %s", first, again)
	}
}

const pinnedClientID = "98f5a0bc-f251-8e08-a6d0-99e239e13673"

func TestSessionIDs(t *testing.T) {
	var d IDs
	const ts = 1793527872131
	near, far := NewUUIDv7(ts-dayMillis), NewUUIDv7(ts-dayMillis-1)
	if got := d.Session(1, []byte(near.String()), ts); got != near {
		t.Errorf("a session of the day before became %s", got)
	}
	day := int64(ts - ts%dayMillis)
	for _, id := range []string{far.String(), "1793527872131", "6ba7b810-9dad-41d1-80b4-00c04fd430c8"} {
		got := d.Session(1, []byte(id), ts)
		if ms, ok := got.UnixMilli(); !ok || ms != day {
			t.Errorf("session %s became %s of time %d, want %d", id, got, ms, day)
		}
		if again := d.Session(1, []byte(id), ts+1000); again != got {
			t.Errorf("session %s: %s, then %s", id, got, again)
		}
		if other := d.Session(2, []byte(id), ts); other == got {
			t.Errorf("session %s is the same in two projects", id)
		}
	}
	if ms, ok := d.Session(1, []byte("x"), -5).UnixMilli(); !ok || ms != 0 {
		t.Errorf("before 1970: %d, %v", ms, ok)
	}
}

func TestIllegalIDs(t *testing.T) {
	for _, id := range []string{"", " ", "\t", `""`, "anonymous", "Anonymous", " NULL ", `"undefined"`, "0", "-1", "[object Object]", "NaN", "00000000-0000-0000-0000-000000000000", "{}", "n/a"} {
		if !IsIllegalID([]byte(id)) {
			t.Errorf("%q passes", id)
		}
	}
	for _, id := range []string{"u", "u1", "00", "1", "anonymous1", "null@example.com", "[object", "ident", strings.Repeat("0", 100), "é", "\u2003"} {
		if IsIllegalID([]byte(id)) {
			t.Errorf("%q is refused", id)
		}
	}
}

// TestBegunSession: the id of a session that nobody named has the time of its beginning, and is the same for the same beginning alone.
func TestBegunSession(t *testing.T) {
	var d IDs
	const at = 1_795_000_000_123
	first := d.BegunSession(7, []byte("ada"), at)
	if ms, v7 := first.UnixMilli(); !v7 || ms != at || first[8]>>6 != 2 {
		t.Errorf("%v has time %d", first, ms)
	}
	if d.BegunSession(7, []byte("ada"), at) != first {
		t.Error("the same beginning has two ids")
	}
	for name, other := range map[string]UUID{
		"project": d.BegunSession(8, []byte("ada"), at), "person": d.BegunSession(7, []byte("adb"), at), "time": d.BegunSession(7, []byte("ada"), at+1),
		"named session": d.Session(7, []byte("ada"), at),
	} {
		if other == first || string(other[8:]) == string(first[8:]) {
			t.Errorf("another %s gives %v beside %v", name, other, first)
		}
	}
}
