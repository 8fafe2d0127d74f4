package demo

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/millrace/millrace/schema"
)

// Story is what is told. It is immutable and may be shared.
type Story struct {
	calendar
	users    int
	accounts uint32
	seed     uint64 // of the options and the first day together
	tag      string // names the story in ids
	options  Options
}

// New makes the story that the options describe. Nothing is told yet.
func New(o Options) (*Story, error) { return newStory(o, time.Now()) }

func newStory(o Options, now time.Time) (*Story, error) {
	if err := o.validate(now); err != nil {
		return nil, err
	}
	if o.Until.IsZero() {
		o.Until = now
	}
	s := &Story{calendar: newCalendar(o.Until, o.Days), users: o.Users, accounts: uint32(max(o.Users/150, 3)), options: o}
	// Another first day makes other people: the same ones could not have done the same on other days.
	s.seed = mix(mix(o.Seed) + uint64(s.from/day))
	s.seed = mix(s.seed ^ mix(uint64(o.Days)<<32|uint64(o.Users)))
	s.tag = string(appendBase36(nil, s.seed, 6))
	return s, nil
}

// appendBase36 appends n digits made of x.
func appendBase36(dst []byte, x uint64, n int) []byte {
	for range n {
		dst = append(dst, "0123456789abcdefghijklmnopqrstuvwxyz"[x%36])
		x /= 36
	}
	return dst
}

// From is the midnight (UTC) that the story begins with.
func (s *Story) From() time.Time { return time.UnixMilli(s.from).UTC() }

// To is the midnight that it ends with: the first moment that is not told.
func (s *Story) To() time.Time { return time.UnixMilli(s.end()).UTC() }

// id makes a UUID of version 7 out of a moment and numbers.
func (s *Story) id(at int64, purpose uint64, number, n uint32) (u schema.UUID) {
	a := mix(s.seed ^ mix(uint64(number)<<32|uint64(n)) + purpose)
	binary.BigEndian.PutUint64(u[:], uint64(at)<<16|a&0xfff)
	binary.BigEndian.PutUint64(u[8:], mix(a))
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	return u
}

// forEvent is the purpose of an event's id.
const forEvent = 1 << 20

func (s *Story) eventID(e *event) schema.UUID { return s.id(e.at, forEvent, e.number, e.seq) }

// Facts are what a story holds.
type Facts struct {
	From, To time.Time // the first midnight, and the one that it ends with
	Users    int
	Seed     uint64
	Events   int64

	SignedUp, Active, Subscribed int   // people: signed up, began a project, paid
	RevenueCents                 int64 // refunds taken off

	Campaign                time.Time // midnight before the campaign
	CampaignName            string
	BrokenFrom, BrokenUntil time.Time // when the broken release is out, from midnight to midnight
	BrokenRelease           string
	BrokenBrowser           string // in which its sign-up form does not work

	first []schema.UUID // ids of the first events
}

// looked is how many of the first events Stored asks for.
const looked = 20

// Survey tells the whole story to nobody, a million events in about a second, so that what is in it is known before anything is sent. progress, which may be nil,
// is called now and then with the days that are done. It ends early, with ctx's error, when ctx ends.
func (s *Story) Survey(ctx context.Context, progress func(done, total uint64)) (Facts, error) {
	f := Facts{
		From: s.From(), To: s.To(), Users: s.users, Seed: s.options.Seed,
		Campaign: time.UnixMilli(s.start(s.campaign)).UTC(), CampaignName: launchCampaign.campaign,
		BrokenFrom: time.UnixMilli(s.start(s.broken)).UTC(), BrokenUntil: time.UnixMilli(s.start(s.broken + brokenDays)).UTC(),
		BrokenRelease: brokenRelease.name, BrokenBrowser: safari,
	}
	stream := s.stream()
	told := -1
	for {
		e, ok := stream.next()
		if !ok {
			break
		}
		if at := s.on(e.at); at != told {
			told = at
			if err := ctx.Err(); err != nil {
				return Facts{}, err
			}
			if progress != nil {
				progress(uint64(at), uint64(s.days))
			}
		}
		if len(f.first) < looked {
			f.first = append(f.first, s.eventID(&e))
		}
		f.Events++
		switch e.kind {
		case signedUp:
			f.SignedUp++
		case projectCreated:
			f.Active++
		case subscribed:
			f.Subscribed++
		}
		switch e.kind {
		case subscribed, upgraded, renewed, refunded:
			f.RevenueCents += e.amount
		}
	}
	if progress != nil {
		progress(uint64(s.days), uint64(s.days))
	}
	return f, nil
}

// String says the facts in a few lines for people, without a newline at the end.
func (f *Facts) String() string {
	last := f.To.Add(-1)
	return fmt.Sprintf(`%s events of %s people, %s to %s (UTC), seed %d
%s sign up, %s begin a project, %s subscribe; %s USD of revenue, refunds taken off
%s: the campaign %s; %s and %s: release %s is out`,
		commas(f.Events), commas(int64(f.Users)), f.From.Format(time.DateOnly), last.Format(time.DateOnly), f.Seed,
		commas(int64(f.SignedUp)), commas(int64(f.Active)), commas(int64(f.Subscribed)), commas(f.RevenueCents/100),
		f.Campaign.Format(time.DateOnly), f.CampaignName, f.BrokenFrom.Format(time.DateOnly), f.BrokenUntil.Add(-1).Format(time.DateOnly), f.BrokenRelease)
}

// commas writes a number with commas.
func commas(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
