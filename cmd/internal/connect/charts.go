package connect

import (
	"fmt"
	"strings"
)

// passwordEnv is where programs that are started by others find the password.
const passwordEnv = "MILLRACE_SQL_PASSWORD"

func writeGrafana(f *filling, r *Recipe) {
	password := "$" + passwordEnv // Grafana puts in what its environment has
	if f.password != "" {
		// A dollar sign would begin a variable.
		password = "'" + strings.NewReplacer("'", "''", "$", "$$").Replace(f.password) + "'"
	}
	source := fmt.Sprintf(`apiVersion: 1
datasources:
  - name: Millrace
    type: grafana-clickhouse-datasource
    jsonData:
      host: %s
      port: %d
      protocol: native
      secure: %t
      username: %s
      defaultDatabase: %s
    secureJsonData:
      password: %s`, f.native.host, f.native.port, f.TLS, f.User, f.Database, password)
	r.Steps = []Step{
		{Text: "Install the data source:", Language: "sh", Code: "grafana cli plugins install grafana-clickhouse-datasource"},
		{Text: "Put this into provisioning/datasources/millrace.yaml, or type the same into Connections > Add new connection > ClickHouse:", Language: "yaml", Code: source},
	}
	if f.password == "" {
		r.Steps = append(r.Steps, Step{Text: "Start Grafana with the password in its environment:", Language: "sh", Code: fmt.Sprintf("%s=%s grafana server", passwordEnv, f.forShell())})
	}
	r.Steps = append(r.Steps, Step{Text: "Try a panel with this query:", Language: "sql", Code: `SELECT $__timeInterval(ts) AS time, event, count() AS n
FROM events
WHERE $__timeFilter_ms(ts)
GROUP BY time, event
ORDER BY time`})
}

func writeSuperset(f *filling, r *Recipe) {
	r.URL = fmt.Sprintf("clickhousedb://%s@%s/%s%s", f.login(), f.http, f.Database, flag(f.TLS, "?secure=true"))
	r.Steps = append([]Step{
		{Text: "Install the driver where Superset runs, and start Superset again:", Language: "sh", Code: "pip install clickhouse-connect"},
		{Text: "Settings > Database Connections > + Database > Other, with this SQLAlchemy URI:", Code: r.URL},
	}, passwordStep(f)...)
	r.Notes = []string{"A dataset on one of the views with parameters is made in SQL Lab: write SELECT * FROM the view with its parameters and save that."}
}

func writeMetabase(f *filling, r *Recipe) {
	r.Settings = []Setting{
		{"Database type", "ClickHouse"},
		{"Display name", "Millrace"},
		{"Host", f.http.host},
		{"Port", fmt.Sprint(f.http.port)},
		{"Username", f.User},
		{"Password", f.forForm()},
		{"Databases", f.Database},
		{"Use a secure connection (SSL)", flag(f.TLS, "on") + flag(!f.TLS, "off")},
	}
	r.Steps = append([]Step{{Text: "Admin settings > Databases > Add database (ClickHouse is built in since Metabase 54):"}}, passwordStep(f)...)
}
