// SPDX-License-Identifier: MIT

// Package world is the private machine that the end-to-end tests, the
// demonstration and the benchmark run in: real programs of this system (sshd,
// ssh, su, login, libpam) over a root file system, accounts, network,
// processes and system log of their own.
//
// [Enter] moves the running program into it. Nothing in it is visible from
// outside, nothing of the machine can be changed from inside, and all of it
// disappears with the program that entered.
package world
