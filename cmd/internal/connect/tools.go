package connect

import (
	"errors"
	"fmt"
	"strings"
)

// Tool is a program that there is a recipe for.
type Tool struct {
	Name  string
	Short string // what it is, in a few words
	needs protocol
	write func(f *filling, r *Recipe)
}

// tools is the one list, in the order in which it is shown.
var tools = []Tool{
	{"clickhouse-client", "ClickHouse's own prompt", native, writeClient},
	{"curl", "SQL over HTTP from a shell", http, writeCurl},
	{"grafana", "Grafana with the ClickHouse data source", native, writeGrafana},
	{"dbeaver", "DBeaver", http, writeDBeaver},
	{"superset", "Apache Superset", http, writeSuperset},
	{"metabase", "Metabase", http, writeMetabase},
	{"python", "Python with clickhouse-connect", http, writePython},
	{"jdbc", "Java and whatever speaks JDBC", http, writeJDBC},
}

// Tools lists what there are recipes for. The caller owns the result.
func Tools() []Tool { return append([]Tool(nil), tools...) }

// ErrUnknownTool is among the errors of For when there is no such recipe.
var ErrUnknownTool = errors.New("no recipe")

// For fills in the recipe of a tool.
func For(tool string, i Instance) (Recipe, error) {
	for _, t := range tools {
		if t.Name != tool {
			continue
		}
		f, err := i.fill(t.needs)
		if err != nil {
			return Recipe{}, fmt.Errorf("%s: %w", tool, err)
		}
		at, word := f.native, "native"
		if t.needs == http {
			at, word = f.http, "http"
		}
		r := Recipe{
			Tool: t.Name, Title: t.Short, Host: at.host, Port: at.port, Protocol: word, TLS: i.TLS, Database: i.Database, User: i.User, Password: f.password,
		}
		if f.password == "" {
			r.PasswordCommand = i.PasswordCommand
		}
		t.write(&f, &r)
		if at.loopback() {
			r.Notes = append(r.Notes, "ClickHouse listens on this machine only ("+at.String()+"). A tool in a container reaches it with the network of the host (docker run --network host).")
		}
		return r, nil
	}
	var names []string
	for _, t := range tools {
		names = append(names, t.Name)
	}
	return Recipe{}, fmt.Errorf("%w for %q: there are %s", ErrUnknownTool, tool, strings.Join(names, ", "))
}

// passwordStep says where a password comes from that a person has to type; nothing when the recipe shows it.
func passwordStep(f *filling) []Step {
	if f.password != "" {
		return nil
	}
	return []Step{{Text: "The password is printed by", Language: "sh", Code: f.PasswordCommand}}
}
