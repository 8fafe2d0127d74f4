package exact

// String returns the class as it stands in metrics.
func (c Class) String() string {
	return [...]string{"retriable", "schema", "bad_row", "unknown"}[c]
}
