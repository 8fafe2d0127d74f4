package schema

// pointers name, per dialect, the member of the client's event that a field is read from, as a JSON pointer (RFC 6901), so that an error points at what the client
// wrote and not at what it became.
var pointers = [NumDialects]map[Field]string{
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
	DialectPostHog: {
		FieldID: "/uuid", FieldType: "/event", FieldEvent: "/event", FieldName: "/properties/$screen_name", FieldDistinctID: "/distinct_id", FieldUserID: "/distinct_id",
		FieldAnonymousID: "/properties/$anon_distinct_id", FieldGroupID: "/properties/$group_key", FieldPreviousID: "/properties/alias", FieldSessionID: "/properties/$session_id",
		FieldTS: "/timestamp", FieldProperties: "/properties", FieldTraits: "/properties/$set",
	},
	DialectAmplitude: {
		FieldID: "/insert_id", FieldType: "/event_type", FieldEvent: "/event_type", FieldName: "/event_properties/[Amplitude] Screen Name", FieldDistinctID: "/user_id", FieldUserID: "/user_id", FieldAnonymousID: "/device_id",
		FieldGroupID: "/groups", FieldSessionID: "/session_id", FieldTS: "/time", FieldProperties: "/event_properties", FieldTraits: "/user_properties",
	},
	DialectMixpanel: {
		FieldID: "/properties/$insert_id", FieldType: "/event", FieldEvent: "/event", FieldDistinctID: "/properties/distinct_id", FieldUserID: "/properties/$user_id",
		FieldAnonymousID: "/properties/$device_id", FieldGroupID: "/$group_id", FieldPreviousID: "/properties/distinct_id", FieldSessionID: "/properties/$session_id", FieldTS: "/properties/time",
		FieldProperties: "/properties",
	},
}

// Pointer is where clients of the dialect write the field, "" when they do not.
func (d Dialect) Pointer(f Field) string { return pointers[d][f] }
