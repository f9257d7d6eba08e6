// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/otpw-go/otpw/otp"
	"github.com/otpw-go/otpw/printsheet"
)

// A command is one run of otpw-gen.
type command struct {
	opts   options
	ids    *ids
	site   *otp.Site
	limits *otp.SiteError // what is wrong with its limits
	in     *input
	out    *os.File  // the sheet, and nothing else
	msg    io.Writer // everything else

	screen *os.File // where msg goes: for the progress, and other programs

	to     target // of the sheet
	layout layout
	header otp.Header

	mu      sync.Mutex       // guards the rest against watchSignals
	path    string           // of the list
	old     bool             // there is a list
	pending *otp.Replacement // the new list on its way
	done    bool             // the new list is in its place
}

func (c *command) run() error {
	if c.opts.suggest {
		return c.suggest()
	}
	if err := c.findList(); err != nil && !c.opts.fromKey { // which needs no list
		return err
	}
	if c.opts.unlock {
		return c.unlock()
	}
	c.setHeader()
	form := otp.Form(c.opts.form)
	var err error
	length := form.PrintedLen(c.opts.entropy)
	if c.layout, err = c.opts.layout(c.sheetHeader(), length); errors.Is(err, printsheet.ErrText) {
		host := c.header.Host
		c.header.Host = "localhost" // if that was it, a sheet without the host's name is better than none
		if c.layout, err = c.opts.layout(c.sheetHeader(), length); err == nil {
			fmt.Fprintf(c.msg, "Warning: the name of this host (%s) cannot be printed. The sheet says localhost.\n", host)
		}
	}
	if err != nil {
		return usageError{err}
	}
	c.debugf("passwords of %d characters (%d printed), for %d bits", form.Len(c.opts.entropy), form.PrintedLen(c.opts.entropy), c.opts.entropy)
	c.debugf("%v", c.layout)
	if l, ok := c.layout.(textLayout); ok && l.Columns == 1 && l.Digits+1+length > c.opts.page.Width {
		fmt.Fprintf(c.msg, "Warning: the sheet has lines of %d characters, more than the width of %d (-w).\n", l.Digits+1+length, c.opts.page.Width)
	}
	c.mu.Lock()
	c.to = c.target()
	c.mu.Unlock()
	if c.opts.fromKey {
		return c.regenerate()
	}
	return c.generate()
}

// regenerate prints the sheet of a master key again. The list stays as it is.
func (c *command) regenerate() error {
	if err := c.checkTarget(); err != nil {
		return err
	}
	key, err := c.askMasterKey()
	if err != nil {
		return err
	}
	defer key.Wipe()
	c.compareOld()
	passwords := c.passwords(key)
	defer wipe(passwords)
	if err := c.print(passwords); err != nil {
		return err
	}
	if err := c.to.settle(true); err != nil {
		return err
	}
	c.sayWhere()
	return nil
}

// compareOld warns when the sheet can't be that of the list that is there.
func (c *command) compareOld() {
	old, err := c.oldList()
	length := otp.Form(c.opts.form).Len(c.opts.entropy)
	if err != nil || old.Len() == c.layout.count() && old.PasswordLen() == length {
		return
	}
	options := "-p and -e as when the list was made"
	if old.PasswordLen() == length {
		options = fmt.Sprintf("the same options as when the list was made, or --count %d", old.Len())
	}
	fmt.Fprintf(c.msg, "Warning: this is not the sheet of %s. That has %d passwords of %d characters, this\n"+
		"%d of %d. Give %s.\n", c.path, old.Len(), old.PasswordLen(), c.layout.count(), length, options)
}

// generate makes a new list. The old one works until the new one is on disk, the
// whole sheet has left this program, and whoever sits at the terminal has it.
func (c *command) generate() error {
	if err := c.checkPlace(); err != nil {
		return err
	}
	if err := c.askReplace(); err != nil {
		return err
	}
	c.warnCost()
	c.warnCount()
	prefix, err := c.askPrefix()
	if err != nil {
		return err
	}
	key, text := c.newMasterKey()
	if key != nil {
		defer key.Wipe()
	}
	passwords := c.passwords(key)
	defer wipe(passwords)
	list, err := c.makeList(prefix, passwords)
	clear(prefix)
	if err != nil {
		return err
	}
	c.header.ID = list.ID
	if err := c.write(list); err != nil {
		return c.keptError(err)
	}
	if err := c.print(passwords); err != nil {
		return c.keptError(err)
	}
	if err := c.confirm(); err != nil {
		return c.keptError(err)
	}
	if err := c.commit(); errors.Is(err, otp.ErrInPlace) {
		return errors.Join(err, c.report(text))
	} else if err != nil {
		return c.keptError(err)
	}
	return c.report(text)
}

// makeList hashes the passwords, which takes its time, and shows on a terminal
// how far it is.
func (c *command) makeList(prefix []byte, passwords []otp.Numbered) (*otp.List, error) {
	r := otp.Recipe{Ordered: c.opts.ordered, Header: c.header}
	if c.opts.format == otp.OTPW2 {
		c.debugf("each password hashed with %d MiB and %d passes", c.opts.kdfMemory, c.opts.kdfPasses)
		r.Progress = c.progress(len(passwords))
	}
	return r.Make(context.Background(), prefix, passwords)
}

// setHeader fills in what the list and its sheet say about themselves.
func (c *command) setHeader() {
	host, err := os.Hostname()
	if err != nil || otp.CheckText(host) != nil {
		host = "localhost"
	}
	c.header = otp.Header{
		Format:  c.opts.format,
		KDF:     otp.KDF{Memory: c.opts.kdfMemory << 10, Passes: c.opts.kdfPasses},
		Host:    host,
		Created: c.opts.now,
		Expires: c.opts.until,
		Label:   c.opts.label,
	}
}

// checkPlace finds out, before any question, what would make the answers useless.
func (c *command) checkPlace() error {
	var old bool
	err := c.ids.asKeeper(func() (err error) {
		if old, err = otp.Existing(c.path); err != nil {
			return err
		}
		return otp.CheckFolder(c.path)
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.old = old
	c.mu.Unlock()
	return c.checkTarget()
}

// checkTarget finds out what would lose the sheet.
func (c *command) checkTarget() error {
	list := c.path
	_ = c.ids.asKeeper(func() error { // without the links on the way, if that can be had
		if real, err := otp.Resolve(c.path); err == nil {
			list = real
		}
		return nil
	})
	return c.to.check(list)
}

// newMasterKey returns a new master key and its text as printed, or nil if
// there is to be none.
func (c *command) newMasterKey() (*otp.MasterKey, []byte) {
	if !c.opts.masterKey {
		return nil, nil
	}
	form := otp.Form(c.opts.keyForm)
	key, text := otp.NewMasterKey(form, c.opts.keyEntropy)
	defer clear(text)
	c.debugf("master key of %d characters", len(text))
	return key, form.Printed(text)
}

// passwords returns the passwords of the key, or random ones without a key.
func (c *command) passwords(key *otp.MasterKey) []otp.Numbered {
	form := otp.Form(c.opts.form)
	ps := make([]otp.Numbered, c.layout.count())
	for i := range ps {
		ps[i].Number = c.layout.Number(i)
		if key != nil {
			ps[i].Password = key.Password(form, c.opts.entropy, ps[i].Number)
		} else {
			ps[i].Password = otp.NewPassword(form, c.opts.entropy)
		}
	}
	return ps
}

func wipe(ps []otp.Numbered) {
	for _, p := range ps {
		clear(p.Password)
	}
}

// write puts the new list beside the old one.
func (c *command) write(list *otp.List) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.debugf("writing %d bytes", len(list.Bytes()))
	return c.ids.asKeeper(func() (err error) {
		if c.pending, err = otp.Replace(c.path); err != nil {
			return err
		}
		// from here on nobody else makes one
		if now, err := otp.Existing(c.path); err != nil || now != c.old {
			return errors.Join(errMeanwhile, err)
		}
		return c.pending.Write(list)
	})
}

// commit puts the new list in the place of the old one.
func (c *command) commit() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.ids.asKeeper(c.pending.Commit)
	c.done = err == nil || errors.Is(err, otp.ErrInPlace)
	c.pending = nil // put in place or removed
	if serr := c.to.settle(c.done); serr != nil && err == nil {
		err = fmt.Errorf("%w: %w", otp.ErrInPlace, serr)
	}
	return err
}

// print brings the sheet, all of it, to where it shall go.
func (c *command) print(ps []otp.Numbered) error {
	form := otp.Form(c.opts.form)
	cells := make([]printsheet.Numbered, len(ps))
	for i, p := range ps {
		cells[i] = printsheet.Numbered{Number: p.Number, Password: form.Printed(p.Password)}
		defer clear(cells[i].Password)
	}
	var sheet bytes.Buffer
	sheet.Grow(2 << 20) // all of it in one place, which can be cleared
	defer func() { clear(sheet.Bytes()) }()
	if err := c.layout.write(&sheet, c.sheetHeader(), cells); err != nil {
		return err
	}
	return c.to.put(sheet.Bytes())
}

// sheetHeader is what the sheet says about the list.
func (c *command) sheetHeader() printsheet.Header {
	return printsheet.Header{
		Time:    c.header.Created,
		Host:    c.header.Host,
		Again:   c.opts.fromKey,
		Label:   c.header.Label,
		LastDay: otp.LastDay(c.header.Expires),
		ID:      c.header.ID,
		Ordered: c.opts.ordered,
	}
}

func (c *command) debugf(format string, args ...any) {
	if c.opts.debug {
		fmt.Fprintf(c.msg, "debug: "+format+"\n", args...)
	}
}
