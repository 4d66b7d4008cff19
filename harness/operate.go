package harness

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"path"
	"time"

	"github.com/moby/moby/client"
)

// Put replaces one file inside a running node, as an operator's tools do: a
// renewed certificate, a changed configuration. The file is replaced as a
// whole, under its own name; a reader sees the old content or the new.
func (e *Env) Put(ctx context.Context, n *Node, f File) error {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	header := &tar.Header{Name: path.Base(f.Path), Mode: int64(mode(f.Mode)), Size: int64(len(f.Content)), ModTime: time.Now(), Format: tar.FormatPAX}
	if err := w.WriteHeader(header); err != nil {
		return fmt.Errorf("put %s into %s: %w", f.Path, n.name, err)
	}
	if _, err := w.Write(f.Content); err != nil {
		return fmt.Errorf("put %s into %s: %w", f.Path, n.name, err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("put %s into %s: %w", f.Path, n.name, err)
	}
	if _, err := e.engine.Client().CopyToContainer(ctx, n.id, client.CopyToContainerOptions{DestinationPath: path.Dir(f.Path), Content: &archive}); err != nil {
		return fmt.Errorf("put %s into %s: %w", f.Path, n.name, err)
	}
	return nil
}

// Tell sends a signal, such as "HUP", to a node's first process, as an
// operator's tools do in everyday life. What belongs to a drill's schedule is
// a fault instead.
func (e *Env) Tell(ctx context.Context, n *Node, signal string) error {
	if _, err := e.engine.Client().ContainerKill(ctx, n.id, client.ContainerKillOptions{Signal: signal}); err != nil {
		return fmt.Errorf("send %s to %s: %w", signal, n.name, err)
	}
	return nil
}
