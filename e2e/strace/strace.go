// SPDX-License-Identifier: MIT

// Package strace runs programs under strace(1), which makes their system calls
// fail, or kills them right before one, and reads what it has logged.
package strace

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Call is a system call as strace shows it.
type Call struct {
	Thread int // 0, unless threads are followed (-f)
	Name   string
	Args   string
	Result string // "?" when the process ended in it
}

func (c Call) String() string { return c.Name + "(" + c.Args + ") = " + c.Result }

// Injected reports whether the call was not made, but given its result by strace.
func (c Call) Injected() bool { return strings.Contains(c.Result, "(INJECTED)") }

// Cut reports whether the process ended in the call. One that is killed on its
// way in has not made it.
func (c Call) Cut() bool { return c.Result == "?" }

// What strace writes: `[thread] name(args) = result`, or two lines for a call
// during which another thread had something to show.
var (
	whole      = regexp.MustCompile(`^(?:(\d+) +)?(\w+)\((.*)\) += (.*)$`)
	unfinished = regexp.MustCompile(`^(?:(\d+) +)?(\w+)\((.*?)(?: <unfinished \.\.\.>)?$`)
	resumed    = regexp.MustCompile(`^(?:(\d+) +)?<\.\.\. (\w+) resumed>(.*)\) += (.*)$`)
)

// Parse reads a log of strace. Calls are in the order in which they began.
func Parse(log string) []Call {
	var calls []Call
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		if m := whole.FindStringSubmatch(line); m != nil {
			calls = append(calls, Call{number(m[1]), m[2], m[3], m[4]})
		} else if m := resumed.FindStringSubmatch(line); m != nil {
			for i, c := range slices.Backward(calls) {
				if c.Thread == number(m[1]) && c.Name == m[2] && c.Cut() {
					calls[i].Args, calls[i].Result = c.Args+m[3], m[4]
					break
				}
			}
		} else if m := unfinished.FindStringSubmatch(line); m != nil {
			calls = append(calls, Call{number(m[1]), m[2], m[3], "?"})
		}
	}
	return calls
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// A Point is a place in the run of a program: the nth call of that name.
type Point struct {
	Name string
	N    int // counted from 1
}

func (p Point) String() string { return fmt.Sprintf("%s %d", p.Name, p.N) }

// Points lists the places of all calls, in their order.
func Points(calls []Call) []Point {
	points := make([]Point, len(calls))
	seen := map[string]int{}
	for i, c := range calls {
		seen[c.Name]++
		points[i] = Point{c.Name, seen[c.Name]}
	}
	return points
}

// Kill is the fault that kills the process right before the call.
const Kill = "signal=KILL"

// Inject is the option of strace for a fault at a place: Kill, `error=EIO`,
// `retval=5` and what else strace knows.
func (p Point) Inject(fault string) string {
	return fmt.Sprintf("--inject=%s:%s:when=%d", p.Name, fault, p.N)
}
