package connect

import "fmt"

func writePython(f *filling, r *Recipe) {
	r.Steps = []Step{
		{Text: "Install the driver:", Language: "sh", Code: "pip install clickhouse-connect pandas"},
		{Text: "Put the password into the environment:", Language: "sh", Code: fmt.Sprintf("export %s=%s", passwordEnv, f.forShell())},
		{Text: "Ask:", Language: "python", Code: fmt.Sprintf(`import os
import clickhouse_connect

client = clickhouse_connect.get_client(
    host=%q, port=%d, secure=%s,
    username=%q, password=os.environ[%q], database=%q,
)
print(client.query_df(%q))`, f.http.host, f.http.port, flag(f.TLS, "True")+flag(!f.TLS, "False"), f.User, passwordEnv, f.Database, first)},
	}
}

func writeJDBCURL(f *filling, r *Recipe) {
	r.URL = fmt.Sprintf("jdbc:clickhouse://%s/%s%s", f.http, f.Database, flag(f.TLS, "?ssl=true"))
}

func writeJDBC(f *filling, r *Recipe) {
	writeJDBCURL(f, r)
	r.Settings = []Setting{
		{"Driver", "com.clickhouse:clickhouse-jdbc:0.11.0 or newer, with what it depends on"},
		{"URL", r.URL},
		{"user", f.User},
		{"password", f.forForm()},
	}
	r.Steps = []Step{{Text: "What a tool asks for:"}}
	if f.password == "" {
		r.Steps = append(r.Steps, passwordStep(f)...)
	}
	r.Steps = append(r.Steps,
		Step{Text: "Or in a program, with the password in its environment:", Language: "sh", Code: fmt.Sprintf("export %s=%s", passwordEnv, f.forShell())},
		Step{Text: "Ask:", Language: "java", Code: fmt.Sprintf(`var login = new java.util.Properties();
login.put("user", "%s");
login.put("password", System.getenv("%s"));
try (var connection = java.sql.DriverManager.getConnection("%s", login);
     var statement = connection.createStatement();
     var rows = statement.executeQuery("%s")) {
    while (rows.next()) {
        System.out.println(rows.getString("event") + " " + rows.getLong("n"));
    }
}`, f.User, passwordEnv, r.URL, first)})
}
