// SPDX-License-Identifier: MIT

package world

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Syslog facilities and severities that the tests ask about.
const (
	FacilityAuth     = 4
	FacilityAuthPriv = 10

	SeverityError   = 3
	SeverityWarning = 4
	SeverityNotice  = 5
	SeverityInfo    = 6
	SeverityDebug   = 7
)

// Line is one line of the system log.
type Line struct {
	Facility, Severity int
	Tag                string // the program
	PID                int
	Text               string
	Raw                string // as received
}

func (l Line) String() string {
	return fmt.Sprintf("<%d.%d> %s[%d]: %s", l.Facility, l.Severity, l.Tag, l.PID, l.Text)
}

// Lines prints log lines for people.
func Lines(lines []Line) string {
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintln(&b, l)
	}
	return b.String()
}

// Log is the system log of the world: all that was written to /dev/log.
type Log struct {
	path string

	mu      sync.Mutex
	lines   []Line
	changed chan struct{}   // closed and replaced at each line
	syncs   []chan struct{} // each closed when the line of that number has been received
}

func listen(path string) (*Log, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("system log: %w", err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		return nil, fmt.Errorf("system log: %w", err)
	}
	log := &Log{path: path, changed: make(chan struct{})}
	go log.receive(conn)
	return log, nil
}

func (l *Log) receive(conn *net.UnixConn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			fmt.Fprintln(os.Stderr, "world: system log:", err)
			return
		}
		line := parseLine(string(buf[:n]))
		l.mu.Lock()
		var number int
		if _, err := fmt.Sscanf(line.Raw, "world-sync-%d", &number); err == nil && number < len(l.syncs) {
			close(l.syncs[number])
			l.mu.Unlock()
			continue
		}
		l.lines = append(l.lines, line)
		close(l.changed)
		l.changed = make(chan struct{})
		l.mu.Unlock()
	}
}

// As libc writes it: <86>Nov 23 01:25:00 sshd[123]: text
var logLine = regexp.MustCompile(`(?s)^<(\d+)>\w{3} [ \d]\d \d\d:\d\d:\d\d ([^:\[]*)(?:\[(\d+)\])?: ?(.*)$`)

func parseLine(raw string) Line {
	raw = strings.TrimRight(raw, "\x00\n")
	m := logLine.FindStringSubmatch(raw)
	if m == nil {
		return Line{Facility: -1, Severity: -1, Text: raw, Raw: raw}
	}
	priority, _ := strconv.Atoi(m[1])
	pid, _ := strconv.Atoi(m[3])
	return Line{Facility: priority >> 3, Severity: priority & 7, Tag: m[2], PID: pid, Text: m[4], Raw: raw}
}

// Mark is a place in the log, to be given to the others: the current end.
func (l *Log) Mark() int {
	l.sync()
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lines)
}

// Since lists the lines behind mark. All that any process has written before the call is among them.
func (l *Log) Since(mark int) []Line {
	l.sync()
	return l.since(mark)
}

func (l *Log) since(mark int) []Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Line(nil), l.lines[min(mark, len(l.lines)):]...)
}

// Find lists the lines behind mark whose text matches.
func (l *Log) Find(mark int, re string) []Line {
	rx := regexp.MustCompile(re)
	var found []Line
	for _, line := range l.Since(mark) {
		if rx.MatchString(line.Text) {
			found = append(found, line)
		}
	}
	return found
}

// Await waits for a line behind mark whose text matches.
func (l *Log) Await(t T, mark int, re string) Line {
	t.Helper()
	rx := regexp.MustCompile(re)
	deadline := time.After(Patience)
	for next := mark; ; {
		l.mu.Lock()
		lines, changed := l.lines[min(next, len(l.lines)):], l.changed
		l.mu.Unlock()
		for _, line := range lines {
			if rx.MatchString(line.Text) {
				return line
			}
		}
		next += len(lines)
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("no log line %q within %v; the log:\n%s", re, Patience, Lines(l.since(mark)))
		}
	}
}

// Tail prints the last lines.
func (l *Log) Tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Lines(l.lines[max(0, len(l.lines)-n):])
}

// sync waits until all that was written before has been received, by writing
// a line of its own, which receive recognises and does not keep.
func (l *Log) sync() {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: l.path, Net: "unixgram"})
	if err != nil {
		fmt.Fprintln(os.Stderr, "world: system log:", err)
		return
	}
	defer conn.Close()
	arrived := make(chan struct{})
	l.mu.Lock()
	text := fmt.Sprintf("world-sync-%d", len(l.syncs))
	l.syncs = append(l.syncs, arrived)
	l.mu.Unlock()
	if _, err := conn.Write([]byte(text)); err != nil {
		fmt.Fprintln(os.Stderr, "world: system log:", err)
		return
	}
	select {
	case <-arrived:
	case <-time.After(Patience):
		fmt.Fprintln(os.Stderr, "world: system log: own line not received")
	}
}
