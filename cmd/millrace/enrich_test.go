package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/cmd/internal/config"
)

// TestAddressSecret: that of the data directory is made once; one that is shared is never made.
func TestAddressSecret(t *testing.T) {
	c := config.Default()
	c.Data = t.TempDir()
	first, err := addressSecret(&c)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(c.Data, "address-secret")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if again, err := addressSecret(&c); err != nil || !bytes.Equal(first, again) {
		t.Errorf("the second start has another secret: %v", err)
	}
	c.Enrich.AddressSecretFile = filepath.Join(t.TempDir(), "shared")
	if _, err := addressSecret(&c); err == nil || !strings.Contains(err.Error(), "enrich.address_secret_file") || !strings.Contains(err.Error(), "openssl rand") {
		t.Errorf("no shared file: %v", err)
	}
	if err := os.WriteFile(c.Enrich.AddressSecretFile, bytes.Repeat([]byte("s"), 40), 0o600); err != nil {
		t.Fatal(err)
	}
	if shared, err := addressSecret(&c); err != nil || bytes.Equal(shared, first) || len(shared) != 40 {
		t.Errorf("shared: %d bytes, %v", len(shared), err)
	}
}
