package drivetest

import (
	"io"
	"net/http"
	"strconv"
)

// A call is one request on its way.
type call struct {
	srv     *Server
	r       *http.Request
	op      Op
	entry   *Request
	user    *user
	granted grants
	keep    int64 // Fault.Keep
}

// handler performs a call. What it returns has not been sent yet.
type handler func(*call) (*answer, *apiError)

// ServeHTTP answers as the Drive API does, at /drive/v3/ and /upload/drive/v3/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.active++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.active--; s.active == 0 {
			s.idle.Broadcast()
		}
	}()
	s.mux.ServeHTTP(w, overridden(r))
}

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	on := func(pattern string, op Op, h handler) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, op, h) })
	}
	on("GET /drive/v3/about", OpAbout, (*call).about)
	on("GET /drive/v3/files", OpList, (*call).list)
	on("POST /drive/v3/files", OpCreate, (*call).create)
	on("GET /drive/v3/files/generateIds", OpGenerateIDs, (*call).generateIDs)
	on("PATCH /drive/v3/files/{fileId}", OpUpdate, (*call).update)
	on("DELETE /drive/v3/files/{fileId}", OpDelete, (*call).delete)
	mux.HandleFunc("GET /drive/v3/files/{fileId}", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("alt") == "media" {
			s.serve(w, r, OpDownload, (*call).download)
		} else {
			s.serve(w, r, OpGet, (*call).get)
		}
	})
	for _, prefix := range []string{"", "/resumable"} { // the discovery document has both
		mux.HandleFunc(prefix+"/upload/drive/v3/files", s.serveUpload)
		mux.HandleFunc(prefix+"/upload/drive/v3/files/{fileId}", s.serveUpload)
	}
	on("DELETE /drive/v3/files/trash", OpOther, refuse)
	on("/drive/v3/files/{fileId}/permissions", OpOther, refuse)
	on("/drive/v3/files/{fileId}/permissions/{permissionId}", OpOther, refuse)
	on("/", OpOther, missing)
	return mux
}

func refuse(c *call) (*answer, *apiError) { return nil, notSupported() }

func missing(c *call) (*answer, *apiError) {
	return nil, notImplemented(c.r.Method + " " + c.r.URL.Path)
}

// serve performs one call, with whatever goes wrong on purpose.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, op Op, h handler) {
	if r.Method == http.MethodHead { // which ServeMux takes for a GET
		op, h = OpOther, missing
	}
	c := &call{srv: s, r: r, op: op, entry: logEntry(op, r)}
	fault := c.arrive()
	r.Body = &countingReader{ReadCloser: r.Body, call: c}
	if fault.cutsRequest() {
		r.Body = &cutReader{ReadCloser: r.Body, n: int64(fault.CutAt)}
	}
	if !fault.wait(r) {
		panic(http.ErrAbortHandler)
	}
	c.r = decoded(r)
	a := c.perform(h, &fault)
	if fault.cutsRequest() {
		fault.breakConnection(w, r, nil)
		return
	}
	io.Copy(io.Discard, r.Body) // or the client is refused before it has sent it all
	a = a.with(fault.Header)
	c.leave(a)
	if fault.Cut {
		fault.breakConnection(w, r, a)
		return
	}
	a.write(w)
}

// arrive logs the call and finds the fault that hits it.
func (c *call) arrive() Fault {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	fault, faulty := c.srv.fault(c.op)
	c.entry.Faulty, c.keep = faulty, fault.Keep
	if len(c.srv.log) == maxLog {
		c.srv.log = c.srv.log[1:]
	}
	c.srv.log = append(c.srv.log, c.entry)
	return fault
}

// leave logs what the call is answered with, before it is.
func (c *call) leave(a *answer) {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	c.entry.Status = a.status
}

// perform lets the call have its effect, unless a fault prevents it.
func (c *call) perform(h handler, fault *Fault) *answer {
	if fault.cutsRequest() && c.op != OpUploadChunk {
		io.Copy(io.Discard, c.r.Body)
		return nil
	}
	if fault.answers() && !fault.Performed {
		return fault.answer()
	}
	a, refusal := c.authorized(h)
	if refusal != nil {
		a = refusal.answer()
	}
	if fault.answers() {
		return fault.answer()
	}
	return a
}

// authorized performs the call for the user whose token it carries.
func (c *call) authorized(h handler) (*answer, *apiError) {
	// The address of an upload session is a capability: it needs no token, but a
	// token that is sent must be good.
	session := c.op == OpUploadChunk || c.op == OpUploadStatus
	if !session || c.r.Header.Get("Authorization") != "" {
		if err := c.authenticate(); err != nil {
			return nil, err
		}
	}
	if err := c.checkParameters(); err != nil {
		return nil, err
	}
	return h(c)
}

func (a *answer) write(w http.ResponseWriter) {
	header := w.Header()
	for name, values := range a.header {
		header[name] = values
	}
	if a.status != http.StatusNoContent {
		header.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	w.Write(a.body)
}
