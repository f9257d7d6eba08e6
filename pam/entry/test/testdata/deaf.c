/* SPDX-License-Identifier: MIT */

/* A core that never reads its request; what it does is chosen when it is built. */
#include <signal.h>
#include <unistd.h>

#include "protocol.h"

const char *otpw_core_version(void);
char *otpw_serve(int fd);

const char *otpw_core_version(void)
{
	return OTPW_VERSION;
}

char *otpw_serve(int fd)
{
#ifdef ANSWER
	otpw_give_up(fd, "deaf", "on purpose");
	return NULL;
#else
	(void)fd;
	for (;;)
		pause();
#endif
}
