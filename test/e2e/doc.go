// Package e2e tries the product from the outside: the real binary, its real embedded engines, real SDKs, HTTP in and SQL out. It imports no stage.
//
// Each test has a data directory and a server of its own on free ports. Nothing is left running: the engines end with the server that started
// them, also when that is killed.
package e2e
