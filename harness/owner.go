package harness

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Owner names this process for LabelOwner as "pid:starttime". The start time
// (field 22 of /proc/PID/stat, clock ticks since boot, proc(5)) tells a living
// owner from a later process that was given the same number.
func Owner() (string, error) {
	start, err := startTime(os.Getpid())
	if err != nil {
		return "", fmt.Errorf("name the owner process: %w", err)
	}
	return fmt.Sprintf("%d:%s", os.Getpid(), start), nil
}

// OwnerAlive tells whether the process that an owner label names still runs.
// A label that cannot be read has no living owner.
func OwnerAlive(label string) bool {
	pid, start, ok := strings.Cut(label, ":")
	if !ok {
		return false
	}
	number, err := strconv.Atoi(pid)
	if err != nil || number <= 0 {
		return false
	}
	now, err := startTime(number)
	return err == nil && now == start
}

func startTime(pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	return parseStartTime(string(text))
}

// parseStartTime reads field 22. Field 2 is the command's name in parentheses
// and may itself hold spaces and parentheses, so counting starts at the last one.
func parseStartTime(stat string) (string, error) {
	end := strings.LastIndexByte(stat, ')')
	if end < 0 {
		return "", fmt.Errorf("read process state %q: no command name", stat)
	}
	fields := strings.Fields(stat[end+1:])
	const field = 22 - 3 // fields[0] is field 3
	if len(fields) <= field {
		return "", fmt.Errorf("read process state: %d fields after the name, want more than %d", len(fields), field)
	}
	return fields[field], nil
}
