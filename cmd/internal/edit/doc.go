// Package edit measures how far a misspelt word is from one that is known.
package edit
