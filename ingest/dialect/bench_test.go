package dialect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/bytedance/sonic"

	"github.com/millrace/millrace/schema"
)

// segmentEvent is what the decoder takes out of an event, for a decoder of typed structs: properties and traits stay text, as with us.
type segmentEvent struct {
	Type              string          `json:"type"`
	Event             string          `json:"event"`
	Name              string          `json:"name"`
	MessageID         string          `json:"messageId"`
	UserID            string          `json:"userId"`
	AnonymousID       string          `json:"anonymousId"`
	GroupID           string          `json:"groupId"`
	PreviousID        string          `json:"previousId"`
	Timestamp         string          `json:"timestamp"`
	OriginalTimestamp string          `json:"originalTimestamp"`
	Properties        json.RawMessage `json:"properties"`
	Traits            json.RawMessage `json:"traits"`
	Context           json.RawMessage `json:"context"`
}

type segmentBody struct {
	Batch  []segmentEvent `json:"batch"`
	SentAt string         `json:"sentAt"`
}

// benchBodies are batches of n events: one as a shop's server sends it and some that are hard on a scanner.
func benchBodies(n int) map[string][]byte {
	const context = `{"library":{"name":"@segment/analytics-node","version":"3.1.0"},"locale":"de-DE","ip":"203.0.113.9","page":{"url":"https://shop.example/checkout/7?x=1","path":"/checkout/7",` +
		`"referrer":"https://shop.example/cart","title":"Danke"},"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",` +
		`"screen":{"width":1920,"height":1080},"campaign":{"source":"newsletter","medium":"email","name":"november"}}`
	batch := func(properties string) []byte {
		var b bytes.Buffer
		b.WriteString(`{"batch":[`)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"timestamp":"2026-11-01T10:%02d:%02d.131Z","type":"track","event":"Product Viewed","messageId":"0192b6c1-7d2e-7a3b-9c1f-0123456789%02d","userId":"user-%06d","properties":%s,"context":%s}`,
				i/60%60, i%60, i%100, i*7919%1000000, properties, context)
		}
		b.WriteString(`],"sentAt":"2026-11-01T10:11:13.000Z"}`)
		return b.Bytes()
	}
	realistic := shopBatch(n)
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, realistic, "", "    "); err != nil {
		panic(err)
	}
	return map[string][]byte{
		"realistic": realistic,
		"pretty":    pretty.Bytes(),
		"escapes":   batch(`{"a":"` + strings.Repeat(`\"\\\/\u00e9\n`, 32) + `"}`),
		"unicode":   batch(`{"a":"` + strings.Repeat("漢字かな交じり文🙂é", 16) + `"}`),
		"brackets":  batch(`{"a":[` + strings.Repeat("[[[[[[[]]]]]]],", 26) + `0]}`),
		"numbers":   batch(`{"a":[` + strings.Repeat("-1.25e-7,3,", 36) + `0]}`),
		"tiny":      batch(`{` + strings.Repeat(`"a":1,"b":"",`, 30) + `"c":{}}`),
	}
}

// BenchmarkDecode compares the decoder with sonic's strict one (syntax checked everywhere, strings that are decoded checked for UTF-8, those inside of
// raw values not) and with encoding/json, both into structs that
// keep properties, traits and context as text.
func BenchmarkDecode(b *testing.B) {
	const n = 100
	if sonic.APIKind != sonic.UseSonicJSON {
		b.Fatalf("sonic fell back to encoding/json (API kind %v): the comparison would be with the wrong decoder", sonic.APIKind)
	}
	for _, name := range []string{"realistic", "pretty", "escapes", "unicode", "brackets", "numbers", "tiny"} {
		body := benchBodies(n)[name]
		run := func(decoder string, decode func() error) {
			b.Run(name+"/"+decoder, func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					if err := decode(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/event")
			})
		}
		r, _ := Lookup([]byte("/v1/batch"))
		d, batch := New(schema.DefaultLimits(), n), new(schema.Batch)
		run("millrace", func() error {
			batch.Reset(4 << 20)
			batch.Buf = append(batch.Buf, body...)
			return d.Decode(r, batch, Options{})
		})
		run("sonic", func() error {
			var into segmentBody
			return sonic.ConfigStd.Unmarshal(body, &into)
		})
		run("encoding-json", func() error {
			var into segmentBody
			return json.Unmarshal(body, &into)
		})
	}
}
