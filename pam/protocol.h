/* SPDX-License-Identifier: MIT */

/*
 * What pam_otpw.so (the entry) and pam_otpw/worker say to each other; docs/architecture.md describes it.
 * A frame is its type (1 byte), the length of its payload (2 bytes, big endian), the payload.
 */
#ifndef OTPW_PROTOCOL_H
#define OTPW_PROTOCOL_H

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <security/_pam_types.h>

/*
 * What entry and core must agree on; a number, and not the version of a build, because a program that has been running
 * since before an upgrade keeps its old entry and starts the new worker.
 */
#define OTPW_PROTOCOL "1"

/* Where otpw-check finds the version in a file, without running it. pam/module has the same for the core. */
#define OTPW_MARK_VERSION static const char version_mark[] __attribute__((used)) = "otpw-version:" OTPW_VERSION ";"

enum {
	OTPW_FD = 3,   /* the worker's end of the socket */
	OTPW_HEAD = 3, /* bytes of type and length */

	OTPW_REQUEST = 'Q',
	OTPW_RESPONSE = 'R',
	OTPW_PROMPT = 'P',
	OTPW_TAKE = 'A',
	OTPW_LOG = 'L',
	OTPW_NOTICE = 'N',
	OTPW_DECOY = 'D',
	OTPW_RESULT = 'F',

	/* largest payloads, in bytes; no text is terminated */
	OTPW_REQUEST_MAX = 65535,
	OTPW_RESPONSE_MAX = 8191,
	OTPW_PROMPT_MAX = 511,
	OTPW_TAKE_MAX = 1,
	OTPW_LOG_MAX = 1024, /* its first byte is the priority: one of "ewnid" */
	OTPW_NOTICE_MAX = 511,
	OTPW_DECOY_MAX = 1,
	OTPW_RESULT_MAX = 1,
};

static inline void otpw_head(unsigned char head[OTPW_HEAD], int type, size_t len)
{
	head[0] = (unsigned char)type;
	head[1] = (unsigned char)(len >> 8 & 0xff);
	head[2] = (unsigned char)(len & 0xff);
}

/*
 * Sends all of it, waiting as long as it takes. The system call is made directly because this also runs in the child
 * of a threaded host, between clone and exec, where glibc's send() could act on a cancellation meant for the parent.
 * No SIGPIPE: that would go to a host that knows nothing of this socket.
 */
static inline int otpw_send_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		long n = syscall(SYS_sendto, fd, at, len, MSG_NOSIGNAL, NULL, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Appends a string to buf, which holds `used` of `size` bytes; what does not fit is cut. Returns the new `used`. */
static inline size_t otpw_append(char *buf, size_t used, size_t size, const char *s)
{
	while (*s != '\0' && used < size)
		buf[used++] = *s++;
	return used;
}

/*
 * The end of a worker that cannot do its work: says why in a log line, `result=error reason="WHAT: WHY"`, and denies.
 * Neither stdio nor malloc nor locale, see otpw_send_all. Nobody is left to tell when sending fails: the entry then
 * reads end of file, which denies as well.
 */
static inline void otpw_give_up(int fd, const char *what, const char *why)
{
	char buf[OTPW_HEAD + OTPW_LOG_MAX];
	unsigned char head[OTPW_HEAD];
	const unsigned char result[] = {OTPW_RESULT, 0, OTPW_RESULT_MAX, PAM_SYSTEM_ERR};
	size_t used = OTPW_HEAD, end = sizeof buf - 1; /* room for the closing quote */

	used = otpw_append(buf, used, end, "eresult=error reason=\"");
	used = otpw_append(buf, used, end, what);
	used = otpw_append(buf, used, end, ": ");
	used = otpw_append(buf, used, end, why);
	used = otpw_append(buf, used, sizeof buf, "\"");
	otpw_head(head, OTPW_LOG, used - OTPW_HEAD);
	for (size_t i = 0; i < OTPW_HEAD; i++)
		buf[i] = (char)head[i];
	if (otpw_send_all(fd, buf, used) == 0)
		(void)otpw_send_all(fd, result, sizeof result);
}

#endif
