package logging

import (
	"io"
	"log/slog"
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	var b strings.Builder
	w := Lines(slog.New(newJSONHandler(&b, slog.LevelInfo)))
	for _, line := range []string{"ERROR: metrics: cannot read\n", "\n"} {
		if n, err := io.WriteString(w, line); n != len(line) || err != nil {
			t.Errorf("%q: %d, %v", line, n, err)
		}
	}
	if got := b.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"level":"WARN","msg":"ERROR: metrics: cannot read","component":"library"`) {
		t.Errorf("got %s", got)
	}
}
