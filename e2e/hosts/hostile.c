/* SPDX-License-Identifier: MIT */

/*
 * Starts a program as a hostile caller of a set-user-id host would:
 *
 *   hostile [-u UID] [-g GID] [-i SIGNAL]... [-b SIGNAL]... [-c DESCRIPTOR]... [-L RESOURCE=SOFT[:HARD]]...
 *           PROGRAM [ARG]...
 *
 * -u and -g change to that user and group for good (no supplementary ones), -i ignores a signal, -b blocks one (0: all
 * but the C library's own two, which some account databases unblock), -c closes a descriptor, -L sets a limit, the hard
 * one only if it is given. The environment goes through as it is.
 */
#include "host.h"

#include <grp.h>

static void block(int sig)
{
	unsigned long set = sig == 0 ? ~(3UL << 31) : 1UL << (sig - 1);

	if (syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 8) != 0)
		err(125, "block signal %d", sig);
}

static void ignore(int sig)
{
	struct {
		void (*handler)(int);
		unsigned long rest[16];
	} action = {.handler = SIG_IGN};

	if (syscall(SYS_rt_sigaction, sig, &action, NULL, 8) != 0)
		err(125, "ignore signal %d", sig);
}

static void set_limit(struct limit l)
{
	struct rlimit rl;

	getrlimit(l.resource, &rl);
	rl.rlim_cur = l.soft;
	if (l.hard < rl.rlim_max)
		rl.rlim_max = l.hard;
	if (setrlimit(l.resource, &rl) != 0)
		err(125, "setrlimit");
}

int main(int argc, char **argv)
{
	struct limit limits[16];
	bool closed[1024] = {false};
	uid_t uid = getuid();
	gid_t gid = getgid();
	int nlimits = 0, opt;

	while ((opt = getopt(argc, argv, "+u:g:i:b:c:L:")) != -1) {
		switch (opt) {
		case 'u': uid = (uid_t)atoi(optarg); break;
		case 'g': gid = (gid_t)atoi(optarg); break;
		case 'i': ignore(atoi(optarg)); break;
		case 'b': block(atoi(optarg)); break;
		case 'c': closed[atoi(optarg) & 1023] = true; break;
		case 'L':
			if (nlimits < 16)
				limits[nlimits++] = parse_limit(optarg);
			break;
		default: return 125;
		}
	}
	if (optind == argc)
		errx(125, "usage: hostile [-u UID] [-g GID] [-i SIG] [-b SIG] [-c FD] [-L RESOURCE=SOFT[:HARD]] PROGRAM");
	if (geteuid() == 0 && setgroups(0, NULL) != 0)
		err(125, "setgroups");
	if (setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0)
		err(125, "change ids");
	for (int i = 0; i < nlimits; i++)
		set_limit(limits[i]);
	for (int i = 0; i < 1024; i++)
		if (closed[i])
			close(i);
	execv(argv[optind], argv + optind);
	err(125, "%s", argv[optind]);
}
