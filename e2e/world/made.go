// SPDX-License-Identifier: MIT

package world

import (
	"os"
	"path/filepath"
	"testing"
)

// Made returns the path of something in the folder of what make builds. A test that
// needs it, and root, is skipped without either; target is what to make.
func Made(t *testing.T, target string, path ...string) string {
	t.Helper()
	dir := os.Getenv("OTPW_BUILD")
	if dir == "" {
		t.Skip("OTPW_BUILD does not say where things are: make " + target)
	}
	if os.Getuid() != 0 {
		t.Skip("not root, so no system can be unpacked")
	}
	return filepath.Join(append([]string{dir}, path...)...)
}

// One finds the one file of that pattern.
func One(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: want one file, not %q (%v)", pattern, found, err)
	}
	return found[0]
}
