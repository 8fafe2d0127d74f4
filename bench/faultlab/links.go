package faultlab

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/millrace/millrace/bench/faultlab/proxy"
)

// links are the proxies on all connections of a stack, by name.
type links struct {
	byName  map[string]*proxy.Proxy
	running sync.WaitGroup
	cancel  context.CancelFunc
	mu      sync.Mutex
	err     error
}

// openLinks puts a proxy before each upstream. The caller closes them.
func openLinks(upstreams map[string]string) (*links, error) {
	ls := &links{byName: make(map[string]*proxy.Proxy)}
	ctx, cancel := context.WithCancel(context.Background())
	ls.cancel = cancel
	for name, upstream := range upstreams {
		p, err := proxy.New(proxy.Options{Name: name, Upstream: upstream, Kafka: name == gatewayBroker || name == sinkBroker})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("link %s: %w", name, err), ls.close())
		}
		ls.byName[name] = p
		ls.running.Go(func() {
			if err := p.Run(ctx); err != nil {
				ls.mu.Lock()
				defer ls.mu.Unlock()
				ls.err = errors.Join(ls.err, fmt.Errorf("link %s: %w", name, err))
			}
		})
	}
	return ls, nil
}

func (ls *links) addr(name string) string { return ls.byName[name].Addr() }

// close ends all connections.
func (ls *links) close() error {
	ls.cancel()
	ls.running.Wait()
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.err
}

// fault is what an injection asks of a link.
func (i *Injection) fault() proxy.Fault {
	f := proxy.Fault{After: i.After, Direction: proxy.ToUpstream, APIKeys: i.APIKeys, MinRequest: i.MinRequest, Delay: i.Delay, Jitter: i.Jitter, For: i.For}
	if i.ToClient {
		f.Direction = proxy.ToClient
	}
	switch i.Action {
	case Cut:
		f.Kind = proxy.Cut
	case DropReply:
		f.Kind = proxy.DropReply
	case Latency:
		f.Kind = proxy.Latency
	case HalfOpen:
		f.Kind = proxy.HalfOpen
	default:
		panic("BUG: " + string(i.Action) + " is no fault of a link")
	}
	return f
}
