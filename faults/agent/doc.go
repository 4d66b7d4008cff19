// Package agent is the hand that does the damage, and that undoes it when its
// author is gone.
//
// The damage of a run is done by a process of its own: this very executable,
// started in a container that sees the host's processes (--pid=host) and holds
// seven capabilities, no privileges. It is driven over its standard streams,
// so the user needs no root, only the engine.
//
//	runner                    engine            agent container
//	┌────────┐  JSON lines   ┌───────┐  stdio  ┌──────────────────────────┐
//	│ Client │──────────────▶│attach │────────▶│ requests ─▶ actions ─▶ kernel
//	│        │◀──────────────│       │◀────────│ events ◀─ node table     │
//	└───┬────┘               └───────┘         │ undo record ─▶ volume    │
//	    │ pipe                    ▲            └──────────────────────────┘
//	┌───▼────┐  removes by label  │               end of file on stdin:
//	│ sitter │────────────────────┘               heal all, remove all, leave
//	└────────┘ only if nobody else did
//
// # Damage that cannot outlive its author
//
// Before an action touches anything, the undo record says so, in memory and in
// a file of the run's own volume. When the control stream ends without a
// goodbye, for any reason, the agent heals what the record holds, removes
// every container, network and volume that carries the run's label, looks
// again until nothing new has appeared for a second (the engine may still be
// busy with requests of the dead runner), and then itself. Where the kernel can
// own the lifetime it does: nftables tables carry the owner flag and vanish
// with the agent's socket. Two windows are left and each has its guard: while
// the agent does not serve yet, the sitter, a child of the runner in a session
// of its own, waits on a pipe and cleans up in its place; when the agent itself
// was killed, Recover starts another on the same undo record.
//
// # Blast radius
//
// The agent asks the engine about every container id that it is given and
// refuses those without its own run's label. It never enters the host's
// network namespace.
//
// # Actions
//
// An [Action] is one kind of damage to one node: kill, pause, cut, ... It is a
// value with four functions, made known with [register]:
//
//	         Apply            Verify                    Undo         Undone
//	inject ──▶ │ ordered ────▶ │ seen ─▶ Evidence  heal ─▶ │ ─────────▶ │ ─▶ Evidence
//	           │               │                           │            │
//	 record ───┘ before        └ runs at once, in the      └ also in another agent
//	                             agent; inject returned      after a crash: from
//	                                                          Params and Saved alone
//
// The rules for an action, which the server relies on:
//
//   - Apply is atomic (an error means that nothing is left) and idempotent (the
//     same damage twice is one damage). Identical damage (same action, node and
//     parameters) has one id, so it can never stack.
//   - What Undo must know and cannot read back from the kernel, such as the
//     value that was there before, is given to [Target.Save] before the act.
//   - Undo is idempotent, copes with a node that is gone, and does not need
//     Apply to have run in this process.
//   - Damage that lives in the node's namespaces or process says so with Lost:
//     the agent then applies it again as soon as a restarted node has a new
//     process, and reports the gap.
//   - An action that cannot name evidence returns an error from Verify: the run
//     is then inconclusive, which is right.
//
// Registration happens in package-level variables (var _ = register(...)), not
// in init functions: the agent serves from an init function of this package,
// and variables of a package are initialised before any of its inits runs.
// A package that only implements a mechanism (a packet queue, say) is imported
// by the action's file here.
//
// # Why an init function serves
//
// The same executable is the command, the test binary, the agent and the
// sitter. Only an init function runs in all of them whatever their main is: a
// test binary of the user's own module becomes an agent without a line of code
// there. It looks at one environment variable and does nothing without it.
package agent
