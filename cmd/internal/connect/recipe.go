package connect

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Recipe is how to open the tables with one tool.
type Recipe struct {
	Tool     string `json:"tool"`
	Title    string `json:"title"`
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Protocol string `json:"protocol"` // native or http
	TLS      bool   `json:"tls"`
	Database string `json:"database"`
	User     string `json:"user"`
	// Password is there when it was to be shown, else PasswordCommand prints it.
	Password        string    `json:"password,omitempty"`
	PasswordCommand string    `json:"password_command,omitempty"`
	URL             string    `json:"url,omitempty"` // as the tool wants it
	Settings        []Setting `json:"settings,omitempty"`
	Steps           []Step    `json:"steps,omitempty"`
	Notes           []string  `json:"notes,omitempty"`
}

// Setting is a field of a form.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Step is one thing to do.
type Step struct {
	Text     string `json:"text"`
	Language string `json:"language,omitempty"` // of the code: sh, yaml, python, java, sql
	Code     string `json:"code,omitempty"`
}

// Text writes the recipe for people.
func (r *Recipe) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", r.Title)
	width := 0
	for _, s := range r.Settings {
		width = max(width, utf8.RuneCountInString(s.Name))
	}
	for n, step := range r.Steps {
		fmt.Fprintf(&b, "\n%d. %s\n", n+1, step.Text)
		if n == 0 && len(r.Settings) > 0 {
			b.WriteByte('\n')
			for _, s := range r.Settings {
				fmt.Fprintf(&b, "     %-*s  %s\n", width, s.Name, s.Value)
			}
		}
		if step.Code != "" {
			b.WriteByte('\n')
			for line := range strings.SplitSeq(step.Code, "\n") {
				b.WriteString(strings.TrimRight("     "+line, " ") + "\n")
			}
		}
	}
	for n, note := range r.Notes {
		if n == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "Note: %s\n", note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
