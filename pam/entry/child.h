/* SPDX-License-Identifier: MIT */

#ifndef OTPW_CHILD_H
#define OTPW_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/* What the child needs between clone and exec, all made before. */
struct child {
	const char *path;
	int sock;
	bool root; /* the host's effective id is root: ids and groups can change */
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	int ngroups;
};

/*
 * Starts the worker in a process of its own. False: errno says why there is none. What fails in the new process is said
 * over the socket. The host's end of the socket is the caller's, and so is c->sock, which the new process has a copy of.
 */
bool clone_child(struct child *c, int *pidfd);

#endif
