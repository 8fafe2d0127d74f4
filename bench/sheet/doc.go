// Package sheet writes the results of benchmarks that are read as tables: what stands before them, the tables, and what one must know to read them, as text or Markdown (sheet.go); and figures
// in them (figure.go).
//
// Everything here is a function of its arguments.
package sheet
