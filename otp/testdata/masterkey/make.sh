#!/bin/sh
# SPDX-License-Identifier: MIT
#
# make.sh: have the original otpw-gen make master keys and the passwords that
# belong to them, as test vectors.
#
#   OTPW_ORIGINAL=build/original otp/testdata/masterkey/make.sh >otp/testdata/masterkey/vectors.txt
#
# (scripts/original unpacks it there.) A line is
#   key form, key entropy, key, password form, password entropy, number, password
# with tabs between; key and password are as printed. Words are left out as form
# of either: the original's words are not ours.
set -eu
gen=${OTPW_ORIGINAL:?folder that holds usr/bin/otpw-gen}/usr/bin/otpw-gen
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

echo "# made by make.sh with the otpw-gen of OTPW 1.5 (Debian 12, otpw-bin 1.5-2)"
for key in "0 60" "0 76" "0 200" "2 60" "2 76" "2 101"; do
	for pw in "0 30" "0 48" "0 61" "0 198" "0 300" "2 30" "2 48" "2 99" "2 300"; do
		rm -f "$tmp/list"
		# shellcheck disable=SC2086 # two numbers each
		set -- $key $pw
		printf 'pre\npre\n' |
			"$gen" -f "$tmp/list" -m -P "$1" -E "$2" -p "$3" -e "$4" -n -h 3 -w 1 >"$tmp/sheet" 2>"$tmp/messages"
		text=$(sed -n 's/^Master key: //p' "$tmp/messages")
		tr -d '\r' <"$tmp/sheet" | while read -r number password; do
			printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$text" "$3" "$4" "$number" "$password"
		done
	done
done
