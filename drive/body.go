package drive

import "io"

// A loan lends the window of a source, from the offset on, to the bodies of one
// request. An HTTP transport may go on reading a body after it has returned; once
// the loan has ended it gets no more, and the window can move.
type loan struct {
	src   *source
	from  int64
	ended bool
}

func (l *loan) end() {
	l.src.lease.Lock()
	defer l.src.lease.Unlock()
	l.ended = true
}

// body returns a body that starts over: the transport may want several.
func (l *loan) body() io.ReadCloser { return &loanBody{loan: l, off: l.from} }

type loanBody struct {
	*loan
	off int64
}

func (b *loanBody) Read(p []byte) (int, error) {
	b.src.lease.Lock()
	defer b.src.lease.Unlock()
	if b.ended { // first: the window is no longer ours to look at
		return 0, io.EOF
	}
	left := b.src.end() - b.off
	if left == 0 {
		return 0, io.EOF
	}
	n, err := b.src.copyAt(p[:min(int64(len(p)), left)], b.off)
	b.off += int64(n)
	return n, err
}

func (b *loanBody) Close() error { return nil }
