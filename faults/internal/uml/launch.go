package uml

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// launchVariable makes this binary start the other kernel in its own place.
const launchVariable = "HADRILL_UML_LAUNCH"

// A processor with tile registers (AMX) has more state than user-mode-linux
// 6.1 has room for: its PTRACE_SETREGSET is refused and its init dies. The
// launcher therefore installs a seccomp filter under which the kernel believes
// that there is no extended state at all, which it supports; and the program
// inside is told to use none of it, since it would not be saved.
func wideState() bool {
	b, err := os.ReadFile("/proc/cpuinfo")
	return err == nil && strings.Contains(string(b), " amx_tile")
}

// noWideState are the settings for Go's and the C library's code inside.
var noWideState = []string{"GODEBUG=cpu.all=off", "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2_Usable,-AVX_Fast_Unaligned_Load,-ERMS"}

// launch replaces this process by the other kernel.
func launch() {
	runtime.LockOSThread()
	err := hideWideState()
	if err == nil {
		err = syscall.Exec(Executable, append([]string{Executable}, os.Args[1:]...), os.Environ())
	}
	fmt.Println(fmt.Errorf("launch %s: %w", Executable, err))
	os.Exit(1)
}

// hideWideState refuses ptrace(PTRACE_GETREGSET or SETREGSET, _, NT_X86_XSTATE)
// to this process and its children. Source: seccomp(2), linux/ptrace.h.
func hideWideState() error {
	const (
		load, equal, result    = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
		number, first, third   = 0, 16, 32 // offsets in struct seccomp_data
		getRegset, setRegset   = 0x4204, 0x4205
		extendedState          = 0x202
		allow, refuse          = 0x7fff0000, 0x00050000 | uint32(unix.EIO)
		setModeFilter, noFlags = 1, 0
	)
	program := []unix.SockFilter{
		{Code: load, K: number},
		{Code: equal, K: unix.SYS_PTRACE, Jf: 5},
		{Code: load, K: first},
		{Code: equal, K: getRegset, Jt: 1},
		{Code: equal, K: setRegset, Jf: 2},
		{Code: load, K: third},
		{Code: equal, K: extendedState, Jt: 1},
		{Code: result, K: allow},
		{Code: result, K: refuse},
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, setModeFilter, noFlags, uintptr(unsafe.Pointer(&filter))); errno != 0 {
		return fmt.Errorf("install seccomp filter: %w", errno)
	}
	return nil
}
