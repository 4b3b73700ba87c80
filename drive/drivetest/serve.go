package drivetest

import (
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
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

// A handler performs a call and returns the answer or the error to send.
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
	if r.Body == nil { // as http.NewRequest leaves it, in a test
		r.Body = http.NoBody
	}
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

// serve performs one call, with the fault that hits it.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, op Op, h handler) {
	if r.Method == http.MethodHead { // ServeMux takes it for a GET
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
	io.Copy(io.Discard, r.Body) // an answer before the end could be lost by a client that is still sending
	a = a.with(fault.Header)
	c.leave(a)
	if fault.Cut {
		fault.breakConnection(w, r, a)
		return
	}
	a.write(w)
}

// arrive logs the call and returns the fault that hits it.
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

// leave logs the status of the answer before it is sent.
func (c *call) leave(a *answer) {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	c.entry.Status = a.status
}

// perform lets the call have its effect, unless the fault prevents it, and returns
// the answer.
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
	// The address of an upload session is a capability. It needs no token, but a
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

// overridden returns r with the method of X-HTTP-Method-Override. A client whose HTTP
// library lacks a method (Java's has no PATCH) sends a POST, and so does one whose GET
// is too long for a URL; its parameters are in the body.
func overridden(r *http.Request) *http.Request {
	method := r.Header.Get("X-HTTP-Method-Override")
	if r.Method != http.MethodPost || method == "" {
		return r
	}
	r = r.Clone(r.Context())
	r.Method = method
	if method == http.MethodGet {
		query, _ := io.ReadAll(io.LimitReader(r.Body, maxMetadata))
		r.URL.RawQuery = string(query)
	}
	return r
}

// A countingReader logs how much of a body arrives.
type countingReader struct {
	io.ReadCloser
	call *call
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.call.srv.mu.Lock()
	c.call.entry.BodySize += int64(n)
	c.call.srv.mu.Unlock()
	return n, err
}

// A cutReader fails after n bytes.
type cutReader struct {
	io.ReadCloser
	n int64
}

func (c *cutReader) Read(p []byte) (int, error) {
	if c.n <= 0 {
		return 0, errCut
	}
	n, err := c.ReadCloser.Read(p[:min(int64(len(p)), c.n)])
	c.n -= int64(n)
	return n, err
}

// decoded returns r with a body that Content-Encoding: gzip no longer applies to.
// Google's client for Java sends such bodies.
func decoded(r *http.Request) *http.Request {
	if r.Header.Get("Content-Encoding") != "gzip" {
		return r
	}
	r = r.WithContext(r.Context())
	r.Body = &gzipBody{ReadCloser: r.Body}
	return r
}

type gzipBody struct {
	io.ReadCloser
	z *gzip.Reader
}

func (g *gzipBody) Read(p []byte) (int, error) {
	if g.z == nil {
		z, err := gzip.NewReader(g.ReadCloser)
		if err != nil {
			return 0, err
		}
		g.z = z
	}
	return g.z.Read(p)
}

// Names of the query parameters, from the discovery document. Those about shared
// drives, labels and permissions change nothing here. Neither does setModifiedDate of
// version 2 of the API, which rclone sends when it replaces a file.
const (
	globalParameters = "alt fields key prettyPrint quotaUser userIp $.xgafv "
	commonParameters = "enforceSingleParent includeLabels includePermissionsForView supportsAllDrives supportsTeamDrives "
	writeParameters  = commonParameters + "keepRevisionForever ocrLanguage uploadType useContentAsIndexableText "
	createParameters = writeParameters + "ignoreDefaultVisibility "
	updateParameters = writeParameters + "addParents removeParents setModifiedDate "
	listParameters   = commonParameters + "corpora corpus driveId includeItemsFromAllDrives includeTeamDriveItems " +
		"orderBy pageSize pageToken q spaces teamDriveId "
)

func parametersOf(op Op) []string {
	own := ""
	switch op {
	case OpGenerateIDs:
		own = "count space type"
	case OpList:
		own = listParameters
	case OpGet, OpDownload:
		own = commonParameters + "acknowledgeAbuse"
	case OpCreate:
		own = createParameters
	case OpUpdate:
		own = updateParameters
	case OpDelete:
		own = commonParameters
	case OpUploadStart, OpUploadChunk, OpUploadStatus:
		own = createParameters + updateParameters + "upload_id"
	}
	return strings.Fields(globalParameters + own)
}

// checkParameters returns an error if the method does not have a parameter, or if one
// comes twice, or if alt names a form that the answer does not have.
func (c *call) checkParameters() *apiError {
	if c.op == OpOther {
		return nil
	}
	known := parametersOf(c.op)
	for name, values := range c.r.URL.Query() {
		if !slices.Contains(known, name) {
			return &apiError{status: 400, reason: "invalidParameter", location: name, locationType: "parameter",
				message: "Unknown name \"" + name + "\": Cannot find field."}
		}
		if len(values) != 1 {
			return invalid(name, "Invalid Value")
		}
	}
	want := "json"
	if c.op == OpDownload {
		want = "media"
	}
	if alt := c.param("alt"); alt != "" && alt != want {
		return invalid("alt", "Invalid Value")
	}
	return nil
}

func (c *call) param(name string) string { return c.r.URL.Query().Get(name) }

func (c *call) pretty() bool { return c.param("prettyPrint") != "false" }
