package backup

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseDestination(t *testing.T) {
	for _, c := range []struct{ in, sql, shown string }{
		{"File('/backups/monday')", "File('/backups/monday')", "File('/backups/monday')"},
		{" Disk( 'backups', 'mon\\'day' ) ", "Disk( 'backups', 'mon\\'day' )", "Disk('backups', 'mon\\'day')"},
		{"S3('https://s3.example.com/b/k', 'id', 'hunter2')", "S3('https://s3.example.com/b/k', 'id', 'hunter2')", "S3('https://s3.example.com/b/k', '***', '***')"},
		{"S3('https://u:hunter2@s3.example.com/b?sig=hunter2')", "S3('https://u:hunter2@s3.example.com/b?sig=hunter2')", "S3('https://***@s3.example.com/b?***')"},
		{"S3(store, filename = 'x', secret='hunter2')", "S3(store, filename = 'x', secret='hunter2')", "S3(store, filename='***', secret='***')"},
		{"AzureBlobStorage('AccountKey=hunter2','c','p')", "AzureBlobStorage('AccountKey=hunter2','c','p')", "AzureBlobStorage('***', '***', '***')"},
	} {
		d, err := ParseDestination(c.in)
		if err != nil || d.sql != c.sql || d.String() != c.shown {
			t.Errorf("%s: %q, shown %q, %v", c.in, d.sql, d, err)
		}
		if s := fmt.Sprintf("%v %+v %#v", d, d, d); strings.Contains(s, "hunter2") {
			t.Errorf("printed: %s", s)
		}
	}
	for _, in := range []string{
		"", "File", "File()", "File( )", "Null()", "Memory('x')", "file('x')", "File('x'), File('y')", "File('x') SETTINGS async=1", "File('x', (SELECT 1))",
		"File('x'); DROP DATABASE millrace", "File('hunter2)", "File(\"x\")", "File('x' 'y')", "File(1)", "S3('x', 'hunter2'", "File('a'')') --",
	} {
		d, err := ParseDestination(in)
		if err == nil {
			t.Errorf("%s was taken as %q", in, d.sql)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error repeats a secret: %v", err)
		}
	}
}
