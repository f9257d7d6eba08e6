// SPDX-License-Identifier: MIT

package module

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/otpw-go/otpw/otp"
)

// arguments are those of the module's line in the PAM configuration.
type arguments struct {
	debug bool
	otp.Options
}

// parseArgs reads the arguments. Those that are unknown or have a bad value are
// ignored, as PAM modules do, and returned as complaints for the log.
func parseArgs(args []string) (a arguments, complaints []string) {
	flags := map[string]*bool{
		"debug":       &a.debug,
		"decoy":       &a.Decoys, // the entry acts on it, too
		"nolock":      &a.NoLock,
		"reask":       &a.Reask,
		"legacy_lock": &a.LegacyLock,
		"trust_locks": &a.TrustLocks,
	}
	var seconds, mebibytes int
	numbers := map[string]struct {
		to   *int
		unit string
		most int
	}{
		"lock_timeout":   {&seconds, "SECONDS", math.MaxInt32},
		"kdf_max_memory": {&mebibytes, "MEBIBYTES", otp.MaxKDFMemory >> 10},
		"kdf_max_passes": {&a.KDFMaxPasses, "PASSES", otp.MaxKDFPasses},
	}
	for _, arg := range args {
		name, value, valued := strings.Cut(arg, "=")
		if flag := flags[name]; flag != nil && !valued {
			*flag = true
		} else if n, ok := numbers[name]; ok {
			v, err := strconv.ParseUint(value, 10, 31)
			if err != nil || v < 1 || int(v) > n.most {
				complaints = append(complaints, fmt.Sprintf("argument %q ignored: want %s=%s, 1 to %d", arg, name, n.unit, n.most))
				continue
			}
			*n.to = int(v)
		} else {
			complaints = append(complaints, fmt.Sprintf("unknown argument %q ignored", arg))
		}
	}
	a.LockTimeout, a.KDFMaxMemory = time.Duration(seconds)*time.Second, mebibytes<<10
	return a, complaints
}
