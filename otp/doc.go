// SPDX-License-Identifier: MIT

// Package otp is the OTPW one-time-password system: lists of hashed, numbered
// one-time passwords, the challenge at a login, and the verification that
// accepts each password at most once.
//
// A user makes a list with [Recipe] and [Replace], and carries the passwords
// on paper. A login starts with [Begin], which chooses the number to ask for,
// and ends with [Login.Verify], which takes the response, the memorised prefix
// password followed by the one-time password, and returns nil only after the
// entry has been overwritten on disk.
//
// The package reads and writes files with the ids of its process, and trusts
// nothing that it reads. It runs on Linux: its locks are open file description
// locks.
package otp
