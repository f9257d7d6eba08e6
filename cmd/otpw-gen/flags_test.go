// SPDX-License-Identifier: MIT

package main

import (
	"reflect"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/spf13/pflag"

	"github.com/otpw-go/otpw/otp"
)

// A list ends with a day of the user's, which -k is told weeks later, too.
func TestExpiry(t *testing.T) {
	for _, c := range []struct {
		name, zone, now, arg string
		end                  string // empty: refused
	}{
		{"days", "UTC", "2026-11-23 03:00:00", "90d", "2027-02-22T00:00:00Z"},
		{"one day", "UTC", "2026-11-23 23:59:59", "1d", "2026-11-25T00:00:00Z"},
		{"a hundred years", "UTC", "2026-11-23 03:00:00", "36500d", "2126-10-31T00:00:00Z"},
		{"date", "UTC", "2026-11-23 03:00:00", "2027-02-28", "2027-03-01T00:00:00Z"},
		{"today", "UTC", "2026-11-23 23:59:59", "2026-11-23", "2026-11-24T00:00:00Z"},
		{"the day a hundred years brings", "UTC", "2026-11-23 03:00:00", "2126-10-30", "2126-10-31T00:00:00Z"},
		{"in the zone of the user", "Europe/Berlin", "2026-11-23 00:30:00", "2d", "2026-11-25T23:00:00Z"},
		{"a day of 23 hours", "Europe/Berlin", "2027-03-26 12:00:00", "2d", "2027-03-28T22:00:00Z"},
		{"a day of 25 hours", "Europe/Berlin", "2026-10-24 12:00:00", "1d", "2026-10-25T23:00:00Z"},
		{"ancient days", "UTC", "2026-11-23 03:00:00", "0d", ""},
		{"too many days", "UTC", "2026-11-23 03:00:00", "36501d", ""},
		{"minus", "UTC", "2026-11-23 03:00:00", "-1d", ""},
		{"yesterday", "UTC", "2026-11-23 00:00:00", "2026-11-22", ""},
		{"too far away", "UTC", "2026-11-23 03:00:00", "2126-10-31", ""},
		{"no day", "UTC", "2026-11-23 03:00:00", "2027-02-29", ""},
		{"hours", "UTC", "2026-11-23 03:00:00", "24h", ""},
		{"nothing", "UTC", "2026-11-23 03:00:00", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			zone, err := time.LoadLocation(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			defer func(l *time.Location) { time.Local = l }(time.Local)
			time.Local = zone
			now, err := time.ParseInLocation(time.DateTime, c.now, zone)
			if err != nil {
				t.Fatal(err)
			}
			end, err := expiry(c.arg, now)
			if err != nil {
				if c.end != "" {
					t.Error(err)
				}
				return
			}
			if got := end.UTC().Format(time.RFC3339); got != c.end {
				t.Fatalf("ends %s, want %s", got, c.end)
			}
			if again, err := expiry(otp.LastDay(end), end.Add(-time.Second)); err != nil || !again.Equal(end) {
				t.Errorf("last day %s: ends %s, %v", otp.LastDay(end), again, err)
			}
		})
	}
}

// Each limit that a site may set changes what is made by default, or refuses it: none is read and forgotten.
func TestLimitsBind(t *testing.T) {
	made := func(l otp.Limits) (options, error) {
		var o options
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		o.define(f)
		err := o.check(f, time.Now(), l)
		o.same, o.now = nil, time.Time{}
		return o, err
	}
	usual, err := made(otp.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range reflect.TypeFor[otp.Limits]().NumField() {
		var l otp.Limits
		switch field := reflect.ValueOf(&l).Elem().Field(i); field.Interface().(type) {
		case otp.Format:
			field.Set(reflect.ValueOf(otp.OTPW1))
		case time.Duration:
			field.SetInt(int64(24 * time.Hour))
		default:
			field.SetInt(1 << 30) // more than the default of anything
		}
		if o, err := made(l); err == nil && reflect.DeepEqual(o, usual) {
			t.Errorf("%s does not matter", reflect.TypeFor[otp.Limits]().Field(i).Name)
		}
	}
}
