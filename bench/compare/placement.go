package compare

import (
	"fmt"
	"runtime"
)

// Placement is who runs on which processors.
type Placement struct {
	Pinned bool   `json:"pinned"`
	Target int    `json:"target"`        // the processor of the target; -1 when not pinned
	Load   []int  `json:"load"`          // those of generator and broker; when not pinned all there are
	Why    string `json:"why,omitempty"` // it is not pinned
}

// place limits this process, with all that it starts from now on, to all processors but the last, which is the targets'. restore undoes that for this process. Where that
// cannot be done the Placement says why.
func place() (p Placement, restore func() error, err error) {
	all, err := processors()
	if err != nil {
		return p, nil, err
	}
	nothing := func() error { return nil }
	if all == nil {
		for i := range runtime.NumCPU() {
			p.Load = append(p.Load, i)
		}
		p.Target, p.Why = -1, runtime.GOOS+" has no way to give processes their processors"
		return p, nothing, nil
	}
	if len(all) == 1 {
		return Placement{Target: -1, Load: all, Why: fmt.Sprintf("there is only one processor (%d) for this process", all[0])}, nothing, nil
	}
	last := len(all) - 1
	p = Placement{Pinned: true, Target: all[last], Load: all[:last]}
	if err := limit(p.Load); err != nil {
		return p, nil, err
	}
	before := runtime.GOMAXPROCS(len(p.Load))
	return p, func() error {
		runtime.GOMAXPROCS(before)
		return limit(all)
	}, nil
}
