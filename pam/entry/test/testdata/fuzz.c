/* SPDX-License-Identifier: MIT */

/*
 * The entry's side of the protocol, fuzzed: whole calls of pam_sm_authenticate and pam_sm_open_session, with a libpam,
 * an account database and a clock of our own, and a worker that does what the input says. The socket is a real one. The
 * worker moves only while the entry waits (in poll, or for an answer), and time passes only then, so that the same input
 * always gives the same run, and no run takes time.
 *
 * The input: three bytes of flags, one of faults, the user, the remote host and two arguments (each a byte of length and the text), then
 * the steps of the worker (see step), with the answers to its prompts (see converse) between them.
 *
 * Built with libFuzzer by `make fuzz`; with -DCORPUS it runs the files that are its arguments, and counts the results.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>

#include <security/pam_ext.h>
#include <security/pam_modules.h>

#include "../../child.h"
#include "../../decoy.h"
#include "../../site.h"
#include "protocol.h"

#define SECOND 1000            /* milliseconds */
#define START (1000 * SECOND)  /* of a run */
#define TYPING (3600 * SECOND) /* that each answer takes */
#define PATIENCE (30 * SECOND) /* with a worker */

#define OLD "another module's" /* PAM_AUTHTOK */

#define check(ok, ...) \
	do { \
		if (!(ok)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #ok); \
			__VA_OPT__(fprintf(stderr, __VA_ARGS__); fputc('\n', stderr);) \
			abort(); \
		} \
	} while (0)

enum { /* flags */
	NOT_ROOT = 1 << 0,
	UNKNOWN_USER = 1 << 1,
	UNLUCKY_LOOKUP = 1 << 2,
	NO_RHOST = 1 << 3,
	NO_SERVICE = 1 << 4,
	NO_ENV = 1 << 6,        /* nor the environment */
	SMALL_SOCKET = 1 << 7,  /* responses do not fit */
	NO_CHILD = 1 << 8,
	BAD_FILES = 1 << 9,
	UNKILLABLE = 1 << 10,
	REAPED = 1 << 11,       /* by the host */
	OLD_TOKEN = 1 << 12,    /* another module has left a PAM_AUTHTOK */
	OLD_NOTICE = 1 << 13,   /* and somebody a notice: the first argument */
	HUGE_ARGUMENT = 1 << 14,
	SILENT = 1 << 15,
	DECOY = 1 << 16,        /* the argument */
	NO_STATE = 1 << 17,     /* the secret of decoys cannot be read */
	BUSY = 1 << 18,
	LOW_LIMIT = 1 << 19,    /* on the size of files */
};

struct line {
	int priority;
	char *text;
};

/* One run. */
static struct run {
	const uint8_t *in, *end;
	unsigned flags;
	unsigned faults; /* of calls on the socket, two bits each */
	char user[256], rhost[256], args[2][256];
	char *token, *env; /* PAM_AUTHTOK and the notice */

	int64_t clock;
	int lookups;
	int entry, other;           /* the socket, as the entry makes it; -1: none */
	int worker, process;        /* the worker's end, the eventfd that is the pidfd */
	int interrupts;             /* signals that the entry will get */
	int decoy;                  /* where decoys are kept */
	int nkept, kept;            /* what of them */
	bool known;                 /* the user has been found */
	int64_t since;              /* the worker's time runs */
	bool late;                  /* it is over */
	bool ended;                 /* the worker is */
	size_t nsaid, nheard;

	char *response;    /* the last one, which the entry has to wipe and free */
	char answer[8200]; /* the same */
	size_t want;       /* bytes of its frame; 0: none may be sent */
	size_t sent;       /* bytes of it; at first of the request */
	unsigned char head[OTPW_HEAD]; /* of the request */
	bool requested;                /* all of it was sent */
	int prompts, infos;
	bool answered[256]; /* each prompt */

	struct line lines[300];
	int nlines;
} f;

/* By the worker. */
static unsigned char said[1 << 16], heard[1 << 21];

static uint8_t take(void)
{
	return f.in < f.end ? *f.in++ : 0;
}

static void take_text(char *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (char)take();
	out[n] = '\0';
}

static bool is_set(unsigned flag)
{
	return (f.flags & flag) != 0;
}

/* ---- the worker ---- */

static void say(const void *data, size_t n)
{
	ssize_t put = -1;

	if (f.worker >= 0 && f.nsaid + n <= sizeof said)
		put = send(f.worker, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (put > 0) {
		memcpy(said + f.nsaid, data, (size_t)put);
		f.nsaid += (size_t)put;
	}
}

static void hear(void)
{
	ssize_t got;

	while (f.worker >= 0 && f.nheard < sizeof heard) {
		got = recv(f.worker, heard + f.nheard, sizeof heard - f.nheard, MSG_DONTWAIT);
		if (got <= 0)
			return;
		f.nheard += (size_t)got;
	}
}

/* Shuts its end, after hearing what is there. */
static void leave(void)
{
	hear();
	if (f.worker >= 0)
		close(f.worker);
	f.worker = -1;
}

static void end(void)
{
	const uint64_t one = 1;

	check(write(f.process, &one, sizeof one) == sizeof one);
	f.ended = true;
}

/* A frame with a payload of n bytes, taken from the input, or all the same. */
static void say_frame(int type, size_t n, bool same)
{
	char frame[OTPW_HEAD + 2048];
	unsigned char head[OTPW_HEAD];

	otpw_head(head, type, n);
	memcpy(frame, head, OTPW_HEAD);
	if (same)
		memset(frame + OTPW_HEAD, take(), n);
	else
		for (size_t i = 0; i < n; i++)
			frame[OTPW_HEAD + i] = (char)take();
	say(frame, OTPW_HEAD + n);
}

/* The worker's next step. False: it does nothing any more. */
static bool step(void)
{
	static const char types[] = {OTPW_PROMPT, OTPW_LOG, OTPW_NOTICE, OTPW_RESULT, OTPW_DECOY};
	char bytes[256];
	uint8_t what = take();
	size_t n;

	if (f.in >= f.end)
		return false;
	switch (what & 15) {
	default: /* a frame: most steps are */
		say_frame(types[what & 3], what == 3 ? 1 : take() & 127, false);
		break;
	case 7:
		say_frame(OTPW_DECOY, 1, false);
		break;
	case 8: /* a long one */
		n = (size_t)take() << 3 | what >> 5;
		say_frame(types[take() % sizeof types], n, true);
		break;
	case 9: /* many */
		n = take();
		for (size_t i = 0; i < n; i++)
			say("L\0\1d", 4);
		break;
	case 10: /* anything */
		n = take();
		take_text(bytes, n & 127);
		say(bytes, n & 127);
		break;
	case 11:
		hear();
		break;
	case 12:
		f.clock += take() * (SECOND / 4);
		break;
	case 13:
		f.interrupts++;
		break;
	case 14: /* somebody else may hold its end of the socket, or not */
		end();
		if ((what & 16) != 0)
			leave();
		break;
	case 15:
		if ((what & 16) != 0)
			leave();
		else if (f.worker >= 0)
			shutdown(f.worker, (what & 32) != 0 ? SHUT_RD : SHUT_WR);
		break;
	}
	return true;
}

/* ---- the system ---- */

static bool is_closed(int fd)
{
	return fd < 0 || fcntl(fd, F_GETFD) < 0;
}

static int fake_clock_gettime(clockid_t which, struct timespec *ts)
{
	check(which == CLOCK_MONOTONIC);
	ts->tv_sec = f.clock / SECOND;
	ts->tv_nsec = f.clock % SECOND * 1000000;
	return 0;
}

/* A worker that gets no response reads end of file. */
static void check_wait(const struct pollfd *fds, int64_t until)
{
	char byte;

	check(until <= f.since + PATIENCE || until == f.clock, "too late");
	if (fds[0].events != POLLIN || f.prompts == 0 || f.worker < 0 || (f.sent == f.want && f.want > 0))
		return;
	hear();
	check(recv(f.worker, &byte, 1, MSG_DONTWAIT) == 0, "the worker waits in vain");
}

static int fake_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	int64_t until = f.clock + timeout;
	int ready;

	check(timeout >= 0);
	if (n > 1)
		check_wait(fds, until);
	for (;;) {
		if (f.interrupts > 0) {
			f.interrupts--;
			errno = EINTR;
			return -1;
		}
		ready = poll(fds, n, 0);
		if (ready != 0)
			return ready;
		if (f.clock >= until || !step()) {
			f.clock = f.clock > until ? f.clock : until;
			f.late |= n > 1;
			check(n == 1 || f.clock >= f.since + PATIENCE, "too early");
			return 0;
		}
	}
}

/* What the kernel may do to a call. Returns how many bytes it may move, 0: interrupted. */
static size_t fault(size_t n)
{
	unsigned what = f.faults & 3;

	f.faults >>= 2;
	errno = EINTR;
	return what == 0 || n == 0 ? n : what == 1 ? 0 : 1;
}

static ssize_t fake_recv(int fd, void *data, size_t n, int flags)
{
	size_t most = fault(n);

	check(fd == f.entry && n > 0 && (flags & MSG_DONTWAIT) != 0);
	return most == 0 ? -1 : recv(fd, data, most, flags);
}

static ssize_t fake_send(int fd, const void *data, size_t n, int flags)
{
	size_t most = fault(n);
	ssize_t put;

	check(fd == f.entry && (flags & (MSG_DONTWAIT | MSG_NOSIGNAL)) == (MSG_DONTWAIT | MSG_NOSIGNAL));
	if (most == 0)
		return -1;
	put = send(fd, data, most, flags);
	for (ssize_t i = 0; i < put; i++, f.sent++)
		if (f.prompts == 0 && f.sent < OTPW_HEAD)
			f.head[f.sent] = ((const unsigned char *)data)[i];
	return put;
}

static int fake_socketpair(int domain, int type, int protocol, int sv[2])
{
	const int least = 1;

	check(socketpair(domain, type, protocol, sv) == 0);
	f.entry = sv[0];
	f.other = sv[1];
	if (is_set(SMALL_SOCKET))
		check(setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof least) == 0);
	return 0;
}

bool clone_child(struct child *c, int *pidfd)
{
	check(c->sock >= 0 && c->root == !is_set(NOT_ROOT) && c->uid == (is_set(UNKNOWN_USER) ? 65534 : 1000));
	check(c->gid == (is_set(NOT_ROOT) ? getgid() : is_set(UNKNOWN_USER) ? 65534 : 1000));
	check(!is_set(UNKNOWN_USER) || (c->ngroups == 1 && c->groups[0] == 65534));
	check(is_closed(f.decoy) || (fcntl(f.decoy, F_GETFD) & FD_CLOEXEC) != 0);
	if (is_set(NO_CHILD)) {
		errno = EAGAIN;
		return false;
	}
	f.worker = fcntl(c->sock, F_DUPFD_CLOEXEC, 0);
	*pidfd = f.process = eventfd(0, EFD_CLOEXEC);
	check(f.worker >= 0 && f.process >= 0);
	return true;
}

static bool wants_decoy(void)
{
	return !is_set(NOT_ROOT) && (is_set(DECOY) || strcmp(f.args[0], "decoy") == 0 || strcmp(f.args[1], "decoy") == 0);
}

bool decoy_open(struct decoy *d, const char *name, const char **why)
{
	check(wants_decoy() && !is_set(LOW_LIMIT) && strcmp(name, f.user) == 0 && f.decoy < 0);
	if (is_set(NO_STATE)) {
		*why = "cannot be read";
		return false;
	}
	*d = (struct decoy){.fd = eventfd(0, EFD_CLOEXEC), .token = 0x123456789, .state = 7, .busy = is_set(BUSY)};
	f.decoy = d->fd;
	return true;
}

void decoy_keep(const struct decoy *d, unsigned char state)
{
	check(d->fd == f.decoy);
	f.nkept++;
	f.kept = state;
}

void decoy_close(struct decoy *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

bool site_read(struct site *s, char why[SITE_WHY_MAX])
{
	(void)why;
	s->n = 0;
	s->buf = NULL;
	return true;
}

void site_free(struct site *s)
{
	check(s->n == 0);
}

static long fake_syscall(long number, ...)
{
	check(number == SYS_pidfd_send_signal);
	if (!is_set(UNKILLABLE)) {
		leave();
		end();
	}
	return 0;
}

static int fake_waitid(idtype_t type, id_t id, siginfo_t *how, int options)
{
	check((int)type == 3 && (int)id == f.process && (options & WNOHANG) != 0);
	if (is_set(REAPED)) {
		errno = ECHILD;
		return -1;
	}
	how->si_pid = 4711;
	how->si_code = is_set(UNKILLABLE) ? CLD_KILLED : CLD_EXITED;
	how->si_status = 9;
	return 0;
}

static uid_t fake_geteuid(void)
{
	return is_set(NOT_ROOT) ? 1000 : 0;
}

static int fake_getrlimit(int resource, struct rlimit *limit)
{
	check(resource == RLIMIT_FSIZE);
	limit->rlim_cur = limit->rlim_max = is_set(LOW_LIMIT) ? DECOY_FILE_MAX - 1 : DECOY_FILE_MAX;
	return 0;
}

static int fake_getpwnam_r(const char *name, struct passwd *pw, char *buf, size_t size, struct passwd **found)
{
	*found = NULL;
	if (strcmp(name, f.user) != 0) /* who could keep the lists */
		return 0;
	if (is_set(UNLUCKY_LOOKUP) && ++f.lookups < 4)
		return f.lookups == 2 ? EINTR : ERANGE;
	if (is_set(UNKNOWN_USER))
		return is_set(UNLUCKY_LOOKUP) ? EIO : 0;
	snprintf(buf, size, "/home/%s", f.args[1]);
	*pw = (struct passwd){.pw_name = f.user, .pw_uid = 1000, .pw_gid = 1000, .pw_dir = buf};
	*found = pw;
	f.known = true;
	return 0;
}

static int fake_getgrouplist(const char *name, gid_t group, gid_t *groups, int *n)
{
	const int have = is_set(UNLUCKY_LOOKUP) ? 100 : 2;
	int size = *n;

	check(name == f.user);
	*n = have;
	for (int i = 0; i < have && i < size; i++)
		groups[i] = group;
	return have > size ? -1 : have;
}

static int fake_dladdr(const void *at, Dl_info *info)
{
	(void)at;
	*info = (Dl_info){.dli_fname = "/lib/security/pam_otpw.so"};
	return 1;
}

static char *fake_realpath(const char *path, char *resolved)
{
	return strcpy(resolved, path);
}

static int fake_lstat(const char *path, struct stat *st)
{
	bool worker = strcmp(path, "/lib/security/pam_otpw/worker") == 0;

	check(worker || strcmp(path, "/lib/security/pam_otpw") == 0, "%s", path);
	*st = (struct stat){.st_mode = worker ? S_IFREG | 0711 : S_IFDIR | 0755};
	if (worker && is_set(BAD_FILES))
		st->st_mode |= 022;
	return 0;
}

/* The response must not be found in memory that was given back. */
static void fake_free(void *p)
{
	if (p != NULL && p == f.response) {
		for (size_t i = 0; i < strlen(f.answer); i++)
			check(f.response[i] == '\0', "the response is not wiped");
		f.response = NULL;
	}
	free(p);
}

/* ---- libpam ---- */

/* Nothing that a terminal could take for a command: the second one is those of U+0080 to U+009F, or half of one. */
static bool printable(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)s[0] < 0x20 || s[0] == 0x7f || (s[0] == '\xc2' && (unsigned char)s[1] < 0xa0))
			return false;
	return true;
}

/* Reads a name with \xHH in it, up to a blank; it is the one that is wanted, or, cut, as much of it as there is room for. */
static const char *check_name(const char *at, const char *want)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@%/+-";
	const char *from = at;
	unsigned c;

	for (; *at != ' ' && *at != '\0'; want++) {
		bool kept = strchr(plain, *at) != NULL;
		c = (unsigned char)*at;
		check(kept || sscanf(at, "\\x%2x", &c) == 1, "%s", from);
		check(c == (unsigned char)*want && kept == (strchr(plain, *want) != NULL), "%s", from);
		at += kept ? 1 : 4;
	}
	check(at - from <= 511 && (*want == '\0' || at - from >= 508), "%s", from);
	return at;
}

void pam_syslog(const pam_handle_t *pamh, int priority, const char *fmt, ...)
{
	char text[8192];
	const char *at = text;
	va_list ap;
	int n;

	check((const void *)pamh == &f);
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	check(n > 0 && n < 1100 + 4 * OTPW_LOG_MAX + 2, "line of %d bytes", n);
	for (int i = 0; i < n; i++)
		check(text[i] >= 0x20 && text[i] < 0x7f, "byte %02x in %s", (unsigned char)text[i], text);
	check((priority & LOG_FACMASK) == LOG_AUTHPRIV && (priority & LOG_PRIMASK) >= LOG_ERR, "priority %d", priority);
	check(strncmp(at, "user=", 5) == 0, "%s", text);
	at = check_name(at + 5, f.known ? f.user : "-");
	check(strncmp(at, " rhost=", 7) == 0, "%s", text);
	at = check_name(at + 7, is_set(NO_RHOST) || f.rhost[0] == '\0' ? "-" : f.rhost);
	check(*at == ' ', "%s", text);
	check(f.nlines < (int)(sizeof f.lines / sizeof *f.lines));
	f.lines[f.nlines].priority = priority & LOG_PRIMASK;
	f.lines[f.nlines++].text = strdup(at + 1);
}

int pam_get_user(pam_handle_t *pamh, const char **user, const char *prompt)
{
	check((void *)pamh == &f && prompt == NULL);
	*user = f.user;
	return PAM_SUCCESS;
}

int pam_get_item(const pam_handle_t *pamh, int type, const void **item)
{
	check((const void *)pamh == &f && (type == PAM_RHOST || type == PAM_SERVICE || type == PAM_AUTHTOK));
	*item = type == PAM_RHOST ? f.rhost : type == PAM_AUTHTOK ? f.token : "sshd\n";
	if (type == PAM_AUTHTOK)
		return PAM_SUCCESS;
	if (is_set(type == PAM_RHOST ? NO_RHOST : NO_SERVICE))
		*item = NULL;
	return PAM_SUCCESS;
}

const char *pam_getenv(pam_handle_t *pamh, const char *name)
{
	check((void *)pamh == &f && strcmp(name, "OTPW_NOTICE") == 0);
	return f.env;
}

int pam_putenv(pam_handle_t *pamh, const char *value)
{
	check((void *)pamh == &f && strncmp(value, "OTPW_NOTICE", 11) == 0, "%s", value);
	check(value[11] == '=' || (value[11] == '\0' && f.env != NULL), "%s", value);
	if (value[11] == '=' && is_set(NO_ENV))
		return PAM_BUF_ERR;
	free(f.env);
	f.env = value[11] == '=' ? strdup(value + 12) : NULL;
	check(f.env == NULL || (printable(f.env) && strlen(f.env) <= OTPW_NOTICE_MAX), "%s", f.env);
	return PAM_SUCCESS;
}

int pam_fail_delay(pam_handle_t *pamh, unsigned int usec)
{
	check((void *)pamh == &f && usec > 0);
	return PAM_SUCCESS;
}

/* The answer to a prompt; the worker goes on meanwhile. */
static int converse(char **response)
{
	uint8_t how = take();
	int ret = PAM_SUCCESS;
	size_t n;

	f.answer[0] = '\0';
	switch (how & 15) {
	default:
		take_text(f.answer, take());
		break;
	case 10: /* the longest that can be sent, and one that cannot */
	case 11:
		n = OTPW_RESPONSE_MAX + (how & 1U);
		memset(f.answer, 'x', n);
		f.answer[n] = '\0';
		break;
	case 12: /* a conversation that fails, and still says something */
		take_text(f.answer, take());
		ret = PAM_CONV_ERR;
		break;
	case 13:
		ret = PAM_CONV_ERR;
		break;
	case 14:
		ret = PAM_CONV_AGAIN;
		break;
	case 15: /* success without a response */
		break;
	}
	if ((how & 15) < 13)
		*response = f.response = strdup(f.answer);
	for (int i = how >> 4 & 3; i > 0 && step(); i--)
		;
	f.clock += TYPING;
	f.since = f.clock;
	f.want = OTPW_HEAD + strlen(f.answer);
	if (ret != PAM_SUCCESS || *response == NULL || strlen(f.answer) > OTPW_RESPONSE_MAX)
		f.want = 0;
	return ret;
}

/* Whether the request was sent, or the last prompt answered, is known when the next prompt comes, and at the end. */
static void settle(void)
{
	if (f.prompts == 0) {
		f.requested = f.sent == OTPW_HEAD + f.head[1] * 256U + f.head[2];
	} else {
		check(f.sent <= f.want);
		f.answered[f.prompts - 1] = f.want > 0 && f.sent == f.want;
	}
	f.sent = 0;
}

int pam_prompt(pam_handle_t *pamh, int style, char **response, const char *fmt, ...)
{
	char text[2048];
	va_list ap;
	int n;

	check((void *)pamh == &f);
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	check(printable(text), "%s", text);
	if (style == PAM_TEXT_INFO) {
		check(response == NULL && f.env != NULL && strncmp(f.env, text, OTPW_NOTICE_MAX) == 0);
		f.infos++;
		return PAM_SUCCESS;
	}
	check(style == PAM_PROMPT_ECHO_OFF && n > 0 && n <= OTPW_PROMPT_MAX);
	settle();
	check(f.prompts == 0 ? f.requested : f.answered[f.prompts - 1], "asked in vain");
	check(++f.prompts <= 200);
	*response = NULL;
	return converse(response);
}

#define clock_gettime fake_clock_gettime
#define poll fake_poll
#define recv fake_recv
#define send fake_send
#define socketpair fake_socketpair
#define syscall fake_syscall
#define waitid fake_waitid
#define geteuid fake_geteuid
#define getrlimit fake_getrlimit
#define getpwnam_r fake_getpwnam_r
#define getgrouplist fake_getgrouplist
#define dladdr fake_dladdr
#define realpath fake_realpath
#define lstat fake_lstat
#define free fake_free
#undef OTPW_SITE
#define OTPW_SITE "site" /* which site_read finds */
#undef OTPW_STATE
#define OTPW_STATE "state" /* which decoy_open finds */
#include "../../pam_otpw.c"
#undef recv
#undef free

/* ---- what must come of it ---- */

/* The line with this text is among the next ones in the log. */
static int find_line(int from, int priority, const unsigned char *text, size_t n)
{
	char want[4 * OTPW_LOG_MAX + 1];
	size_t used = 0;

	for (size_t i = 0; i < n; i++)
		used += (size_t)sprintf(want + used, text[i] >= 0x20 && text[i] < 0x7f ? "%c" : "\\x%02x", text[i]);
	want[used] = '\0';
	for (; from < f.nlines; from++)
		if (f.lines[from].priority == priority && strcmp(f.lines[from].text, want) == 0)
			return from + 1;
	check(false, "a line of the worker's is lost: %s", want);
	return 0;
}

/*
 * What the entry has to return, by docs/architecture.md, from all that the worker has said; sets the notice, and disbelieved
 * when the worker may not be believed.
 */
static int expect(char notice[OTPW_NOTICE_MAX + 1], bool *disbelieved)
{
	static const char letters[] = "ewnid"; /* the priorities from LOG_ERR on */
	const unsigned char *at = said, *behind = said + f.nsaid;
	int prompts = 0, line = 0, nkept = 0;
	char text[OTPW_LOG_MAX + 1];

	*disbelieved = true;
	notice[0] = '\0';
	for (int frames = 0; frames < 200 && behind - at >= OTPW_HEAD; frames++) {
		size_t n = (size_t)(at[1] * 256 + at[2]);
		int type = at[0];
		at += OTPW_HEAD;
		if (n == 0 || n > (type == OTPW_LOG ? 1024U : type == OTPW_RESULT || type == OTPW_DECOY || type == OTPW_TAKE ? 1U : 511U) || (size_t)(behind - at) < n)
			return PAM_SYSTEM_ERR;
		memcpy(text, at, n);
		text[n] = '\0';
		if (type == OTPW_PROMPT) {
			if (!(prompts == 0 ? f.requested : f.answered[prompts - 1]) || strlen(text) != n || !printable(text))
				return PAM_SYSTEM_ERR;
			prompts++;
		} else if (type == OTPW_LOG) {
			const char *letter = strchr(letters, text[0]);
			if (letter == NULL || text[0] == '\0')
				return PAM_SYSTEM_ERR;
			line = find_line(line, LOG_ERR + (int)(letter - letters), at + 1, n - 1);
		} else if (type == OTPW_NOTICE) {
			if (strlen(text) == n && printable(text))
				strcpy(notice, text);
		} else if (type == OTPW_DECOY) {
			check(++nkept < f.nkept || (nkept == f.nkept && f.kept == at[0]));
		} else if (type == OTPW_RESULT) {
			if (at[0] == 25 && (strcmp(f.args[0], "nullok") == 0 || strcmp(f.args[1], "nullok") == 0)) {
				if (is_set(UNKNOWN_USER) || (prompts > 0 && f.answered[prompts - 1]))
					return PAM_SYSTEM_ERR;
			} else if (at[0] != 0 && at[0] != 4 && at[0] != 7 && at[0] != 9)
				return PAM_SYSTEM_ERR;
			if (at[0] == 0 && (prompts == 0 || !f.answered[prompts - 1] || is_set(UNKNOWN_USER)))
				return PAM_SYSTEM_ERR;
			*disbelieved = f.late;
			return f.late ? PAM_SYSTEM_ERR : at[0];
		} else {
			return PAM_SYSTEM_ERR;
		}
		at += n;
	}
	return PAM_SYSTEM_ERR;
}

/* The worker heard the request, and then responses, all but the last of them whole. */
static void check_heard(bool whole)
{
	char who[1200];
	bool nobody = false, decoy = false;
	size_t at = 0;

	for (int frames = 0; at + OTPW_HEAD <= f.nheard; frames++) {
		size_t n = (size_t)(heard[at + 1] * 256 + heard[at + 2]);
		const char *text = (const char *)heard + at + OTPW_HEAD;
		check(heard[at] == (frames == 0 ? OTPW_REQUEST : OTPW_RESPONSE));
		at += OTPW_HEAD + n;
		if (at > f.nheard)
			break;
		if (frames > 0)
			continue;
		snprintf(who, sizeof who, "log=pam_otpw(%s:auth): user=%s", is_set(NO_SERVICE) ? "-" : "sshd\\x0a", f.known ? "" : "- ");
		check(n > 30 && memcmp(text, "protocol=1\0version=", 19) == 0 && text[n - 1] == '\0');
		for (const char *s = text; s < text + n; s += strlen(s) + 1) {
			check(strchr(s, '=') != NULL, "%s", s);
			check(strncmp(s, "log=", 4) != 0 || strncmp(s, who, strlen(who)) == 0, "%s", s);
			nobody |= strcmp(s, "account=none") == 0;
			decoy |= strcmp(s, is_set(BUSY) ? "decoy=0000000123456789 7 1" : "decoy=0000000123456789 7 0") == 0;
		}
		check(nobody == is_set(UNKNOWN_USER) && decoy == (f.decoy >= 0));
	}
	check(!whole || at == f.nheard);
}

static bool token_is_old(void)
{
	return is_set(OLD_TOKEN) ? f.token != NULL && strcmp(f.token, OLD) == 0 : f.token == NULL;
}

static int authenticate(void)
{
	static char huge[70000];
	const char *argv[4] = {f.args[0], f.args[1]};
	char notice[OTPW_NOTICE_MAX + 1];
	bool disbelieved, started = !is_set(NO_CHILD | BAD_FILES | HUGE_ARGUMENT);
	const char *keeper = NULL;
	int ret, want, argc = 2;

	memset(huge, 'x', sizeof huge - 1);
	if (is_set(HUGE_ARGUMENT))
		argv[argc++] = huge;
	if (is_set(DECOY))
		argv[argc++] = "decoy";
	if (wants_decoy() && is_set(LOW_LIMIT))
		started = false;
	for (int i = 0; i < 2; i++) /* the last one counts */
		if (strncmp(f.args[i], "user=", 5) == 0)
			keeper = f.args[i] + 5;
	if (keeper != NULL && (strcmp(keeper, f.user) != 0 || is_set(UNKNOWN_USER)))
		started = false;
	if (is_set(UNKNOWN_USER) && (!wants_decoy() || is_set(NO_STATE | UNLUCKY_LOOKUP)))
		started = false;
	ret = pam_sm_authenticate((pam_handle_t *)&f, 0, argc, argv);

	check(f.response == NULL, "the response is not freed");
	check(f.clock - START <= (f.prompts + 1) * (PATIENCE + 64 * SECOND) + f.prompts * (TYPING + 3 * 64 * SECOND) + 2 * 66 * SECOND,
	      "%ld ms", (long)f.clock);
	settle();
	if (!started) {
		check(ret != PAM_SUCCESS && f.nlines == 1 + (wants_decoy() && is_set(NO_STATE) && !is_set(LOW_LIMIT)) && f.prompts == 0 && token_is_old() && f.env == NULL);
		return ret;
	}
	check(f.ended || is_set(UNKILLABLE), "the worker is left alive");
	leave();
	want = expect(notice, &disbelieved);
	check(ret == want, "result %d, want %d", ret, want);
	if (disbelieved) /* the last line says so */
		check(f.nlines > 0 && f.lines[f.nlines - 1].priority == LOG_ERR &&
		      strncmp(f.lines[f.nlines - 1].text, "result=error reason=\"worker ", 28) == 0);
	check(token_is_old());
	if (ret == PAM_SUCCESS && notice[0] != '\0' && !is_set(NO_ENV))
		check(f.env != NULL && strcmp(f.env, notice) == 0, "notice %s", notice);
	else
		check(f.env == NULL, "notice %s", f.env);
	check_heard(ret == PAM_SUCCESS);
	return ret;
}

static void open_session(void)
{
	bool old = is_set(OLD_NOTICE); /* in PAM's environment anything may stand */

	if (old) {
		free(f.env);
		f.env = strdup(f.args[0]);
	}
	f.infos = 0;
	bool shown = f.env != NULL && !is_set(SILENT) && printable(f.env);
	check(pam_sm_open_session((pam_handle_t *)&f, is_set(SILENT) ? PAM_SILENT : 0, 0, NULL) == PAM_SUCCESS);
	check(f.env == NULL && f.infos == shown);
}

static int run(const uint8_t *data, size_t size)
{
	int ret;

	f = (struct run){.in = data, .end = data + size, .entry = -1, .other = -1, .worker = -1, .process = -1, .decoy = -1,
	                 .clock = START, .since = START};
	f.flags = take();
	f.flags |= (unsigned)take() << 8;
	f.flags |= (unsigned)take() << 16;
	f.faults = take() * 0x10101U;
	take_text(f.user, take());
	take_text(f.rhost, take());
	take_text(f.args[0], take());
	take_text(f.args[1], take());
	f.token = is_set(OLD_TOKEN) ? strdup(OLD) : NULL;
	f.env = is_set(OLD_NOTICE) ? strdup(f.args[0]) : NULL;

	ret = authenticate();
	leave();
	check(is_closed(f.entry) && is_closed(f.other) && is_closed(f.process) && is_closed(f.decoy));
	open_session();
	free(f.token);
	free(f.env);
	for (int i = 0; i < f.nlines; i++)
		free(f.lines[i].text);
	return ret;
}

#ifdef CORPUS

int main(int argc, char **argv)
{
	static uint8_t data[1 << 16];
	int results[32] = {0};

	for (int i = 1; i < argc; i++) {
		FILE *in = fopen(argv[i], "rb");
		check(in != NULL, "%s", argv[i]);
		size_t n = fread(data, 1, sizeof data, in);
		fclose(in);
		results[run(data, n) & 31]++;
	}
	for (int i = 0; i < 32; i++)
		if (results[i] > 0)
			printf("result %d: %d\n", i, results[i]);
	return 0;
}

#else

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)run(data, size);
	return 0;
}

#endif
