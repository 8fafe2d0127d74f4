package query

import (
	"mime"
	"strconv"
	"strings"
)

// format is how a result is sent.
type format uint8

const (
	formatJSON format = iota
	formatCSV
	formatParquet
	numFormats
)

// formats is what each format is to HTTP and to ClickHouse. Of its JSON formats, JSONCompact is one that always sends valid UTF-8.
var formats = [numFormats]struct {
	accept, contentType, engine string
}{
	formatJSON:    {"application/json", "application/json", "JSONCompact"},
	formatCSV:     {"text/csv", "text/csv; charset=utf-8; header=present", "CSVWithNames"},
	formatParquet: {"application/vnd.apache.parquet", "application/vnd.apache.parquet", "Parquet"},
}

// negotiate chooses the format for an Accept header (RFC 9110 §12.5.1): the one with the highest weight, and of equals the first of the table. Nothing accepted
// explicitly means JSON. ok is false when none is acceptable.
func negotiate(accept string) (best format, ok bool) {
	if strings.TrimSpace(accept) == "" {
		return formatJSON, true
	}
	bestWeight := 0.0
	for f := range numFormats {
		if w := weight(accept, formats[f].accept); w > bestWeight {
			best, bestWeight = f, w
		}
	}
	return best, bestWeight > 0
}

// weight is what the Accept header gives to a media type: that of its most specific range which matches.
func weight(accept, media string) float64 {
	kind, _, _ := strings.Cut(media, "/")
	found, specific := 0.0, -1
	for part := range strings.SplitSeq(accept, ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		level := -1
		switch name {
		case media:
			level = 2
		case kind + "/*":
			level = 1
		case "*/*":
			level = 0
		}
		if level <= specific {
			continue
		}
		found, specific = 1, level
		if q, given := params["q"]; given {
			w, err := strconv.ParseFloat(q, 64)
			if err != nil || w < 0 || w > 1 {
				w = 0
			}
			found = w
		}
	}
	return found
}
