package sink

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
)

func TestRevenue(t *testing.T) {
	for _, c := range []struct {
		properties string
		want       int64
	}{
		{``, 0},
		{`{}`, 0},
		{`{"revenue":1}`, 1_0000},
		{`{ "revenue" : 129.95 , "x":1}`, 129_9500},
		{`{"$revenue":2.5}`, 2_5000},
		{`{"$revenue":2.5,"revenue":1}`, 1_0000},
		{`{"revenue":1,"$revenue":2.5}`, 1_0000},
		{`{"revenue":1,"revenue":2}`, 2_0000},       // the last of several
		{`{"r\u0065venue":3}`, 3_0000},              // an escaped key is the same key
		{`{"\u0024revenu\u0065":4}`, 4_0000},        //
		{`{"revenue":"19.99"}`, 0},                  // a string is text
		{`{"revenue":null,"$revenue":7}`, 0},        // named, but no number
		{`{"revenue":[1],"a":{"revenue":5}}`, 0},    // only the outermost level
		{`{"a":{"revenue":5}}`, 0},                  //
		{`{"a":"revenue\"","revenue":6}`, 6_0000},   //
		{`{"xrevenue":5,"revenue2":6}`, 0},          //
		{`{"note":"revenue"}`, 0},                   // a value, not a key
		{`{"revenue":-0.5}`, -5000},                 //
		{`{"revenue":-0}`, 0},                       //
		{`{"revenue":1e3}`, 1000_0000},              //
		{`{"revenue":1.5E-2}`, 150},                 //
		{`{"revenue":0.00005}`, 1},                  // half away from zero
		{`{"revenue":-0.00005}`, -1},                //
		{`{"revenue":0.000049999}`, 0},              //
		{`{"revenue":19.999999999999996}`, 20_0000}, // a float's noise
		{`{"revenue":99999999999999.9999}`, 999_999_999_999_999_999},
		{`{"revenue":99999999999999.99994}`, 999_999_999_999_999_999},
		{`{"revenue":99999999999999.99995}`, 0}, // rounded out of range
		{`{"revenue":100000000000000}`, 0},
		{`{"revenue":1e14}`, 0},
		{`{"revenue":1e400}`, 0},
		{`{"revenue":-1e999999999999999999999}`, 0},
		{`{"revenue":1e-999999999999999999999}`, 0},
		{`{"revenue":0e999999999999999999999}`, 0},
		{`{"revenue":0.` + strings.Repeat("0", 1000) + `1e1001}`, 1_0000},
		{`{"revenue":` + strings.Repeat("1", 1000) + `e-999}`, 1_1111},
		{`{"revenue":1} x`, 1_0000}, // the object is what counts
		{`{"revenue":1,`, 0},        // not JSON
		{`{"revenue":tru}`, 0},
		{`["revenue",1]`, 0},
	} {
		var p revenuePicker
		if got := p.revenue([]byte(c.properties)); got != c.want {
			t.Errorf("revenue(%.80s) = %d, want %d", c.properties, got, c.want)
		}
	}
}

// decimalOracle computes with exact fractions.
func decimalOracle(text string) (int64, bool) {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic(text)
	}
	r.Mul(r, big.NewRat(10_000, 1))
	negative := r.Sign() < 0
	r.Abs(r)
	r.Add(r, big.NewRat(1, 2))
	n := new(big.Int).Quo(r.Num(), r.Denom())
	if n.Cmp(big.NewInt(1_000_000_000_000_000_000)) >= 0 {
		return 0, false
	}
	if negative {
		n.Neg(n)
	}
	return n.Int64(), true
}

func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"0", "-0.0", "1.5", "123456789012345678901234567890", "0.00004999", "99999999999999.99995", "1e14", "12E-3", "-1e+5", "0.5e-4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 60 || !json.Valid([]byte(s)) {
			return
		}
		s = strings.TrimSpace(s)
		if s == "" || (s[0] != '-' && (s[0] < '0' || s[0] > '9')) {
			return
		}
		if _, e, ok := strings.Cut(strings.ToLower(s), "e"); ok && len(strings.TrimLeft(e, "+-0")) > 4 {
			return // the oracle would compute powers of ten for minutes
		}
		n, ok := decimal([]byte(s))
		wantN, wantOK := decimalOracle(s)
		if n != wantN || ok != wantOK {
			t.Errorf("decimal(%s) = %d, %v; want %d, %v", s, n, ok, wantN, wantOK)
		}
	})
}
