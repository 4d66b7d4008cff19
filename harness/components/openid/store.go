package openid

import (
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// stored is a provider's keys as a file: previous, current and next, private
// parts included (RFC 7517).
type stored struct {
	Keys  []jose.JSONWebKey `json:"keys"` // the previous one may be missing
	Next  int               `json:"next"`
	Since time.Time         `json:"since"`
}

// save replaces the file as a whole. p.mu is held, or p is not shared yet.
func (p *Provider) save() error {
	if p.file == "" {
		return nil
	}
	s := stored{Next: p.next, Since: p.since}
	for _, k := range p.keys {
		if k.key != nil {
			s.Keys = append(s.Keys, jose.JSONWebKey{Key: k.key, KeyID: k.id, Algorithm: string(jose.ES256), Use: "sig"})
		}
	}
	raw, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("keep the keys: %w", err)
	}
	fresh := p.file + ".new"
	if err := os.WriteFile(fresh, raw, 0o600); err != nil {
		return fmt.Errorf("keep the keys: %w", err)
	}
	if err := os.Rename(fresh, p.file); err != nil {
		return fmt.Errorf("keep the keys: %w", err)
	}
	return nil
}

// restore reads the file, if there is one.
func (p *Provider) restore() (found bool, err error) {
	if p.file == "" {
		return false, nil
	}
	raw, err := os.ReadFile(p.file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the kept keys: %w", err)
	}
	var s stored
	if err := json.Unmarshal(raw, &s); err != nil {
		return false, fmt.Errorf("read the kept keys %s: %w", p.file, err)
	}
	if len(s.Keys) < 2 || len(s.Keys) > len(p.keys) {
		return false, fmt.Errorf("read the kept keys %s: want 2 or 3, have %d", p.file, len(s.Keys))
	}
	at := len(p.keys) - len(s.Keys)
	for i, k := range s.Keys {
		private, ok := k.Key.(*ecdsa.PrivateKey)
		if !ok {
			return false, fmt.Errorf("read the kept keys %s: key %s is no private key", p.file, k.KeyID)
		}
		p.keys[at+i] = signing{k.KeyID, private}
	}
	p.next, p.since = s.Next, s.Since
	return true, nil
}
