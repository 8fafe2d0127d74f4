package schema

import (
	"reflect"
	"strings"
	"testing"
)

func TestBatchReusesMemoryWithoutLeavingTraces(t *testing.T) {
	var b Batch
	first := b.Add()
	first.Set(FieldEvent, b.Append([]byte("A"), false))
	first.Type = Track
	first.Refuse(MissingUser, "/userId", "no user")
	first.Refuse(TooDeep, "/properties", "later reasons do not count")
	if !first.Refused() || first.Reason != MissingUser || first.Pointer != "/userId" {
		t.Fatalf("refused event: %+v", first)
	}
	b.KeyID = "k"
	b.Reset(1 << 20)
	again := b.Add()
	if again != &b.Events[0] || again.Refused() || again.Type != TypeNone || again.Text(FieldEvent).Len() != 0 || again.Index != 0 || b.KeyID != "" || len(b.Buf) != 0 {
		t.Errorf("after Reset: %+v", again)
	}
	if second := b.Add(); second.Index != 1 {
		t.Errorf("index %d", second.Index)
	}
}

func TestBatchDropsOversizeMemory(t *testing.T) {
	var b Batch
	b.Append([]byte(strings.Repeat("x", 1000)), false)
	for range maxPooledEvents + 1 {
		b.Add()
	}
	b.Reset(100)
	if cap(b.Buf) != 0 || cap(b.Events) != 0 {
		t.Errorf("kept %d bytes and %d events", cap(b.Buf), cap(b.Events))
	}
}

func TestTextKeepsItsPlaceWhenTheBufferGrows(t *testing.T) {
	var b Batch
	plain := b.Append([]byte("plain"), false)
	escaped := b.Append([]byte(`a\u0062c`), true)
	b.Append(make([]byte, 1<<16), false)
	if got := string(plain.In(b.Buf)); got != "plain" {
		t.Errorf("plain %q", got)
	}
	if got := string(escaped.Value(b.Buf, nil)); got != "abc" {
		t.Errorf("escaped %q", got)
	}
	if got := string(escaped.AppendValue([]byte("x"), b.Buf)); got != "xabc" {
		t.Errorf("appended %q", got)
	}
	if escaped.Len() != 8 {
		t.Errorf("length %d", escaped.Len())
	}
}

func TestCodesAreDistinctAndPinned(t *testing.T) {
	want := "missing_event missing_user invalid_type invalid_utf8 illegal_id id_too_long name_too_long event_too_large too_many_properties too_deep " +
		"invalid_timestamp invalid_json invalid_record erased timestamp_adjusted overloaded unknown"
	var got []string
	for _, r := range Reasons() {
		got = append(got, r.String())
	}
	if s := strings.Join(got, " "); s != want {
		t.Errorf("codes changed, which breaks clients:\n got %s\nwant %s", s, want)
	}
}

func TestEveryWordOfTheCodecParses(t *testing.T) {
	for ty := TypeNone + 1; ty < numTypes; ty++ {
		if ParseType([]byte(ty.String())) != ty {
			t.Errorf("type %s", ty)
		}
		if (ty.EventName() == "") != (ty == Track) {
			t.Errorf("type %s has event name %q", ty, ty.EventName())
		}
	}
	if ParseType([]byte("")) != TypeNone || ParseType([]byte("TRACK")) != TypeNone {
		t.Error("an unknown type parses")
	}
}

func TestLimitsValidateReportsEveryProblem(t *testing.T) {
	if err := DefaultLimits().Validate(); err != nil {
		t.Errorf("defaults: %v", err)
	}
	err := Limits{MaxAhead: -1}.Validate()
	if err == nil {
		t.Fatal("zero limits pass")
	}
	for _, key := range []string{"max_event_bytes", "max_name_bytes", "max_id_bytes", "max_properties", "max_depth", "max_age", "max_ahead"} {
		if !strings.Contains(err.Error(), "limits."+key) {
			t.Errorf("%s is not reported: %v", key, err)
		}
	}
}

// fill sets every field below v that can be set to something else than zero.
func fill(t *testing.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, reflect.NewAt(v.Field(i).Type(), v.Field(i).Addr().UnsafePointer()).Elem())
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("7")
	default:
		t.Fatalf("a field of kind %v: clear it in reset and fill it here", v.Kind())
	}
}

func TestReusedEventIsNew(t *testing.T) {
	var b Batch
	fill(t, reflect.ValueOf(b.Add()).Elem())
	b.Events = b.Events[:0]
	e := b.Add()
	e.texts = [NumFields]Text{} // which do not count
	if *e != (Event{}) {
		t.Errorf("a reused event holds %+v", *e)
	}
}
