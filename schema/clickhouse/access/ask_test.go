package access_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	driver "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/millrace/millrace/internal/enginetest"
	"github.com/millrace/millrace/schema/clickhouse"
)

// asker is a way to ask as a user. An answer is written as tab-separated values.
type asker func(sql string, params, settings map[string]string) (string, error)

// overHTTP asks as curl does.
func overHTTP(engine *enginetest.Engine, user string) asker {
	return overHTTPWith(engine, user, password(user))
}

func overHTTPWith(engine *enginetest.Engine, user, secret string) asker {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	return func(sql string, params, settings map[string]string) (string, error) {
		query := url.Values{}
		for name, value := range params {
			query.Set("param_"+name, clickhouse.EscapeParameter(value))
		}
		for name, value := range settings {
			query.Set(name, value)
		}
		req, err := http.NewRequest(http.MethodPost, "http://"+engine.HTTP+"/?"+query.Encode(), strings.NewReader(sql))
		if err != nil {
			return "", err
		}
		req.SetBasicAuth(user, secret)
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close() //nolint:errcheck // read only
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return "", err
		}
		if resp.StatusCode != http.StatusOK {
			return "", errors.New(string(body))
		}
		return string(body), nil
	}
}

// overNative asks as clickhouse-client does.
func overNative(t testing.TB, engine *enginetest.Engine, user string) asker {
	t.Helper()
	conn, err := driver.Open(&driver.Options{Addr: []string{engine.TCP}, Auth: driver.Auth{Username: user, Password: password(user)}, DialTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return func(sql string, params, settings map[string]string) (string, error) {
		escaped := driver.Parameters{}
		for name, value := range params {
			escaped[name] = clickhouse.EscapeParameter(value)
		}
		all := driver.Settings{}
		for name, value := range settings {
			all[name] = value
		}
		ctx := driver.Context(within(t), driver.WithParameters(escaped), driver.WithSettings(all))
		// The driver bounds the time of a query by its context, which is a setting, too.
		ctx = context.WithoutCancel(ctx)
		rows, err := conn.Query(ctx, sql)
		if err != nil {
			return "", err
		}
		defer rows.Close() //nolint:errcheck // Err has told
		var b strings.Builder
		for rows.Next() {
			var values []any
			for _, c := range rows.ColumnTypes() {
				values = append(values, reflect.New(c.ScanType()).Interface())
			}
			if err := rows.Scan(values...); err != nil {
				return "", err
			}
			for i, v := range values {
				b.WriteString(map[bool]string{true: "", false: "\t"}[i == 0])
				fmt.Fprintf(&b, "%v", reflect.ValueOf(v).Elem().Interface())
			}
			b.WriteString("\n")
		}
		return b.String(), rows.Err()
	}
}

// must asks and fails the test with an error.
func must(t testing.TB, ask asker, sql string) string {
	t.Helper()
	answer, err := ask(sql, nil, nil)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return strings.TrimSuffix(answer, "\n")
}

// askAs logs in as a user and sends a query that says that another server passes it on, for somebody else. It returns the row, or the error.
func askAs(t *testing.T, addr, user, claimed, query string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // read only
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	const revision = 54460
	var b proto.Buffer
	proto.ClientHello{Name: "test", Major: 1, ProtocolVersion: revision, User: user, Password: password(user)}.Encode(&b)
	b.PutString("") // quota key
	q := proto.Query{ID: "", Body: query, Stage: proto.StageComplete, Info: proto.ClientInfo{
		ProtocolVersion: revision, Interface: proto.InterfaceTCP, Query: proto.ClientQuerySecondary, InitialUser: claimed, InitialQueryID: "passed-on", InitialAddress: "0.0.0.0:0",
	}}
	q.EncodeAware(&b, revision)
	proto.ClientCodeData.Encode(&b)
	proto.ClientData{}.EncodeAware(&b, revision)
	if err := (proto.Block{}).EncodeBlock(&b, revision, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(b.Buf); err != nil {
		t.Fatal(err)
	}
	var answer []byte
	rows := regexp.MustCompile(`rows \d.* as \w*|DB::Exception.*`)
	chunk := make([]byte, 4096)
	for {
		if found := rows.Find(answer); found != nil {
			return string(found)
		}
		n, err := conn.Read(chunk)
		answer = append(answer, chunk[:n]...)
		if err != nil {
			t.Fatalf("%q: %v", answer, err)
		}
	}
}
