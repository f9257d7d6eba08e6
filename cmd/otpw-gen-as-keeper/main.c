/* SPDX-License-Identifier: MIT */

/*
 * otpw-gen-as-keeper: otpw-gen with the effective ids of the account that keeps all lists. Where an administrator has
 * turned it on, this small file is set-user-id for that account, and otpw-gen, which finds that it needs those ids,
 * starts it. So otpw-gen itself is root's also there: nobody runs, as root, a file that the keeper can change.
 *
 * otpw-gen, whose path is fixed when this is compiled, does all the rest: it expects to be started with the ids of
 * two accounts and everything else from its caller.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 1 || geteuid() == 0 || geteuid() == getuid() || getegid() != getgid()) {
		fputs("otpw-gen-as-keeper: not set-user-id for an account that keeps lists: otpw-pseudo-user(8) does that "
		      "(or set-user-id programs do nothing here: nosuid, no_new_privs)\n", stderr);
		return 1;
	}
	execv(OTPW_GEN, argv);
	fprintf(stderr, "otpw-gen-as-keeper: start %s: %s\n", OTPW_GEN, strerror(errno));
	return 1;
}
