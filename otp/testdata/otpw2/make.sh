#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes the vectors in this folder with the reference implementation of Argon2
# (Debian's package argon2), and nothing of this project: make.sh
# vector.list is a list of three passwords, vector.passwords has them with
# their numbers, prefix the prefix password without a newline.
set -eu
cd "$(dirname "$0")"
prefix='geHeim Wort'
salt=0123456789abcdef
printf '%s' "$prefix" >prefix
cat >vector.passwords <<EOF
000 kxvp2tqm
001 IlO0/=%:
002 h7daswzc
EOF
hash() { # NUMBER NORMALISED-PASSWORD
	printf '%s%s' "$prefix" "$2" | argon2 "$salt$1" -id -v 13 -t 2 -k 19456 -p 1 -l 32 -r |
		xxd -r -p | base64 -w 0 | tr -d =
}
cat >vector.list <<EOF
OTPW2
kdf: \$argon2id\$v=19\$m=19456,t=2,p=1\$$(printf %s $salt | base64 | tr -d =)
entries: 3
digits: 3
password: 8
id: k7mw3xqp
host: host.example
created: 2026-11-23T03:00:00Z
expires: 2036-11-23T03:00:00Z
label: Reise nach Süden

000$(hash 000 kxvp2tqm)
001$(hash 001 'IIOO/=%:')
002$(hash 002 h7daswzc)
EOF
