// Package admin is the listener for operators, on loopback unless configured otherwise: metrics, profiles, health, the log level.
//
//	GET  /metrics            Prometheus text format
//	GET  /livez              200 while the process runs; it depends on nothing else
//	GET  /readyz             200 when events can be taken in durably, else 503; ?verbose lists every check
//	GET  /log/level          the level in force
//	PUT  /log/level          changes it until the next start; the body is debug, info, warn or error
//	GET  /debug/pprof/…      net/http/pprof
//
// /healthz and /health are other names of /livez. Profiles and the level are answered to clients on this machine only, also when the
// listener is open to others.
//
// Health is apart from the server, so that the ingest listener answers /livez and /readyz from the same checks.
//
// Server.Run starts what it needs and joins it. A readiness question starts one goroutine per check; one that outlives its deadline is
// left to end by itself and is not started again before it did.
package admin
