package dialect

import (
	"fmt"

	"github.com/millrace/millrace/schema"
	"github.com/millrace/millrace/schema/scan"
)

// mixpanelUpdate makes what was noted of an update of a person an event of ours: one that says what is done to the person's properties.
func (d *Decoder) mixpanelUpdate(e *schema.Event) {
	v := &d.values
	e.Type = schema.Identify
	d.mixpanelKeyed(e, "/$token")
	if device := d.mixpanelIDs(e); device && v[slotUserID].there() {
		v[slotDistinctID] = member{}
	}
	if !v[slotDistinctID].there() && !v[slotUserID].there() && !v[slotAnonymousID].there() {
		e.Refuse(schema.MissingUser, "/$distinct_id", "$distinct_id is missing: an update says whose properties change")
	}
	d.mixpanelOperations(e)
	d.mixpanelBeside(e, false)
}

// mixpanelGroup is mixpanelUpdate for a group. Its id is that of all families; where no person is named, the group itself acts, as $key_id.
func (d *Decoder) mixpanelGroup(e *schema.Event) {
	v := &d.values
	e.Type = schema.Group
	d.mixpanelKeyed(e, "/$token")
	if device := d.mixpanelIDs(e); device && v[slotUserID].there() {
		v[slotDistinctID] = member{}
	}
	key, id := d.own[mixpanelGroupKey], v[slotGroupID]
	v[slotGroupID] = member{}
	if d.mixpanelNames(e, &key, "/$group_key") && d.mixpanelNames(e, &id, "/$group_id") {
		v[slotGroupID] = d.groupID(&key, &id)
		if !v[slotDistinctID].there() && !v[slotUserID].there() && !v[slotAnonymousID].there() {
			v[slotDistinctID] = d.groupActor(&key, &id)
		}
		if n := int64(max(textLength(&v[slotGroupID]), textLength(&v[slotDistinctID]))); n > d.limits.MaxIDBytes {
			d.mixpanelLong(e, &key, &id)
		}
	}
	d.mixpanelOperations(e)
	d.mixpanelBeside(e, true)
}

// mixpanelNames tells whether the member is there and can be a part of a group's id.
func (d *Decoder) mixpanelNames(e *schema.Event, m *member, pointer string) bool {
	mixpanelText(m)
	switch {
	case !m.there():
		e.Refuse(schema.MissingUser, pointer, pointer[1:]+" is missing: an update of a group says which one by $group_key and $group_id")
	case m.kind != scan.String:
		e.Refuse(schema.InvalidType, pointer, fmt.Sprintf("%s must be a string, found %v", pointer[1:], m.kind))
	default:
		return true
	}
	return false
}

// mixpanelLong refuses a group whose id is too long, escapes not counted.
func (d *Decoder) mixpanelLong(e *schema.Event, key, id *member) {
	n := int64(len(d.valueOf(key)))
	n += int64(len(d.valueOf(id))) + int64(len("$_"))
	if n > d.limits.MaxIDBytes {
		e.Refuse(schema.IDTooLong, "/$group_id", fmt.Sprintf("$group_key and $group_id have %d bytes with what stands between them, limits.max_id_bytes is %d: send shorter ones", n, d.limits.MaxIDBytes))
	}
}

// textLength is how long the text of a member is, with its escapes.
func textLength(m *member) uint32 { return m.end - m.start }

// mixpanelTraits are the operations of updates, in the order in which they apply, with their names in the traits.
var mixpanelTraits = [...]struct {
	slot slot
	name string
}{
	{slotSet, "$set"},
	{slotSetOnce, "$set_once"},
	{slotAdd, "$add"},
	{slotAppend, "$append"},
	{slotUnion, "$union"},
	{slotRemove, "$remove"},
	{slotUnset, "$unset"},
}

// mixpanelOperations makes the operations of an update the traits of its event.
func (d *Decoder) mixpanelOperations(e *schema.Event) {
	v := &d.values
	o := d.compose()
	if m := &d.own[mixpanelDelete]; m.kind > scan.Null && (m.kind != scan.Bool || d.text[m.start] == 't') {
		o.name()
		d.batch.Buf = append(d.batch.Buf, `$clear":true`...)
	}
	for i := range mixpanelTraits {
		t := &mixpanelTraits[i]
		m := &v[t.slot]
		want := scan.Object
		if t.slot == slotUnset {
			want = scan.Array
		}
		if d.is(e, t.slot, m, want) {
			d.countMembers(e, d.family.names[t.slot], m.members)
			o.add(t.name, m)
		}
		*m = member{}
	}
	v[slotTraits] = o.end()
	v[slotTraits].members = 0 // each operation was counted by itself
}

// mixpanelBeside keeps what else an update says as its context.
func (d *Decoder) mixpanelBeside(e *schema.Event, group bool) {
	d.mixpanelAddress(e)
	d.mixpanelVisited()
	if whole := &d.own[mixpanelWhole]; whole.members > 0 {
		d.values[slotContext] = d.without(whole, func(name []byte) bool {
			_, known := mixpanelUpdateMember(name, group)
			return known
		})
	}
}
