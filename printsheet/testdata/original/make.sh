#!/bin/sh
# SPDX-License-Identifier: MIT
#
# make.sh: have the original otpw-gen print sheets, as test vectors.
#
#   OTPW_ORIGINAL=build/original printsheet/testdata/original/make.sh
#
# (scripts/original unpacks it there.) The sheets are written beside this script;
# the name of each holds its options, as h60-w79-s1-n.txt for -h 60 -w 79 -s 1 -n,
# with the length of a printed password at the end.
# The host's name is replaced. Sheets of words are not kept: the original's words
# are not ours.
set -eu
gen=${OTPW_ORIGINAL:?folder that holds usr/bin/otpw-gen}/usr/bin/otpw-gen
here=$(dirname "$0")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# sheet LENGTH OPTIONS...
sheet() {
	length=$1
	shift
	name=$(echo "$*" | sed 's/ \([0-9]\)/\1/g; s/ //g; s/^-//')-l$length.txt
	rm -f "$tmp/list"
	printf 'pre\npre\n' | TZ=UTC "$gen" -f "$tmp/list" "$@" 2>/dev/null |
		sed "s/^\(OTPW list .*\) on $(hostname)/\1 on host.example/" >"$here/$name"
}

sheet 9 -h 60 -w 79 -s 1
sheet 9 -h 60 -w 79 -s 2
sheet 9 -h 5 -w 64 -s 3
sheet 9 -h 5 -w 64 -s 3 -n
sheet 9 -h 1 -w 1 -s 1 -n
sheet 9 -h 1 -w 73 -s 2 -n
sheet 9 -h 7 -w 72 -s 1
sheet 9 -h 7 -w 73 -s 1
sheet 9 -h 300 -w 79 -s 1
sheet 9 -h 300 -w 132 -s 1
sheet 9 -h 204 -w 79 -s 1 -n
sheet 5 -h 10 -w 79 -s 1 -e 30
sheet 7 -h 10 -w 79 -s 1 -e 31
sheet 12 -h 10 -w 79 -s 1 -p 2
sheet 42 -h 10 -w 79 -s 2 -e 199
sheet 124 -h 6 -w 64 -s 2 -e 600
sheet 149 -h 6 -w 64 -s 1 -e 600 -p 2
