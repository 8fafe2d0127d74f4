package audit

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/millrace/millrace/internal/enginetest"
)

// customTruth is the custom metric of these tests, as it has to be and as it is.
var customTruth = [2]string{
	"SELECT project_id, toStartOfHour(ts) AS at, toString(country), length(url_path), toInt64(count()), sum(toDecimal128(revenue, 6)) FROM {db}.events WHERE event = 'Buy' GROUP BY project_id, at, country, length(url_path)",
	"SELECT project_id, toDateTime(hour, 'UTC'), toString(land), path_length, sum(n) AS c, sum(money) FROM {db}.metric_sales__3 GROUP BY project_id, hour, land, path_length HAVING c != 0",
}

// custom makes a custom metric of sums only, as the command does.
func (l *lab) custom(phase string) {
	l.t.Helper()
	l.exec(`CREATE TABLE IF NOT EXISTS {db}.metric_sales__3 (project_id UInt32, hour DateTime64(0, 'UTC'), land LowCardinality(String), path_length UInt64, _fill UInt16,
		n SimpleAggregateFunction(sum, Int64), money SimpleAggregateFunction(sum, Decimal(38, 6)))
		ENGINE = AggregatingMergeTree PARTITION BY toYear(hour) ORDER BY (project_id, hour, land, path_length, _fill) SETTINGS non_replicated_deduplication_window = 20000`)
	const hour = "toDateTime64(3600 * (intDiv(toUnixTimestamp64Milli(events.ts), 3600000) - (toUnixTimestamp64Milli(events.ts) % 3600000 < 0)), 0, 'UTC')"
	l.exec("CREATE MATERIALIZED VIEW IF NOT EXISTS {db}.metric_sales__3_mv TO {db}.metric_sales__3 AS SELECT events.project_id AS project_id, " + hour +
		" AS hour, events.country AS land, length(events.url_path) AS path_length, toUInt16(0) AS _fill, toInt64(count()) AS n, sum(toDecimal128(events.revenue, 6)) AS money FROM {db}.events WHERE events.event IN ('Buy') GROUP BY events.project_id, " +
		hour + ", events.country, length(events.url_path)")
	description := `{"interval":"hour","where":"(events.event IN (\'Buy\'))","keys":[{"name":"project_id","sql":"events.project_id"},{"name":"hour","sql":"` + strings.ReplaceAll(hour, "'", `\'`) +
		`"},{"name":"land","sql":"events.country"},{"name":"path_length","sql":"length(events.url_path)"}],"sums":[{"name":"n","sql":"toInt64(count())"},{"name":"money","sql":"sum(toDecimal128(events.revenue, 6))"}],"users":false}`
	l.exec("INSERT INTO {db}.metrics (name, build, version, phase, rollup) SELECT 'sales', 3, 1 + max(version), '" + phase + "', '" + description + "' FROM {db}.metrics")
}

func (l *lab) wrongCustom() uint64 {
	l.t.Helper()
	return l.number("(SELECT count() FROM (" + customTruth[0] + " EXCEPT " + customTruth[1] + ")) + (SELECT count() FROM (" + customTruth[1] + " EXCEPT " + customTruth[0] + "))")
}

func TestCustomMetricsAreComparedAndRepaired(t *testing.T) {
	l := newLab(t, enginetest.ClickHouse(t), 1)
	l.custom("filling")
	l.load(0, 500, today(), time.Minute)
	l.load(0, 500, today().AddDate(0, 0, -40), time.Minute)
	a := l.auditor()
	if report := l.reconcile(a, ReconcileOptions{Repair: true}); len(report.Rollups) != len(rollups) {
		t.Errorf("one that is being filled is compared:\n%v", report)
	}
	l.custom("complete")
	report := l.reconcile(a, ReconcileOptions{Repair: true})
	if last := report.Rollups[len(report.Rollups)-1]; last.Table != "metric_sales__3" || last.Buckets < 3 || last.Drifted != 0 || !report.Exact() {
		t.Errorf("%v", report)
	}
	// Too much, too little, and rows of the back-fill that are there twice.
	l.exec("INSERT INTO {db}.metric_sales__3 SELECT * REPLACE (7 AS _fill) FROM {db}.metric_sales__3 WHERE land != ''")
	l.exec("ALTER TABLE {db}.metric_sales__3 DELETE WHERE project_id = 1 AND toDate(hour) < today() - 30")
	if l.wrongCustom() == 0 {
		t.Fatal("nothing is wrong: the test did not bite")
	}
	report = l.reconcile(a, ReconcileOptions{Repair: true, Wait: true})
	if last := report.Rollups[len(report.Rollups)-1]; last.Drifted == 0 || last.Repaired != last.Drifted {
		t.Errorf("%v", report)
	}
	if n := l.wrongCustom(); n != 0 {
		t.Errorf("%d keys are wrong after the repair", n)
	}
	// What a sink has queued is looked at for these, too.
	l.exec("ALTER TABLE {db}.metric_sales__3 DELETE WHERE toDate(hour) = '" + today().Format(time.DateOnly) + "'")
	if err := Enqueue(within(t), l.db, []int64{today().Unix(), today().Unix() + 3600}, "test"); err != nil {
		t.Fatal(err)
	}
	if err := newQueue(a).look(within(t)); err != nil {
		t.Fatal(err)
	}
	if n := l.number("(SELECT count() FROM {db}.metric_sales__3 WHERE toStartOfHour(hour) = toDateTime('" + today().Format(time.DateTime) + "', 'UTC'))"); n == 0 {
		t.Error("the queued hour was not repaired")
	}
	l.reconcile(a, ReconcileOptions{Repair: true, Wait: true})
	if n := l.wrongCustom(); n != 0 {
		t.Errorf("%d keys are wrong", n)
	}
}

// A metric may come and go while the auditor runs.
func TestCustomMetricIsDroppedMeanwhile(t *testing.T) {
	l := newLab(t, enginetest.ClickHouse(t), 1)
	l.load(0, 500, today(), time.Minute)
	a := l.auditor()
	a.rounds = 0
	ctx, cancel := context.WithCancel(within(t))
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	l.custom("complete") // of events that came before it: all is missing
	l.until("it is repaired", func() bool { return l.wrongCustom() == 0 })
	l.exec("DROP VIEW {db}.metric_sales__3_mv SYNC")
	l.exec("DROP TABLE {db}.metric_sales__3 SYNC")
	l.custom("dropped")
	l.exec("DROP VIEW {db}.metric_sales__3_mv SYNC")
	l.exec("DROP TABLE {db}.metric_sales__3 SYNC")
	l.until("it is forgotten", func() bool { return len(a.all()) == len(rollups) })
	before := l.metric("millrace_rollup_buckets_checked_total")
	l.until("the others go on being compared", func() bool { return l.metric("millrace_rollup_buckets_checked_total") > before+100 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, line := range l.set.ListMetricNames() {
		if strings.Contains(line, "metric_sales") {
			t.Errorf("its gauge is still there: %s", line)
		}
	}
}

func TestRollupOf(t *testing.T) {
	const keys = `"where":"1","keys":[{"name":"project_id","sql":"a"},{"name":"day","sql":"b"}],"sums":[{"name":"n","sql":"c"}]`
	r, err := rollupOf("t", `{"interval":"day","users":true,`+keys+`}`)
	if err != nil || r.unit != daySeconds || r.count != "n" || len(r.columns) != 4 || r.columns[3].kind != users || r.where != "1" || r.table != "t" {
		t.Errorf("%+v, %v", r, err)
	}
	for _, bad := range []string{"", "{}", `{"interval":"week",` + keys + `}`, `{"interval":"day","where":"1","keys":[],"sums":[]}`} {
		if _, err := rollupOf("t", bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
