// Package clock moves the wall clock of running processes: jumps, drift, a
// stopped clock, a clock that jumps to and fro. The machine's own clock and the
// monotonic clock are untouched.
//
// A process asks the time without a system call, through code that the kernel
// maps into it (vdso(7)). That mapping is copied when it is written to through
// /proc/PID/mem, for this process alone; its last page has room to spare:
//
//	process's [vdso]        before                after
//	┌──────────────────┐
//	│ clock_gettime    │ its own code          jmp ───┐
//	│ gettimeofday     │ its own code          jmp ───┤
//	│ time             │ its own code          jmp ───┤
//	├──────────────────┤                              ▼
//	│ slack (1.4 KiB)  │ zeroes                marker, parameters, the bytes that
//	└──────────────────┘                       were there, code: system call,
//	                                           then shown = f(true)
//
// What a process is shown, t being the true time and r that of the injection:
//
//	shown = r + (t-r)·rate + jump        rate 1+ppm/10⁶; 0: the clock stands
//	                                     strobe: jump in every other slice only
//
// The patch is made while the process is frozen and no thread is about to run
// the bytes that change. What is needed to undo it is in the process itself:
// any later agent can heal, with no record.
//
// Limits, to be known before trusting a result: a process that calls the
// kernel directly sees the true time; so do waits for an absolute wall-clock
// time; exec and restart shed the patch, and the [Keeper] puts it back within
// its interval. 64-bit x86 only.
//
// libfaketime needs a dynamic linker and breaks redis-server; time namespaces
// (time_namespaces(7)) move the monotonic clock only. Hence this.
package clock
