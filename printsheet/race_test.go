// SPDX-License-Identifier: MIT

//go:build race

package printsheet

// raceDetector: it is slow, so it sees fewer sheets.
const raceDetector = true
