package sdk

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// unkept are members that need not be found again: the key, which is a secret, ids of events, which become the event's id, and times, which become its time. Neither
// need what SDKs of Segment tell their vendor's router, "_metadata" and "integrations".
var unkept = []string{"token", "$token", "writeKey", "messageId", "insert_id", "uuid", "timestamp", "originalTimestamp", "sentAt", "time", "$time"}

// lost lists the values in the event as it was sent, text and numbers at any depth, that are nowhere in its row.
func (w *want) lost(row map[string]any) (out []string) {
	var texts strings.Builder
	numbers := map[float64]bool{}
	keep := func(_ string, v any) {
		switch v := v.(type) {
		case string:
			texts.WriteString(v + "\n")
		case json.Number:
			f, _ := v.Float64()
			numbers[f] = true
		}
	}
	for column, v := range row {
		if slices.Contains([]string{"props", "traits", "context"}, column) {
			parsed, err := parse([]byte(fmt.Sprint(v)))
			if err == nil {
				leaves("", parsed, keep)
			}
			continue
		}
		keep(column, v)
	}
	all := texts.String()
	leaves("", w.sent, func(path string, v any) {
		name := path[strings.LastIndexByte(path, '/')+1:]
		if slices.Contains(unkept, name) || strings.HasPrefix(path, "/_metadata/") || strings.HasPrefix(path, "/integrations/") || path == "/event" || path == "/event_type" {
			return // the name is compared as a column: some stand for a type and go by one name for all SDKs
		}
		found := true
		switch v := v.(type) {
		case string:
			found = strings.Contains(all, v)
			if name == "library" {
				lib, version, _ := strings.Cut(v, "/")
				found = strings.Contains(all, lib) && strings.Contains(all, version)
			}
		case json.Number:
			f, _ := v.Float64()
			found = numbers[f] || strings.Contains(all, v.String())
		}
		if !found {
			out = append(out, fmt.Sprintf("%s = %s is nowhere in the row", path, clip(show(v))))
		}
	})
	return out
}

// invented lists the values in the row's context that the event does not have.
func (w *want) invented(row map[string]any) (out []string) {
	text := fmt.Sprint(row["context"])
	if text == "" {
		return nil
	}
	context, err := parse([]byte(text))
	if err != nil {
		return []string{fmt.Sprintf("context is no JSON: %v: %s", err, clip(text))}
	}
	said := map[string]bool{}
	note := func(v any) string { return show(normal(v)) }
	leaves("", w.sent, func(_ string, v any) { said[note(v)] = true })
	leaves("", context, func(path string, v any) {
		if !said[note(v)] {
			out = append(out, fmt.Sprintf("context%s = %s is nowhere in the event", path, clip(show(v))))
		}
	})
	return out
}

// leaves calls f for each value that is no object and no array.
func leaves(path string, v any, f func(path string, v any)) {
	switch v := v.(type) {
	case object:
		for name, member := range v {
			leaves(path+"/"+name, member, f)
		}
	case []any:
		for _, item := range v {
			leaves(path, item, f)
		}
	default:
		f(path, v)
	}
}
