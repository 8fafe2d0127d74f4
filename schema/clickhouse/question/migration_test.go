package question_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/millrace/millrace/schema/clickhouse/question"
)

var update = flag.Bool("update", false, "write the views into the migration")

// migration is the one that -update writes: all views that those before it do not make as they are.
const migration = "0011_persons.sql"

// The tables are what the migrations say. Of each view the last statement that makes it must be what Views says.
func TestMigrationsMakeTheViews(t *testing.T) {
	const placeholder = "DATABASE_placeholder"
	folder := filepath.Join("..", "migrations")
	views := question.Views(placeholder)
	if *update {
		if err := os.RemoveAll(filepath.Join(folder, migration)); err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		made, _ := viewsMade(t, folder, placeholder)
		for _, v := range views {
			if made[v.Name] != v.Text {
				text.WriteString(strings.ReplaceAll(v.Text, placeholder, "{database}") + ";\n")
			}
		}
		if err := os.WriteFile(filepath.Join(folder, migration), []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	made, order := viewsMade(t, folder, placeholder)
	for _, v := range views {
		if !slices.Contains(order, v.Name) {
			t.Errorf("no migration makes view %s", v.Name)
		} else if made[v.Name] != v.Text {
			t.Errorf("the migrations make view %s otherwise than Views says. Until the first release that has %s, run the test with -update; later write a new migration", v.Name, migration)
		}
	}
}

// viewsMade returns the last statement that makes each view, and the views in the order in which they are made.
func viewsMade(t *testing.T, folder, placeholder string) (made map[string]string, order []string) {
	t.Helper()
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	made = map[string]string{}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for statement := range strings.SplitSeq(string(text), ";\n") {
			statement = strings.TrimSpace(strings.ReplaceAll(statement, "{database}", placeholder))
			if name, ok := strings.CutPrefix(statement, "CREATE OR REPLACE VIEW "+placeholder+"."); ok {
				name, _, _ = strings.Cut(name, "\n")
				made[name] = statement
				order = append(order, name)
			}
		}
	}
	return made, order
}
