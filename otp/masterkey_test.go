// SPDX-License-Identifier: MIT

package otp

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// keyVector is a line of testdata/masterkey/vectors.txt.
type keyVector struct {
	keyForm, keyEntropy int
	key                 string
	form, entropy       int
	number, password    string
}

func keyVectors(t *testing.T) (vs []keyVector) {
	t.Helper()
	data, err := os.ReadFile("testdata/masterkey/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	num := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		vs = append(vs, keyVector{num(f[0]), num(f[1]), f[2], num(f[3]), num(f[4]), f[5], f[6]})
	}
	if len(vs) == 0 {
		t.Fatal("no vectors")
	}
	return vs
}

// What the original derived from its master keys, we derive too.
func TestMasterKeyVectors(t *testing.T) {
	for _, v := range keyVectors(t) {
		k, err := ParseMasterKey([]byte(v.key))
		if err != nil {
			t.Fatalf("%s: %v", v.key, err)
		}
		f := Form(v.form)
		p := k.Password(f, v.entropy, v.number)
		if got := f.Printed(p); string(got) != v.password {
			t.Errorf("%s, form %d, %d bits, number %s: %s, want %s", v.key, v.form, v.entropy, v.number, got, v.password)
		}
		kf := Form(v.keyForm)
		text := bytes.ReplaceAll([]byte(v.key), []byte(" "), nil)
		if got := kf.Printed(text); string(got) != v.key {
			t.Errorf("key printed as %s, want %s", got, v.key)
		}
		if len(text) != kf.Len(v.keyEntropy+keyCheckBits) {
			t.Errorf("key %s has %d characters, ours would have %d", v.key, len(text), kf.Len(v.keyEntropy+keyCheckBits))
		}
	}
}

func TestNewMasterKey(t *testing.T) {
	for _, f := range []Form{Base64, Words, Base32} {
		for _, e := range []int{MinKeyEntropy, DefaultKeyEntropy, f.MaxEntropy() - keyCheckBits} {
			k, text := NewMasterKey(f, e)
			if len(text) != f.Len(e+keyCheckBits) {
				t.Errorf("form %d, %d bits: length %d", f, e, len(text))
			}
			again, err := ParseMasterKey(f.Printed(text))
			if err != nil {
				t.Fatalf("form %d, %d bits: %v", f, e, err)
			}
			if a, b := k.Password(f, 48, "007"), again.Password(f, 48, "007"); !bytes.Equal(a, b) {
				t.Errorf("form %d: %s and %s of the same key", f, a, b)
			}
			if a, b := k.Password(f, 48, "007"), k.Password(f, 48, "008"); bytes.Equal(a, b) {
				t.Errorf("form %d: %s for two numbers", f, a)
			}
		}
	}
}

func TestParseMasterKey(t *testing.T) {
	const key = "d2fi b2nh c9zf zurj" // made by OTPW 1.5
	for _, c := range []struct {
		name, typed string
		ok          bool
	}{
		{"as printed", key, true},
		{"without blanks", "d2fib2nhc9zfzurj", true},
		{"blanks anywhere", " d2fib2nh c9zf z u r j ", true},
		{"a line end", key + "\r\n", true},
		{"one wrong", "d2fi b2nh c9zf zurk", false},
		{"capitals", strings.ToUpper(key), false},
		{"one missing", key[:len(key)-1], false},
		{"nothing", "", false},
		{"too short, though its check bits are right", "ch", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := ParseMasterKey([]byte(c.typed))
			if c.ok != (err == nil) || !c.ok && !errors.Is(err, ErrMasterKey) {
				t.Fatalf("error %v", err)
			}
			if c.ok && k == nil {
				t.Fatal("no key")
			}
		})
	}
}

// Words as the original chooses them: its words are others, but both lists are
// in alphabetical order, so whatever bits choose a later word of ours must
// choose a later word of theirs.
func TestWordsLikeOriginal(t *testing.T) {
	root := os.Getenv("OTPW_ORIGINAL")
	if root == "" {
		t.Skip("OTPW_ORIGINAL is not set to a folder with the original's usr/bin/otpw-gen")
	}
	cmd := exec.Command(filepath.Join(root, "usr/bin/otpw-gen"), "-k", "-p", "1", "-n", "-h", "1000", "-w", "1")
	cmd.Stdin = strings.NewReader("d2fi b2nh c9zf zurj\n")
	sheet, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseMasterKey([]byte("d2fi b2nh c9zf zurj"))
	if err != nil {
		t.Fatal(err)
	}
	theirs := map[string]string{} // by our word
	for line := range strings.Lines(string(sheet)) {
		f := strings.Fields(line)
		ours := strings.Fields(string(Words.Printed(k.Password(Words, 48, f[0]))))
		if len(ours) != len(f)-1 {
			t.Fatalf("%d words, want %d", len(ours), len(f)-1)
		}
		for i, w := range ours {
			if was := theirs[w]; was != "" && was != f[i+1] {
				t.Fatalf("%s: the same bits stand for different words", f[0])
			}
			theirs[w] = f[i+1]
		}
	}
	ours := slices.Sorted(maps.Keys(theirs))
	for i := 1; i < len(ours); i++ {
		if theirs[ours[i-1]] >= theirs[ours[i]] {
			t.Fatal("the bits of a word are put together in another order")
		}
	}
	if len(theirs) < 1500 {
		t.Errorf("only %d different words in %d", len(theirs), 5000)
	}
}
