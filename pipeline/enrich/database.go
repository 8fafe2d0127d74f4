package enrich

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/oschwald/maxminddb-golang/v2"
)

// database is a file of places, as it is now: a changed file is read beside the old one, which lives on until nobody uses it.
type database struct {
	name, key, path string // key is the setting that names path
	log             *slog.Logger
	reloads, broken *metrics.Counter

	// current publishes what was read from the file; nil: nothing yet.
	current atomic.Pointer[places]
	seen    fs.FileInfo // of the last attempt, nil when there was no file
	told    bool        // that there is no file
}

// places is a database in memory. A mapped file would kill the process when somebody cuts it short.
type places struct {
	reader *maxminddb.Reader
	built  time.Time
	// slots hold places by where their data stands in the file. A store publishes a place, which is complete.
	slots [placeSlots]atomic.Pointer[place]
	// known4 and known6 hold the offsets of addresses that were looked up lately, beside what they are recognised by (remembered); 0: none. The tree is far larger than what a processor keeps
	// at hand, so walking down costs several times as much as all the rest. A store publishes nothing else.
	known4, known6 [1 << knownBits]atomic.Uint64
	seed           maphash.Seed
}

// knownBits say how many addresses are remembered: 32,768 of each kind, in 256 KiB.
const knownBits = 15

// nowhere stands for the offset of an address of which the database says nothing.
const nowhere = 1<<32 - 1

// placeSlots is how many places are remembered: far more than there are countries.
const (
	placeBits  = 14
	placeSlots = 1 << placeBits
)

// place is what a database says of an address, as texts of JSON strings.
type place struct {
	offset        uintptr
	country, city fact
}

// maxDatabaseBytes bounds the file: what is larger is none.
const maxDatabaseBytes = 2 << 30

// refresh reads the file when it is another one than last time. Only for one goroutine at a time.
func (d *database) refresh() {
	info, err := os.Stat(d.path)
	if err != nil {
		d.missing(err)
		return
	}
	if d.seen != nil && os.SameFile(d.seen, info) && d.seen.ModTime().Equal(info.ModTime()) && d.seen.Size() == info.Size() {
		return
	}
	d.seen, d.told = info, false
	p, err := readPlaces(d.path)
	if err != nil {
		d.broken.Inc()
		d.log.Warn("the database of "+d.plural()+" cannot be used; "+d.meanwhile(), "file", d.path, "error", err, "cure", "put a whole file in its place, or name another one in "+d.key)
		return
	}
	d.reloads.Inc()
	d.current.Store(p)
	d.log.Info("the database of "+d.plural()+" is loaded", "file", d.path, "type", p.reader.Metadata.DatabaseType, "built", p.built.UTC().Format(time.DateOnly), "bytes", info.Size())
}

// missing tells once that there is no file.
func (d *database) missing(err error) {
	d.seen = nil
	if d.told {
		return
	}
	d.told = true
	cure := "put a file there, or name another one in " + d.key
	if d.name == "country" {
		cure = "run `make deps`, or name a file in " + d.key + ", or none"
	}
	d.log.Warn("there is no database of "+d.plural()+"; "+d.meanwhile(), "file", d.path, "error", err, "cure", cure)
}

func (d *database) plural() string {
	if d.name == "city" {
		return "cities"
	}
	return "countries"
}

func (d *database) meanwhile() string {
	if d.current.Load() != nil {
		return "the one before stays in use"
	}
	return "events are stored without them until there is one"
}

// readPlaces reads and checks a file.
func readPlaces(path string) (*places, error) {
	data, err := readWhole(path)
	if err != nil {
		return nil, err
	}
	reader, err := maxminddb.OpenBytes(data)
	if err != nil {
		return nil, err
	}
	p := &places{reader: reader, seed: maphash.MakeSeed(), built: reader.Metadata.BuildTime()}
	return p, p.check()
}

// readWhole reads a file that does not change meanwhile.
func readWhole(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read from
	before, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if size := before.Size(); !before.Mode().IsRegular() || size == 0 || size > maxDatabaseBytes {
		return nil, fmt.Errorf("it is no file of 1 byte to 2 GiB: %v, %d bytes", before.Mode().Type(), size)
	}
	data := make([]byte, before.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, err
	}
	after, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return nil, errors.New("it changed while it was read")
	}
	return data, nil
}

// aliases is how often a database may have its parts.
const aliases = 8

// check walks over all networks, so that a damaged file shows before events are looked up in it, and tells whether it has places at all. (The library's own check refuses files for their
// description.)
func (p *places) check() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	n, places := 0, false
	for r := range p.reader.Networks() {
		if err := r.Err(); err != nil {
			return err
		}
		found, err := p.found(r)
		if err != nil {
			return fmt.Errorf("%v: %w", r.Prefix(), err)
		}
		// A tree has a leaf more than nodes; some databases have parts of it in several places. One whose branches meet again and again would be walked over for ever.
		if n++; n > aliases*(int(p.reader.Metadata.NodeCount)+1) {
			return fmt.Errorf("its tree of %d nodes has more than %d networks: the file is damaged", p.reader.Metadata.NodeCount, n-1)
		}
		places = places || found.country.text != "" || found.city.text != ""
	}
	if !places {
		return fmt.Errorf("none of its %d networks has a country or a city (members country.iso_code, country_code, city.names.en, city): it is a database of something else, %q", n, p.reader.Metadata.DatabaseType)
	}
	return nil
}

// find returns what the database says of an address, which is no IPv4 address in the guise of IPv6; nil: nothing. The error includes a panic of the library.
func (p *places) find(addr netip.Addr) (found *place, err error) {
	defer func() {
		if v := recover(); v != nil {
			found, err = nil, fmt.Errorf("panic: %v", v)
		}
	}()
	known, tag := p.remembered(addr)
	if v := known.Load(); uint32(v>>32) == tag && v != 0 {
		if uint32(v) == nowhere {
			return nil, nil
		}
		return p.found(p.reader.LookupOffset(uintptr(uint32(v))))
	}
	var r maxminddb.Result
	at := uintptr(nowhere)
	if public(addr) { // some databases know better
		r = p.reader.Lookup(addr)
		if err := r.Err(); err != nil {
			return nil, err
		}
		if r.Found() {
			at = r.Offset()
		}
	}
	if at <= nowhere {
		known.Store(uint64(tag)<<32 | uint64(at))
	}
	if at == nowhere {
		return nil, nil
	}
	return p.found(r)
}

// remembered is where the offset of an address is kept, and what stands beside it when it is this address's. Of IPv4 that is the address; of IPv6 a part of a hash with a secret seed,
// which together with the place is right but for one address in 2^47.
func (p *places) remembered(addr netip.Addr) (known *atomic.Uint64, tag uint32) {
	if addr.Is4() {
		four := addr.As4()
		tag = binary.BigEndian.Uint32(four[:])
		return &p.known4[tag*0x9E3779B1>>(32-knownBits)], tag
	}
	whole := addr.As16()
	h := maphash.Bytes(p.seed, whole[:])
	return &p.known6[h>>(64-knownBits)], uint32(h)
}

// found returns the place that a result stands for.
func (p *places) found(r maxminddb.Result) (*place, error) {
	at := r.Offset()
	slot := &p.slots[uint64(at)*0x9E3779B97F4A7C15>>(64-placeBits)] // Fibonacci hashing: neighbours in the file are far apart
	if found := slot.Load(); found != nil && found.offset == at {
		return found, nil
	}
	found, err := decodePlace(r)
	if err != nil {
		return nil, err
	}
	found.offset = at
	slot.Store(found)
	return found, nil
}

// decodePlace reads country and city in either layout: country.iso_code and city.names.en, or country_code and city. Members that are absent or of another kind are
// none.
func decodePlace(r maxminddb.Result) (*place, error) {
	var broken error
	text := func(path ...any) (s string) {
		err := r.DecodePath(&s, path...)
		var damage maxminddb.InvalidDatabaseError
		if errors.As(err, &damage) {
			broken = err
		}
		if err != nil {
			return ""
		}
		return s
	}
	code := text("country", "iso_code")
	if code == "" {
		code = text("country_code")
	}
	city := text("city", "names", "en")
	if city == "" {
		city = text("city")
	}
	p := new(place)
	if len(code) == 2 && letter(code[0]) && letter(code[1]) {
		p.country = fact{text: strings.ToUpper(code)}
	}
	p.city = factOf(city, maxCity)
	return p, broken
}

// maxCity is the longest name of a city, in bytes.
const maxCity = 128
