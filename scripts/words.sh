#!/bin/sh
# SPDX-License-Identifier: MIT
#
# words.sh: print the word list otp/words.txt, made of Debian's scowl (apt-get
# install scowl). docs/words.md says how the words were chosen.
#
#   scripts/words.sh [FOLDER]    FOLDER holds scowl's lists
#
# Since lists, sheets and master keys depend on the place of each word, the
# result must never change: this script shows where the words come from.
set -eu
export LC_ALL=C
here=$(dirname "$0")
scowl=${1:-/usr/share/dict/scowl}

# level NUMBER...: the four-letter words of these levels
level() {
	for n; do
		for lang in english american british; do
			[ ! -e "$scowl/$lang-words.$n" ] || cat "$scowl/$lang-words.$n"
		done
	done | grep -xE '[a-z]{4}' | sort -u
}

# list FILE: its words, without the comments
list() { grep -v '^#' "$1" | sort -u; }

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

level 10 20 35 40 50 55 60 >"$tmp/common"
level 70 >"$tmp/rare"
list "$here/words.exclude" >"$tmp/exclude"
list "$here/words.add" >"$tmp/add"
comm -23 "$tmp/common" "$tmp/exclude" >"$tmp/kept"
comm -12 "$tmp/rare" "$tmp/add" >"$tmp/added"
sort -u "$tmp/kept" "$tmp/added"
