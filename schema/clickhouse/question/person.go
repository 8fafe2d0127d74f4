package question

// PersonOf is an expression of type UInt64: the person that the hash of an id belongs to, which is the hash itself unless an identity says otherwise. It is to stand where a column
// project_id can be read.
//
// The dictionary has one number as its key, four times as fast to look up as project and hash together. Two projects may meet in a key, so its rows say whose they are.
func PersonOf(database, hash string) string {
	return fill("if((dictGetOrDefault('#database.identity', ('person_h', 'project_id'), bitXor(#hash, intHash64(project_id)), (#hash, project_id)) AS found).2 = project_id, found.1, #hash)",
		"database", database, "hash", hash)
}
