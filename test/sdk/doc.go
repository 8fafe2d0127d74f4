// Package sdk runs the real SDKs of others against the real product: `make test-sdk`.
//
// One server with its embedded engines serves all tests. Each scenario has a fault proxy of its own in front of it, which records every request byte for byte, and can answer the first ones itself or cut their
// connections. The SDKs run in small programs (node/*.mjs, python/*.py, pages in a real Chromium), which read a scenario from standard input and print what the SDK reported. What is expected in ClickHouse is
// worked out from the recorded requests and from the calls, by a reading of each dialect that shares no code with the product.
//
// The tests are left out unless MILLRACE_TEST_SDK=1 is set, because they need Node, Python, Chromium and the packages that `make test-sdk` installs. MILLRACE_TEST_SDK_BINARY names a program to try instead of one
// built from this tree.
package sdk
