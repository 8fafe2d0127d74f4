package ingest

// discard answers what is no event, such as recordings of screens: it is taken for the SDK's sake and not kept, or not taken.
func (r *request) discard() {
	if r.s.cfg.Recordings == RefuseRecordings {
		r.refuse(refuse(codeUnknownRoute, "recordings are not taken here (ingest.recordings: refuse): switch them off in the SDK"))
		return
	}
	r.s.gauges.discarded.Inc()
	r.answer()
}
