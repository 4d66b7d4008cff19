package agent

import "fmt"

// attachment is something that actions keep for one life of a node, such as
// sockets in its namespaces.
type attachment interface{ close() }

// attach returns what was attached to the life under a name, or makes it. It is
// closed with the life.
func (l *Life) attach(name string, open func() (attachment, error)) (attachment, error) {
	l.attaching.Lock()
	defer l.attaching.Unlock()
	if l.detached {
		return nil, fmt.Errorf("node %s: %w", l.node.name, ErrNotRunning)
	}
	if a, ok := l.attached[name]; ok {
		return a, nil
	}
	a, err := open()
	if err != nil {
		return nil, err
	}
	if l.attached == nil {
		l.attached = map[string]attachment{}
	}
	l.attached[name] = a
	return a, nil
}

// detach closes all that is attached, for good.
func (l *Life) detach() {
	l.attaching.Lock()
	all := l.attached
	l.attached, l.detached = nil, true
	l.attaching.Unlock()
	for _, a := range all {
		a.close()
	}
}
