package clickhouse

import (
	"context"
	"fmt"
	"strings"
)

// A dictionary reads its table as an account of the server's, whose name and password stand in its definition, where the server shows the password to nobody. The migrations leave a
// place for them.
const accountPlace = "{account}"

func (db *DB) accounted(statement string) string {
	return strings.ReplaceAll(statement, accountPlace, db.account)
}

func dictionaryAccount(user, password string) string {
	if user == "default" && password == "" {
		return "" // what the server takes by itself
	}
	return "USER " + quoteText(user) + " PASSWORD " + quoteText(password) + " "
}

// ReadAsDefault lets the dictionaries that this pool makes read as the account default, not as the pool's own.
func (db *DB) ReadAsDefault() { db.account = "" }

// RenewDictionaries makes the dictionaries of the migrations anew, as far as they are there: they may have been made with a password that is no longer valid, or restored from a
// database of another name.
func RenewDictionaries(ctx context.Context, db *DB) error {
	all, err := migrations(db.database)
	if err != nil {
		return err
	}
	for _, m := range all {
		for _, statement := range m.Statements {
			rest, ok := strings.CutPrefix(statement, "CREATE DICTIONARY IF NOT EXISTS")
			if !ok {
				continue
			}
			name, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
			var there uint8
			if err := db.conn.QueryRow(ctx, "EXISTS DICTIONARY "+name).Scan(&there); err != nil {
				return fmt.Errorf("look for dictionary %s: %w", name, err)
			}
			if there == 0 {
				continue
			}
			if err := db.conn.Exec(ctx, db.accounted("CREATE OR REPLACE DICTIONARY"+rest)); err != nil {
				return fmt.Errorf("make dictionary %s: %w: GRANT CREATE DICTIONARY, DROP DICTIONARY ON %s.* TO the user in clickhouse.username", name, err, db.database)
			}
		}
	}
	return nil
}

// quoteText writes a text as SQL does.
func quoteText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
