// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/binary"
	"runtime"
	"syscall"
	"time"

	//lint:ignore SA1019 the hash of OTPW1
	"golang.org/x/crypto/ripemd160"

	"github.com/otpw-go/otpw/otp"
)

// guesses shows what somebody who knows the prefix pays for a guess at a password, for a stolen list. OTPW1 is the
// same function for both; one of its hashes is compared with all lists, one of OTPW2 with one entry.
func guesses(b *bench) {
	var slow, fast []float64
	for range 10 * b.factor {
		slow = append(slow, cpuTime(5, guess2(b)))
		fast = append(fast, cpuTime(1_000_000, guess1))
	}
	v := [2]float64{median(slow), median(fast)}
	row("one guess at a password, OTPW1 list: CPU time", milliseconds, [2]float64{v[1], v[1]})
	row("one guess at a password, OTPW2 list, default cost: CPU time", milliseconds, v)
}

// guess1 is a hash of OTPW1 of the prefix and the n-th password.
func guess1(n int) {
	try := []byte(prefix + "12345678")
	binary.BigEndian.PutUint64(try[len(prefix):], uint64(n))
	d := ripemd160.New()
	d.Write(try)
	var sum [ripemd160.Size]byte
	d.Sum(sum[:0])
}

// guess2 makes a list of one entry: beside its hash, that costs nothing.
func guess2(b *bench) func(int) {
	r := otp.Recipe{Header: otp.Header{
		Format:  otp.OTPW2,
		KDF:     otp.KDF{Memory: otp.DefaultKDFMemory, Passes: otp.DefaultKDFPasses},
		Host:    "bench",
		Created: time.Now(),
	}}
	return func(int) {
		if _, err := r.Make(context.Background(), []byte(prefix), []otp.Numbered{{Number: "000", Password: []byte("password")}}); err != nil {
			b.t.Fatalf("%v", err)
		}
	}
}

// cpuTime runs f n times, and returns the CPU time in ms that one took.
func cpuTime(n int, f func(int)) float64 {
	runtime.GC()
	before := used()
	for i := range n {
		f(i)
	}
	return ms(used()-before) / float64(n)
}

func used() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
