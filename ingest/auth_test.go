package ingest

import (
	"encoding/base64"
	"strings"
	"testing"
)

func basic(user string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(user)) }

func TestKeyPlaces(t *testing.T) {
	d := open(t, nil)
	body := `{"event":"e","userId":"u"}`
	withKey := func(key string) string { return `{"writeKey":"` + key + `","event":"e"}` }
	for _, c := range []struct {
		name, path, body string
		headers          []string
		project          uint32 // 0: refused
	}{
		{"basic", "/v1/track", body, []string{"Authorization", basic(testKey + ":")}, 7},
		{"basic with password", "/v1/track", body, []string{"Authorization", basic(testKey + ":secret")}, 7},
		{"basic without colon", "/v1/track", body, []string{"Authorization", basic(testKey)}, 7},
		{"basic without padding", "/v1/track", body, []string{"Authorization", strings.TrimRight(basic(testKey+":"), "=")}, 7},
		{"basic in odd case", "/v1/track", body, []string{"Authorization", "bASIC  " + basic(testKey + ":")[6:]}, 7},
		{"bearer", "/v1/events", body, []string{"Authorization", "Bearer " + testKey}, 7},
		{"X-Write-Key", "/v1/events", body, []string{"X-Write-Key", otherKey}, 8},
		{"query writeKey", "/v1/track?writeKey=" + otherKey, body, nil, 8},
		{"query api_key", "/v1/events?api_key=" + otherKey, body, nil, 8},
		{"query token", "/v1/events?token=" + otherKey, body, nil, 8},
		{"query writeKey over api_key and token", "/v1/events?token=x&api_key=y&writeKey=" + otherKey, body, nil, 8},
		{"query api_key over token", "/v1/events?token=" + testKey + "&api_key=" + otherKey, body, nil, 8},
		{"bad query writeKey over good token", "/v1/events?token=" + testKey + "&writeKey=nobody", body, nil, 0},
		{"X-Write-Key over query token", "/v1/events?token=nobody", body, []string{"X-Write-Key", testKey}, 7},
		{"escaped query", "/v1/events?api_key=mr%5Fother_key", body, nil, 8},
		{"body", "/v1/track", withKey(testKey), nil, 7},
		{"body batch", "/v1/batch", `{"batch":[{"type":"track"}],"writeKey":"` + otherKey + `"}`, nil, 8},
		{"body of a compressed request", "/v1/batch", string(gzipBytes(t, []byte(`{"batch":[{"type":"track"}],"writeKey":"`+otherKey+`"}`))), []string{"Content-Encoding", "gzip"}, 8},
		// The header wins, whatever the others say.
		{"header over body", "/v1/track", withKey(otherKey), []string{"Authorization", basic(testKey + ":")}, 7},
		{"bad header over good body", "/v1/track", withKey(testKey), []string{"Authorization", basic("nobody:")}, 0},
		{"header over query", "/v1/track?writeKey=" + otherKey, body, []string{"X-Write-Key", testKey}, 7},
		{"authorization over X-Write-Key", "/v1/track", body, []string{"X-Write-Key", otherKey, "Authorization", "Bearer " + testKey}, 7},
		{"query over body", "/v1/track?writeKey=" + otherKey, withKey(testKey), nil, 8},
		{"empty basic user is none", "/v1/track", withKey(testKey), []string{"Authorization", basic(":")}, 7},
		{"empty query is none", "/v1/track?writeKey=", withKey(testKey), nil, 7},

		{"none", "/v1/events", body, nil, 0},
		{"none on segment", "/v1/track", body, nil, 0},
		{"body key is not native", "/v1/events", withKey(testKey), nil, 0},
		{"empty body key", "/v1/track", withKey(""), nil, 0},
		{"unknown in body", "/v1/track", withKey("nobody"), nil, 0},
		{"not base64", "/v1/track", withKey(testKey), []string{"Authorization", "Basic %%%"}, 0},
		{"cut key", "/v1/track", body, []string{"X-Write-Key", testKey[:len(testKey)-1]}, 0},
		{"longer key", "/v1/track", body, []string{"X-Write-Key", testKey + "x"}, 0},
		{"other case", "/v1/track", body, []string{"X-Write-Key", strings.ToUpper(testKey)}, 0},
		{"very long key", "/v1/track", body, []string{"X-Write-Key", strings.Repeat("k", 4000)}, 0},
		{"very long basic", "/v1/track", body, []string{"Authorization", basic(strings.Repeat("k", 4000))}, 0},
		{"two authorizations", "/v1/track", body, []string{"Authorization", "Bearer " + testKey, "Authorization", "Bearer " + testKey}, 0},
	} {
		before := d.sub.count()
		a := d.do("POST", c.path, c.body, c.headers...)
		if c.project == 0 {
			if a.status != 401 || a.code() != "invalid_key" || d.sub.count() != before || a.header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s: %v", c.name, a)
			}
			continue
		}
		if a.status != 200 || d.sub.last().Project != c.project {
			t.Errorf("%s: %v", c.name, a)
		}
	}
}

// askedKeys knows the keys that it is made of, with their projects, and notes what it was asked.
type askedKeys struct {
	keys  map[string]uint32
	asked []string
}

func (r *askedKeys) Lookup(key []byte) (Key, bool) {
	r.asked = append(r.asked, string(key))
	project, ok := r.keys[string(key)]
	return Key{ID: "k", Project: project, Forbidden: !ok}, ok
}

type queryTexts map[string]string

func (a queryTexts) Peek(name string) []byte { return []byte(a[name]) }

// Keys with a colon inside are found wherever SDKs put them, and only when their first half is no key itself.
func TestKeysWithColon(t *testing.T) {
	for _, c := range []struct {
		name    string
		header  header
		query   queryTexts
		asked   string // what is looked up, in this order
		project uint32 // 0: refused
	}{
		{"X-Write-Key", header{writeKey: []byte("id:secret")}, nil, "id:secret", 1},
		{"query", header{}, queryTexts{"writeKey": "id:secret"}, "id:secret", 1},
		{"bearer", header{authorization: []byte("Bearer id:secret")}, nil, "id:secret", 1},
		{"basic", header{authorization: []byte(basic("id:secret"))}, nil, "id id:secret", 1},
		{"basic of an SDK that takes it for a user", header{authorization: []byte(basic("id:secret:"))}, nil, "id id:secret", 1},
		{"basic over X-Write-Key", header{authorization: []byte(basic("id:wrong")), writeKey: []byte("id:secret")}, nil, "id id:wrong", 0},
		{"user that is a key", header{authorization: []byte(basic("user:secret"))}, nil, "user", 2},
		{"user that is a key, pair that is one, too", header{authorization: []byte(basic("user:both"))}, nil, "user", 2},
		{"user alone", header{authorization: []byte(basic("id:"))}, nil, "id", 0},
		{"user without colon", header{authorization: []byte(basic("id"))}, nil, "id", 0},
		{"two colons in the password", header{authorization: []byte(basic("id:secret::"))}, nil, "id id:secret:", 0},
		{"colon for a password", header{authorization: []byte(basic("id::"))}, nil, "id id:", 0},
		{"password alone", header{authorization: []byte(basic(":id:secret"))}, nil, "", 0},
		{"half of the secret", header{authorization: []byte(basic("id:sec"))}, nil, "id id:sec", 0},
		{"no key has such a length", header{authorization: []byte(basic("id:" + strings.Repeat("s", maxKeyBytes)))}, nil, "id", 0},
		{"two authorizations", header{authorization: []byte(basic("id:secret")), authorizations: 2}, nil, "", 0},
		{"other scheme", header{authorization: []byte("Digest id:secret")}, nil, "", 0},
	} {
		r := &askedKeys{keys: map[string]uint32{"id:secret": 1, "user": 2, "user:both": 3}}
		shown, _ := findKey(&c.header, c.query, make([]byte, 0, scratchBytes))
		key, _, ok := shown.find(r)
		if asked := strings.Join(r.asked, " "); asked != c.asked || ok != (c.project != 0) || key.Project != c.project {
			t.Errorf("%s: %+v, %v, asked for %q, want %q", c.name, key, ok, asked, c.asked)
		}
		if !ok && key != (Key{}) {
			t.Errorf("%s: no key is %+v", c.name, key)
		}
	}
}

func TestFindKeyAllocatesNothing(t *testing.T) {
	scratch := make([]byte, 0, scratchBytes)
	ring := keys{"id:secret": {ID: "k"}}
	for _, h := range []header{{authorization: []byte(basic("id:secret"))}, {writeKey: []byte("id:secret")}, {authorization: []byte("Bearer x")}} {
		if n := testing.AllocsPerRun(100, func() {
			shown, _ := findKey(&h, nil, scratch)
			shown.find(ring)
		}); n != 0 {
			t.Errorf("%s%s: %v allocations", h.authorization, h.writeKey, n)
		}
	}
}

// Whoever guesses learns nothing: the refusal is the same for every key and every place, request id apart.
func TestRefusedKeysLookAlike(t *testing.T) {
	d := open(t, nil)
	seen := map[string]string{}
	for name, headers := range map[string][]string{
		"none": nil, "unknown": {"X-Write-Key", "nobody"}, "almost": {"X-Write-Key", testKey[:5]}, "basic": {"Authorization", basic("x:y")}, "broken": {"Authorization", "Basic !"},
	} {
		a := d.do("POST", "/v1/events", "{}", headers...)
		seen[strings.ReplaceAll(a.body, a.header.Get("X-Request-Id"), "")] = name
	}
	if len(seen) != 1 {
		t.Errorf("%d different answers: %v", len(seen), seen)
	}
}

// Project and key id come from the credential, whatever the body claims.
func TestProjectComesFromTheKey(t *testing.T) {
	d := open(t, nil)
	d.post("/v1/events", `{"project":8,"project_id":8,"event":"e","key_id":"x","context":{"project":8}}`)
	if b := d.sub.last(); b.Project != 7 || b.KeyID != "k-test" {
		t.Errorf("project %d, key %s", b.Project, b.KeyID)
	}
}
