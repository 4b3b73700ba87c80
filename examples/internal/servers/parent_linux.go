package servers

import "syscall"

// dieWithParent makes sure that a test that is killed or times out leaves no
// server behind.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
