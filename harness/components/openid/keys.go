package openid

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// refreshEvery is how often the keys are asked for without a reason.
	refreshEvery = time.Second
	// refreshLeast is how long after one question the next may come, whatever
	// the tokens say.
	refreshLeast = 200 * time.Millisecond
	// refreshLimit bounds one question: a provider that hangs is a provider
	// that is down.
	refreshLimit = 500 * time.Millisecond

	largestKeySet = 1 << 20
)

// errUnreachable says that a provider could not be asked.
var errUnreachable = errors.New("the provider cannot be asked")

// keySet is the provider's public keys, kept. It implements oidc.KeySet. A key
// that was ever published is trusted until a newer answer no longer has it: a
// provider that is down takes nothing away.
type keySet struct {
	url    string
	client *http.Client
	say    func(line string)

	mu     sync.Mutex
	keys   map[string]jose.JSONWebKey
	asked  time.Time
	asking chan struct{} // closed when the question under way is answered; nil: none is
	down   bool
}

func newKeySet(url string, client *http.Client, say func(string)) *keySet {
	return &keySet{url: url, client: client, say: say, keys: map[string]jose.JSONWebKey{}}
}

// watch keeps the keys fresh until ctx ends.
func (k *keySet) watch(ctx context.Context) {
	for {
		k.refresh(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(refreshEvery):
		}
	}
}

// VerifySignature implements oidc.KeySet.
func (k *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, fmt.Errorf("read the token: %w", err)
	}
	id := signed.Signatures[0].Header.KeyID
	key, known := k.lookup(id)
	if !known {
		// It may be newer than what is kept.
		k.refresh(ctx)
		if key, known = k.lookup(id); !known {
			return nil, fmt.Errorf("the token is signed with key %q, which is not known", id)
		}
	}
	payload, err := signed.Verify(key)
	if err != nil {
		return nil, fmt.Errorf("signature of the token: %w", err)
	}
	return payload, nil
}

func (k *keySet) lookup(id string) (jose.JSONWebKey, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.keys[id]
	return key, ok
}

// known tells whether the provider was ever heard.
func (k *keySet) known() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.keys) > 0
}

// refresh asks the provider, unless it was asked just now, or joins the
// question that is under way.
func (k *keySet) refresh(ctx context.Context) {
	k.mu.Lock()
	if asking := k.asking; asking != nil {
		k.mu.Unlock()
		select {
		case <-asking:
		case <-ctx.Done():
		}
		return
	}
	if time.Since(k.asked) < refreshLeast {
		k.mu.Unlock()
		return
	}
	done := make(chan struct{})
	k.asking = done
	k.mu.Unlock()

	// Whoever asked may give up; the answer is for all.
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshLimit)
	defer cancel()
	fresh, err := fetchKeys(limit, k.client, k.url)

	k.mu.Lock()
	k.asking, k.asked = nil, time.Now()
	down := err != nil
	changed := down != k.down
	k.down = down
	if err == nil {
		k.keys = fresh
	}
	kept := len(k.keys)
	k.mu.Unlock()
	close(done)
	if changed && down {
		k.say(fmt.Sprintf("keeps %d keys: %v", kept, err))
	} else if changed {
		k.say("the provider answers again")
	}
}

func fetchKeys(ctx context.Context, client *http.Client, url string) (map[string]jose.JSONWebKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("ask for keys: %w", err)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreachable, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, largestKeySet))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreachable, err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: it answered %d", errUnreachable, res.StatusCode)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("read the provider's keys: %w", err)
	}
	keys := map[string]jose.JSONWebKey{}
	for _, key := range set.Keys {
		if key.Valid() && key.IsPublic() && slices.Contains([]string{"", "sig"}, key.Use) {
			keys[key.KeyID] = key
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the provider publishes no usable key")
	}
	return keys, nil
}
