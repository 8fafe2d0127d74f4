package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/millrace/millrace/people/erase"
)

var erasureRoutes = []route{
	{http.MethodPost, "/v1/erasures", true, true, "erasure_request", (*request).postErasure},
	{http.MethodGet, "/v1/erasures/{id}", false, false, "erasure", (*request).getErasure},
	{http.MethodDelete, "/v1/erasures/{id}", true, false, "erasure_allow", (*request).deleteErasure},
}

// Codes of erasures.
var (
	codeInvalidUser    = &code{Text: "invalid_user", Status: http.StatusBadRequest, Title: "The text is not the id of a person"}
	codeUnknownErasure = &code{Text: "unknown_erasure", Status: http.StatusNotFound, Title: "There is no such erasure"}
)

// erasureDocument is an erasure as answers have it. It never holds an id of the person.
type erasureDocument struct {
	Erasure     uuid.UUID     `json:"erasure"`
	State       string        `json:"state"` // waiting: no run has been through the tables; running: the last run left rows; done; allowed: the person may come back
	RequestedAt time.Time     `json:"requested_at"`
	IDs         int           `json:"ids"`
	Whole       bool          `json:"whole_person"`
	Runs        []runDocument `json:"runs"`
}

type runDocument struct {
	Run    uuid.UUID       `json:"run"`
	At     time.Time       `json:"at"`
	Tables []countDocument `json:"tables"`
}

type countDocument struct {
	Table  string `json:"table"`
	Before uint64 `json:"before"`
	After  uint64 `json:"after"`
}

func documentOfErasure(p erase.Proof) erasureDocument {
	d := erasureDocument{Erasure: p.ID, State: "running", RequestedAt: p.RequestedAt, IDs: p.IDs, Whole: p.Whole, Runs: []runDocument{}}
	switch {
	case p.Allowed:
		d.State = "allowed"
	case len(p.Runs) == 0:
		d.State = "waiting"
	case p.Done():
		d.State = "done"
	}
	for _, r := range p.Runs {
		run := runDocument{Run: r.ID, At: r.At}
		for _, c := range r.Counts {
			run.Tables = append(run.Tables, countDocument(c))
		}
		d.Runs = append(d.Runs, run)
	}
	return d
}

// erasureRefusal says what an error of the store means to the caller.
func (r *request) erasureRefusal(doing string, err error) *refusal {
	switch {
	case errors.Is(err, erase.ErrID):
		return refuse(codeInvalidUser, err.Error())
	case errors.Is(err, erase.ErrUnknown):
		return refuse(codeUnknownErasure, err.Error())
	}
	return r.failed(doing, err)
}

// postErasure requests an erasure. The id stands in the body alone: URLs are written down everywhere.
func (r *request) postErasure() *refusal {
	if refused := r.takes(); refused != nil {
		return refused
	}
	var wanted struct {
		User     string `json:"user"`
		OnlyThis bool   `json:"only_this_id"`
	}
	if refused := decode(r.body, &wanted); refused != nil {
		return refused
	}
	e, err := r.h.deps.Erasures.Request(r.ctx, r.caller.Project, wanted.User, wanted.OnlyThis)
	if err != nil {
		return r.erasureRefusal("request an erasure", err)
	}
	p, err := r.h.deps.Erasures.Proof(r.ctx, r.caller.Project, e.ID)
	if err != nil {
		return r.erasureRefusal("read an erasure", err)
	}
	return r.answer(http.StatusAccepted, documentOfErasure(p))
}

// erasureID is the one in the path.
func (r *request) erasureID() (uuid.UUID, *refusal) {
	if refused := r.takes(); refused != nil {
		return uuid.Nil, refused
	}
	id, err := uuid.Parse(r.params["id"])
	if err != nil {
		return uuid.Nil, refuse(codeUnknownErasure, "the path must end with the id of an erasure, a UUID; ids of people do not belong into a URL")
	}
	return id, nil
}

// getErasure tells what became of an erasure.
func (r *request) getErasure() *refusal {
	id, refused := r.erasureID()
	if refused != nil {
		return refused
	}
	p, err := r.h.deps.Erasures.Proof(r.ctx, r.caller.Project, id)
	if err != nil {
		return r.erasureRefusal("read an erasure", err)
	}
	return r.answer(http.StatusOK, documentOfErasure(p))
}

// deleteErasure lets the person come back.
func (r *request) deleteErasure() *refusal {
	id, refused := r.erasureID()
	if refused != nil {
		return refused
	}
	if err := r.h.deps.Erasures.AllowErasure(r.ctx, r.caller.Project, id); err != nil {
		return r.erasureRefusal("allow a person to come back", err)
	}
	p, err := r.h.deps.Erasures.Proof(r.ctx, r.caller.Project, id)
	if err != nil {
		return r.erasureRefusal("read an erasure", err)
	}
	return r.answer(http.StatusOK, documentOfErasure(p))
}
