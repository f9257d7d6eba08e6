// SPDX-License-Identifier: MIT

package module

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// FuzzServe gives the worker's side of the protocol anything an entry could
// send. Whatever it is: the answer is whole frames within their bounds, the last
// one a result, and never success, for there is no list to be right about.
func FuzzServe(f *testing.F) {
	frame := func(t byte, payload string) []byte {
		return append(binary.BigEndian.AppendUint16([]byte{t}, uint16(len(payload))), payload...)
	}
	for _, seed := range [][]byte{
		nil,
		frame(frameRequest, ""),
		frame(frameRequest, "protocol=1\x00"),
		frame(frameRequest, "protocol=1\x00home=/nonexistent\x00log=x\x00arg=debug\x00arg=lock_timeout=1\x00arg=kdf_max_memory=9\x00"),
		append(frame(frameRequest, "protocol=1\x00home=/nonexistent\x00"), frame(frameResponse, "secret")...),
		frame(frameResponse, "secret"),
		{frameRequest, 255, 255, 0},
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		Serve(half{bytes.NewReader(in), &out})
		bounds := map[byte]int{framePrompt: maxText, frameLog: maxLog, frameNotice: maxText, frameResult: maxResult}
		last := byte(0)
		for rest := out.Bytes(); len(rest) > 0; {
			if last == frameResult {
				t.Fatal("something after the result")
			}
			if len(rest) < 3 {
				t.Fatal("half a frame")
			}
			n := int(binary.BigEndian.Uint16(rest[1:]))
			if bound, ok := bounds[rest[0]]; !ok || n > bound || len(rest) < 3+n {
				t.Fatalf("frame %q of %d bytes", rest[0], n)
			}
			if last = rest[0]; last == frameResult && (n != 1 || rest[3] == pamSuccess) {
				t.Fatalf("result %v", rest[3:3+n])
			}
			rest = rest[3+n:]
		}
		if last != frameResult {
			t.Fatal("no result")
		}
	})
}
