package keys

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/schema"
)

// What a key says of its clients, in the order in which it is offered.
var (
	dialects  = []schema.Dialect{schema.DialectNative, schema.DialectSegment, schema.DialectPostHog, schema.DialectAmplitude, schema.DialectMixpanel}
	addresses = []schema.AddressPolicy{schema.KeepAddress, schema.TruncateAddress, schema.HashAddress, schema.DropAddress}
)

// ParseDialect reads the name of an SDK family. ErrBadKey, with those there are, when it is none.
func ParseDialect(word string) (schema.Dialect, error) {
	d, ok := schema.ParseDialect(word)
	if !ok {
		return d, fmt.Errorf("%w: dialect %q: choose from %s", ErrBadKey, word, list(dialects))
	}
	return d, nil
}

// ParseAddress reads what becomes of addresses. ErrBadKey, with what there is, when it is nothing.
func ParseAddress(word string) (schema.AddressPolicy, error) {
	p, ok := schema.ParseAddressPolicy(word)
	if !ok {
		return p, fmt.Errorf("%w: address %q: choose from %s", ErrBadKey, word, list(addresses))
	}
	return p, nil
}

func list[T fmt.Stringer](choices []T) string {
	words := make([]string, len(choices))
	for i, c := range choices {
		words[i] = c.String()
	}
	return strings.Join(words, ", ")
}
