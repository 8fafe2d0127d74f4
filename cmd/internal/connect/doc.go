// Package connect writes recipes: how to open the tables of one instance with the tools that analysts use, with everything filled in but the password, which
// is shown only to who asks for it.
//
//   - instance.go: what a recipe is filled with
//   - recipe.go: a recipe, as text and as JSON
//   - tools.go: the list of tools; sql.go, charts.go, code.go: their recipes
//
// Nothing here connects to anything or reads a file.
package connect
