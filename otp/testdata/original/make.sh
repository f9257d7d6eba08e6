#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes the vectors in this folder with the original generator (Debian's
# otpw-bin 1.5): make.sh PATH-TO-OTPW-GEN
# Each list X.list comes with its sheet X.sheet; the prefix password of all is
# in the file prefix, without a newline. -p 1 is left out: its sheets would hold
# the original's word list.
set -eu
gen=$1
cd "$(dirname "$0")"
prefix='ge Heim-l10|'
printf '%s' "$prefix" >prefix
rm -f -- *.list *.sheet
make() {
	name=$1
	shift
	printf '%s\n%s\n' "$prefix" "$prefix" | "$gen" -f "$name.list" "$@" >"$name.sheet" 2>/dev/null
}
make base64-48 -h 10
make base64-30 -h 6 -e 30
make base64-120 -h 6 -e 120 -w 100
make base32-48 -h 6 -p 2
make base32-66-ordered -h 6 -p 2 -e 66 -o
