package connect

import "fmt"

// first is a question that every instance has an answer to.
const first = "SELECT event, count() AS n FROM events GROUP BY event ORDER BY n DESC LIMIT 10"

func writeClient(f *filling, r *Recipe) {
	command := fmt.Sprintf("CLICKHOUSE_PASSWORD=%s clickhouse-client --host %s --port %d%s --user %s --database %s",
		f.forShell(), f.native.host, f.native.port, flag(f.TLS, " --secure"), f.User, f.Database)
	r.Steps = []Step{
		{Text: "Open a prompt (the environment keeps the password out of the list of processes):", Language: "sh", Code: command},
		{Text: "Or ask one question, here with the answer as CSV:", Language: "sh", Code: command + " \\\n  --format CSVWithNames --query " + shellQuote(first)},
	}
}

// writeCurl needs a password without quotes and backslashes, which curl's configuration would want escaped: those of our accounts are letters and digits.
func writeCurl(f *filling, r *Recipe) {
	r.URL = fmt.Sprintf("http%s://%s/?database=%s", flag(f.TLS, "s"), f.http, f.Database)
	r.Steps = []Step{{
		Text: "Post the question (printf is part of the shell, so no list of processes shows the password):", Language: "sh",
		Code: fmt.Sprintf("printf 'user = \"%%s:%%s\"\\n' %s %s |\n  curl --config - --data-binary %s '%s&default_format=JSONEachRow'", f.User, f.forShell(), shellQuote(first), r.URL),
	}}
}

func writeDBeaver(f *filling, r *Recipe) {
	writeJDBCURL(f, r)
	r.Settings = []Setting{
		{"Driver", "ClickHouse (the official one, not \"Legacy\")"},
		{"Host", f.http.host},
		{"Port", fmt.Sprint(f.http.port)},
		{"Database", f.Database},
		{"Username", f.User},
		{"Password", f.forForm()},
	}
	if f.TLS {
		r.Settings = append(r.Settings, Setting{"Driver property ssl", "true"})
	}
	r.Steps = append([]Step{{Text: "Database > New Database Connection:"}}, passwordStep(f)...)
	r.Notes = []string{"Leave \"Read-only connection\" off: some versions of the driver refuse it, and the account may only read anyhow."}
}

func flag(on bool, text string) string {
	if on {
		return text
	}
	return ""
}
