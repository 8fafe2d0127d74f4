package enrich

import (
	"log/slog"
	"testing"

	"github.com/VictoriaMetrics/metrics"
)

func enricher(t testing.TB, change func(*Config)) *Enricher {
	t.Helper()
	cfg := DefaultConfig()
	cfg.CountryDatabase = None
	if change != nil {
		change(&cfg)
	}
	x, err := New(cfg, Deps{AddressSecret: []byte("0123456789abcdef0123456789abcdef"), Logger: slog.New(slog.DiscardHandler), Metrics: metrics.NewSet()})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func BenchmarkAgentRead(b *testing.B) {
	r, err := newAgentReader()
	if err != nil {
		b.Fatal(err)
	}
	texts := []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
	}
	for i := 0; b.Loop(); i++ {
		r.understand(texts[i%2])
	}
}
