// SPDX-License-Identifier: MIT

package world

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Process is what /proc says about a process.
type Process struct {
	PID, Parent int
	Name        string // of the executable file, cut to 15 characters
	Title       string // the command line, or what the process has written over it
	State       string // as ps shows it: R, S, D, Z, ...
	Executable  string // empty for a zombie
	UID         int    // effective
	Threads     int
}

func (p Process) String() string {
	return fmt.Sprintf("%5d %5d %-2s uid %-5d threads %-2d %-16s %s", p.PID, p.Parent, p.State, p.UID, p.Threads, p.Name, p.Title)
}

// Processes lists all processes of the world, in the order of their numbers.
func Processes() []Process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var list []Process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, ok := readProcess(pid); ok {
			list = append(list, p)
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].PID < list[j].PID })
	return list
}

func readProcess(pid int) (Process, bool) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return Process{}, false
	}
	p := Process{PID: pid}
	for _, line := range strings.Split(string(status), "\n") {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Name":
			p.Name = value
		case "State":
			p.State = value[:1]
		case "PPid":
			p.Parent, _ = strconv.Atoi(value)
		case "Threads":
			p.Threads, _ = strconv.Atoi(value)
		case "Uid":
			if f := strings.Fields(value); len(f) == 4 {
				p.UID, _ = strconv.Atoi(f[1])
			}
		}
	}
	title, _ := os.ReadFile(dir + "cmdline")
	p.Title = strings.TrimSpace(strings.ReplaceAll(string(title), "\x00", " "))
	p.Executable, _ = os.Readlink(dir + "exe")
	return p, true
}

// Descendants lists the children of a process, their children, and so on.
func Descendants(pid int) []Process {
	family := map[int]bool{pid: true}
	all := Processes()
	var found []Process
	// Numbers can wrap, so a child may come before its parent.
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if family[p.Parent] && !family[p.PID] {
				family[p.PID] = true
				found = append(found, p)
				grown = true
			}
		}
	}
	return found
}

// ProcessTable prints all processes for people.
func ProcessTable() string {
	var b strings.Builder
	for _, p := range Processes() {
		wchan, _ := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", p.PID))
		fmt.Fprintf(&b, "%v (%s)\n", p, wchan)
	}
	return b.String()
}

// Mapped lists the files that a process has mapped.
func Mapped(pid int) []string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil
	}
	defer f.Close()
	seen := map[string]bool{}
	var files []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if fields := strings.Fields(s.Text()); len(fields) >= 6 && strings.HasPrefix(fields[5], "/") && !seen[fields[5]] {
			seen[fields[5]] = true
			files = append(files, fields[5])
		}
	}
	return files
}

// Opened reports whether the process has the file open.
func (p Process) Opened(path string) bool {
	dir := fmt.Sprintf("/proc/%d/fd/", p.PID)
	fds, _ := os.ReadDir(dir)
	for _, fd := range fds {
		if target, _ := os.Readlink(dir + fd.Name()); target == path {
			return true
		}
	}
	return false
}

// Until waits until a condition on things that send no event (other processes,
// mostly) holds; the test fails when that takes too long.
func Until(t T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s\n%s", Patience, what, ProcessTable())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func isWorker(p Process) bool { return filepath.Base(p.Executable) == "worker" }

// Mapping is a part of a process's memory.
type Mapping struct {
	Name string // the line of /proc/PID/maps
	Data []byte
}

// Memory is all that a process can read. It should be stopped.
func Memory(t T, pid int) (memory []Mapping) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatalf("read memory: %v", err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatalf("read memory: %v", err)
	}
	defer mem.Close()
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		if _, err := fmt.Sscanf(line, "%x-%x r", &from, &to); err != nil {
			continue
		}
		data := make([]byte, to-from)
		if n, _ := mem.ReadAt(data, from); n > 0 { // [vvar] cannot be read
			memory = append(memory, Mapping{strings.TrimSpace(line), data[:n]})
		}
	}
	return memory
}
