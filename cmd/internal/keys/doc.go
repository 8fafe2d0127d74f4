// Package keys holds the keys: what a client shows to prove which project it sends events to, or asks questions about.
//
// A key reads
//
//	mr_<env>_<id>_<secret>_<crc32>
//
// with env 1 to 16 lower-case letters and digits, id 8, secret 32 and crc32 7 characters of Crockford's base 32 in lower case (digits
// and letters without i, l, o, u). The id begins with a letter. The secret carries 160 random bits. The last part is the IEEE CRC-32 of
// everything before its underscore: a mistyped or cut key is refused before anything is looked up, and scanners for leaked secrets
// find keys without false alarms.
//
// DATA/keys.yaml (mode 0600) holds for each key its id, project, name, environment, scope (ingest, query, manage), the SDK family of its clients and what becomes of
// their addresses if that was said, time of creation and the SHA-256 of the secret, never the secret. A key may have several secrets, which is what rotation needs; all of them are valid. A fast hash is enough, since
// what it guards is random and long.
//
// An adopted key is a text that another system made and clients send already: a PostHog token, a Segment write key, an Amplitude API key, a Mixpanel token, a Jitsu
// id:secret. Its record has the SHA-256 of the whole text and the mark adopted; the text has no id inside, so it is found by its hash. It is as strong as its text: where
// a key made here has 160 random bits, an adopted one has those that the other system gave it, and one that stood in web pages is known to everybody. Hence adopted keys
// have scope ingest and no other, and whoever can read keys.yaml could try short or common texts against the hash. No text is adopted twice, and none that is the
// development key.
//
// The one secret kept in clear is the development key, in DATA/dev-key (mode 0600), so that each start can print it. It is made at the
// first start with the profile dev, and MILLRACE_DEV_KEY replaces it by any text. It belongs to project 1 and has all scopes. The profile prod refuses it.
//
// Lookups read a snapshot and take no lock. The package starts no goroutines.
package keys
