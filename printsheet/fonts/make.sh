#!/bin/sh
# SPDX-License-Identifier: MIT
#
# make.sh: make the fonts in this folder from those of Debian.
#
#   printsheet/fonts/make.sh
#
# Outlines, metrics and layout tables are Debian's. Left out are hints, names and
# what only vertical text needs, and of the fonts for passwords and headings (the
# .ttf files) all but the few characters that they print. README.md says what is
# what. With the packages of Debian 12 the result is the same, byte for byte.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

B=${B:-build}
export B
scripts/need 'making fonts' /usr/lib/python3/dist-packages/fontTools/subset/__init__.py:python3-fonttools
scripts/need --unpack "$B/fonts" fonts-dejavu-core fonts-droid-fallback fonts-noto-core
debian=$B/fonts/usr/share
dejavu=$debian/fonts/truetype/dejavu
noto=$debian/fonts/truetype/noto

# subset FROM TO OPTIONS...
subset() {
	from=$1 to=$2
	shift 2
	/usr/bin/python3 -m fontTools.subset "$from" --output-file="$to" --no-hinting --no-legacy-kern --no-recalc-timestamp \
		--drop-tables+=vhea,vmtx,MATH,FFTM,kern,meta "$@"
}

# plain FONT: a font for what this program says itself. Its names go into every PDF, so only the copyright stays.
plain() {
	subset "$dejavu/$1.ttf" "$here/$1.ttf" --name-IDs=0 --unicodes=20-7e,b7,2013,2192,2193 --layout-features=''
}

# script CODE FONT: a font for labels and hosts in the script with this ISO 15924 code
script() {
	subset "$2" "$here/$1.ttf" --name-IDs=0,13,14 --unicodes='*' --layout-features='*' --notdef-outline --no-glyph-names
	gzip -9nf "$here/$1.ttf"
}

plain DejaVuSansMono
plain DejaVuSansMono-Bold
plain DejaVuSans
plain DejaVuSans-Bold

script Zyyy "$dejavu/DejaVuSans.ttf"
script Hani "$debian/fonts-droid-fallback/truetype/DroidSansFallback.ttf"
script Tibt "$noto/NotoSerifTibetan-Regular.ttf"
script Hmnp "$noto/NotoSerifNyiakengPuachueHmong-Regular.ttf"
while read -r code name; do
	script "$code" "$noto/NotoSans$name-Regular.ttf"
done <<END
Adlm Adlam
Arab Arabic
Bali Balinese
Bamu Bamum
Batk Batak
Beng Bengali
Bugi Buginese
Cakm Chakma
Cans CanadianAboriginal
Cham Cham
Cher Cherokee
Copt Coptic
Deva Devanagari
Ethi Ethiopic
Gujr Gujarati
Guru Gurmukhi
Java Javanese
Kali KayahLi
Khmr Khmer
Knda Kannada
Lana TaiTham
Laoo Lao
Lepc Lepcha
Limb Limbu
Lisu Lisu
Mand Mandaic
Mlym Malayalam
Mong Mongolian
Mtei MeeteiMayek
Mymr Myanmar
Newa Newa
Nkoo NKo
Olck OlChiki
Orya Oriya
Osge Osage
Plrd Miao
Rohg HanifiRohingya
Saur Saurashtra
Sinh Sinhala
Sund Sundanese
Sylo SylotiNagri
Syrc Syriac
Tale TaiLe
Talu NewTaiLue
Taml Tamil
Tavt TaiViet
Telu Telugu
Tfng Tifinagh
Thaa Thaana
Thai Thai
Vaii Vai
Wcho Wancho
Yiii Yi
END
