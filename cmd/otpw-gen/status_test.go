// SPDX-License-Identifier: MIT

package main

import (
	"testing"
	"time"
)

func TestUntil(t *testing.T) {
	for want, left := range map[string]time.Duration{ // half an hour is for slow hosts
		"over":            -time.Second,
		"less than a day": 23 * time.Hour,
		"1 day left":      24*time.Hour + 30*time.Minute,
		"2 days left":     48*time.Hour + 30*time.Minute,
	} {
		if got := until(time.Now().Add(left)); got != want {
			t.Errorf("%v: %q, want %q", left, got, want)
		}
	}
}
