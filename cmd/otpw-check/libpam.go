// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A libpam is what the machine's libpam was built to look for.
type libpam struct {
	modules string   // the folder of modules
	configs []string // folders of configurations, in the order in which they count
}

// findLibpam asks the library itself: distributions build it with folders of their own.
func findLibpam() libpam {
	paths := loadedLibpam()
	for _, pattern := range []string{"/lib/*/libpam.so.0", "/usr/lib/*/libpam.so.0", "/lib64/libpam.so.0", "/usr/lib64/libpam.so.0", "/lib/libpam.so.0", "/usr/lib/libpam.so.0"} {
		found, _ := filepath.Glob(pattern)
		paths = append(paths, found...)
	}
	for _, path := range paths {
		if data, err := os.ReadFile(path); err == nil {
			if p, ok := parseLibpam(string(data)); ok {
				return p
			}
		}
	}
	return libpam{"/lib/security", []string{"/etc/pam.d", "/usr/lib/pam.d"}}
}

// loadedLibpam returns the path of the library that this program has loaded, if it
// was built with it: no other architecture's.
func loadedLibpam() []string {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil
	}
	if m := regexp.MustCompile(`(?m) (/\S*/libpam\.so\S*)$`).FindSubmatch(maps); m != nil {
		return []string{string(m[1])}
	}
	return nil
}

var (
	moduleFolder = regexp.MustCompile(`\x00(/[!-~]+/security/)\x00`)
	configFolder = regexp.MustCompile(`\x00(/[!-~]+/pam\.d)/%s\x00`)
)

// parseLibpam finds the folders among the strings of the library.
func parseLibpam(library string) (p libpam, ok bool) {
	m := moduleFolder.FindStringSubmatch(library)
	if m == nil {
		return p, false
	}
	p.modules = filepath.Clean(m[1])
	// The matches share their zero bytes.
	for rest := library; ; {
		at := configFolder.FindStringSubmatchIndex(rest)
		if at == nil {
			break
		}
		p.configs = append(p.configs, rest[at[2]:at[3]])
		rest = rest[at[1]-1:]
	}
	etc := func(dir string) int { // what is in /etc goes first
		if strings.HasPrefix(dir, "/etc/") {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(p.configs, func(a, b string) int { return cmp.Compare(etc(a), etc(b)) })
	return p, len(p.configs) > 0
}

// path returns where PAM looks for a module.
func (p libpam) path(module string) string {
	module = strings.ReplaceAll(module, "$ISA", ".")
	if strings.HasPrefix(module, "/") {
		return module
	}
	return p.modules + "/" + module
}
