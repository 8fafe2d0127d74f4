package backlog

import (
	"fmt"
	"math"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	const hour, mib = time.Hour, 1 << 20
	never := math.Inf(1)
	for _, c := range []struct {
		what    string
		r       reading
		l       limits
		used    float64
		seconds float64
		byBytes bool
	}{
		{"nothing was ever written", reading{size: 0}, limits{hour, mib}, 0, never, false},
		{"all is read", reading{start: 5, end: 100, next: 100, age: 0, size: mib}, limits{hour, mib}, 0, never, false},
		{"confirmed beyond the end: another life of the topic", reading{end: 100, next: 200, size: mib}, limits{hour, mib}, 0, never, false},
		{"no limits", reading{end: 100, size: mib}, limits{}, 0, never, false},
		{"age alone", reading{end: 100, next: 50, age: hour / 4, size: -1}, limits{age: hour}, 0.25, 2700, false},
		{"older than the limit", reading{end: 100, age: hour, size: -1}, limits{age: hour}, 1, 0, false},
		{"half of the bytes unread", reading{end: 100, next: 50, size: mib}, limits{bytes: mib}, 0.5, never, true},
		{"the share counts from the start of the log", reading{start: 100, end: 200, next: 175, size: mib}, limits{bytes: mib}, 0.25, never, true},
		{"removed unread", reading{start: 100, end: 200, next: 50, size: mib}, limits{bytes: 2 * mib}, 0.5, never, true},
		{"bytes at a pace", reading{end: 100, next: 50, size: mib, perSecond: 1024}, limits{bytes: mib}, 0.5, 512, true},
		{"space is gone", reading{end: 100, size: mib}, limits{bytes: mib}, 1, 0, true},
		{"size is not known", reading{end: 100, size: -1}, limits{bytes: mib}, 0, never, false},
		{"age decides, bytes are sooner", reading{end: 100, next: 50, age: hour * 3 / 4, size: mib, perSecond: mib}, limits{hour, mib}, 0.75, 0.5, false},
		{"bytes decide, age is sooner", reading{end: 100, next: 10, age: hour / 2, size: mib, perSecond: 1}, limits{hour, mib}, 0.9, 1800, true},
	} {
		h := judge(&c.r, c.l)
		if math.Abs(h.used-c.used) > 1e-9 || h.seconds != c.seconds && math.Abs(h.seconds-c.seconds) > 1e-6 || h.byBytes != c.byBytes {
			t.Errorf("%s: %+v, want %v used, %v seconds, by bytes %t", c.what, h, c.used, c.seconds, c.byBytes)
		}
	}
}

func TestLevelsDoNotFlap(t *testing.T) {
	now := fine
	for i, c := range []struct {
		used float64
		want level
	}{
		{0, fine},
		{0.49, fine},
		{0.5, tight},
		{0.45, tight},
		{0.39, fine},
		{0.45, fine},
		{0.89, tight},
		{0.9, refusing},
		{0.85, refusing},
		{0.8, refusing},
		{0.79, tight},
		{0.85, tight},
		{0.9, refusing},
		{5, refusing},
		{0.39, fine},
		{1, refusing},
		{-1, fine},
	} {
		if now = now.next(c.used, 0.9); now != c.want {
			t.Errorf("step %d, %v used: level %d, want %d", i, c.used, now, c.want)
		}
	}
}

func TestParseLimits(t *testing.T) {
	for _, c := range []struct {
		ms, bytes string
		want      limits
		ok        bool
	}{
		{"604800000", "1073741824", limits{168 * time.Hour, 1 << 30}, true},
		{"-1", "-1", limits{}, true},
		{"", "", limits{}, true},
		{fmt.Sprint(math.MaxInt64), "0", limits{}, true},
		{"a week", "1", limits{}, false},
		{"1", "1e9", limits{}, false},
	} {
		got, err := parseLimits(map[string]string{"retention.ms": c.ms, "retention.bytes": c.bytes})
		if (err == nil) != c.ok || c.ok && got != c.want {
			t.Errorf("%q, %q: %+v, %v", c.ms, c.bytes, got, err)
		}
	}
}
