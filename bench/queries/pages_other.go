//go:build !linux

package queries

import "errors"

// dropPages cannot be had here.
func dropPages(string) (left int64, err error) {
	return 0, errors.New("only Linux lets a program give back the pages of files")
}

// freeBytes is not known here.
func freeBytes(string) (n int64, ok bool) { return 0, false }
