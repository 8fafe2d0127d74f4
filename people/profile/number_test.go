package profile

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

func TestAppendSum(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"1", "2", "3"},
		{"0", "-0", "0"},
		{"-0", "-0", "0"},
		{"-0.0", "-0.0", "0"},
		{"-5", "5", "0"},
		{"9223372036854775806", "1", "9223372036854775807"},
		{"-9223372036854775807", "-1", "-9223372036854775808"},
		{"9223372036854775807", "-9223372036854775808", "-1"},
		{"9223372036854775807", "1", "9.223372036854776e+18"},
		{"-9223372036854775808", "-1", "-9223372036854775808"}, // the nearest float is that
		{"-9223372036854775808", "-9223372036854775808", "-1.8446744073709552e+19"},
		{"9.223372036854776e+18", "-9.223372036854776e+18", "0"},
		{"18446744073709551615", "0", "1.8446744073709552e+19"},
		{"9007199254740993", "0", "9007199254740993"},
		{"9007199254740993", "0.0", "9007199254740992"},
		{"9007199254740993", "1", "9007199254740994"},
		{"0.1", "0.2", "0.30000000000000004"},
		{"0.5", "0.5", "1"},
		{"1.50", "0", "1.5"},
		{"1e2", "1", "101"},
		{"1E+2", "-1e-2", "99.99"},
		{"1e-7", "0", "1e-07"},
		{"1e-6", "0", "0.000001"},
		{"123456.75", "1e6", "1123456.75"},
		{"1e18", "0", "1000000000000000000"},
		{"1e19", "0", "1e+19"},
		{"5e-324", "0", "5e-324"},
		{"1e-400", "1", "1"},
		{"1.7e308", "1.7e308", ""},
		{"-1.7e308", "-1.7e308", ""},
		{"1.7e308", "-1.7e308", "0"},
		{"1e400", "1", ""},
		{"1", "-1e400", ""},
	} {
		for _, order := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
			got, ok := appendSum(nil, []byte(order[0]), []byte(order[1]))
			if ok != (c.want != "") || ok && string(got) != c.want {
				t.Errorf("%s + %s = %s, %v; want %s", order[0], order[1], got, ok, c.want)
			}
		}
	}
}

// What a float is written as is JSON, has its value, and is written in the same way again.
func TestAppendFloat(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 200_000 {
		f := math.Float64frombits(r.Uint64())
		if r.IntN(2) == 0 {
			f = math.Round(float64(int64(r.Uint64()))) / math.Pow(10, float64(r.IntN(25)))
		}
		if math.IsInf(f, 0) || math.IsNaN(f) {
			continue
		}
		text := appendFloat(nil, f)
		back, err := strconv.ParseFloat(string(text), 64)
		if err != nil || back != f || !json.Valid(text) {
			t.Fatalf("%v is written %s, which is %v", f, text, back)
		}
		again, ok := appendSum(nil, text, []byte("0"))
		if !ok || string(again) != string(text) {
			t.Fatalf("%s + 0 = %s", text, again)
		}
	}
}
