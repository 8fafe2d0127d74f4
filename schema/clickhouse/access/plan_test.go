package access

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

func TestUsersOfProjects(t *testing.T) {
	asked := map[string]int{}
	p := Users("millrace", []uint32{7, 1, 7}, func(user string) string { asked[user]++; return "x" })
	var names []string
	for _, u := range p.Users {
		names = append(names, u.Name)
		if u.PasswordHash != "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" {
			t.Errorf("hash of %s: %s", u.Name, u.PasswordHash)
		}
	}
	if got := strings.Join(names, " "); got != "p1_reader p1_analyst p7_reader p7_analyst" || len(asked) != 4 {
		t.Errorf("users %q, passwords asked for %v", got, asked)
	}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back Plan
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, p) {
		t.Errorf("after JSON: %+v, %v", back, err)
	}
}

// Fragments are put into a file by text, so each must be well-formed alone.
func TestFragmentsAreWellFormed(t *testing.T) {
	for _, projects := range [][]uint32{nil, {1}, {0, 1, 4294967295}} {
		f := Users("millrace", projects, func(user string) string { return user }).XML()
		for name, text := range map[string]string{"profiles": f.Profiles, "quotas": f.Quotas, "users": f.Users, "databases": f.Databases, "grants": f.Grants} {
			d := xml.NewDecoder(strings.NewReader("<x>" + text + "</x>"))
			for {
				if _, err := d.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%s: %v\n%s", name, err, text)
				}
			}
		}
	}
}

func TestValidateReportsEveryProblem(t *testing.T) {
	p := Plan{Database: "mill race", Users: []User{
		{Name: "default", Project: 1, PasswordHash: strings.Repeat("0", 64)},
		{Name: "p1_reader", Project: 2, PasswordHash: strings.Repeat("0", 64)},
		{Name: "p3_reader", Project: 3, PasswordHash: "x</y>"},
		{Name: "p4_reader", Project: 4, PasswordHash: strings.Repeat("0", 64)},
		{Name: "p4_reader", Project: 4, PasswordHash: strings.Repeat("0", 64)},
	}, Limits: DefaultLimits()}
	p.Limits.DefaultTime, p.Limits.MaxResultRows = p.Limits.MaxTime+1, 0
	err := p.Validate()
	for _, want := range []string{
		`access.database: "mill race"`, `"default" is`, `"p1_reader" is`, `password of "p3_reader"`, `"p4_reader" is there twice`,
		"access.limits.default_time", "access.limits.max_result_rows: 0",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
	if n := len(strings.Split(err.Error(), "\n")); n != 7 {
		t.Errorf("%d problems, want 7:\n%v", n, err)
	}
}
