package load

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/millrace/millrace/bench/ledger"
)

// Statuses that are no refusal for good.
const (
	statusOK              = 200
	statusBadRequest      = 400
	statusTooManyRequests = 429
)

// kindBadAnswer is the kind of an answer that cannot be understood.
const kindBadAnswer = "bad answer"

// judge enters into e what the answer says of its events. With parse false a 200 says that all were accepted and bodies are not looked at. Hopeless is a
// request whose every event must be refused: to refuse it as a whole is then no error. The kind of error is empty when there is none.
func judge(e *ledger.Entry, answer *response, parse, hopeless bool) (kind string) {
	e.Status = uint16(answer.status)
	e.Results = e.Results[:0]
	switch status := answer.status; {
	case status == statusOK && (!parse || allAccepted(answer.body, int(e.Events))):
		e.Answer = ledger.Accepted
		return ""
	case status == statusOK:
		e.Answer = ledger.Accepted
		if !perEvent(e, answer.body) {
			e.Answer, e.Results = ledger.Unknown, e.Results[:0]
			return kindBadAnswer
		}
		return ""
	case status >= 400 && status < 500 && status != statusTooManyRequests:
		e.Answer = ledger.Dropped
		if !parse || !perEvent(e, answer.body) {
			e.Results = e.Results[:0]
		} else if status == statusBadRequest && hopeless && len(e.Results) > 0 {
			return ""
		}
	default: // overload, faults, redirections, a success that is not 200: whether anything is stored stays open
		e.Answer = ledger.Unknown
	}
	return statusKind(answer.status, answer.body)
}

// allAccepted recognises, without parsing it, the answer to a request of n events that were all accepted. Quotes inside of JSON strings are escaped, so what
// it looks for cannot be part of one.
func allAccepted(body []byte, n int) bool {
	_, after, found := bytes.Cut(body, []byte(`"accepted":`))
	if !found || !bytes.Contains(after, []byte(`"rejected":0,`)) || !bytes.Contains(after, []byte(`"results":[]`)) {
		return false
	}
	digits, _, _ := bytes.Cut(after, []byte{','})
	accepted, ok := decimal(digits)
	return ok && accepted == n
}

// reply is the answer of the native and the Segment routes.
type reply struct {
	Accepted *int `json:"accepted"`
	Rejected *int `json:"rejected"`
	Results  []struct {
		Index       *int   `json:"index"`
		Result      string `json:"result"`
		Quarantined bool   `json:"quarantined"`
	} `json:"results"`
}

// perEvent enters into e.Results what differs from e.Answer. It reports whether the answer speaks of this request and agrees with itself; otherwise Results
// is in no defined state.
func perEvent(e *ledger.Entry, body []byte) bool {
	var r reply
	if json.Unmarshal(body, &r) != nil || r.Results == nil {
		return false
	}
	seen := make([]bool, e.Events)
	listed, accepted, rejected := len(r.Results), 0, 0
	for _, one := range r.Results {
		if one.Index == nil || *one.Index < 0 || *one.Index >= len(seen) || seen[*one.Index] {
			return false
		}
		seen[*one.Index] = true
		said := ledger.Unknown
		switch one.Result {
		case "ok", "warning":
			said = ledger.Accepted
			accepted++
		case "drop":
			rejected++
			said = ledger.Dropped
			if one.Quarantined {
				said = ledger.Quarantined
			}
		case "retry":
		default:
			return false
		}
		if said != e.Answer {
			e.Results = append(e.Results, ledger.Result{Index: uint16(*one.Index), Answer: said})
		}
	}
	if e.Answer == ledger.Accepted {
		accepted += int(e.Events) - listed
	} else {
		rejected += int(e.Events) - listed
	}
	return (r.Accepted == nil || *r.Accepted == accepted) && (r.Rejected == nil || *r.Rejected == rejected)
}

// Tally adds the events of e to c by their answer.
func (c *Counts) Tally(e *ledger.Entry) {
	c.add(e.Answer, uint64(int(e.Events)-len(e.Results)))
	for _, r := range e.Results {
		c.add(r.Answer, 1)
	}
}

func (c *Counts) add(a ledger.Answer, n uint64) {
	switch a {
	case ledger.Accepted:
		c.Accepted += n
	case ledger.Unknown:
		c.Unknown += n
	default:
		c.Rejected += n
	}
}

// statusKind is the status and the code that the answer gives as its reason, such as "503 overloaded".
func statusKind(status int, body []byte) string {
	kind := strconv.Itoa(status)
	if code := problemCode(body); code != "" {
		kind += " " + code
	}
	return kind
}

// problemCode returns the member code of a problem document, when it looks like a code.
func problemCode(body []byte) string {
	var problem struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(body, &problem) != nil || len(problem.Code) > 40 {
		return ""
	}
	for _, c := range []byte(problem.Code) {
		if (c < 'a' || 'z' < c) && (c < '0' || '9' < c) && c != '_' && c != '-' {
			return ""
		}
	}
	return problem.Code
}
