package report

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/millrace/millrace/bench/scenario"
)

// Mismatch is something in which two runs differ.
type Mismatch struct {
	What string `json:"what"` // scenario.load.batch, environment.cpu, …
	A    string `json:"a"`
	B    string `json:"b"`
	// Work says that because of it the runs did not do the same work on the same machine, so that figures cannot be compared; else it may be the very thing compared, as a commit is.
	Work bool `json:"work"`
}

// mismatches lists what differs, what forbids comparing first.
func mismatches(a, b *Result) []Mismatch {
	var found []Mismatch
	add := func(what string, work bool, x, y string) {
		if x != y {
			found = append(found, Mismatch{what, orNone(x), orNone(y), work})
		}
	}
	work := func(s scenario.Scenario) map[string]string {
		s.Name, s.Description, s.Thresholds = "", "", scenario.Thresholds{} // these change nothing in what is sent
		all := make(map[string]string)
		flatten(all, "scenario", reflect.ValueOf(s))
		return all
	}
	eachKey(work(a.Scenario), work(b.Scenario), func(key, x, y string) { add(key, true, x, y) })
	ea, eb := &a.Environment, &b.Environment
	add("environment.cpu", true, ea.CPU, eb.CPU)
	add("environment.cpus", true, fmt.Sprint(ea.CPUs), fmt.Sprint(eb.CPUs))
	add("environment.memory", true, size(ea.Memory), size(eb.Memory))
	add("durability", true, a.Durability, b.Durability)
	add("aborted", true, fmt.Sprint(a.aborted()), fmt.Sprint(b.aborted()))
	add("target", false, a.Target, b.Target)
	add("environment.host", false, ea.Host, eb.Host)
	add("environment.os", false, ea.OS, eb.OS)
	add("environment.kernel", false, ea.Kernel, eb.Kernel)
	add("environment.go", false, ea.Go, eb.Go)
	eachKey(ea.Versions, eb.Versions, func(key, x, y string) { add("version."+key, false, x, y) })
	eachKey(ea.Config, eb.Config, func(key, x, y string) { add("config."+key, false, x, y) })
	slices.SortStableFunc(found, func(x, y Mismatch) int {
		switch {
		case x.Work == y.Work:
			return 0
		case x.Work:
			return -1
		}
		return 1
	})
	return found
}

func orNone(s string) string {
	if s == "" {
		return none
	}
	return s
}

// eachKey calls with the values of every key that is in either map, sorted.
func eachKey(a, b map[string]string, call func(key, a, b string)) {
	keys := maps.Clone(a)
	if keys == nil {
		keys = make(map[string]string)
	}
	maps.Copy(keys, b)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		call(key, a[key], b[key])
	}
}

// flatten writes the values of a struct under their YAML keys.
func flatten(all map[string]string, prefix string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
			flatten(all, prefix+"."+name, v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			flatten(all, fmt.Sprintf("%s[%d]", prefix, i), v.Index(i))
		}
	default:
		all[prefix] = fmt.Sprint(v.Interface())
	}
}
