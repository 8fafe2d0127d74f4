package query

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// exception is an error of ClickHouse.
type exception struct {
	code    int
	name    string // TIMEOUT_EXCEEDED
	message string // for logs at debug level, and for analysts after scrubbing
	stats   stats
}

// Error names the error without its message, which may quote the statement and rows.
func (x *exception) Error() string { return fmt.Sprintf("ClickHouse error %d %s", x.code, x.name) }

// Errors of ClickHouse with a meaning of their own here (its src/Common/ErrorCodes.cpp).
const (
	errCannotReadFile   = 74
	errCannotWriteFile  = 75
	errUnknownTable     = 60
	errUnknownDatabase  = 81
	errTooManyRows      = 158
	errTimeout          = 159
	errTooSlow          = 160
	errUnknownUser      = 192
	errWrongPassword    = 193
	errRequiredPassword = 194
	errQuota            = 201
	errTooManyQueries   = 202
	errSocketTimeout    = 209
	errNetwork          = 210
	errSameID           = 216
	errMemory           = 241
	errNotEnoughSpace   = 243
	errNoConnection     = 279
	errTooManyBytes     = 307
	errCancelled        = 394
	errResultTooLarge   = 396
	errCannotSchedule   = 439
	errAccessDenied     = 497
	errAuthentication   = 516
	errByClient         = 734
	errServerOverloaded = 745
)

var (
	exceptionBegin = regexp.MustCompile(`^(?:[A-Za-z]+::Exception\. )?Code: (\d+)[.,] `)
	versionEnd     = regexp.MustCompile(`\s*\(version [^\n]*\)\s*$`)
	nameEnd        = regexp.MustCompile(`\s*\(([A-Z][A-Z0-9_]*)\)\s*$`)
	exceptionLead  = regexp.MustCompile(`^(?:e\.code\(\) = \d+, )?(?:DB::[A-Za-z]*Exception: )*`)
)

// parseException reads the text of an error; header is its code as a header gives it. nil: it is none of ClickHouse's.
func parseException(text, header string) *exception {
	text, _, _ = strings.Cut(text, "Stack trace")
	text = strings.TrimSpace(text)
	x := &exception{}
	begin := exceptionBegin.FindStringSubmatch(text)
	switch {
	case begin != nil:
		header = begin[1]
		text = text[len(begin[0]):]
	case header == "":
		return nil
	}
	code, err := strconv.Atoi(header)
	if err != nil {
		return nil
	}
	x.code = code
	text = versionEnd.ReplaceAllString(text, "")
	if end := nameEnd.FindStringSubmatchIndex(text); end != nil {
		x.name = text[end[2]:end[3]]
		text = text[:end[0]]
	}
	x.message = exceptionLead.ReplaceAllString(text, "")
	return x
}

// meaning says what an exception means whatever was asked, or codeOK when it depends on that. It is the one place where errors of ClickHouse are told apart.
func (x *exception) meaning() code {
	switch x.code {
	case errTimeout:
		return codeQueryTimeout
	case errTooSlow:
		if strings.Contains(x.message, "Estimated") {
			return codeQueryTimeout // it has computed that the time would not do; the code is also that of a sleep() too long
		}
	case errCancelled, errByClient:
		return codeQueryCancelled
	case errMemory:
		if strings.Contains(x.message, "Query memory") || strings.Contains(x.message, "(for query)") {
			return codeMemoryLimit
		}
		return codeOverloaded // the memory of the server or of the user as a whole: another time the same query may pass
	case errResultTooLarge:
		return codeResultTooLarge
	case errTooManyRows, errTooManyBytes:
		return codeScanLimit
	case errQuota:
		return codeQuotaExceeded
	case errTooManyQueries:
		if strings.Contains(x.message, "for user") {
			return codeTooManyQueries
		}
		return codeOverloaded
	case errCannotSchedule, errServerOverloaded:
		return codeOverloaded
	case errSameID:
		return codeQueryExists
	case errAuthentication, errUnknownUser, errWrongPassword, errRequiredPassword:
		return codeEngineUnavailable // the account is ours to set up
	case errSocketTimeout, errNetwork, errNoConnection, errNotEnoughSpace, errCannotReadFile, errCannotWriteFile:
		return codeEngineUnavailable // its disks, and other servers it needs
	}
	return codeOK
}

// quotaEnd is how ClickHouse says when a quota is there again, in the server's time zone.
var quotaEnd = regexp.MustCompile(`Interval will end at (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)`)

// quotaPause is how long a used-up quota lasts, or 0 when that is not known.
func (x *exception) quotaPause(now time.Time) time.Duration {
	m := quotaEnd.FindStringSubmatch(x.message)
	if m == nil {
		return 0
	}
	end, err := time.Parse(time.DateTime, m[1])
	if pause := end.Sub(now); err == nil && pause > 0 && pause <= 31*24*time.Hour {
		return pause
	}
	return 0
}

// spoken are the errors whose message is made from the statement and from the schema that its author may see, and never from a row: what the parser, the analysis of
// names and types, and the check of rights and settings say.
var spoken = map[string]bool{
	"SYNTAX_ERROR": true, "INTO_OUTFILE_NOT_ALLOWED": true, "UNKNOWN_FORMAT": true, "TOO_DEEP_AST": true, "TOO_BIG_AST": true,
	"UNKNOWN_IDENTIFIER": true, "UNKNOWN_TABLE": true, "UNKNOWN_DATABASE": true, "UNKNOWN_FUNCTION": true, "UNKNOWN_AGGREGATE_FUNCTION": true, "UNKNOWN_TYPE": true,
	"THERE_IS_NO_COLUMN": true, "NO_SUCH_COLUMN_IN_TABLE": true, "NOT_FOUND_COLUMN_IN_BLOCK": true, "AMBIGUOUS_IDENTIFIER": true, "AMBIGUOUS_COLUMN_NAME": true,
	"MULTIPLE_EXPRESSIONS_FOR_ALIAS": true, "ALIAS_REQUIRED": true, "NUMBER_OF_ARGUMENTS_DOESNT_MATCH": true, "TOO_FEW_ARGUMENTS_FOR_FUNCTION": true,
	"TOO_MANY_ARGUMENTS_FOR_FUNCTION": true, "ILLEGAL_TYPE_OF_ARGUMENT": true, "NO_COMMON_TYPE": true, "NOT_AN_AGGREGATE": true, "ILLEGAL_AGGREGATION": true,
	"UNION_ALL_RESULT_STRUCTURES_MISMATCH": true, "INVALID_JOIN_ON_EXPRESSION": true, "NOT_IMPLEMENTED": true, "SUPPORT_IS_DISABLED": true,
	"READONLY": true, "UNKNOWN_SETTING": true, "SETTING_CONSTRAINT_VIOLATION": true, "ACCESS_DENIED": true, "UNKNOWN_QUERY_PARAMETER": true, "BAD_QUERY_PARAMETER": true,
}

// aboutParameter marks messages that quote a value of the caller's own.
const aboutParameter = "for query parameter"

var (
	hint       = regexp.MustCompile(`(?s)[.,]?\s*Maybe you meant:?\s.*$`)
	whileDoing = regexp.MustCompile(`(?s):?\s*[Ww]hile (?:executing|processing|reading)\b.*$`)
	received   = regexp.MustCompile(`Received from \S+[.:]? `)
	quoted     = regexp.MustCompile(`'(?:[^'\\]|\\.)*'`)
	numeric    = regexp.MustCompile(`\b\d\w*(?:[.:-]\w+)*`)     // and times, which begin with one; not that in a type, UInt8
	columns    = regexp.MustCompile(`(grant [A-Z ]+)\([^)]*\)`) // of a table that may not be theirs to know
	spaces     = regexp.MustCompile(`\s+`)
)

// maxMessageBytes bounds what is repeated of a message; the list of what a parser expected is long.
const maxMessageBytes = 1000

// told is what an analyst is told about a statement that ClickHouse refuses: its own words where they come from the statement, without servers, users and hints that
// name what others have. Rows could stand in the words of an error that came while reading them, so its name must do. An error from before that may quote them, too:
// ClickHouse computes what a condition makes of the bounds of parts and granules, and those are of whatever rows lie there, before any filter.
func (x *exception) told(account Account) string {
	text := whileDoing.ReplaceAllString(x.message, "")
	switch {
	case spoken[x.name] || strings.Contains(text, aboutParameter):
	case x.stats.rowsRead == 0:
		text = numeric.ReplaceAllString(quoted.ReplaceAllString(text, "'…'"), "…")
	default:
		text = ""
	}
	text = received.ReplaceAllString(text, "")
	switch x.code {
	case errUnknownTable, errUnknownDatabase:
		text = hint.ReplaceAllString(text, "")
	case errAccessDenied:
		text = columns.ReplaceAllString(text, "$1")
	}
	if account.User != "" {
		text = strings.TrimPrefix(text, account.User+": ")
		text = strings.ReplaceAll(text, account.User, "the user")
	}
	text = strings.Trim(spaces.ReplaceAllString(strings.ToValidUTF8(text, "�"), " "), " .:,")
	if len(text) > maxMessageBytes {
		text = text[:maxMessageBytes]
		for !utf8.ValidString(text) {
			text = text[:len(text)-1]
		}
		text += "…"
	}
	if text == "" {
		return "it failed while it ran"
	}
	return text
}
