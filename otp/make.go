// SPDX-License-Identifier: MIT

package otp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
)

// Numbered is a one-time password with its number on the sheet.
type Numbered struct {
	Number   string // digits, all numbers of a list equally long
	Password []byte // without blanks
}

// A Recipe says how to make a list.
type Recipe struct {
	// Header of the list. For OTPW2 an ID, and a salt for the KDF, are drawn
	// where there are none.
	Header
	// Ordered keeps the passwords in the order given; else they will be
	// asked for in random order.
	Ordered bool
	// Progress, if set, is called after each entry, by one goroutine at a time.
	Progress func(done int)
}

// makeMemory is what the hashes of a new list may take at a time, in KiB, if it
// is enough for one: where many cores would take more, some of them rest.
const makeMemory = 1 << 20

// Make makes a list of the passwords, hashed with the prefix, on all cores. It
// ends early, with its error, when ctx does.
func (r Recipe) Make(ctx context.Context, prefix []byte, pws []Numbered) (*List, error) {
	width, pwLen, err := checkNumbered(pws)
	if err != nil {
		return nil, fmt.Errorf("make list: %w", err)
	}
	if err := r.prepare(); err != nil {
		return nil, fmt.Errorf("make list: %w", err)
	}
	order := make([]int, len(pws))
	for i := range order {
		order[i] = i
	}
	if !r.Ordered {
		shuffle(order)
	}
	hashes, err := r.hashAll(ctx, r.Format.TrimPrefix(prefix), pws)
	if err != nil {
		return nil, fmt.Errorf("make list: %w", err)
	}
	data := r.appendHeader(nil, len(pws), width, pwLen)
	for _, i := range order {
		data = append(data, pws[i].Number...)
		data = append(data, hashes[i]...)
		data = append(data, '\n')
	}
	l, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("make list: %w", err)
	}
	return l, nil
}

// checkNumbered returns the lengths that all numbers and passwords have.
func checkNumbered(pws []Numbered) (width, pwLen int, err error) {
	if len(pws) < 1 || len(pws) > MaxEntries {
		return 0, 0, fmt.Errorf("%d passwords, want 1 to %d", len(pws), MaxEntries)
	}
	width, pwLen = len(pws[0].Number), normalizedLen(pws[0].Password)
	if pwLen < MinPasswordLen || pwLen > MaxPasswordLen {
		return 0, 0, fmt.Errorf("passwords of %d characters, want %d to %d", pwLen, MinPasswordLen, MaxPasswordLen)
	}
	if width < 1 || width > maxNumberLen {
		return 0, 0, fmt.Errorf("numbers of %d digits, want 1 to %d", width, maxNumberLen)
	}
	seen := make(map[string]bool, len(pws))
	for _, p := range pws {
		if len(p.Number) != width || normalizedLen(p.Password) != pwLen {
			return 0, 0, errors.New("numbers or passwords of different lengths")
		}
		for _, c := range p.Number {
			if c < '0' || c > '9' {
				return 0, 0, errors.New("a number that is not made of digits")
			}
		}
		if seen[p.Number] {
			return 0, 0, fmt.Errorf("number %s twice", p.Number)
		}
		seen[p.Number] = true
	}
	return width, pwLen, nil
}

// workers is how many of n hashes are made at the same time.
func (h *Header) workers(n, cores int) int {
	return min(n, cores, max(1, makeMemory/max(1, h.KDF.Memory)))
}

// hashAll hashes the passwords on all cores.
func (r Recipe) hashAll(ctx context.Context, prefix []byte, pws []Numbered) ([][]byte, error) {
	hashes := make([][]byte, len(pws))
	var mu sync.Mutex
	next, done := 0, 0
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		if next == len(pws) || ctx.Err() != nil {
			return -1
		}
		next++
		return next - 1
	}
	finished := func() {
		mu.Lock()
		defer mu.Unlock()
		if done++; r.Progress != nil {
			r.Progress(done)
		}
	}
	var wg sync.WaitGroup
	for range r.workers(len(pws), runtime.GOMAXPROCS(0)) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := take(); i >= 0; i = take() {
				norm := Normalize(pws[i].Password)
				hashes[i] = r.appendHash(nil, prefix, norm, pws[i].Number)
				clear(norm)
				finished()
			}
		}()
	}
	wg.Wait()
	return hashes, ctx.Err()
}

// shuffle puts a into random order, each order as likely as any other.
func shuffle(a []int) {
	rand.New(randSource{}).Shuffle(len(a), func(i, j int) { a[i], a[j] = a[j], a[i] })
}
