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
	for _, arg := range args {
		name, value, valued := strings.Cut(arg, "=")
		flag := map[string]*bool{
			"debug":       &a.debug,
			"nolock":      &a.NoLock,
			"reask":       &a.Reask,
			"legacy_lock": &a.LegacyLock,
			"trust_locks": &a.TrustLocks,
		}[name]
		switch {
		case flag != nil && !valued:
			*flag = true
		case name == "lock_timeout":
			s, err := strconv.ParseUint(value, 10, 31)
			if err != nil || s == 0 {
				complaints = append(complaints, fmt.Sprintf("argument %q ignored: want lock_timeout=SECONDS, 1 to %d", arg, math.MaxInt32))
				continue
			}
			a.LockTimeout = time.Duration(s) * time.Second
		default:
			complaints = append(complaints, fmt.Sprintf("unknown argument %q ignored", arg))
		}
	}
	return a, complaints
}
