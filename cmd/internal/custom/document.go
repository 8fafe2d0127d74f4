package custom

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// document reads YAML strictly and notes all problems with their places.
type document struct {
	path     string
	problems []Problem
}

// body returns the one document of the source; nil when there is none, which is noted.
func (d *document) body(source []byte) ast.Node {
	if !utf8.Valid(source) {
		d.problems = append(d.problems, Problem{d.path, "is not valid UTF-8"})
		return nil
	}
	file, err := parser.ParseBytes(source, 0)
	if err != nil {
		var ye yaml.Error
		if errors.As(err, &ye) && ye.GetToken() != nil {
			d.at(ye.GetToken(), "%s", ye.GetMessage())
		} else {
			d.problems = append(d.problems, Problem{d.path, "not valid YAML"})
		}
		return nil
	}
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case body != nil:
			d.at(doc.Body.GetToken(), "a second document: one file holds one list of metrics")
			return nil
		default:
			body = doc.Body
		}
	}
	if body == nil {
		d.problems = append(d.problems, Problem{d.path, "is empty: write metrics: [] when there are none"})
	}
	return body
}

// at notes a problem at a place.
func (d *document) at(t *token.Token, format string, args ...any) {
	d.problems = append(d.problems, Problem{fmt.Sprintf("%s:%d:%d", d.path, t.Position.Line, t.Position.Column), fmt.Sprintf(format, args...)})
}

// plain refuses what makes a value stand elsewhere than where it is written.
func (d *document) plain(node ast.Node) bool {
	switch node.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		d.at(node.GetToken(), "anchors, aliases and tags are not supported: write the value out")
		return false
	}
	return true
}

// section calls the function of each key that the mapping has, with the token of the key and its value. Missing mandatory keys are noted, and others than those of fields.
func (d *document) section(node ast.Node, what string, mandatory []string, fields map[string]func(ast.Node)) {
	if !d.plain(node) {
		return
	}
	known := slices.Sorted(maps.Keys(fields))
	mapping, ok := node.(*ast.MappingNode)
	if !ok {
		d.at(node.GetToken(), "%s must be a section with the keys %s", what, strings.Join(known, ", "))
		return
	}
	seen := map[string]bool{}
	for _, entry := range mapping.Values {
		name := entry.Key.GetToken()
		read, ok := fields[name.Value]
		switch {
		case entry.Key.IsMergeKey():
			d.at(name, "<< is not supported: write the keys out")
		case !ok:
			d.at(name, "%s has no key %q%s; there are %s", what, name.Value, nearest(name.Value, known), strings.Join(known, ", "))
		case entry.Value.Type() == ast.NullType:
			d.at(name, "%s is empty: give it a value, or remove the key", name.Value)
			seen[name.Value] = true
		default:
			seen[name.Value] = true
			read(entry.Value)
		}
	}
	for _, name := range mandatory {
		if !seen[name] {
			d.at(mapping.GetToken(), "%s lacks the key %s", what, name)
		}
	}
}

// list calls each for every item. Fewer than least and more than most are noted.
func (d *document) list(node ast.Node, what string, least, most int, each func(ast.Node)) {
	if !d.plain(node) {
		return
	}
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		d.at(node.GetToken(), "%s must be a list", what)
		return
	}
	if n := len(sequence.Values); n < least || n > most {
		d.at(node.GetToken(), "%s has %d items: %d to %d are allowed", what, n, least, most)
		return
	}
	for _, item := range sequence.Values {
		each(item)
	}
}

// text reads a scalar as it is written. Only what no statement and no terminal shows well is refused.
func (d *document) text(node ast.Node, what string) (string, bool) {
	if !d.plain(node) {
		return "", false
	}
	var s string
	switch n := node.(type) {
	case *ast.LiteralNode:
		s = n.Value.Value
	case *ast.StringNode:
		s = n.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		s = node.GetToken().Value
	default:
		d.at(node.GetToken(), "%s must be a text", what)
		return "", false
	}
	switch {
	case len(s) > mostBytes:
		d.at(node.GetToken(), "%s has %d bytes: %d are allowed", what, len(s), mostBytes)
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		d.at(node.GetToken(), "%s %q holds a control character", what, s)
	default:
		return s, true
	}
	return "", false
}

// choice reads one of some words.
func (d *document) choice(node ast.Node, what string, words []string) (string, bool) {
	s, ok := d.text(node, what)
	if ok && !slices.Contains(words, s) {
		d.at(node.GetToken(), "%s %q is unknown%s; there are %s", what, s, nearest(s, words), strings.Join(words, ", "))
		return "", false
	}
	return s, ok
}
