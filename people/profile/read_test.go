package profile

import (
	"fmt"
	"strings"
	"testing"
)

func shown(ops []Operation) string {
	var parts []string
	for _, o := range ops {
		parts = append(parts, fmt.Sprintf("%v %s %s", o.Op, o.Name, o.Value))
	}
	return strings.Join(parts, "; ")
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		traits, want string
		ignored      int
	}{
		{`{"plan":"pro","n": 1.50 }`, `set plan "pro"; set n 1.50`, 0},
		{` {"$unset":["x"],"$append":{"l":{"a" : [ ]}},"$add":{"n":-1},"$set_once":{"o":null},"$set":{"plan":"pro"}} `, `set plan "pro"; set_once o null; add n -1; append l {"a":[]}; unset x `, 0},
		{
			`{"$unset":["x"],"$remove":{"l":[1, 2]},"$union":{"l":"a"},"$prepend":{"l":[]},"$concat":{"l":{ },"m":[ [1] ]},"$append":{"l":1},"$clear":true,"$set":{"l":[0]}}`,
			`clear  ; set l [0]; append l 1; concat l {}; concat m [[1]]; prepend l []; union l "a"; remove l [1,2]; unset x `, 0,
		},
		{`{"$clear":false}`, ``, 0},
		{`{"$clear":null,"$add":{"a":1}}`, `add a 1`, 0},
		{`{"$clear":false,"$clear":true}`, `clear  `, 0},
		{`{"$clear":1,"$concat":[1],"$prepend":"a","$union":5,"$remove":["a"]}`, ``, 5},
		{`{"$clear":"true","$union":{"a":1e999,"b":1}}`, `union b 1`, 2},
		{`{"$clear":true,"name":1}`, `set $clear true; set name 1`, 0},
		{`{"$unset":{"a":1,"b":null}}`, `unset a ; unset b `, 0},
		{`{"$set":{"a":1},"plan":"pro"}`, `set $set {"a":1}; set plan "pro"`, 0},
		{`{"$set":{"$set":{"a":1}}}`, `set $set {"a":1}`, 0},
		{`{"$set":{},"$set":{"a":1,"a":2}}`, `set a 2`, 0},
		{`{"$set":{"a":1},"$set":null}`, ``, 0},
		{`{"\u0024set":{"\u0061\n":"\u0062"}}`, "set a\n \"\\u0062\"", 0},
		{`{"$set":5,"$add":[],"$unset":"a","$append":{"a":1}}`, `append a 1`, 3},
		{`{"$add":{"a":"1","b":null,"c":1e400,"d":1,"d":"x"}}`, ``, 4},
		{`{"$unset":["a",5,null,"a","b"]}`, `unset a ; unset b `, 2},
		{`{"a":"\ud800","b":"\ud83d\ude00\ude00\\ud800","c":"\uD83Dx\uD83D\n"}`, `set a "\ufffd"; set b "\ud83d\ude00\ufffd\\ud800"; set c "\ufffdx\ufffd\n"`, 0},
		{`{"\ud800":1}`, "set \ufffd 1", 0},
		{`{"a":123456789012345678901234567890,"b":-9223372036854775809,"c":18446744073709551615,"d":[1e999],"e":1E5,"f":-0}`, `set a 1.2345678901234568e+29; set b -9223372036854775808; set c 18446744073709551615; set e 1E5; set f -0`, 1},
		{`{"a":0.` + strings.Repeat("3", 100) + `}`, `set a 0.3333333333333333`, 0},
		{`{}`, ``, 0},
		{``, ``, 0},
		{`[{"a":1}]`, ``, 0},
		{`{"a":1} 2`, ``, 0},
		{`{"a":tru}`, ``, 0},
		{"{\"a\":\"\xff\"}", ``, 0},
		{`{"a":` + strings.Repeat("[", 511) + strings.Repeat("]", 511) + `}`, `set a ` + strings.Repeat("[", 511) + strings.Repeat("]", 511), 0},
		{`{"a":` + strings.Repeat("[", 512) + strings.Repeat("]", 512) + `}`, ``, 0},
		{`{"` + strings.Repeat("n", MaxNameBytes) + `":1,"` + strings.Repeat("n", MaxNameBytes+1) + `":1}`, `set ` + strings.Repeat("n", MaxNameBytes) + ` 1`, 1},
		{`{"a":"` + strings.Repeat(" ", MaxValueBytes-1) + `","b":[` + strings.Repeat(" ", MaxValueBytes) + `]}`, `set b []`, 1},
	} {
		before := c.traits
		ops, ignored := Read([]byte(c.traits))
		if got := shown(ops); got != c.want || ignored != c.ignored {
			t.Errorf("Read(%.100s) = %.200s, %d; want %.200s, %d", before, got, ignored, c.want, c.ignored)
		}
	}
}

func TestLimitsOfRead(t *testing.T) {
	var b strings.Builder
	for i := range MaxNames + 3 {
		fmt.Fprintf(&b, `"n%d":1,`, i)
	}
	ops, ignored := Read([]byte(`{"$set":{` + b.String() + `"n0":2},"$add":{"x":1}}`))
	if len(ops) != MaxNames+1 || ignored != 3 || ops[0].Value != "2" || ops[MaxNames].Op != Add {
		t.Errorf("%d operations, %d ignored, first %+v", len(ops), ignored, ops[0])
	}
}

func TestOpNames(t *testing.T) {
	for op, want := range map[Op]string{0: "Op(0)", Set: "set", SetOnce: "set_once", Add: "add", Append: "append", Unset: "unset", Concat: "concat", Prepend: "prepend", Union: "union", Remove: "remove", Clear: "clear", 11: "Op(11)"} {
		if op.String() != want {
			t.Errorf("%d is %s, want %s", op, op, want)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	for name, text := range map[string]string{
		"traits":     `{"email":"ada@example.com","name":"Ada","plan":"pro","logins":17,"company":{"name":"Example","seats":12},"createdAt":"2026-11-01T10:11:12Z"}`,
		"operations": `{"$set":{"plan":"pro"},"$set_once":{"first_seen":"2026-11-01"},"$add":{"logins":1}}`,
	} {
		b.Run(name, func(b *testing.B) {
			traits := []byte(text)
			b.ReportAllocs()
			b.SetBytes(int64(len(traits)))
			for b.Loop() {
				if ops, _ := Read(traits); len(ops) == 0 {
					b.Fatal("none")
				}
			}
		})
	}
}
