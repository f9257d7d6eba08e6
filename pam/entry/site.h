/* SPDX-License-Identifier: MIT */

/*
 * /etc/otpw.conf: what an administrator has decided for the whole host. The entry needs only the arguments in its
 * sections [module]; otp/site.go reads the same file, and says what a line may be.
 */
#ifndef OTPW_SITE_H
#define OTPW_SITE_H

#include <stdbool.h>

enum {
	SITE_MAX = 65536, /* bytes of the file */
	SITE_ARGS_MAX = 64,
	SITE_LINE_MAX = 1024, /* bytes of an argument */
	SITE_WHY_MAX = 128,
};

struct site {
	int n;
	struct {
		int line; /* from 1 */
		const char *text;
	} args[SITE_ARGS_MAX];
	char *buf; /* holds the texts */
};

/* A file that is not there says nothing. On failure why says what is wrong. */
bool site_read(struct site *s, char why[SITE_WHY_MAX]);

void site_free(struct site *s);

#endif
