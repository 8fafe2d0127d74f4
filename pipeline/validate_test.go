package pipeline

import (
	"context"
	"slices"
	"testing"

	"github.com/millrace/millrace/schema"
)

// validated is a batch with all kinds of outcomes.
func validated() *schema.Batch {
	b := eventBatch(4, 4, 0)
	for i := range b.Events {
		b.Events[i].ClientID = b.Append([]byte{'e', byte('0' + i)}, false)
	}
	b.Events[1].Unset(schema.FieldEvent)
	b.Events[2].Set(schema.FieldUserID, b.Append([]byte("null"), false))
	b.Events[3].SetClientTS(1)
	return b
}

// What Validate says of events is what Submit says of them, and nothing of it is stored.
func TestValidateStoresNothing(t *testing.T) {
	l := newLab(t, options{})
	type outcome struct {
		result  schema.Result
		reason  schema.Reason
		pointer string
		detail  string
		id      schema.UUID
	}
	outcomes := func(b *schema.Batch) (all []outcome) {
		for i := range b.Events {
			e := &b.Events[i]
			all = append(all, outcome{e.Result, e.Reason, e.Pointer, e.Detail, e.ID})
		}
		return all
	}
	looked := validated()
	l.Validate(looked)
	if looked.Durability != schema.NotStored {
		t.Errorf("durability %v", looked.Durability)
	}
	if n := len(l.stored(testTopic)) + len(l.stored(testQuarantine)); n != 0 {
		t.Errorf("%d records are stored", n)
	}
	sent := validated()
	if err := l.Submit(context.Background(), sent); err != nil {
		t.Fatal(err)
	}
	got, want := outcomes(looked), outcomes(sent)
	if !slices.Equal(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	if want[0].result != schema.OK || want[1].reason != schema.MissingEvent || want[2].reason != schema.IllegalID || want[3].result != schema.Warning {
		t.Errorf("the batch has not all outcomes: %+v", want)
	}
	for i := range looked.Events {
		if looked.Events[i].Quarantined {
			t.Errorf("event %d counts as kept", i)
		}
	}
}
