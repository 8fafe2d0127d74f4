package clickhouse

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
)

// runLibrary loads the library and runs ClickHouse's command line in this process until its last query has ended. It can be
// called once per process: the library does not survive a second run.
func runLibrary(path string, args []string) error {
	if err := setTimezone(); err != nil {
		return err
	}
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return fmt.Errorf("load library: %w", err)
	}
	var (
		run     func(argc int32, argv unsafe.Pointer) unsafe.Pointer
		failure func(result unsafe.Pointer) string
	)
	for name, f := range map[string]any{"chdb_query_cmdline": &run, "chdb_result_error": &failure} {
		symbol, err := purego.Dlsym(handle, name)
		if err != nil {
			return fmt.Errorf("%s is no libchdb that can be used: %w", path, err)
		}
		purego.RegisterFunc(f, symbol)
	}
	argv, keep := cStrings(append([]string{"clickhouse"}, args...))
	result := run(int32(len(args)+1), unsafe.Pointer(&argv[0]))
	runtime.KeepAlive(keep)
	if result == nil {
		return errors.New("the library returned nothing")
	}
	if text := failure(result); text != "" {
		return errors.New(strings.TrimSpace(text))
	}
	return nil
}

// setTimezone sets TZ for the library: os.Setenv changes Go's copy of the environment only.
func setTimezone() error {
	symbol, err := purego.Dlsym(purego.RTLD_DEFAULT, "setenv")
	if err != nil {
		return fmt.Errorf("find setenv: %w", err)
	}
	var setenv func(name, value string, overwrite int32) int32
	purego.RegisterFunc(&setenv, symbol)
	if setenv("TZ", timezone, 1) != 0 {
		return errors.New("setenv TZ: out of memory")
	}
	return nil
}

// cStrings builds an argv that ends with a null pointer. The second result owns the bytes: Go's heap does not move, so the
// pointers hold as long as it is kept alive.
func cStrings(args []string) ([]*byte, [][]byte) {
	argv := make([]*byte, len(args)+1)
	keep := make([][]byte, len(args))
	for i, a := range args {
		keep[i] = append([]byte(a), 0)
		argv[i] = &keep[i][0]
	}
	return argv, keep
}
