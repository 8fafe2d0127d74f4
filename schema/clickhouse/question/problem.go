package question

import (
	"errors"
	"strconv"
)

// Problem is what is wrong with one part of a question.
type Problem struct {
	Pointer string `json:"pointer"` // JSON pointer of the part
	Code    string `json:"code"`    // one of the codes below; they do not change
	Detail  string `json:"detail"`  // in words: value, limit, cure
}

// Error is pointer and detail.
func (p *Problem) Error() string {
	if p.Pointer == "" {
		return p.Detail
	}
	return p.Pointer + ": " + p.Detail
}

// Codes of problems.
const (
	CodeRequired      = "required"       // a part that must be there is missing
	CodeInvalidTime   = "invalid_time"   // not a time, or one that no event can have
	CodeInvalidRange  = "invalid_range"  // the range is empty, or has too many periods for one answer
	CodeInvalidNumber = "invalid_number" // outside its limits
	CodeInvalidChoice = "invalid_choice" // not one of the words that the part takes
	CodeInvalidField  = "invalid_field"  // no such field
	CodeInvalidOp     = "invalid_op"     // no such comparison, or none of this field
	CodeInvalidValue  = "invalid_value"  // a value that the field cannot have, or one that compares with nothing
	CodeTooMany       = "too_many"       // a list that is longer than allowed
	CodeTooLong       = "too_long"       // a text that is longer than allowed

	// Of definitions of segments, which are kept as the text that they were written in.
	CodeInvalidJSON  = "invalid_json"  // the text is no JSON object, or has a member twice
	CodeInvalidType  = "invalid_type"  // a value of another kind than the part takes
	CodeUnknownField = "unknown_field" // no such member; none is ignored
)

// Problems are those that an error of Validate or Build holds, in order; nil for other errors.
func Problems(err error) []*Problem {
	var p *Problem
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*Problem
		for _, e := range joined.Unwrap() {
			all = append(all, Problems(e)...)
		}
		return all
	}
	if errors.As(err, &p) {
		return []*Problem{p}
	}
	return nil
}

// report collects the problems of a question.
type report struct {
	errs  []error
	bytes int // of all texts
	parts int // conditions and values
}

// need notes a problem unless ok.
func (r *report) need(ok bool, pointer, code, detail string) bool {
	if !ok {
		r.errs = append(r.errs, &Problem{pointer, code, detail})
	}
	return ok
}

func (r *report) err() error {
	r.need(r.parts <= maxParts, "", CodeTooMany, strconv.Itoa(r.parts)+" conditions and values in all are above the limit of "+strconv.Itoa(maxParts))
	r.need(r.bytes <= maxParamBytes, "", CodeTooLong, "all texts of the question together are "+strconv.Itoa(r.bytes)+" bytes, above the limit of "+strconv.Itoa(maxParamBytes))
	return errors.Join(r.errs...)
}

// within demands that n lies in a range.
func (r *report) within(n, least, most int64, pointer string) {
	r.need(n >= least && n <= most, pointer, CodeInvalidNumber, decimal(n)+" is not within "+decimal(least)+" and "+decimal(most))
}

// short demands that a text is no longer than a parameter may be.
func (r *report) short(text, pointer string) {
	r.bytes += len(text)
	r.need(len(text) <= maxTextBytes, pointer, CodeTooLong, strconv.Itoa(len(text))+" bytes are above the limit of "+strconv.Itoa(maxTextBytes))
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// at is the pointer of an element of a list.
func at(pointer string, i int) string { return pointer + "/" + strconv.Itoa(i) }
