// Package config turns the configuration file, the environment and the command line into one checked struct.
//
// Load takes a struct that holds the defaults and lays over it, each stronger than the one before: a profile (a named bundle of
// defaults), the YAML file, environment variables, flags. The key of a field is its path of yaml tags, and the other two spellings
// follow from it:
//
//	file   ingest: {max_body_bytes: 20MiB}
//	env    MILLRACE_INGEST__MAX_BODY_BYTES=20MiB
//	flag   --ingest.max-body-bytes=20MiB
//
// Nothing is guessed. A key that does not exist, a value of another type, a list where a text belongs are errors; each names its
// place (file:line:column, variable or flag), the value and the cure, and all of them are reported at once. Nothing inside a value is
// expanded. Durations are written 250ms or 60d, sizes 64MiB, booleans true or false; lists are YAML lists in the file and comma separated
// elsewhere. An integer field whose key ends in _bytes or _bytes_per_second is a
// size.
//
// Fields tagged secret:"true", or of a type that hides itself from logs (a slog.LogValuer), never appear in a message or in printed configuration.
//
// A variable that begins with MILLRACE_ and has a double underscore, or spells a key of the top level, must be a key. Others are left
// alone, since Kubernetes sets such names for a service called millrace, unless they are a near miss of a key. Reserved lists the
// names that mean something else.
//
// The package starts no goroutines and keeps no state.
package config
