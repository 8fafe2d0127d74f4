package enrich

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/millrace/millrace/schema"
)

func netipAddr(text string) netip.Addr { return netip.MustParseAddr(text) }

// placed enriches one event and returns "country|city".
func placed(x *Enricher, request, agent, named string, given map[schema.Field]string) string {
	b, e := batch(given)
	b.ClientIP, b.UserAgent = netipAddr(request), []byte(agent)
	if named != "" {
		e.ClientAddr = b.Append([]byte(named), false)
		e.Set(schema.FieldIP, e.ClientAddr)
	}
	r := new(Request)
	r.Use(x)
	r.Begin(b, schema.DefaultLimits())
	r.Stamp(b, e)
	r.Agent(b, e)
	r.Place(b, e)
	r.End()
	return text(b, e, schema.FieldCountry) + "|" + text(b, e, schema.FieldCity)
}

func TestPlaces(t *testing.T) {
	both := enricher(t, func(c *Config) { c.CountryDatabase, c.CityDatabase = countries(t), cities(t) })
	for _, c := range []struct {
		request, agent, named string
		given                 map[schema.Field]string
		want                  string
	}{
		{request: "81.2.69.1", agent: chrome, want: `GB|Lon\"don`},
		{request: "::ffff:81.2.69.1", agent: chrome, want: `GB|Lon\"don`},
		{request: "82.1.2.3", want: "SE|Åkersberga"},
		{request: "2.125.160.1", agent: chrome, want: "FR|"},
		{request: "2001:db8::7", agent: chrome, want: "DE|"},
		{request: "81.2.69.1", agent: "analytics-node-next/3.1", want: "|"},
		{request: "81.2.69.1", agent: "analytics-node-next/3.1", named: "2.125.160.9", want: "FR|"},
		{request: "81.2.69.1", agent: "analytics-node-next/3.1", named: "81.2.69.1", want: `GB|Lon\"don`}, // named, if the same
		{request: "2.125.160.1", agent: chrome, named: "nowhere", want: "|"},
		{request: "9.9.9.9", agent: chrome, want: "|"}, // XYZ is no country
		{request: "8.8.8.8", agent: chrome, want: "|"}, // unknown
		{request: "10.1.2.3", agent: chrome, want: "|"},
		{request: "100.64.1.1", agent: chrome, want: "|"},
		{request: "127.0.0.1", agent: chrome, want: "|"},
		{request: "::1", agent: chrome, want: "|"},
		{request: "fe80::1", agent: chrome, want: "|"},
		{request: "81.2.69.1", agent: chrome, given: map[schema.Field]string{schema.FieldCountry: "NO"}, want: "NO|"},
		{request: "81.2.69.1", agent: chrome, given: map[schema.Field]string{schema.FieldCity: "Bergen"}, want: "GB|Bergen"},
	} {
		if got := placed(both, c.request, c.agent, c.named, c.given); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	if n := both.stats.failures[stepAddress].Get(); n != 1 {
		t.Errorf("%d addresses that are none counted, want 1", n)
	}
	if got := placed(enricher(t, nil), "81.2.69.1", chrome, "", nil); got != "|" {
		t.Errorf("without databases: %s", got)
	}
}

// lines keeps what is logged.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return strings.Split(strings.TrimSpace(l.b.String()), "\n")
}

// TestDatabaseLife: absent, there, replaced, broken, gone, back; each is told once.
func TestDatabaseLife(t *testing.T) {
	path := filepath.Join(t.TempDir(), "countries.mmdb")
	cfg := DefaultConfig()
	cfg.CountryDatabase = path
	log, set := new(lines), metrics.NewSet()
	x, err := New(cfg, Deps{Logger: slog.New(slog.NewTextHandler(log, nil)), Metrics: set})
	if err != nil {
		t.Fatal(err)
	}
	d := x.country
	look := func(when, want, logged string, loads, failed uint64) {
		t.Helper()
		for range 3 {
			d.refresh()
		}
		if got := placed(x, "81.2.69.1", chrome, "", nil); got != want+"|" {
			t.Errorf("%s: country %s, want %s", when, got, want)
		}
		if l := log.take(); len(l) != 1 || !strings.Contains(l[0], logged) {
			t.Errorf("%s: logged %q, want one line with %q", when, l, logged)
		}
		if d.reloads.Get() != loads || d.broken.Get() != failed {
			t.Errorf("%s: %d loads, %d failures", when, d.reloads.Get(), d.broken.Get())
		}
	}
	look("absent", "", "run `make deps`", 0, 0)
	writeDatabase(t, path, time.Now(), network{"81.2.69.0/24", []member{{"country_code", "GB"}}})
	look("there", "GB", "is loaded", 1, 0)
	writeDatabase(t, path, time.Now(), network{"81.2.69.0/24", []member{{"country", []member{{"iso_code", "IE"}}}}})
	look("replaced", "IE", "is loaded", 2, 0)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"cut": whole[:len(whole)/2], "empty": {}, "text": []byte("no database"), "zeros": append(make([]byte, 100), whole[100:]...)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, failed := d.reloads.Get(), d.broken.Get()
		look(name, "IE", "the one before stays in use", 2, failed+1)
	}
	writeDatabase(t, path, time.Now(), network{"81.2.69.0/24", []member{{"asn", "64500"}}})
	look("of something else", "IE", "it is a database of something else", 2, 5)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	look("gone", "IE", "the one before stays in use", 2, 5)
	writeDatabase(t, path, time.Now().Add(-time.Hour), network{"81.2.69.0/24", []member{{"country_code", "FR"}}})
	look("back", "FR", "is loaded", 3, 5)
	var b bytes.Buffer
	set.WritePrometheus(&b)
	if !strings.Contains(b.String(), `millrace_enrich_database_age_seconds{database="country"} 36`) {
		t.Errorf("the age is missing in\n%s", b.String())
	}
}

// TestRunReloads: the interval alone makes a new file count, also while events are looked up.
func TestRunReloads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "countries.mmdb")
	writeDatabase(t, path, time.Now(), network{"81.2.69.0/24", []member{{"country_code", "GB"}}})
	x := enricher(t, func(c *Config) { c.CountryDatabase = path })
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- x.Run(ctx) }()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 2000 {
					if got := placed(x, "81.2.69.1", chrome, "", nil); got != "GB|" && got != "IE|" {
						t.Errorf("country %s", got)
						return
					}
				}
			})
		}
		writeDatabase(t, path, time.Now(), network{"81.2.69.0/24", []member{{"country_code", "IE"}}})
		wg.Wait()
		<-time.After(x.cfg.ReloadInterval + time.Second) // of the bubble's clock, which moves when all wait
		synctest.Wait()
		if got := placed(x, "81.2.69.1", chrome, "", nil); got != "IE|" {
			t.Errorf("country %s after the interval", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestBrokenLookup: a panic of the library costs the fields only.
func TestBrokenLookup(t *testing.T) {
	x := enricher(t, func(c *Config) { c.CountryDatabase = countries(t) })
	x.country.current.Store(&places{}) // no reader
	if got := placed(x, "81.2.69.1", chrome, "", nil); got != "|" {
		t.Errorf("country %s", got)
	}
	if n := x.stats.failures[stepCountry].Get(); n != 1 {
		t.Errorf("%d failures counted", n)
	}
}

// A file whose branches meet again has more networks than can ever be counted. It is refused, and does not keep the start waiting.
func TestEndlessDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "endless.mmdb")
	writeDatabase(t, path, time.Now(), network{"2001:db8::1/128", []member{{"country_code", "DE"}}})
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const nodes, size = 128, 6
	for i := range nodes {
		at := file[i*size : (i+1)*size]
		for _, side := range [][]byte{at[:3], at[3:]} {
			if next := i + 1; next < nodes {
				side[0], side[1], side[2] = 0, 0, byte(next)
			} else {
				side[0], side[1], side[2] = 0, 0, nodes+16 // the data
			}
		}
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := readPlaces(path)
		failed <- err
	}()
	select {
	case err := <-failed:
		if err == nil || !strings.Contains(err.Error(), "networks") {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it is still being read")
	}
}
