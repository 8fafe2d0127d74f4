package stack

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// childEnv makes the test program play a process of a lab instead of running tests.
const childEnv = "FAULTLAB_TEST_CHILD"

func TestMain(m *testing.M) {
	if role := os.Getenv(childEnv); role != "" {
		child(role)
		return
	}
	goleak.VerifyTestMain(m)
}

// child is a server on an address ("server ADDRESS"), an engine ("engine"), or one that ends at once ("broken").
func child(role string) {
	words := strings.Fields(role)
	switch words[0] {
	case "server":
		terminated := make(chan os.Signal, 1)
		signal.Notify(terminated, syscall.SIGTERM)
		ln, err := net.Listen("tcp", words[1])
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		go func() {
			_ = http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/exit" {
					os.Exit(7)
				}
			}))
		}()
		fmt.Println("serving")
		<-terminated
	case "engine":
		if _, err := os.NewFile(4, "ready").WriteString("{}\n"); err != nil {
			os.Exit(1)
		}
		_, _ = os.NewFile(3, "life").Read(make([]byte, 1)) // until its end
	case "broken":
		os.Exit(3)
	}
}

const patience = 20 * time.Second
