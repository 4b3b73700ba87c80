//go:build unix

package servers

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed3a054f9c/googlesignin/examples/internal/needs"
)

// startTimeout is how long a server may take until it answers. A node that joins a
// Galera cluster runs shell scripts first, which on a very busy machine took over
// three minutes.
const startTimeout = 6 * time.Minute

// A Server is one running database. Stop, Kill and Start are for tests of what
// happens when it goes away and comes back; it keeps its port and its folder.
type Server struct {
	// Addr is where it listens, 127.0.0.1:port.
	Addr string
	// DSN is what its driver's sql.Open takes; empty for Redis.
	DSN string

	dir     string
	bus     string // of a cluster node: the port on which it talks to the others
	args    []string
	ready   func() error
	stopSig syscall.Signal
	running *process
}

// start makes a folder, lets prepare fill it and say how the server is run, and
// starts it.
func start(tb testing.TB, prepare func(s *Server, port string) error) *Server {
	tb.Helper()
	dir, err := os.MkdirTemp("", "servers-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	if err := give(dir); err != nil {
		tb.Fatal(err)
	}
	port, err := freePort()
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{Addr: "127.0.0.1:" + port, dir: dir, stopSig: syscall.SIGTERM}
	if err := prepare(s, port); err != nil {
		tb.Fatal(err)
	}
	if err := give(dir); err != nil { // also the files that prepare wrote, which a umask may have closed
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.end(syscall.SIGKILL) })
	s.Start(tb)
	return s
}

// Start starts the server again after Stop or Kill, and waits until it answers.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	p, err := run(s.dir, s.args)
	if err != nil {
		tb.Fatal(err)
	}
	s.running = p
	if err := s.awaitReady(); err != nil {
		tb.Fatalf("%s does not answer: %v\n%s", filepath.Base(s.args[0]), err, p.log())
	}
}

// awaitReady polls: no server says to its parent when it is ready.
func (s *Server) awaitReady() error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	timeout := time.After(startTimeout)
	for {
		err := s.ready()
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-s.running.done:
			return errors.New("it has ended")
		case <-timeout:
			return err
		}
	}
}

// Stop ends the server in good order.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	s.end(s.stopSig)
}

// Kill ends the server with SIGKILL, as a crash would.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	s.end(syscall.SIGKILL)
}

func (s *Server) end(sig syscall.Signal) {
	if s.running == nil {
		return
	}
	s.running.signal(sig)
	<-s.running.done
	s.running = nil
}

// A process is a server's, started as nobody special: PostgreSQL and MariaDB
// refuse to run as root.
type process struct {
	cmd  *exec.Cmd
	out  lockedBuffer
	done chan struct{} // closed when it has ended
}

// run starts a process that does not outlive this one. The thread that started
// it has to live as long: Linux sends the signal when that thread ends.
func run(dir string, args []string) (*process, error) {
	p := &process{cmd: command(dir, args), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	dieWithParent(p.cmd.SysProcAttr)
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer close(p.done)
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.cmd.Wait() // how it ended is of no interest, only that it did
		}
	}()
	return p, <-started
}

func (p *process) signal(sig syscall.Signal) { p.cmd.Process.Signal(sig) }
func (p *process) log() string               { return p.out.String() }

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func command(dir string, args []string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(),
		"TZ=America/St_Johns", // a zone that no test expects
		"HOME="+dir,
		"TMPDIR="+dir) // MariaDB removes what others have in a common one
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if uid, gid, ok := account(); ok {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	return cmd
}

// runOnce runs a program that prepares a folder.
func runOnce(dir string, args ...string) error {
	if out, err := command(dir, args).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(args[0]), err, out)
	}
	return nil
}

// account is whom servers run as where the tests run as root.
func account() (uid, gid uint32, ok bool) {
	if os.Getuid() != 0 {
		return 0, 0, false
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return 0, 0, false
	}
	id, errUID := strconv.ParseUint(u.Uid, 10, 32)
	group, errGID := strconv.ParseUint(u.Gid, 10, 32)
	return uint32(id), uint32(group), errUID == nil && errGID == nil
}

// give makes dir, and all that is in it, that account's.
func give(dir string) error {
	uid, gid, ok := account()
	if !ok {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(uid), int(gid))
	})
}

var (
	firstPort = rand.IntN(12000) // other packages' tests run at the same time
	ports     atomic.Int32       // how many were tried

	reservedMu sync.Mutex
	reserved   []net.PacketConn // one for each port given out, open as long as this process runs
)

// freePort returns a port that is free and below those that systems give away by
// themselves (Linux from 32768, others from 49152): no connection gets it before
// the server listens, or while it is stopped. No other process of these tests gets
// it either: a UDP socket, which none of the servers has, reserves it.
func freePort() (port string, err error) {
	for range 100 {
		port = strconv.Itoa(20000 + (firstPort+int(ports.Add(1)))%12000)
		var reservation net.PacketConn
		if reservation, err = net.ListenPacket("udp", "127.0.0.1:"+port); err != nil {
			continue
		}
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:"+port); err != nil {
			reservation.Close()
			continue
		}
		reservedMu.Lock()
		reserved = append(reserved, reservation)
		reservedMu.Unlock()
		return port, l.Close()
	}
	return "", err
}

func freePortFor(tb testing.TB) string {
	tb.Helper()
	port, err := freePort()
	if err != nil {
		tb.Fatal(err)
	}
	return port
}

// program finds one of the programs named, or skips the test.
func program(tb testing.TB, install string, names ...string) string {
	tb.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		for _, pattern := range []string{"/usr/lib/postgresql/*/bin/", "/usr/local/pgsql/bin/", "/usr/sbin/", "/usr/local/sbin/"} {
			if found, _ := filepath.Glob(pattern + name); len(found) > 0 {
				return slices.Max(found)
			}
		}
	}
	needs.Skip(tb, names[0]+" is not installed: apt-get install "+install)
	return ""
}
