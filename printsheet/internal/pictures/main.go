// SPDX-License-Identifier: MIT

// Pictures makes the pictures of the PDF sheets in the README, from a fixed master
// key. It needs poppler's pdftoppm.
//
//	pictures FOLDER
package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/otpw-go/otpw/otp"
	"github.com/otpw-go/otpw/printsheet"
)

const (
	masterKey = "d2fi b2nh c9zf zurj"
	dpi       = "90"
	greys     = 16
)

var header = printsheet.Header{
	Time:    time.Date(2026, 11, 22, 23, 14, 0, 0, time.UTC),
	Host:    "host.example.org",
	Label:   "Reise nach Süden",
	ID:      "k3m9x2pq",
	LastDay: "2027-02-20",
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: pictures FOLDER")
		os.Exit(2)
	}
	for _, style := range []printsheet.Style{printsheet.FullPage, printsheet.Wallet} {
		if err := draw(filepath.Join(os.Args[1], "sheet-"+string(style)), style); err != nil {
			fmt.Fprintln(os.Stderr, "pictures:", err)
			os.Exit(1)
		}
	}
}

// draw writes file.png, a picture of a sheet.
func draw(file string, style printsheet.Style) error {
	pdf, err := sheet(style)
	if err != nil {
		return err
	}
	cmd := exec.Command("pdftoppm", "-r", dpi, "-gray", "-png", "-")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(pdf), os.Stderr
	picture, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("pdftoppm: %w", err)
	}
	small, err := shrink(picture)
	if err != nil {
		return err
	}
	return os.WriteFile(file+".png", small, 0o644)
}

// sheet makes a page of the passwords of the master key.
func sheet(style printsheet.Style) ([]byte, error) {
	const form, entropy = otp.Base64, otp.DefaultEntropy
	l, err := printsheet.NewPDF(printsheet.PDFPage{Paper: printsheet.A4, Style: style, Pages: 1}, header, form.PrintedLen(entropy))
	if err != nil {
		return nil, err
	}
	key, err := otp.ParseMasterKey([]byte(masterKey))
	if err != nil {
		return nil, err
	}
	passwords := make([]printsheet.Numbered, l.Count)
	for i := range passwords {
		n := l.Number(i)
		passwords[i] = printsheet.Numbered{Number: n, Password: form.Printed(key.Password(form, entropy, n))}
	}
	var b bytes.Buffer
	err = printsheet.WritePDF(&b, l, header, passwords)
	return b.Bytes(), err
}

// shrink reduces a picture to a few greys, which makes the file small.
func shrink(picture []byte) ([]byte, error) {
	from, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, err
	}
	var palette color.Palette
	for i := range greys {
		palette = append(palette, color.Gray{uint8(i * 255 / (greys - 1))})
	}
	to := image.NewPaletted(from.Bounds(), palette)
	for y := to.Rect.Min.Y; y < to.Rect.Max.Y; y++ {
		for x := to.Rect.Min.X; x < to.Rect.Max.X; x++ {
			g := color.GrayModel.Convert(from.At(x, y)).(color.Gray)
			to.SetColorIndex(x, y, uint8((int(g.Y)*(greys-1)+127)/255))
		}
	}
	var b bytes.Buffer
	e := png.Encoder{CompressionLevel: png.BestCompression}
	err = e.Encode(&b, to)
	return b.Bytes(), err
}
