// Package compare measures what named targets cost per event, side by side: in each round every target gets a window of the same load, one after the other, A B C A B C,
// so that whatever else happens on the machine happens to all of them. The figure is CPU time per accepted event of the target's processes, user and
// system apart; rates and latencies stand beside it.
//
// On Linux with two cores or more the targets have the last core, with GOMAXPROCS=1, and this process and the broker the others. When those are busy beyond
// SaturatedAt, a target's rate says more about the generator and is marked as a lower bound; CPU per event is good all the same.
//
// Built-in targets are gateway (millrace serve --role ingest), null (fasthttp doing nothing) and naive (net/http, encoding/json, kafka-go). Behind gateway and
// naive is a broker that acknowledges and keeps nothing but counts, with which the accepted events are compared after every window. Anything
// else that takes the same bodies and can be named by a URL can be a target too.
//
// Run starts children in process groups of their own, with two goroutines each that copy their output, and ends and joins them before it returns. While it runs, the whole process
// keeps to the generator's cores.
package compare
