package reports_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// contains and lacks do not print whole pages when they fail.
func contains(t *testing.T, page, want string) {
	t.Helper()
	if !strings.Contains(page, want) {
		t.Errorf("%d bytes do not contain %q", len(page), want)
	}
}

func lacks(t *testing.T, page, unwanted string) {
	t.Helper()
	if i := strings.Index(page, unwanted); i >= 0 {
		t.Errorf("%q stands in %q", unwanted, page[max(0, i-60):min(len(page), i+60)])
	}
}

func wellFormedXML(t *testing.T, b []byte) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(string(b)))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}
