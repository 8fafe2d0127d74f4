package keys

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a text that no log, message or document shows by accident: everything that formats or encodes it gets [redacted]. The zero
// value is empty. It is immutable and safe for concurrent use; == does not compare the texts.
type Secret struct {
	// A pointer, because fmt prints the unexported fields of other people's structs without asking their methods; of a pointer
	// below the top it prints the address only.
	text *string
}

// NewSecret wraps s.
func NewSecret(s string) Secret { return Secret{text: &s} }

// Reveal returns the text itself. Call it where the text is used, and only there.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Empty reports whether there is no text.
func (s Secret) Empty() bool { return s.Reveal() == "" }

// String returns a placeholder.
func (s Secret) String() string { return redacted }

// Format writes a placeholder for every verb.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) } //nolint:errcheck // fmt gathers the output in memory

// LogValue returns a placeholder.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns a placeholder; encoders for JSON, YAML and XML use it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
