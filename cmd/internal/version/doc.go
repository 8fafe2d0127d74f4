// Package version says which build of the program this is. The values are set by the linker; see the Makefile.
package version
