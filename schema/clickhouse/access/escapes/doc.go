// Package escapes holds attempts to see what the users of package access must not see, or to do what they must not do, as data: whoever lets people ask in SQL
// runs them by the way that people would take, against a World whose canary project has values of its own in every column.
//
// An attempt says what may come of it, and World.Judge tells whether that came. No attempt may bring a value of the canary's to light, in an answer or in
// an error, whatever else it does. Attempts do not contain these values, because errors repeat the text of a query.
//
// It is for tests, and imports nothing of them.
package escapes
