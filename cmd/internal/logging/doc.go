// Package logging sets up the program's logger: JSON lines when nobody is looking, short readable lines on a terminal, a level that can
// change at run time, and a brake on warnings and errors that repeat.
//
// Other packages get a *slog.Logger and know nothing of this one. The brake is in the handler, so they may log each error where it
// happens: what repeats within the interval is counted and reported as one line. Information and debug lines are never held back.
//
// The package starts no goroutines.
package logging
