package query

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema/clickhouse/access/escapes"
)

// besieged are the typed questions with every field that there is; # stands for the days of project 1's events, or project 2's.
var besieged = map[string]string{
	"trends": `{#,"interval":"day","series":[{"event":"own0","where":[{"field":"country","op":"is","values":["own0","own1"]}]},{"event":""}],
		"where":[{"field":"properties.secret","op":"is_not","values":["nothing"]}],"breakdown":"traits.email","limit":10,"measure":"all","source":"auto","timeout_ms":20000}`,
	"funnel": `{#,"steps":[{"event":"","where":[{"field":"traits.email","op":"not_contains","values":["nothing"]}]}],"window_ms":86400000,"order":"ordered",
		"where":[{"field":"city","op":"is_not","values":["nothing"]}],"breakdown":"properties.secret","limit":10,"timeout_ms":20000}`,
	"retention": `{#,"birth":{"event":"own0","where":[{"field":"device","op":"is_not","values":["nothing"]}]},"return":{"event":"own1","where":[{"field":"properties.secret","op":"set","values":[]}]},
		"period":"day","mode":"rolling","periods":7,"where":[{"field":"country","op":"is_not","values":["nothing"]}],"timeout_ms":20000}`,
	"paths":    `{#,"start":"own0","depth":3,"gap_ms":1000,"where":[{"field":"country","op":"is_not","values":["nothing"]}],"limit":50,"timeout_ms":20000}`,
	"timeline": `{#,"user":"own0","limit":10,"before":"9999999999999.0.0.5","timeout_ms":20000}`,
}

const (
	ownDays    = `"from":"2023-07-01","to":"2023-07-05"`
	canaryDays = `"from":"2093-07-01","to":"2093-07-10"`
	emptyDays  = `"from":"2090-07-01","to":"2090-07-10"`
)

// hostile are texts that want to be more than a value.
var hostile = []string{
	`' OR 1=1 --`, `\' OR 1=1 --`, `')) OR project_id = 2 --`, "' UNION ALL SELECT * FROM millrace.events --", `{project:UInt32}`, `{v1:String}`, "`", `"`, `$other`, "\x00", "\t\n\r\b",
	`\N`, `\`, `\\'`, `%`, `%\%`, `_`, `['a'] OR 1`, `*/ OR 1=1 /*`, "2) OR project_id = (2", `; DROP TABLE events`, "#project", "\u2028\u00a0", "'||(SELECT any(props) FROM millrace.events)||'",
	"project_id", "events.project_id", "props", "user_h", "toString(project_id)", "event FROM millrace.quarantine --", "properties.secret') OR project_id = 2 OR ('", "traits.$set", "`event`", "properties.",
	"9999999999999999999.1.1.1", "-1.0.0.0", "1.0.0.0) OR (1=1", "day; SELECT 2", "now() + INTERVAL 70 YEAR", "\xff\xfe", "2093-07-01T00:00:00Z' OR '1", strings.Repeat("'", 3000), "%27%20OR%201", "&param_project=2", "--boundary\r\nContent-Disposition: form-data; name=\"param_project\"\r\n\r\n2",
}

// oddities are values of another kind than the field's, as JSON.
var oddities = []string{
	`null`, `true`, `0`, `-1`, `0.5`, `1e400`, `-1e308`, `9223372036854775807`, `9223372036854775808`, `99999999999999999999999999999999999999`, `1e2`, `-0`, `""`, `"2"`, `[]`, `{}`, `[[[[[[]]]]]]`, `[null]`, `[{}]`,
	`{"event":{"event":"x"}}`, `["a",["b"]]`, `[1,"2",null]`, `{"$ne":null}`, `{"project":2}`, strings.Repeat("[", 12000) + strings.Repeat("]", 12000),
}

// smuggled are fields that there are not, as members of an object.
var smuggled = []string{
	`"project":2`, `"project_id":2`, `"Project":2`, `"database":"millrace"`, `"user":"p2_reader"`, `"account":{"user":"default"}`, `"settings":{"readonly":0}`, `"sql":"SELECT 2"`, `"query_id":"2-x"`, `"__proto__":{"project":2}`,
	`"parameters":{"project":"2"}`, `"Trends":{}`, `"beside":{}`, `"TimeoutMS":1`, `"":2`, `"from\u0000":1`, `"format":"Null"`, `"additional_table_filters":{}`,
}

// place is a part of a body: where it is, and how to put another there.
type place struct {
	path  []string
	value any
}

func (p place) String() string { return "/" + strings.Join(p.path, "/") }

// text tells whether any text may stand there, as a value.
func (p place) text() bool {
	last := p.path[len(p.path)-1]
	return slices.Contains([]string{"event", "start"}, last) || len(p.path) > 1 && p.path[len(p.path)-2] == "values" || len(p.path) == 1 && last == "user"
}

// placesOf finds every part of a value.
func placesOf(v any, path ...string) []place {
	var all []place
	if len(path) > 0 {
		all = append(all, place{slices.Clone(path), v})
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			all = append(all, placesOf(v[name], append(path, name)...)...)
		}
	case []any:
		for i, item := range v {
			all = append(all, placesOf(item, append(path, fmt.Sprint(i))...)...)
		}
	}
	return all
}

// replace returns the body with other JSON in a place.
func (p place) replace(t *testing.T, body, with string) string {
	t.Helper()
	var put func(v any, path []string) any
	put = func(v any, path []string) any {
		if len(path) == 0 {
			return json.RawMessage("@@")
		}
		switch v := v.(type) {
		case map[string]any:
			v[path[0]] = put(v[path[0]], path[1:])
		case []any:
			var i int
			if _, err := fmt.Sscan(path[0], &i); err != nil {
				t.Fatal(err)
			}
			v[i] = put(v[i], path[1:])
		}
		return v
	}
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatal(err)
	}
	marked := put(v, p.path)
	text, err := json.Marshal(unmarked{marked}.value())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(string(text), `"@@"`, with, 1)
}

// unmarked turns the mark, which is no JSON, into a text.
type unmarked struct{ v any }

func (u unmarked) value() any {
	switch v := u.v.(type) {
	case json.RawMessage:
		return string(v)
	case map[string]any:
		for name := range v {
			v[name] = unmarked{v[name]}.value()
		}
	case []any:
		for i := range v {
			v[i] = unmarked{v[i]}.value()
		}
	}
	return u.v
}

// fieldsOf are the names of all fields of a type, as JSON has them.
func fieldsOf(typ reflect.Type, into map[string]bool) {
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice:
		fieldsOf(typ.Elem(), into)
	case reflect.Struct:
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name != "" {
				into[name] = true
			}
			if name != "" || f.Anonymous {
				fieldsOf(f.Type, into)
			}
		}
	}
}

// questions puts what is hostile into every field of every typed question.
func (s *siege) questions(t *testing.T) {
	round := 0
	for _, name := range questionNames {
		category := "questions: " + name
		body := strings.Replace(besieged[name], "#", ownDays, 1)
		var v any
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatal(err)
		}
		places := placesOf(v)
		missing := map[string]bool{}
		fieldsOf(reflect.TypeOf(questions[name]()), missing)
		for _, p := range places {
			delete(missing, p.path[len(p.path)-1])
		}
		if len(missing) > 0 {
			t.Fatalf("%s: nothing tries the fields %v", name, missing)
		}
		ask := func(body string) reply {
			r := s.do("POST", "/v1/query/"+name, ourKey, body)
			s.judge(t, category, body, r)
			if r.status != http.StatusOK && r.status != http.StatusBadRequest || r.status == http.StatusBadRequest && fmt.Sprint(r.document(t)["code"]) == codeQueryRefused.String() {
				t.Errorf("%s %.500s: %s", name, body, r)
			}
			return r
		}
		ask(body).rows(t)
		for _, p := range places {
			for i, text := range hostile {
				if _, is := p.value.(string); !is || (i+round)%12 != 0 {
					continue // each text meets many places, each place many texts
				}
				quoted, err := json.Marshal(text)
				if err != nil {
					t.Fatal(err)
				}
				r := ask(p.replace(t, body, string(quoted)))
				if p.text() && r.status != http.StatusOK {
					t.Errorf("%s%v: %q is a value like any other, and was refused: %s", name, p, text, r)
				}
			}
			for i, odd := range oddities {
				if (i+round)%8 == 0 {
					ask(p.replace(t, body, odd))
				}
			}
			if object, is := p.value.(map[string]any); is {
				text, err := json.Marshal(object)
				if err != nil {
					t.Fatal(err)
				}
				for i, member := range smuggled {
					if (i+round)%2 == 0 {
						ask(p.replace(t, body, `{`+member+`,`+string(text[1:]))).mustBe(t, codeUnknownField)
					}
				}
			}
			round++
		}
		for _, member := range smuggled {
			ask(`{`+member+`,`+body[1:]).mustBe(t, refusalOf(name, member))
		}
		// Every field that is a key of something may also be a property's.
		for i, key := range []string{"secret", "it's", `\`, "a.b", "') OR 1 --", "$set", "\x00", "é"} {
			quoted, err := json.Marshal("properties." + key)
			if err != nil {
				t.Fatal(err)
			}
			for j, p := range places {
				if last := p.path[len(p.path)-1]; (last == "breakdown" || last == "field") && (i+j)%3 == 0 {
					if r := ask(p.replace(t, body, string(quoted))); r.status != http.StatusOK && !strings.Contains(string(r.body), "/op") {
						t.Errorf("%s%v: %s: %s", name, p, quoted, r)
					}
				}
			}
		}
		// The days of project 2's events are to project 1 as any without events, and hold everything for project 2.
		plain := strings.NewReplacer("own0", "", "own1", "").Replace(besieged[name])
		if name == "timeline" {
			plain = `{#,"user":"` + escapes.Tokens[0] + `0"}`
		}
		full, empty := strings.Replace(plain, "#", canaryDays, 1), strings.Replace(plain, "#", emptyDays, 1)
		if got, want := ask(full).rows(t), ask(empty).rows(t); got != want {
			t.Errorf("%s: on the days of project 2's events project 1 sees %s, and on others %s", name, got, want)
		}
		r := s.do("POST", "/v1/query/"+name, theirKey, full)
		if rows := r.rows(t); rows == ask(empty).rows(t) || !s.control(category, r, full) && !strings.Contains(rows, "2093-07-0") {
			t.Errorf("%s: project 2 does not see its own: %s", name, r)
		}
	}
	s.alive(t)
}

// refusalOf is how a field that there is not is refused, and timeline's own.
func refusalOf(question, member string) code {
	if question == "timeline" && strings.HasPrefix(member, `"user"`) {
		return codeInvalidJSON // twice
	}
	return codeUnknownField
}
