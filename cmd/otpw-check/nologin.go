// SPDX-License-Identifier: MIT

//go:build !cgo

package main

import "errors"

// tryLogin needs libpam, which only programs built with cgo have.
func tryLogin(string, []string) (bool, error) {
	return false, errors.New("--login: this otpw-check was built without libpam (CGO_ENABLED=0)")
}
