package verify

import (
	"path/filepath"
	"testing"

	"github.com/millrace/millrace/bench/generate"
	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/scenario"
)

// Events per producer: 84 sends, 4 rounds of the pool; in each round slot 4 is refused, slots 10 and 16 are repeats.
const (
	valid      = total - 4*3
	repeats    = 4 * 2
	refusals   = 4
	validAll   = producers * valid
	repeatsAll = producers * repeats
)

func TestCleanRunPasses(t *testing.T) {
	w := newWorld(t, openStore(t), usual)
	v := w.verify()
	w.expect(v, nil)
	if v.Run != w.run.String() || !v.Complete || !v.Drained || v.Checked.IsZero() || v.Seconds <= 0 {
		t.Errorf("verdict %+v", v)
	}
	if v.Sent != producers*total || v.Accepted != validAll+repeatsAll || v.Quarantined != producers*refusals || v.Rows != validAll || v.ClientDuplicates != 0 || v.UnknownStored != 0 || v.Unrecorded != 0 {
		t.Errorf("counts:\n%s", v.Text())
	}
}

func TestProgressReachesItsTotal(t *testing.T) {
	w := newWorld(t, openStore(t), usual)
	r, err := ledger.Open(w.path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // read only
	var done, all uint64
	if _, err := Verify(within(t), r, w.store, func(d, n uint64) {
		if d < done || n < all || d > n {
			t.Errorf("%d of %d after %d of %d", d, n, done, all)
		}
		done, all = d, n
	}); err != nil {
		t.Fatal(err)
	}
	if done != all || all != producers*total+validAll {
		t.Errorf("ends at %d of %d", done, all)
	}
}

// What the generator makes is what a ledger takes.
func TestPoolFitsTheLedger(t *testing.T) {
	for _, dialect := range []string{"segment", "native"} {
		s := scenario.Default()
		s.Load.Dialect, s.Load.Connections, s.Load.Batch, s.Events.PoolBytes = dialect, 3, 7, 4<<20
		s.Events.Duplicates, s.Events.Invalid, s.Events.Late = 0.1, 0.1, 0.1
		pool, err := generate.New(&s)
		if err != nil {
			t.Fatal(err)
		}
		h := ledger.Header{Run: ledger.NewRunID().String(), Producers: [][]ledger.Slot{}}
		for _, p := range append(pool.Producers, pool.Probe) {
			h.Producers = append(h.Producers, p.Slots)
		}
		w, err := ledger.Create(filepath.Join(t.TempDir(), "ledger"), h)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Negative controls: what is changed in ClickHouse by hand is found, exactly that, and nothing else.
func TestChangesByHandAreFound(t *testing.T) {
	s := openStore(t)
	const copyRows = "INSERT INTO EVENTS SELECT * FROM EVENTS WHERE event_id IN "
	for name, c := range map[string]struct {
		statements []string
		want       map[string]string
	}{
		"deleted": {
			[]string{"ALTER TABLE EVENTS DELETE WHERE event_id IN (EV(0, 0), EV(1, 11), EV(1, 12), EV(1, 13), EV(2, 83))"},
			map[string]string{"lost": "5: producer 0: 0; producer 1: 11–13; producer 2: 83"},
		},
		"deleted lightly": {
			[]string{"DELETE FROM EVENTS WHERE event_id IN (EV(1, 20), EV(1, 21), EV(1, 23))"},
			map[string]string{"lost": "3: producer 1: 20–21, 23"},
		},
		"duplicated": {
			[]string{copyRows + "(EV(0, 5), EV(0, 6), EV(2, 40))", copyRows + "(EV(2, 40))"}, // the second doubles both rows
			map[string]string{"duplicated": "5: producer 0: 5–6; producer 2: 40"},
		},
		"repeat stored more often than sent": {
			[]string{copyRows + "(EV(0, 7))", copyRows + "(EV(0, 7))"}, // sent twice, 4 rows
			map[string]string{"duplicated": "2: producer 0: 7"},
		},
		"other properties": {
			[]string{"ALTER TABLE EVENTS UPDATE props = concat(props, ' ') WHERE event_id IN (EV(0, 1), EV(1, 2))"},
			map[string]string{"corrupted": "2: producer 0: 1; producer 1: 2"},
		},
		"fields swapped": {
			[]string{"ALTER TABLE EVENTS UPDATE user_id = anonymous_id, anonymous_id = user_id WHERE event_id = EV(1, 2)"},
			map[string]string{"corrupted": "1: producer 1: 2"},
		},
		"every column counts": {
			[]string{
				"ALTER TABLE EVENTS UPDATE type = 'page' WHERE event_id = EV(0, 21)", "ALTER TABLE EVENTS UPDATE name = '' WHERE event_id = EV(0, 23)",
				"ALTER TABLE EVENTS UPDATE user_id = 'U' WHERE event_id = EV(0, 26)", "ALTER TABLE EVENTS UPDATE anonymous_id = '' WHERE event_id = EV(0, 28)",
				"ALTER TABLE EVENTS UPDATE group_id = '' WHERE event_id = EV(0, 30)", "ALTER TABLE EVENTS UPDATE previous_id = '' WHERE event_id = EV(0, 32)",
				"ALTER TABLE EVENTS UPDATE context = '{}' WHERE event_id = EV(0, 34)", "ALTER TABLE EVENTS UPDATE traits = '{}' WHERE event_id = EV(0, 36)",
			},
			map[string]string{"corrupted": "8: producer 0: 21, 23, 26, 28, 30, 32, 34, 36"},
		},
		"other time": {
			[]string{
				"INSERT INTO EVENTS SELECT * REPLACE (ts + toIntervalMillisecond(1) AS ts) FROM EVENTS WHERE event_id = EV(0, 2)",
				"INSERT INTO EVENTS SELECT * REPLACE (toDateTime64('1971-01-01', 3, 'UTC') AS ts) FROM EVENTS WHERE event_id = EV(0, 3)",
				"DELETE FROM EVENTS WHERE event_id IN (EV(0, 2), EV(0, 3)) AND toUnixTimestamp64Milli(ts) % 1000 = 123",
			},
			map[string]string{"corrupted": "2: producer 0: 2–3"},
		},
		"never sent": {
			[]string{
				"INSERT INTO EVENTS SELECT * REPLACE (EV(0, 84) AS event_id) FROM (SELECT * FROM EVENTS WHERE event_id IN (EV(0, 1), EV(0, 2)))",
				"INSERT INTO EVENTS SELECT * REPLACE (EV(1, 10) AS event_id) FROM (SELECT * FROM EVENTS WHERE event_id = EV(0, 1))", // the number of a repeat
				"INSERT INTO EVENTS SELECT * REPLACE (EV(7, 3) AS event_id) FROM (SELECT * FROM EVENTS WHERE event_id = EV(0, 1))",
				"INSERT INTO EVENTS SELECT * REPLACE (toUUID(replaceOne(toString(event_id), '-8000-8', '-8000-9')) AS event_id) FROM (SELECT * FROM EVENTS WHERE event_id = EV(0, 1))",
			},
			map[string]string{"invented": "5: producer 0: 84; producer 1: 10; producer 7: 3; producer 0: 1"},
		},
		"order": {
			// 42 and 50 are of one user, with nothing of that user's between them: 50 now lies before 42, and all that follow behind both.
			[]string{"ALTER TABLE EVENTS UPDATE _offset = if(event_id = EV(1, 42), (SELECT _offset FROM EVENTS WHERE event_id = EV(1, 50)), (SELECT _offset FROM EVENTS WHERE event_id = EV(1, 42))) WHERE event_id IN (EV(1, 42), EV(1, 50))"},
			map[string]string{"misordered": "1: producer 1: 50"},
		},
		"other partition": {
			[]string{"ALTER TABLE EVENTS UPDATE _partition = 9 WHERE event_id = EV(1, 83)"},
			map[string]string{"misordered": "1: producer 1: 83"},
		},
		"life of the topic before": {
			[]string{"ALTER TABLE EVENTS UPDATE _log = 0 WHERE event_id = EV(1, 50)"},
			map[string]string{"misordered": "1: producer 1: 50"},
		},
		"quarantine emptied": {
			[]string{"ALTER TABLE QUARANTINE DELETE WHERE event_id IN (EV(0, 4), EV(2, 25))"},
			map[string]string{"quarantine_lost": "2: producer 0: 4; producer 2: 25"},
		},
		"refused ones stored": {
			[]string{"INSERT INTO EVENTS SELECT * REPLACE (EV(2, 25) AS event_id) FROM (SELECT * FROM EVENTS WHERE event_id = EV(2, 24))"},
			map[string]string{"refused_stored": "1: producer 2: 25"},
		},
		"all at once": {
			[]string{
				"DELETE FROM EVENTS WHERE event_id = EV(0, 1)", copyRows + "(EV(0, 2))", "ALTER TABLE EVENTS UPDATE traits = '' WHERE event_id = EV(0, 3)",
				"INSERT INTO EVENTS SELECT * REPLACE (EV(2, 84) AS event_id) FROM (SELECT * FROM EVENTS WHERE event_id = EV(0, 8))", "DELETE FROM QUARANTINE WHERE event_id = EV(1, 4)",
			},
			map[string]string{"lost": "1: producer 0: 1", "duplicated": "1: producer 0: 2", "corrupted": "1: producer 0: 3", "invented": "1: producer 2: 84", "quarantine_lost": "1: producer 1: 4"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, s, usual)
			w.expect(w.verify(), nil)
			for _, statement := range c.statements {
				w.exec(statement)
			}
			w.expect(w.verify(), c.want)
		})
	}
}

// What is not ClickHouse's fault, by the answers.
func TestAnswers(t *testing.T) {
	s := openStore(t)
	// at makes one send of producer 1 different.
	at := func(seq uint64, o outcome) func(uint16, uint64, ledger.Kind) outcome {
		return func(p uint16, q uint64, kind ledger.Kind) outcome {
			if p == 1 && q == seq {
				return o
			}
			return usual(p, q, kind)
		}
	}
	both := func(first, second func(uint16, uint64, ledger.Kind) outcome, seq uint64) func(uint16, uint64, ledger.Kind) outcome {
		return func(p uint16, q uint64, kind ledger.Kind) outcome {
			if q == seq {
				return second(p, q, kind)
			}
			return first(p, q, kind)
		}
	}
	request := func(o outcome) func(uint16, uint64, ledger.Kind) outcome { // the second request of producer 1, seq 7 to 13
		return func(p uint16, q uint64, kind ledger.Kind) outcome {
			if p == 1 && q/batch == 1 {
				return o
			}
			return usual(p, q, kind)
		}
	}
	// repeated is a repeat that is stored because producer 1's original was not.
	repeated := func(p uint16, _ uint64, _ ledger.Kind) outcome {
		if p == 1 {
			return outcome{200, ledger.Accepted, 1, 0}
		}
		return outcome{200, ledger.Accepted, 0, 0}
	}
	for name, c := range map[string]struct {
		becomes func(uint16, uint64, ledger.Kind) outcome
		want    map[string]string
		also    func(*ledger.Verdict) bool
	}{
		"unclear and stored":          {at(22, outcome{200, ledger.Unknown, 1, 0}), nil, func(v *ledger.Verdict) bool { return v.UnknownStored == 1 && v.Unknown == 1 }},
		"unclear and not stored":      {at(22, outcome{200, ledger.Unknown, 0, 0}), nil, func(v *ledger.Verdict) bool { return v.UnknownStored == 0 && v.Unknown == 1 }},
		"unclear, stored twice":       {at(22, outcome{200, ledger.Unknown, 2, 0}), map[string]string{"duplicated": "1: producer 1: 22"}, func(v *ledger.Verdict) bool { return v.UnknownStored == 1 }},
		"whole request unclear":       {both(request(outcome{0, ledger.Unknown, 0, 0}), repeated, 16), nil, func(v *ledger.Verdict) bool { return v.Unknown == batch && v.Rows == validAll-batch+2 }},
		"accepted and not stored":     {at(22, outcome{200, ledger.Accepted, 0, 0}), map[string]string{"lost": "1: producer 1: 22"}, nil},
		"valid refused":               {at(22, outcome{200, ledger.Quarantined, 0, 1}), map[string]string{"misjudged": "1: producer 1: 22"}, nil},
		"valid dropped":               {at(22, outcome{200, ledger.Dropped, 0, 0}), map[string]string{"misjudged": "1: producer 1: 22"}, nil},
		"valid refused and stored":    {at(22, outcome{200, ledger.Dropped, 1, 0}), map[string]string{"misjudged": "1: producer 1: 22", "refused_stored": "1: producer 1: 22"}, nil},
		"quarantined, not kept":       {at(25, outcome{200, ledger.Quarantined, 0, 0}), map[string]string{"quarantine_lost": "1: producer 1: 25"}, nil},
		"invalid dropped":             {at(25, outcome{200, ledger.Dropped, 0, 0}), nil, func(v *ledger.Verdict) bool { return v.Dropped == 1 }},
		"invalid accepted":            {at(25, outcome{200, ledger.Accepted, 1, 0}), map[string]string{"misjudged": "1: producer 1: 25"}, nil},
		"invalid unclear":             {at(25, outcome{200, ledger.Unknown, 0, 0}), nil, nil},
		"invalid unclear and stored":  {at(25, outcome{200, ledger.Unknown, 1, 0}), map[string]string{"misjudged": "1: producer 1: 25"}, nil},
		"repeat refused":              {at(31, outcome{200, ledger.Quarantined, 0, 0}), map[string]string{"misjudged": "1: producer 1: 31", "quarantine_lost": "1: producer 1: 28"}, nil},
		"request refused with 400":    {request(outcome{400, ledger.Dropped, 0, 0}), map[string]string{"misjudged": "7: producer 1: 7–13", "lost": "1: producer 1: 11"}, nil}, // 11 is repeated by 16, accepted
		"request refused with 429":    {both(request(outcome{429, ledger.Dropped, 0, 0}), repeated, 16), nil, func(v *ledger.Verdict) bool { return v.Dropped == batch && v.Rows == validAll-batch+2 }},
		"refused with 429 and stored": {both(request(outcome{429, ledger.Dropped, 0, 0}), at(8, outcome{429, ledger.Dropped, 1, 0}), 8), map[string]string{"refused_stored": "1: producer 1: 8", "lost": "1: producer 1: 11"}, nil},
		// A repeat of the same request carries the same time, one of a later request another: both are right.
		"repeats stored": {func(p uint16, seq uint64, kind ledger.Kind) outcome {
			o := usual(p, seq, kind)
			if kind == ledger.Duplicate {
				o.rows = 1
			}
			return o
		}, nil, func(v *ledger.Verdict) bool { return v.ClientDuplicates == repeatsAll && v.Rows == validAll+repeatsAll }},
		"only the later repeat stored":           {both(usual, func(uint16, uint64, ledger.Kind) outcome { return outcome{0, ledger.Unknown, 0, 0} }, 11), map[string]string{"lost": "3: producer 0: 11; producer 1: 11; producer 2: 11"}, nil},
		"repeat refused, the first stored twice": {both(at(31, outcome{200, ledger.Dropped, 0, 0}), at(28, outcome{200, ledger.Accepted, 2, 0}), 28), map[string]string{"misjudged": "1: producer 1: 31", "duplicated": "1: producer 1: 28"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, s, c.becomes)
			v := w.verify()
			w.expect(v, c.want)
			if c.also != nil && !c.also(v) {
				t.Errorf("counts:\n%s", v.Text())
			}
		})
	}
}
