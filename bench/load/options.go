package load

import (
	"errors"
	"fmt"
	"time"

	"github.com/millrace/millrace/bench/generate"
	"github.com/millrace/millrace/bench/ledger"
	"github.com/millrace/millrace/bench/scenario"
)

// Options say what is sent where, and who is told of it.
type Options struct {
	// URL is scheme://host:port of the target, http or https. A path is put before that of the dialect.
	URL string
	// Key is the write key, sent as the user of Basic authentication. Empty: no Authorization header.
	Key string
	// Scenario has the schedule and the limits. It must be valid and is only read.
	Scenario *scenario.Scenario
	// Pool has the bodies; each of its producers gets a connection. The Runner writes into the bodies while it runs. The probe is left alone.
	Pool *generate.Pool
	// Run is the run in the ids of the events.
	Run ledger.RunID
	// Record is called once for each request that was sent, with its outcome, in the order of each producer's sequence numbers and from as many
	// goroutines as there are producers. The entry is valid during the call. An error ends the run. Nil: nothing is recorded.
	Record func(*ledger.Entry) error
	// Tick is called at the end of each interval, from the goroutine of Run. A call that takes longer than an interval makes the next one longer. Nil: nobody is told.
	Tick func(Interval)
	// Interval is the time between two ticks. Default 1 s.
	Interval time.Duration
	// ParseAnswers is false for targets that answer only a status: then 200 means that everything was accepted, and bodies are not looked at.
	ParseAnswers bool
	// Resend says which requests are sent again, byte for byte. All sends of a body are one Entry, with the answer that binds the server most of each event, and one
	// latency, up to the last answer. Default Never.
	Resend ResendPolicy
	// ResendFor is how long a request is sent again. Default 30 s.
	ResendFor time.Duration
}

func (o *Options) validate() error {
	var problems []error
	if o.Scenario == nil {
		problems = append(problems, errors.New("no scenario"))
	}
	if o.Pool == nil || len(o.Pool.Producers) == 0 {
		problems = append(problems, errors.New("no producers: the pool is empty"))
	}
	if o.Interval < 0 {
		problems = append(problems, fmt.Errorf("interval %v is negative", o.Interval))
	}
	if o.ResendFor < 0 {
		problems = append(problems, fmt.Errorf("resend for %v is negative", o.ResendFor))
	}
	return errors.Join(problems...)
}
