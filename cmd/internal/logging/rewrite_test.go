package logging

import (
	"context"
	"log/slog"
)

// rewrite changes each record on its way to a handler.
type rewrite struct {
	slog.Handler
	change func(*slog.Record)
}

func (h rewrite) Handle(ctx context.Context, r slog.Record) error {
	h.change(&r)
	return h.Handler.Handle(ctx, r)
}

func (h rewrite) WithAttrs(attrs []slog.Attr) slog.Handler {
	return rewrite{h.Handler.WithAttrs(attrs), h.change}
}

func (h rewrite) WithGroup(name string) slog.Handler {
	return rewrite{h.Handler.WithGroup(name), h.change}
}
