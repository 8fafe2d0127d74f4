package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// FileName is the name that Find looks for.
const FileName = "millrace.yaml"

// Find returns the configuration file to load: explicit when it is given, else the first that exists of ./millrace.yaml,
// $XDG_CONFIG_HOME/millrace/millrace.yaml (~/.config when unset) and /etc/millrace/millrace.yaml; an empty path when there is none.
// An explicit path is returned unseen, so that Load reports what is wrong with it.
func Find(explicit string) string {
	if explicit != "" {
		return explicit
	}
	candidates := []string{FileName}
	// An error means that there is no home directory, as for a daemon; then there is nothing of the user's to read.
	if dir, err := os.UserConfigDir(); err == nil {
		candidates = append(candidates, filepath.Join(dir, "millrace", FileName))
	}
	candidates = append(candidates, filepath.Join("/etc/millrace", FileName))
	for _, path := range candidates {
		// One that may not be read must not be passed over: Load will say why.
		if info, err := os.Stat(path); err == nil && !info.IsDir() || errors.Is(err, os.ErrPermission) {
			return path
		}
	}
	return ""
}

// document reads one YAML file into raw values.
type document struct {
	path     string
	layout   *layout
	anchors  map[string]ast.Node
	values   []raw
	problems []Problem
}

func newDocument(path string, l *layout) *document {
	return &document{path: path, layout: l, anchors: map[string]ast.Node{}}
}

func (d *document) read() {
	source, err := os.ReadFile(d.path)
	if err != nil {
		d.problems = append(d.problems, Problem{Where: d.path, Message: reason(err)})
		return
	}
	d.decode(source)
}

// reason is err without the path that Problem.Where names already.
func reason(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Op + ": " + pe.Err.Error()
	}
	return err.Error()
}

func (d *document) decode(source []byte) {
	file, err := parser.ParseBytes(source, 0)
	if err != nil {
		var ye yaml.Error
		// Only the parser's words are shown, never its excerpt of the source: secrets may stand there.
		if errors.As(err, &ye) && ye.GetToken() != nil {
			d.problem(ye.GetToken(), "", ye.GetMessage())
		} else {
			d.problems = append(d.problems, Problem{Where: d.path, Message: "not valid YAML"})
		}
		return
	}
	body := ast.Node(nil)
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if body != nil {
			d.problem(doc.Body.GetToken(), "", "a second document: one file holds one configuration")
			return
		}
		body = doc.Body
	}
	if body != nil {
		d.section("", body)
	}
}

// section reads the keys below path.
func (d *document) section(path string, node ast.Node) {
	node, ok := d.resolve(node)
	if !ok {
		return
	}
	mapping, ok := node.(*ast.MappingNode)
	if !ok {
		if node.Type() == ast.NullType {
			return // a section with everything commented out
		}
		d.problem(node.GetToken(), path, fmt.Sprintf("is %v, want a section with the keys %s", d.shape(node), strings.Join(d.layout.sections[path], ", ")))
		return
	}
	for _, entry := range mapping.Values {
		name := entry.Key.GetToken()
		if mk, ok := entry.Key.(*ast.MappingKeyNode); ok && mk.Value != nil {
			name = mk.Value.GetToken()
		}
		if entry.Key.IsMergeKey() {
			d.problem(name, path, "<< is not supported: write the keys out")
			continue
		}
		if strings.Contains(name.Value, ".") {
			d.problem(name, name.Value, "unknown key: write sections as "+strings.ReplaceAll(name.Value, ".", ": {")+": …"+strings.Repeat("}", strings.Count(name.Value, ".")))
			continue
		}
		key := name.Value
		if path != "" {
			key = path + "." + key
		}
		if _, ok := d.layout.sections[key]; ok && key != "" {
			d.section(key, entry.Value)
			continue
		}
		f := d.layout.lookup(key)
		if f == nil {
			d.problem(name, key, "unknown key"+d.layout.suggest(key))
			if anchor, ok := entry.Value.(*ast.AnchorNode); ok {
				d.resolve(anchor) // an alias below must not be reported too
			}
			continue
		}
		r, ok := d.value(entry.Value)
		if !ok {
			continue
		}
		r.key = key
		r.origin = d.origin(name)
		if r.shape != list && r.shape != section && r.shape != null {
			r.origin = d.origin(entry.Value.GetToken())
		}
		d.values = append(d.values, r)
	}
}

// value reads a leaf. It is false when there is none, and has reported that.
func (d *document) value(node ast.Node) (raw, bool) {
	node, ok := d.resolve(node)
	if !ok {
		return raw{}, false
	}
	r := raw{shape: d.shape(node), text: scalarText(node)}
	if sequence, isList := node.(*ast.SequenceNode); isList {
		for _, item := range sequence.Values {
			if item, ok = d.resolve(item); !ok {
				return raw{}, false
			}
			// A list in a list is refused by its shape: no need to go deeper.
			r.items = append(r.items, raw{shape: d.shape(item), text: scalarText(item)})
		}
	}
	return r, true
}

// scalarText is the value of a scalar as written, without quotes. For anything else it means nothing.
func scalarText(node ast.Node) string {
	if literal, ok := node.(*ast.LiteralNode); ok {
		return literal.Value.Value
	}
	return node.GetToken().Value
}

// resolve follows anchors and aliases to the value itself. It is false when there is none, and has reported that. An alias inside its
// own anchor comes to an end because no caller goes deeper than the struct does.
func (d *document) resolve(node ast.Node) (ast.Node, bool) {
	for {
		switch n := node.(type) {
		case *ast.AnchorNode:
			d.anchors[n.Name.GetToken().Value] = n.Value
			node = n.Value
		case *ast.AliasNode:
			name := n.Value.GetToken().Value
			target, ok := d.anchors[name]
			if !ok {
				d.problem(n.GetToken(), "", "*"+name+" refers to no value above")
				return nil, false
			}
			node = target
		case *ast.TagNode:
			d.problem(n.GetToken(), "", n.GetToken().Value+" is not supported: write the value plainly, a text in quotes")
			return nil, false
		default:
			return node, true
		}
	}
}

func (d *document) shape(node ast.Node) shape {
	switch node.Type() {
	case ast.IntegerType, ast.FloatType, ast.InfinityType, ast.NanType:
		return number
	case ast.BoolType:
		return boolean
	case ast.NullType:
		return null
	case ast.SequenceType:
		return list
	case ast.MappingType, ast.MappingValueType:
		return section
	default:
		return text
	}
}

func (d *document) origin(t *token.Token) Origin {
	return Origin{Source: FromFile, Name: d.path, Line: t.Position.Line, Column: t.Position.Column}
}

func (d *document) problem(t *token.Token, key, message string) {
	d.problems = append(d.problems, Problem{Where: d.origin(t).where(), Key: key, Message: message})
}
