package enrich

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/schema"
)

const chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36"

// TestAgents: browsers, apps, televisions, consoles, old ones, bots, libraries, as they are in the wild.
func TestAgents(t *testing.T) {
	c, err := newAgentCache(64)
	if err != nil {
		t.Fatal(err)
	}
	for agent, want := range map[string]string{
		chrome: "person Chrome 143 Windows 10 desktop",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Safari/605.1.15":                                                                                        "person Safari 18.4 Mac OS X 10.15 desktop",
		"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0":                                                                                                                                       "person Firefox 145 Linux  desktop",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1":                                                                      "person Mobile Safari 18.5 iOS 18.5 mobile",
		"Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Mobile Safari/537.36":                                                                                        "person Chrome Mobile 143 Android 15 mobile",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36 Edg/143.0.0.0":                                                                                "person Edge 143 Windows 10 desktop",
		"Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1":                                                                               "person Mobile Safari 18.6 iOS 18.6 tablet",
		"Mozilla/5.0 (Linux; Android 13; SM-X200) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36":                                                                                               "person Chrome 120 Android 13 tablet",
		"Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36":                                                           "person Samsung Internet 25 Android 14 mobile",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/440.0.0.27.111;FBBV/548872000;FBDV/iPhone14,5;FBMD/iPhone;FBSN/iOS;FBSV/17.0]": "person Facebook 440 iOS 17 mobile",
		"Mozilla/5.0 (Linux; Android 14; CUBOT X18 Plus) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36":                                                                                 "person Chrome Mobile 120 Android 14 mobile",
		"Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko":                                                                                                                                         "person IE 11 Windows 7 desktop",
		"Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)":                                                                                                                                                      "person IE 6 Windows XP desktop",
		"Opera/9.80 (Windows NT 6.1; U; en) Presto/2.8.131 Version/11.11":                                                                                                                                              "person Opera 11.11 Windows 7 desktop",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36":                                                                                               "person Chrome 126 Chrome OS 14541 desktop",
		"Mozilla/5.0 (PlayStation 5 3.11) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.0 Safari/605.1.15":                                                                                                       "person Safari 13   console",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/48.0.2564.82 Safari/537.36 Edge/20.02":                                                                "person Edge 20.02 Windows 10 console",
		"Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) 76.0.3809.146/6.0 TV Safari/537.36":                                                                                           "person Safari  Tizen 6 tv",
		"Mozilla/5.0 (Linux; Android 9; AFTKA) AppleWebKit/537.36 (KHTML, like Gecko) Silk/98.3.2 like Chrome/98.0.4758.101 Safari/537.36":                                                                             "person Amazon Silk 98.3 Android 9 tv",
		"MyShop/4.12.0 (iPhone; iOS 17.5; Scale/3.00)":                                                                                                                                                                 "person MyShop 4.12 iOS 17.5 mobile",
		"MyShop/412 CFNetwork/1494.0.7 Darwin/23.4.0":                                                                                                                                                                  "person MyShop 412 iOS 17.4 mobile",
		"Finch/3.6 CFNetwork/1494.0.7 Darwin/23.4.0":                                                                                                                                                                   "person Finch 3.6 iOS 17.4 mobile",
		"Dalvik/2.1.0 (Linux; U; Android 13; Pixel 7 Build/TQ3A.230805.001)":                                                                                                                                           "person   Android 13 mobile",
		"okhttp/4.12.0 (Android 13; Pixel 7)": "person okhttp 4.12 Android 13 mobile",
		"posthog-android/3.9.1":               "person   Android  mobile",
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)":                                      "bot Googlebot 2.1   ",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36": "bot HeadlessChrome 126 Linux  desktop",
		"Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)":                                              "bot GPTBot 1.2   ",
		"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)":                                     "bot FacebookBot 1.1   ",
		"Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)":                                                         "bot PingdomBot 1.4   ",
		"Dart/3.3 (dart:io)":                 "unknown     ",
		"something nobody knows":             "unknown     ",
		"okhttp/4.12.0":                      "library     ",
		"analytics-node-next/3.1.0":          "library     ",
		"analytics-python/2.3.2":             "library     ",
		"AnalyticsRuby/2.4.0":                "library     ",
		"posthog-node/5.0.1":                 "library     ",
		"posthog-python/6.0.0":               "library     ",
		"RudderStack-node/2.0":               "library     ",
		"amplitude-node/1.10":                "library     ",
		"mixpanel":                           "library     ",
		"node":                               "library     ",
		"axios/1.7.2":                        "library     ",
		"undici":                             "library     ",
		"python-requests/2.32.3":             "library     ",
		"Python/3.12 aiohttp/3.9.5":          "library     ",
		"Go-http-client/2.0":                 "library     ",
		"curl/8.7.1":                         "library     ",
		"Java/17.0.9":                        "library     ",
		"Apache-HttpClient/4.5.14 (Java/17)": "library     ",
		"@segment/analytics-node/2.1.0":      "library     ",
	} {
		var counted tally
		a := c.find([]byte(agent), 1, &counted)
		if a == nil {
			t.Errorf("%s: not read: %v", agent, counted.failures)
			continue
		}
		got := [...]string{"unknown", "person", "bot", "library"}[a.kind]
		for _, f := range a.facts {
			got += " " + f.text
		}
		if got != want {
			t.Errorf("%s:\n  %q, want\n  %q", agent, got, want)
		}
	}
}

// TestFactsAreJSON: an agent may hold anything.
func TestFactsAreJSON(t *testing.T) {
	for given, want := range map[string]string{
		`My"Shop\`: `My"Shop\`, "a\x00b\x1b\x7f": "ab", "\xff\xfeok": "ok", " pad ": "pad",
		strings.Repeat("é", 100): strings.Repeat("é", 32), "a" + strings.Repeat("é", 100): "a" + strings.Repeat("é", 31),
	} {
		f := factOf(given, maxFact)
		var got string
		if err := json.Unmarshal([]byte(`"`+f.text+`"`), &got); err != nil || got != want {
			t.Errorf("%q becomes %q (%v), want %q", given, got, err, want)
		}
		if f.escaped != strings.Contains(f.text, `\`) {
			t.Errorf("%q: escaped is %v", f.text, f.escaped)
		}
	}
}

// TestLongAgentsAreCut: what lies beyond the part that is looked at makes no other agent.
func TestLongAgentsAreCut(t *testing.T) {
	x := enricher(t, nil)
	r := new(Request)
	r.Use(x)
	for i := range 50 {
		b := &schema.Batch{ReceivedAt: arrival, UserAgent: []byte(chrome + strings.Repeat("x", maxAgent) + fmt.Sprint(i) + strings.Repeat("y", 16<<10))}
		e := b.Add()
		r.Begin(b, schema.DefaultLimits())
		r.Agent(b, e)
		r.End()
		if got := text(b, e, schema.FieldBrowser); got != "Chrome" {
			t.Fatalf("browser %q", got)
		}
	}
	if n := x.agents.entries.Load(); n != 1 {
		t.Errorf("%d agents are remembered", n)
	}
}

func TestAgentCacheKeepsWhatIsUsed(t *testing.T) {
	c, err := newAgentCache(64)
	if err != nil {
		t.Fatal(err)
	}
	c.reader.level = time.Hour
	var counted tally
	kept := c.find([]byte("Keep/1.0"), 1, &counted)
	for i := range 300 {
		c.find(fmt.Appendf(nil, "Other/%d", i), uint32(i+2), &counted)
		if a := c.find([]byte("Keep/1.0"), uint32(i+2), &counted); a != kept {
			t.Fatalf("forgotten after %d others", i+1)
		}
	}
	if counted.hits != 300 || counted.misses != 301 {
		t.Errorf("%d hits, %d misses", counted.hits, counted.misses)
	}
	if n := c.entries.Load(); n > 64 {
		t.Errorf("%d entries", n)
	}
	if a := c.find([]byte("curl/8.7.1"), 1, &counted); a != library || counted.misses != 301 {
		t.Error("a library is remembered")
	}
}

// TestReadingHasItsShareOnly: whoever makes up agents gets no more than a share of a processor, and those that are known stay known.
func TestReadingHasItsShareOnly(t *testing.T) {
	c, err := newAgentCache(1024)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1, 0)
	r := c.reader
	r.at, r.now = now, func() time.Time {
		now = now.Add(10 * time.Millisecond) // twice for each agent
		return now
	}
	var counted tally
	known := c.find([]byte(chrome), 2, &counted) // later than those made up, of which many may share its place
	read := 0
	for i := range 1000 {
		if c.find(fmt.Appendf(nil, "Made/%d Up", i), 1, &counted) != nil {
			read++
		}
	}
	spent, passed := time.Duration(read)*10*time.Millisecond, now.Sub(time.Unix(1, 0))
	if most := readBurst + time.Duration(float64(passed)*readShare); spent > most || spent < most*9/10 || counted.failures[stepAgentLimit] != 1000-read {
		t.Errorf("%d agents were read in %v of %v, %d refused; want about %v", read, spent, passed, counted.failures[stepAgentLimit], most)
	}
	if c.find([]byte(chrome), 1, &counted) != known {
		t.Error("a known agent is gone")
	}
	now = now.Add(time.Minute)
	if c.find([]byte("Made/1001 Up"), 1, &counted) == nil {
		t.Error("nothing is read any more")
	}
}

// TestBrokenReader: a panic of the library costs the fields, and the time it took counts.
func TestBrokenReader(t *testing.T) {
	x := enricher(t, nil)
	x.agents.reader.parser.UA[0].Reg = nil
	b, e := batch(map[schema.Field]string{schema.FieldUserID: "u"})
	b.UserAgent = []byte(chrome)
	r := new(Request)
	r.Use(x)
	r.Begin(b, schema.DefaultLimits())
	r.Agent(b, e)
	r.Place(b, e)
	r.Session(b, e)
	r.End()
	if e.Refused() || e.Has(schema.FieldBrowser) || e.SessionID != (schema.UUID{}) {
		t.Errorf("%+v", e.Envelope)
	}
	if n := x.stats.failures[stepAgent].Get(); n != 1 {
		t.Errorf("%d failures counted", n)
	}
}

// TestAgentFillsWhatIsMissing: what the client says stays, and no version is put to another name.
func TestAgentFillsWhatIsMissing(t *testing.T) {
	x := enricher(t, nil)
	const phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
	for _, c := range []struct {
		header, event string
		given         map[schema.Field]string
		want          string
		kind          agentKind
	}{
		{header: chrome, want: "Chrome|143|Windows|10|desktop", kind: agentPerson},
		{header: chrome, event: phone, want: "Mobile Safari|18.5|iOS|18.5|mobile", kind: agentPerson},
		{header: "analytics-node-next/3.1.0", event: phone, want: "Mobile Safari|18.5|iOS|18.5|mobile", kind: agentPerson},
		{header: "analytics-node-next/3.1.0", want: "||||", kind: agentLibrary},
		{header: chrome, event: "axios/1.7", want: "||||", kind: agentLibrary},
		{header: phone, given: map[schema.Field]string{schema.FieldOS: "iPadOS"}, want: "Mobile Safari|18.5|iPadOS||mobile", kind: agentPerson},
		{header: phone, given: map[schema.Field]string{schema.FieldOS: "ios"}, want: "Mobile Safari|18.5|ios|18.5|mobile", kind: agentPerson},
		{header: phone, given: map[schema.Field]string{schema.FieldBrowserVersion: "1", schema.FieldDeviceType: "fridge"}, want: "Mobile Safari|1|iOS|18.5|fridge", kind: agentPerson},
	} {
		b, e := batch(c.given)
		b.UserAgent = []byte(c.header)
		if c.event != "" {
			e.ClientAgent = b.Append([]byte(c.event), false)
		}
		r := new(Request)
		r.Use(x)
		r.Begin(b, schema.DefaultLimits())
		r.Agent(b, e)
		var got []string
		for _, f := range []schema.Field{schema.FieldBrowser, schema.FieldBrowserVersion, schema.FieldOS, schema.FieldOSVersion, schema.FieldDeviceType} {
			got = append(got, text(b, e, f))
		}
		if s := strings.Join(got, "|"); s != c.want || r.agent.kind != c.kind {
			t.Errorf("%+v: %s, kind %d", c, s, r.agent.kind)
		}
	}
}

func TestBotsAreLabelled(t *testing.T) {
	x := enricher(t, nil)
	for agent, want := range map[string]bool{
		chrome: false, "curl/8.7.1": false, "node": false, "": false,
		"Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)": true,
		"DatadogSynthetics": true,
	} {
		for _, said := range []bool{false, true} {
			b, e := batch(nil)
			b.UserAgent, e.Bot = []byte(agent), said
			r := new(Request)
			r.Use(x)
			r.Begin(b, schema.DefaultLimits())
			r.Agent(b, e)
			if e.Bot != (want || said) {
				t.Errorf("%q, said %v: bot is %v", agent, said, e.Bot)
			}
		}
	}
}

// TestWrittenOncePerRequest: a thousand events of one agent and one address cost the batch a few bytes.
func TestWrittenOncePerRequest(t *testing.T) {
	x := enricher(t, func(c *Config) { c.CountryDatabase = countries(t) })
	b, _ := batch(nil)
	b.UserAgent, b.ClientIP = []byte(chrome), netipAddr("81.2.69.142")
	for range 999 {
		b.Add()
	}
	r := new(Request)
	r.Use(x)
	r.Begin(b, schema.DefaultLimits())
	for i := range b.Events {
		e := &b.Events[i]
		r.Stamp(b, e)
		r.Agent(b, e)
		r.Place(b, e)
		if got := text(b, e, schema.FieldCountry); got != "GB" {
			t.Fatalf("country %q", got)
		}
	}
	if want := len("81.2.69.142" + "Chrome" + "143" + "Windows" + "10" + "desktop" + "GB"); len(b.Buf) != want {
		t.Errorf("%d bytes were written, want %d", len(b.Buf), want)
	}
}
