package schema

// pointers name, per dialect, the member of the client's event that a field is read from, as a JSON pointer (RFC 6901), so that an error points at what the client
// wrote and not at what it became.
var pointers = [numDialects]map[Field]string{
	DialectNative: {
		FieldID: "/id", FieldType: "/type", FieldEvent: "/event", FieldName: "/name", FieldDistinctID: "/distinct_id", FieldUserID: "/user_id",
		FieldAnonymousID: "/anonymous_id", FieldGroupID: "/group_id", FieldPreviousID: "/previous_id", FieldSessionID: "/session_id", FieldTS: "/ts",
		FieldCorrelationID: "/correlation_id", FieldCausationID: "/causation_id", FieldHops: "/hops",
		FieldProperties: "/properties", FieldContext: "/context", FieldTraits: "/traits",
	},
	DialectSegment: {
		FieldID: "/messageId", FieldType: "/type", FieldEvent: "/event", FieldName: "/name", FieldDistinctID: "/userId", FieldUserID: "/userId",
		FieldAnonymousID: "/anonymousId", FieldGroupID: "/groupId", FieldPreviousID: "/previousId", FieldSessionID: "/context/sessionId", FieldTS: "/timestamp",
		FieldProperties: "/properties", FieldContext: "/context", FieldTraits: "/traits",
	},
}

// Pointer is where clients of the dialect write the field, "" when they do not.
func (d Dialect) Pointer(f Field) string { return pointers[d][f] }
