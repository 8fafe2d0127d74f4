package custom

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// Read is Parse for a file.
func Read(path string) ([]Definition, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	return Parse(path, source)
}

// Parse reads the definitions of a YAML file, whose path is for messages. Everything that is wrong is reported at once, as a *ParseError.
func Parse(path string, source []byte) ([]Definition, error) {
	d := &document{path: path}
	var all []Definition
	if body := d.body(source); body != nil {
		places := map[string]*token.Token{}
		d.section(body, "the file", []string{"metrics"}, map[string]func(ast.Node){"metrics": func(node ast.Node) {
			d.list(node, "metrics", 0, mostMetrics, func(item ast.Node) {
				p := metricParser{document: d, names: map[string]string{}}
				m := p.parse(item)
				if before := places[m.Name]; before != nil {
					d.at(item.GetToken(), "metric %q occurs twice, first in line %d: rename one of them", m.Name, before.Position.Line)
				}
				if n := len(compile(m).createView("millrace", 1, "")); len(d.problems) == 0 && n > mostStatement {
					d.at(item.GetToken(), "metric %q becomes a view of %d bytes: %d are allowed; name fewer or shorter events and values", m.Name, n, mostStatement)
				}
				if m.Name != "" {
					places[m.Name] = item.GetToken()
				}
				all = append(all, m)
			})
		}})
	}
	if len(d.problems) > 0 {
		return nil, &ParseError{d.problems}
	}
	return all, nil
}

// metricParser reads one metric.
type metricParser struct {
	*document
	metric Definition
	names  map[string]string // columns that its table has, and what of
}

func (p *metricParser) parse(node ast.Node) Definition {
	m := &p.metric
	for _, name := range taken {
		p.names[name] = "every table"
	}
	p.section(node, "a metric", []string{"name", "interval"}, map[string]func(ast.Node){
		"name": func(v ast.Node) {
			if s, ok := p.text(v, "name"); ok && p.identifier(v, "name", s) {
				m.Name = s
			}
		},
		"project": func(v ast.Node) {
			s, ok := p.text(v, "project")
			if n, err := strconv.ParseUint(s, 10, 32); ok && (err != nil || n == 0) {
				p.at(v.GetToken(), "project %q must be a number from 1 up, as keys have it; without the key project, all count", s)
			} else {
				m.Project = uint32(n)
			}
		},
		"events": func(v ast.Node) {
			p.list(v, "events", 1, mostEvents, func(item ast.Node) {
				if s, ok := p.text(item, "event"); ok && p.fresh(item, "event", s, slices.Contains(m.Events, s)) {
					m.Events = append(m.Events, s)
				}
			})
		},
		"where": func(v ast.Node) {
			p.list(v, "where", 1, mostConditions, func(item ast.Node) {
				if c, ok := p.condition(item); ok {
					m.Where = append(m.Where, c)
				}
			})
		},
		"by":   func(v ast.Node) { p.list(v, "by", 1, mostDimensions, p.dimension) },
		"sums": func(v ast.Node) { p.list(v, "sums", 1, mostSums, p.sum) },
		"uniques": func(v ast.Node) {
			p.list(v, "uniques", 1, 1, func(item ast.Node) {
				if s, ok := p.choice(item, "unique", []string{"user"}); ok {
					m.Uniques = append(m.Uniques, s)
				}
			})
		},
		"interval": func(v ast.Node) { m.Interval, _ = p.choice(v, "interval", []string{minute, hour, day}) },
		"keep":     p.keep,
	})
	return *m
}

func (p *metricParser) identifier(node ast.Node, what, s string) bool {
	if identifier.MatchString(s) && len(s) <= mostName {
		return true
	}
	p.at(node.GetToken(), "%s %q must begin with a lower-case letter and hold lower-case letters, digits and single underscores, %d at most", what, s, mostName)
	return false
}

func (p *metricParser) fresh(node ast.Node, what, s string, known bool) bool {
	if known {
		p.at(node.GetToken(), "%s %q occurs twice: remove one of them", what, s)
	}
	return !known
}

// name notes that the table has a column, unless it has one of the name.
func (p *metricParser) name(node ast.Node, name, field string) bool {
	if !p.identifier(node, "column", name) {
		return false
	}
	if of, ok := p.names[name]; ok {
		p.at(node.GetToken(), "column %q is there already, of %s: name it otherwise with the key as", name, of)
		return false
	}
	p.names[name] = field
	return true
}

func (p *metricParser) keep(v ast.Node) {
	s, ok := p.text(v, "keep")
	if !ok {
		return
	}
	days, found := strings.CutSuffix(s, "d")
	n, err := strconv.Atoi(days)
	if !found || err != nil || n < leastKeepDays || n > mostKeepDays {
		p.at(v.GetToken(), "keep %q must be a number of days from %dd to %dd, such as 400d; without the key keep, all are kept", s, leastKeepDays, mostKeepDays)
		return
	}
	p.metric.KeepDays = n
}

// field reads the name of a field.
func (p *metricParser) field(v ast.Node, allowed []string, keys ...string) (string, bool) {
	s, ok := p.text(v, "field")
	if !ok {
		return "", false
	}
	if _, member, isKey := key(s); isKey && slices.ContainsFunc(keys, func(prefix string) bool { return strings.HasPrefix(s, prefix) }) {
		if member == "" {
			p.at(v.GetToken(), "field %q names no key: write it behind the dot", s)
		}
		return s, member != ""
	}
	if slices.Contains(allowed, s) {
		return s, true
	}
	hint := ""
	for _, prefix := range keys {
		hint += ", or " + prefix + "KEY"
	}
	p.at(v.GetToken(), "field %q cannot stand here%s; there are %s%s", s, nearest(s, allowed), strings.Join(allowed, ", "), hint)
	return "", false
}

func (p *metricParser) condition(node ast.Node) (c Condition, ok bool) {
	before := len(p.problems)
	var field, op, values ast.Node
	p.section(node, "a condition", []string{"field", "op"}, map[string]func(ast.Node){
		"field": func(v ast.Node) {
			field = v
			c.Field, _ = p.field(v, conditionFields(), propertiesPrefix, traitsPrefix)
		},
		"op":     func(v ast.Node) { op = v; c.Op, _ = p.text(v, "op") },
		"values": func(v ast.Node) { values = v },
	})
	if field == nil || op == nil || len(p.problems) > before {
		return c, false
	}
	k := property
	if col, isColumn := columns[c.Field]; isColumn {
		k = col.kind
	}
	if !slices.Contains(operators[k], c.Op) {
		p.at(op.GetToken(), "op %q is none of field %s%s; there are %s", c.Op, c.Field, nearest(c.Op, operators[k]), strings.Join(operators[k], ", "))
		return c, false
	}
	p.values(node, values, k, &c)
	return c, len(p.problems) == before
}

func (p *metricParser) values(node, values ast.Node, k kind, c *Condition) {
	if c.Op == "set" || c.Op == "not_set" {
		if values != nil {
			p.at(values.GetToken(), "op %s takes no values: remove the key", c.Op)
		}
		return
	}
	if values == nil {
		p.at(node.GetToken(), "op %s of field %s needs the key values", c.Op, c.Field)
		return
	}
	most := 1
	if c.Op == "is" || c.Op == "is_not" {
		most = mostValues
	}
	form, numeric := operand[k]
	numeric = numeric && (k != property || comparisons[c.Op] != "")
	p.list(values, "values", 1, most, func(item ast.Node) {
		s, ok := p.text(item, "value")
		switch {
		case !ok:
		case numeric && !form.form.MatchString(s):
			p.at(item.GetToken(), "value %q must be %s, as %s %s takes it", s, form.says, c.Field, c.Op)
		case p.fresh(item, "value", s, slices.Contains(c.Values, s)):
			c.Values = append(c.Values, s)
		}
	})
}

func (p *metricParser) dimension(node ast.Node) {
	var g Dimension
	var as ast.Node = node
	ok := false
	if _, isText := node.(*ast.StringNode); isText {
		g.Field, ok = p.field(node, groupable())
	} else {
		before := len(p.problems)
		p.section(node, "a dimension", []string{"field"}, map[string]func(ast.Node){
			"field": func(v ast.Node) { g.Field, _ = p.field(v, groupable(), propertiesPrefix) },
			"type":  func(v ast.Node) { g.Type, _ = p.choice(v, "type", propertyTypes) },
			"as":    func(v ast.Node) { as = v; g.As, _ = p.text(v, "as") },
		})
		ok = len(p.problems) == before
	}
	if !ok {
		return
	}
	_, member, isKey := key(g.Field)
	switch {
	case isKey && g.Type == "":
		p.at(node.GetToken(), "dimension %s needs the key type: %s", g.Field, strings.Join(propertyTypes, ", "))
		return
	case !isKey && g.Type != "":
		p.at(node.GetToken(), "dimension %s is a column, which has a type: remove the key type", g.Field)
		return
	case g.As == "" && isKey:
		g.As = member
	case g.As == "":
		g.As = g.Field
	}
	if p.name(as, g.As, g.Field) {
		p.metric.By = append(p.metric.By, g)
	}
}

func (p *metricParser) sum(node ast.Node) {
	var s Sum
	var as ast.Node = node
	ok := false
	if _, isText := node.(*ast.StringNode); isText {
		s.Field, ok = p.field(node, []string{"revenue"}, propertiesPrefix)
	} else {
		before := len(p.problems)
		p.section(node, "a sum", []string{"field"}, map[string]func(ast.Node){
			"field": func(v ast.Node) { s.Field, _ = p.field(v, []string{"revenue"}, propertiesPrefix) },
			"as":    func(v ast.Node) { as = v; s.As, _ = p.text(v, "as") },
		})
		ok = len(p.problems) == before
	}
	if !ok {
		return
	}
	if s.As == "" {
		s.As = strings.TrimPrefix(s.Field, propertiesPrefix)
	}
	if p.name(as, s.As, s.Field) {
		p.metric.Sums = append(p.metric.Sums, s)
	}
}

// conditionFields lists the columns that conditions may be about.
func conditionFields() []string {
	var names []string
	for name := range columns {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
