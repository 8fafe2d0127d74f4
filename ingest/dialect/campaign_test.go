package dialect

import (
	"fmt"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema"
)

func TestCampaign(t *testing.T) {
	long := strings.Repeat("x", maxContextText)
	for _, c := range []struct{ page, campaign, want string }{
		{`https://h/p?utm_source=news&utm_medium=mail&utm_campaign=nov`, ``, "news|mail|nov"},
		{`https://h/p?a=1&utm_campaign=nov#utm_source=no`, ``, "||nov"},
		{`https://h/p?utm_source=&utm_source=second&utm_source=third`, ``, "second||"},
		{`?utm_source=K%C3%B6ln+%2B+%26%zz%4`, ``, "Köln + &%zz%4||"},
		{`?utm_source=%ff%fe!`, ``, "\uFFFD!||"},
		{`https:\/\/h\/?utm_source=\u0061%22`, ``, `a"||`},
		{`/p?xutm_source=1&UTM_SOURCE=2&utm_sources=3&utm_source`, ``, "||"},
		{`/p?&&utm_medium=a=b&`, ``, "|a=b|"},
		{`/p?utm_source=page&utm_medium=page`, `"source":"mine"`, "mine||"},
		{`/p?utm_source=page`, `"name":"","source":null,"medium":7`, "page||"},
		{`/p?utm_source=` + long, ``, "||"}, // too long for any field
	} {
		body := fmt.Sprintf(`{"context":{"page":{"url":"%s"},"campaign":{%s}}}`, c.page, c.campaign)
		b := &schema.Batch{Buf: []byte(body)}
		if err := New(schema.DefaultLimits(), 1).Decode(route(t, "/v1/track"), b, Options{}); err != nil {
			t.Fatal(err)
		}
		e := &b.Events[0]
		text := func(f schema.Field) string { return string(e.Text(f).AppendValue(nil, b.Buf)) }
		if got := text(schema.FieldCampaignSource) + "|" + text(schema.FieldCampaignMedium) + "|" + text(schema.FieldCampaignName); got != c.want {
			t.Errorf("%.80s %s: %q, want %q", c.page, c.campaign, got, c.want)
		}
	}
}

// A campaign that stands in the address as it is costs no memory.
func TestCampaignIsNotCopied(t *testing.T) {
	body := `{"context":{"page":{"url":"https://h/p?utm_source=news&utm_medium=mail&utm_campaign=nov"}}}`
	b := &schema.Batch{Buf: []byte(body)}
	if err := New(schema.DefaultLimits(), 1).Decode(route(t, "/v1/track"), b, Options{}); err != nil {
		t.Fatal(err)
	}
	if len(b.Buf) != len(body) || !b.Events[0].Has(schema.FieldCampaignName) {
		t.Errorf("%q", b.Buf[len(body):])
	}
}

func BenchmarkCampaign(b *testing.B) {
	for name, query := range map[string]string{"none": "", "other": "?color=red&size=42", "plain": "?utm_source=news&utm_medium=mail&utm_campaign=nov", "encoded": "?utm_source=K%C3%B6ln+mail&utm_medium=mail&utm_campaign=nov"} {
		b.Run(name, func(b *testing.B) {
			body := []byte(`{"type":"track","event":"e","userId":"u","context":{"page":{"url":"https://shop.example/checkout` + query + `"}}}`)
			d, batch, r := New(schema.DefaultLimits(), 1), new(schema.Batch), route(b, "/v1/track")
			b.ReportAllocs()
			for b.Loop() {
				batch.Reset(1 << 20)
				batch.Buf = append(batch.Buf, body...)
				if err := d.Decode(r, batch, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
