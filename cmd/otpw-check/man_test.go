// SPDX-License-Identifier: MIT

package main

import (
	"testing"

	"github.com/otpw-go/otpw/docs/man/mantest"
)

func TestManFlags(t *testing.T) { mantest.Flags(t, newCommand, "8") }
