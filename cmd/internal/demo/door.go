package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Door is where the events go. URL and Key are required, the rest has defaults.
type Door struct {
	URL string // http://host:port of a server that takes events
	Key string // a write key of the project that the story is told to
	// Batch is how many events one request carries. Default 1000.
	Batch int
	// Connections is how many requests are in flight at once. Default 4.
	Connections int
	// Rate is how many events are sent in a second at most. Default 0: as many as are answered.
	Rate int
	// RetryFor is how long one request is sent again while it has no clear answer. Default 2m.
	RetryFor time.Duration
	// Grace is how long requests in flight may take to be answered after the sending was ended. Default 10s.
	Grace time.Duration
}

// withDefaults fills in what was left out and says what cannot work.
func (d Door) withDefaults() (Door, error) {
	fill := func(n *int, value int) {
		if *n == 0 {
			*n = value
		}
	}
	fill(&d.Batch, 1000)
	fill(&d.Connections, 4)
	if d.RetryFor == 0 {
		d.RetryFor = 2 * time.Minute
	}
	if d.Grace == 0 {
		d.Grace = 10 * time.Second
	}
	var errs []error
	if !strings.Contains(d.URL, "://") {
		d.URL = "http://" + d.URL
	}
	if u, err := url.Parse(d.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		errs = append(errs, fmt.Errorf("--url %q is not http://host:port or https://host:port", d.URL))
	}
	d.URL = strings.TrimSuffix(d.URL, "/") + "/v1/events"
	if d.Key == "" {
		errs = append(errs, errors.New("--key is empty: give a write key"))
	}
	if d.Batch < 1 || d.Batch > 10_000 {
		errs = append(errs, fmt.Errorf("--batch %d is not between 1 and 10000, what a server takes in one request", d.Batch))
	}
	if d.Connections < 1 || d.Connections > 256 {
		errs = append(errs, fmt.Errorf("--connections %d is not between 1 and 256", d.Connections))
	}
	if d.Rate < 0 {
		errs = append(errs, fmt.Errorf("--rate %d is negative: 0 sends as fast as answers come", d.Rate))
	}
	return d, errors.Join(errs...)
}

// ErrUnavailable is among the errors of Send when nobody takes the events: no connection, or no clear answer in all the time there was.
var ErrUnavailable = errors.New("the server takes no events")

// outcome is what became of the events of one request.
type outcome struct {
	accepted, refused int
	reason            string // of the first refusal
	durability        string
}

// reply is what the door says, of which other members are not looked at.
type reply struct {
	Accepted   int    `json:"accepted"`
	Rejected   int    `json:"rejected"`
	Durability string `json:"durability"`
	Code       string `json:"code"`
	Detail     string `json:"detail"`
	Results    []struct {
		Result string `json:"result"`
		Code   string `json:"code"`
		Field  string `json:"field"`
		Detail string `json:"detail"`
	} `json:"results"`
}

// again is an answer, or the lack of one, after which the same bytes are to be sent once more. The ids in them make that harmless.
type again struct {
	after time.Duration // what the server asks for
	why   error
}

func (a *again) Error() string { return a.why.Error() }
func (a *again) Unwrap() error { return a.why }

// maxAnswer bounds what is read of an answer.
const maxAnswer = 4 << 20

// post sends one body. An error of type *again asks for a repeat, any other is final.
func (d *Door) post(ctx context.Context, client *http.Client, body []byte) (outcome, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(body))
	if err != nil {
		return outcome{}, err
	}
	req.Header.Set("Authorization", "Bearer "+d.Key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "millrace-demo")
	resp, err := client.Do(req)
	if err != nil {
		return outcome{}, &again{why: err}
	}
	defer resp.Body.Close() //nolint:errcheck // only read from
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return outcome{}, &again{why: fmt.Errorf("read the answer: %w", err)}
	}
	return judge(resp.StatusCode, resp.Header.Get("Retry-After"), text)
}

// judge reads an answer.
func judge(status int, retryAfter string, text []byte) (outcome, error) {
	var r reply
	parseErr := json.Unmarshal(text, &r)
	said := fmt.Errorf("status %d", status)
	if r.Code != "" {
		said = fmt.Errorf("status %d, %s: %s", status, r.Code, r.Detail)
	}
	seconds, _ := strconv.Atoi(retryAfter) // a date or nothing: no wish
	after := time.Duration(max(seconds, 0)) * time.Second
	switch {
	case status == http.StatusOK && parseErr != nil:
		return outcome{}, fmt.Errorf("the answer is not what this server gives (%w): does --url name a Millrace?", parseErr)
	case status == http.StatusOK:
		o := outcome{accepted: r.Accepted, refused: r.Rejected, durability: r.Durability}
		for _, one := range r.Results {
			switch {
			case one.Result == "retry":
				return outcome{}, &again{after, fmt.Errorf("%s: %s", one.Code, one.Detail)}
			case one.Result == "drop" && o.reason == "":
				o.reason = fmt.Sprintf("%s %s: %s", one.Code, one.Field, one.Detail)
			}
		}
		return o, nil
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status >= http.StatusInternalServerError:
		return outcome{}, &again{after, said}
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return outcome{}, fmt.Errorf("%w: check --key", said)
	}
	return outcome{}, said
}
