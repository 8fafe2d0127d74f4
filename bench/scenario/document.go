package scenario

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// document reads one YAML text into a value and gathers what is wrong with it.
type document struct {
	name     string
	problems []error
}

// parse reads a scenario over the defaults. The error names every unknown key and every value of the wrong kind; only when there is none, every value that cannot work.
func parse(name string, source []byte) (Scenario, error) {
	s := Default()
	d := document{name: name}
	d.read(source, &s)
	if len(d.problems) > 0 {
		return Scenario{}, errors.Join(d.problems...)
	}
	if err := s.Validate(); err != nil {
		return Scenario{}, prefix(name, err)
	}
	return s, nil
}

// prefix puts the file's name before each line of a joined error.
func prefix(name string, err error) error {
	return errors.New(name + ": " + strings.ReplaceAll(err.Error(), "\n", "\n"+name+": "))
}

func (d *document) read(source []byte, s *Scenario) {
	file, err := parser.ParseBytes(source, 0)
	if err != nil {
		var ye yaml.Error
		if errors.As(err, &ye) && ye.GetToken() != nil {
			d.problem(ye.GetToken(), "", "%s", ye.GetMessage())
		} else {
			d.problems = append(d.problems, fmt.Errorf("%s: not valid YAML: %w", d.name, err))
		}
		return
	}
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.CommentType:
		case body != nil:
			d.problem(doc.Body.GetToken(), "", "a second document: one file holds one scenario")
			return
		default:
			body = doc.Body
		}
	}
	if body == nil {
		d.problems = append(d.problems, fmt.Errorf("%s: it is empty: write at least the key name", d.name))
		return
	}
	d.section("", body, reflect.ValueOf(s).Elem())
}

// section reads a mapping into a struct.
func (d *document) section(path string, node ast.Node, into reflect.Value) {
	var entries []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		entries = n.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{n}
	case *ast.NullNode:
		return // everything in it is commented out
	default:
		d.problem(node.GetToken(), path, "%s is no section: the keys %s stand here", text(node), strings.Join(keys(into.Type()), ", "))
		return
	}
	for _, entry := range entries {
		name := entry.Key.GetToken().Value
		key := join(path, name)
		i := slices.Index(keys(into.Type()), name)
		if i < 0 {
			d.problem(entry.Key.GetToken(), key, "unknown key: %s", cure(name, keys(into.Type())))
			continue
		}
		d.value(key, entry.Value, into.Field(i))
	}
}

// value reads a node into a field.
func (d *document) value(key string, node ast.Node, into reflect.Value) {
	switch {
	case into.Kind() == reflect.Struct:
		d.section(key, node, into)
	case into.Kind() == reflect.Slice:
		d.list(key, node, into)
	default:
		switch node.(type) {
		case *ast.MappingNode, *ast.MappingValueNode, *ast.SequenceNode, *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.NullNode:
			d.problem(node.GetToken(), key, "a plain value belongs here, found %s", node.Type())
			return
		}
		if err := setScalar(into, text(node), node.Type()); err != nil {
			d.problem(node.GetToken(), key, "%v", err)
		}
	}
}

// list reads a sequence of sections. It replaces what was there.
func (d *document) list(key string, node ast.Node, into reflect.Value) {
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		d.problem(node.GetToken(), key, "%s is no list: write each item behind a dash", text(node))
		return
	}
	items := reflect.MakeSlice(into.Type(), len(sequence.Values), len(sequence.Values))
	for i, item := range sequence.Values {
		d.section(fmt.Sprintf("%s[%d]", key, i), item, items.Index(i))
	}
	into.Set(items)
}

func (d *document) problem(at *token.Token, key, format string, args ...any) {
	if key != "" {
		key += ": "
	}
	d.problems = append(d.problems, fmt.Errorf("%s:%d:%d: %s%s", d.name, at.Position.Line, at.Position.Column, key, fmt.Sprintf(format, args...)))
}

// text is a scalar as written, without quotes.
func text(node ast.Node) string {
	if literal, ok := node.(*ast.LiteralNode); ok {
		return literal.Value.Value
	}
	return node.GetToken().Value
}

// keys are the names of a struct's fields, in order.
func keys(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Tag.Get("yaml")
	}
	return names
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// cure says what may have been meant by an unknown key.
func cure(name string, known []string) string {
	plain := func(s string) string { return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s)) }
	for _, k := range known {
		if a, b := plain(name), plain(k); a == b || a+"s" == b || b+"s" == a {
			return "is it " + k + "?"
		}
	}
	return "the keys here are " + strings.Join(known, ", ")
}
