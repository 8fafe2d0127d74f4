package ingest

import (
	"bytes"
	"fmt"
	"slices"
)

// unwrap turns the body in the batch's buffer into JSON, in place: the field data of a form is taken out, base64 is decoded, and what was compressed before that
// is decompressed. What is none of it stays as it is: the decoder says what is wrong with it.
func (r *request) unwrap() *refusal {
	body := trimBlank(r.batch.Buf)
	switch {
	case beginsJSON(body):
		return nil
	case len(body) > 0 && r.media.form, bytes.HasPrefix(body, []byte(formStart)):
		if refused := r.takeForm(); refused != nil {
			return refused
		}
		return r.unwrapData("the form's field data")
	}
	return r.unarmor("the body", false)
}

// takeQuery puts what a GET request has as data in its query into the batch's buffer, as JSON.
func (r *request) takeQuery() *refusal {
	var data []byte
	found := 0
	for name, value := range r.ctx.QueryArgs().All() {
		if string(name) == formData {
			data = value
			found++
		}
	}
	switch {
	case found > 1:
		return refuse(codeInvalidRequest, fmt.Sprintf("the query has %d parameters data: send all events in one, as a list", found))
	case found == 0:
		return refuse(codeInvalidRequest, "the query has no parameter data: send the events as that, JSON or base64 of it, or by POST")
	}
	if refused := r.charge(int64(len(data))); refused != nil {
		return refused
	}
	r.batch.Buf = append(slices.Grow(r.batch.Buf[:0], len(data)+bodySlack), data...)
	return r.unwrapData("the query's data")
}

// unwrapData is unwrap for what a form or a query had as data. where names it in messages.
func (r *request) unwrapData(where string) *refusal {
	r.size = len(r.batch.Buf)
	data := trimBlank(r.batch.Buf)
	if len(data) == 0 {
		return refuse(codeEmptyBatch, where+" is empty")
	}
	if bytes.HasPrefix(data, []byte(formStart)) {
		return refuse(codeInvalidRequest, where+" begins with data= once more: wrap the events once")
	}
	if refused := r.fits(); refused != nil {
		return refused
	}
	if sniff(r.batch.Buf) != identity { // percent-encoding can carry it
		return r.expandInner()
	}
	return r.unarmor(where, true)
}

// unarmor decodes base64 and then, once, compression. certain tells that the text cannot stand for anything but JSON or base64 of it.
func (r *request) unarmor(where string, certain bool) *refusal {
	text := trimBlank(r.batch.Buf)
	if len(text) == 0 || beginsJSON(text) {
		return nil
	}
	if equalFold(r.param("compression"), "lz64") {
		return refuse(codeUnsupportedEncoding, "compression lz64 is not supported: send gzip with compression=gzip-js, base64 with compression=base64, or plain JSON")
	}
	if !certain && !isArmored(text) {
		return nil
	}
	offset := len(r.batch.Buf) - len(text)
	text = bytes.TrimRight(text, blanks)
	n, bad := unbase64(text)
	switch {
	case bad == 0:
		return refuse(codeInvalidEncoding, fmt.Sprintf("%s is neither JSON nor base64: byte %d is %q", where, offset, text[0]))
	case bad == len(text):
		return refuse(codeInvalidEncoding, fmt.Sprintf("%s is base64 that is cut off at byte %d", where, offset+bad))
	case bad > 0:
		return refuse(codeInvalidEncoding, fmt.Sprintf("%s is base64 up to byte %d, which is %q", where, offset+bad, text[bad]))
	}
	r.batch.Buf = append(r.batch.Buf[:0], text[:n]...)
	r.size = n
	if refused := r.fits(); refused != nil {
		return refused
	}
	if sniff(r.batch.Buf) != identity {
		return r.expandInner()
	}
	if !beginsJSON(r.batch.Buf) {
		return refuse(codeInvalidEncoding, where+" is base64 of neither JSON nor a compressed body")
	}
	return nil
}

// expandInner decompresses what was inside a form or base64.
func (r *request) expandInner() *refusal {
	if r.packed {
		return refuse(codeNestedEncoding, "the body was compressed, and what it held is compressed once more: compress it once")
	}
	return r.expand(sniff(r.batch.Buf))
}

// fits checks the size after a step. Each one shrinks, so that only a body that came uncompressed can be above the limit.
func (r *request) fits() *refusal {
	if limit := r.s.cfg.MaxDecompressedBytes; int64(len(r.batch.Buf)) > limit {
		return refuse(codeDecompressedTooLarge, fmt.Sprintf("the body has %d bytes after decoding, more than %d (limit ingest.max_decompressed_bytes): send smaller batches", len(r.batch.Buf), limit))
	}
	return nil
}

// blanks may stand around JSON.
const blanks = " \t\r\n"

// trimBlank takes blanks, and a byte order mark, off the begin of text.
func trimBlank(text []byte) []byte {
	return bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), blanks)
}

// beginsJSON tells whether text begins like the JSON that holds events.
func beginsJSON(text []byte) bool {
	text = trimBlank(text)
	return len(text) > 0 && (text[0] == '{' || text[0] == '[')
}
