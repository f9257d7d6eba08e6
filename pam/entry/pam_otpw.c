/* SPDX-License-Identifier: MIT */

/*
 * pam_otpw.so, the entry: what PAM loads into sshd, login or sudo. It holds no OTPW rules. For each authentication it
 * starts pam_otpw/worker with the account's ids and relays its conversation: prompts to the application, log lines to
 * syslog. Everything that comes from the worker is bounded and checked, because the worker has only the rights, and
 * deserves only the trust, of the user it works for.
 *
 * Nothing here is written that outlives a call, so threads may call it at the same time. The host's signal handlers,
 * signal masks, limits, working directory and ids are never changed.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <security/pam_ext.h>
#include <security/pam_modules.h>

#include "protocol.h"

#ifndef OTPW_WORKER_TIMEOUT
#define OTPW_WORKER_TIMEOUT 30 /* seconds that the worker has to start, and between prompts */
#endif
#define OTPW_END_TIMEOUT 2 /* seconds that it has to end: after end of file, and again after SIGKILL */
#define OTPW_FRAMES_MAX 200 /* frames from the worker in one login; an ordinary one takes about five */
#define OTPW_FAIL_DELAY 2000000 /* microseconds, as pam_unix; libpam sleeps only if the whole stack fails */

#define NOTICE_ENV "OTPW_NOTICE"
#define EXPORT __attribute__((visibility("default")))

/* Where the system call numbers with 32-bit ids have a suffix, those without one take 16 bits. */
#ifdef SYS_setresuid32
#define CALL_SETRESUID SYS_setresuid32
#define CALL_SETRESGID SYS_setresgid32
#define CALL_SETGROUPS SYS_setgroups32
#define CALL_SETUID SYS_setuid32
#else
#define CALL_SETRESUID SYS_setresuid
#define CALL_SETRESGID SYS_setresgid
#define CALL_SETGROUPS SYS_setgroups
#define CALL_SETUID SYS_setuid
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#define WAIT_PIDFD ((idtype_t)3) /* P_PIDFD, an enumerator in new C libraries and missing in old ones */
#define SIGSET_BYTES ((size_t)(_NSIG / 8)) /* the kernel's signal set: _NSIG is 65, with 128 signals 128 */
#define SIGSET_LONGS (128 / (8 * sizeof(unsigned long)))

/* One authentication. */
struct login {
	pam_handle_t *pamh;
	char user[512], rhost[512]; /* escaped, for the head of log lines */
	int sock, pidfd;            /* -1: none */
	int64_t deadline;           /* monotonic milliseconds; moves on only when a prompt was answered */
	bool ended;                 /* the worker's process is gone: what the socket holds is all there will be */
	bool answered;              /* the latest prompt was answered */
	bool hung_up;               /* the conversation failed, our sending side is shut */
	char why[160];              /* why the worker is not believed; empty: it is */
	char notice[OTPW_NOTICE_MAX + 1];
};

struct account {
	char *buf; /* holds the strings of pw */
	struct passwd pw;
	gid_t *groups;
	int ngroups;
};

struct request {
	char *buf;
	size_t len;
};

/* What the child needs between clone and exec, all made before. */
struct child {
	const char *path;
	int sock;
	bool root; /* the host's effective id is root: ids, groups and hard limits can change */
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	int ngroups;
};

/* ---- log lines ---- */

static bool is_name_byte(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("._:@%/+-", c) != NULL);
}

static bool is_text_byte(unsigned char c)
{
	return c >= 0x20 && c < 0x7f;
}

/* Writes in[0..n) to out, other bytes than `keep` allows as \xHH; cut, at a whole byte of in, to what fits. */
static void escape(char *out, size_t size, const char *in, size_t n, bool (*keep)(unsigned char))
{
	static const char hex[] = "0123456789abcdef";
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)in[i];
		bool plain = keep(c);
		if (used + (plain ? 1 : 4) >= size)
			break;
		if (plain) {
			out[used++] = (char)c;
			continue;
		}
		out[used++] = '\\';
		out[used++] = 'x';
		out[used++] = hex[c >> 4];
		out[used++] = hex[c & 15];
	}
	out[used] = '\0';
}

/* The only way into syslog. A worker cannot forge the head of a line, nor begin another line. */
static void log_text(const struct login *l, int priority, const char *text, size_t n)
{
	char clean[4 * OTPW_LOG_MAX + 1];

	escape(clean, sizeof clean, text, n, is_text_byte);
	pam_syslog(l->pamh, LOG_AUTHPRIV | priority, "user=%s rhost=%s %s", l->user, l->rhost, clean);
}

__attribute__((format(printf, 4, 5)))
static void log_end(const struct login *l, int priority, const char *result, const char *fmt, ...)
{
	char reason[OTPW_LOG_MAX - 64], text[OTPW_LOG_MAX];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(reason, sizeof reason, fmt, ap) < 0)
		reason[0] = '\0';
	va_end(ap);
	snprintf(text, sizeof text, "result=%s reason=\"%s\"", result, reason);
	log_text(l, priority, text, strlen(text));
}

#define log_error(l, ...) log_end((l), LOG_ERR, "error", __VA_ARGS__)

static void name_parties(struct login *l, const char *user)
{
	const void *rhost = NULL;

	escape(l->user, sizeof l->user, user, strlen(user), is_name_byte);
	if (pam_get_item(l->pamh, PAM_RHOST, &rhost) != PAM_SUCCESS || rhost == NULL || *(const char *)rhost == '\0')
		rhost = "-";
	escape(l->rhost, sizeof l->rhost, rhost, strlen(rhost), is_name_byte);
}

/* For the terminal of a user: bytes of UTF-8 pass, control characters do not. */
static bool is_printable(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return true;
}

/* ---- before the worker starts ---- */

/* buf grows until the account fits; 1 MiB is far more than any. */
static int find_passwd(struct login *l, const char *user, struct account *a)
{
	struct passwd *found = NULL;
	int err = ERANGE;

	for (size_t size = 4096; err == ERANGE && size <= 1 << 20; size *= 2) {
		free(a->buf);
		a->buf = malloc(size);
		if (a->buf == NULL) {
			err = ENOMEM;
			break;
		}
		do
			err = getpwnam_r(user, &a->pw, a->buf, size, &found);
		while (err == EINTR);
	}
	if (err != 0) {
		log_error(l, "look up user: %s", strerror(err));
		return PAM_SYSTEM_ERR;
	}
	if (found == NULL) {
		log_end(l, LOG_NOTICE, "refused", "unknown user");
		return PAM_USER_UNKNOWN;
	}
	/* For setresuid these mean "leave as it is", which would be root. */
	if (a->pw.pw_uid == (uid_t)-1 || a->pw.pw_gid == (gid_t)-1) {
		log_error(l, "look up user: uid or gid is -1");
		return PAM_SYSTEM_ERR;
	}
	return PAM_SUCCESS;
}

/* getgrouplist says how many there are when they do not fit; they may become more meanwhile, so a few tries. */
static int find_groups(struct login *l, struct account *a)
{
	int size = 64;

	for (int tries = 0; tries < 4 && size > 0 && size <= 1 << 16; tries++) {
		free(a->groups);
		a->groups = calloc((size_t)size, sizeof *a->groups);
		if (a->groups == NULL)
			break;
		a->ngroups = size;
		if (getgrouplist(a->pw.pw_name, a->pw.pw_gid, a->groups, &a->ngroups) >= 0)
			return PAM_SUCCESS;
		size = a->ngroups > size ? a->ngroups : 2 * size;
	}
	log_error(l, "look up the user's groups: %s", a->groups == NULL ? "out of memory" : "failed");
	return PAM_SYSTEM_ERR;
}

static int find_account(struct login *l, const char *user, struct account *a)
{
	int ret = find_passwd(l, user, a);

	if (ret != PAM_SUCCESS)
		return ret;
	if (geteuid() == 0)
		return find_groups(l, a);
	if (a->pw.pw_uid == geteuid())
		return PAM_SUCCESS;
	log_end(l, LOG_ERR, "error", "this program runs as uid %lu, not as root: it can ask only for that user's passwords",
		(unsigned long)geteuid());
	return PAM_AUTHINFO_UNAVAIL;
}

/*
 * The folder and the worker are checked on every login, because a worker that users can write runs with other users'
 * rights, and one that they can read can be traced. The folders above are not: whoever can write those has replaced
 * this library already. Links are refused, so that what is checked is what is run.
 */
static bool check_file(struct login *l, const char *path, bool folder)
{
	struct stat st;
	mode_t bad, need;

	if (lstat(path, &st) != 0) {
		log_error(l, "%s: %s", path, strerror(errno));
		return false;
	}
	if (folder ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode)) {
		log_error(l, "%s: not a %s", path, folder ? "folder" : "regular file");
		return false;
	}
	if (st.st_uid != 0 && st.st_uid != geteuid()) {
		log_error(l, "%s: owner is uid %lu, want root", path, (unsigned long)st.st_uid);
		return false;
	}
	bad = folder ? 0022 : 07066; /* set-user-id and set-group-id would undo the change of ids */
	need = 0111;
	if ((st.st_mode & bad) != 0 || (st.st_mode & need) != need) {
		log_error(l, "%s: mode %04o, want %s", path, st.st_mode & 07777U, folder ? "0755" : "0711");
		return false;
	}
	return true;
}

/* The path of the worker, beside this library wherever that is, to be freed; NULL: logged. */
static char *find_worker(struct login *l)
{
	Dl_info self;
	char *library = NULL, *path = NULL, *worker = NULL, *slash;

	/* PAM loads by absolute path. A relative one would depend on a working directory that the caller chose. */
	if (dladdr((const void *)find_worker, &self) == 0 || self.dli_fname == NULL || self.dli_fname[0] != '/') {
		log_error(l, "find worker: the path of pam_otpw.so is not known");
		return NULL;
	}
	library = realpath(self.dli_fname, NULL);
	slash = library == NULL ? NULL : strrchr(library, '/');
	if (slash == NULL) {
		log_error(l, "find worker: %s: %s", self.dli_fname, strerror(errno));
		return NULL; /* library is NULL: an absolute path has a slash */
	}
	*slash = '\0';
	if (asprintf(&path, "%s/pam_otpw", library) < 0) {
		path = NULL;
		log_error(l, "find worker: out of memory");
	} else if (check_file(l, path, true)) {
		if (asprintf(&worker, "%s/worker", path) < 0) {
			worker = NULL;
			log_error(l, "find worker: out of memory");
		} else if (!check_file(l, worker, false)) {
			free(worker);
			worker = NULL;
		}
	}
	free(path);
	free(library);
	return worker;
}

/* Adds `key=value` and a NUL; NULL and the empty string are not sent. */
static bool add(struct request *r, const char *key, const char *value)
{
	size_t k = strlen(key), v = value == NULL ? 0 : strlen(value);

	if (v == 0)
		return true;
	if (v > OTPW_REQUEST_MAX || k + v + 2 > OTPW_REQUEST_MAX - r->len)
		return false;
	memcpy(r->buf + r->len, key, k);
	r->buf[r->len + k] = '=';
	memcpy(r->buf + r->len + k + 1, value, v + 1);
	r->len += k + v + 2;
	return true;
}

/* The name is the account's own, which can be spelt otherwise than the user typed it. */
static bool make_request(struct login *l, const struct passwd *pw, int argc, const char **argv, struct request *r)
{
	const void *service = NULL, *rhost = NULL;
	bool fits;

	r->buf = malloc(OTPW_REQUEST_MAX);
	if (r->buf == NULL) {
		log_error(l, "make request: out of memory");
		return false;
	}
	(void)pam_get_item(l->pamh, PAM_SERVICE, &service);
	(void)pam_get_item(l->pamh, PAM_RHOST, &rhost);
	fits = add(r, "version", OTPW_VERSION) && add(r, "user", pw->pw_name) && add(r, "home", pw->pw_dir) &&
	       add(r, "service", service) && add(r, "rhost", rhost);
	for (int i = 0; fits && i < argc; i++)
		fits = add(r, "arg", argv[i]);
	if (!fits)
		log_error(l, "make request: more than %d bytes", OTPW_REQUEST_MAX);
	return fits;
}

/* ---- the child, between clone and exec ---- */

/*
 * Here is a copy of one thread of the host: its locks may be held, its memory half written, and a cancellation pending.
 * So there are only system calls, made directly where the C library's function does more: setresuid and its kin signal
 * threads that are not here, and open or close could act on the cancellation.
 */

/* The step that failed, and errno as a number: strerror needs the locale. */
_Noreturn static void child_fails(int sock, const char *step)
{
	char number[16], *at = number + sizeof number - 1;
	char why[80];
	unsigned err = (unsigned)errno;
	size_t used;

	*at = '\0';
	do
		*--at = (char)('0' + err % 10);
	while ((err /= 10) != 0);
	used = otpw_append(why, 0, sizeof why - 1, step);
	used = otpw_append(why, used, sizeof why - 1, " failed, errno ");
	used = otpw_append(why, used, sizeof why - 1, at);
	why[used] = '\0';
	otpw_give_up(sock, "start worker", why);
	for (;;)
		syscall(SYS_exit_group, 1);
}

/*
 * Every signal to its default, including the two that the C library hides, then none blocked. No kernel's struct
 * sigaction is larger than this, and in each zeros say: SIG_DFL, no flags.
 */
static void child_signals(void)
{
	const unsigned long none[32] = {0};

	for (int sig = 1; sig < _NSIG; sig++)
		(void)syscall(SYS_rt_sigaction, sig, none, NULL, SIGSET_BYTES); /* EINVAL for KILL and STOP */
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, none, NULL, SIGSET_BYTES);
}

/*
 * The caller of a set-user-id host chose its limits; the worker gets others. Without the right to lift a hard limit
 * (a host that is not root, a container) the soft one goes as far as it can, and what that breaks is one worker.
 * NPROC counts the user's other processes too: a user with many must still be able to log in.
 */
static void child_limits(bool root)
{
	static const struct {
		int resource;
		rlim64_t want;
	} limits[] = {
		{RLIMIT_CORE, 0},
		{RLIMIT_NOFILE, 256},
		{RLIMIT_STACK, 8 << 20},
		{RLIMIT_MEMLOCK, 8 << 20},
		{RLIMIT_NPROC, RLIM64_INFINITY},
		{RLIMIT_AS, RLIM64_INFINITY}, /* Go reserves far more than it uses */
		{RLIMIT_DATA, RLIM64_INFINITY},
		{RLIMIT_RSS, RLIM64_INFINITY},
		{RLIMIT_FSIZE, RLIM64_INFINITY},
		{RLIMIT_CPU, RLIM64_INFINITY}, /* the deadline on the socket is the limit */
		{RLIMIT_RTTIME, RLIM64_INFINITY},
		{RLIMIT_SIGPENDING, RLIM64_INFINITY},
	};

	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		struct rlimit64 new, old;
		if (syscall(SYS_prlimit64, 0, limits[i].resource, NULL, &old) != 0)
			continue;
		new.rlim_cur = new.rlim_max = limits[i].want;
		if (root && syscall(SYS_prlimit64, 0, limits[i].resource, &new, NULL) == 0)
			continue;
		new.rlim_max = old.rlim_max;
		new.rlim_cur = limits[i].want < old.rlim_max ? limits[i].want : old.rlim_max;
		if (limits[i].resource == RLIMIT_CORE)
			new.rlim_max = 0;
		(void)syscall(SYS_prlimit64, 0, limits[i].resource, &new, NULL);
	}
}

/*
 * The socket becomes OTPW_FD, 0 to 2 are /dev/null, nothing else stays open. A kernel without close_range (before 5.9)
 * is refused: whatever guesses instead which descriptors there are may leave a key or a socket of the host's open.
 */
static void child_descriptors(struct child *c)
{
	if (c->sock != OTPW_FD && syscall(SYS_dup3, c->sock, OTPW_FD, 0) < 0)
		child_fails(c->sock, "dup3");
	c->sock = OTPW_FD;
	if (fcntl(OTPW_FD, F_SETFD, 0) != 0) /* not close-on-exec; F_SETFD is no cancellation point */
		child_fails(c->sock, "fcntl");
	if (syscall(SYS_close_range, OTPW_FD + 1U, ~0U, 0U) != 0)
		child_fails(c->sock, "close_range (needs Linux 5.9)");
	for (int fd = 0; fd < OTPW_FD; fd++) {
		syscall(SYS_close, fd);
		if (syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR) != fd) /* the lowest free one */
			child_fails(c->sock, "open /dev/null");
	}
}

/*
 * The account's ids, for good. A host that is not root keeps its user (find_account saw that it is the account) and
 * groups; of the group ids it keeps the real one, so that a set-group-id host lends its group to nobody.
 */
static void child_ids(const struct child *c)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0, 0, 0}};
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	/* Both fail where they are locked or unknown; then capset, below, takes what they would have kept. */
	(void)syscall(SYS_prctl, PR_SET_KEEPCAPS, 0L, 0L, 0L, 0L);
	(void)syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L);

	if (c->root && syscall(CALL_SETGROUPS, c->ngroups, c->groups) != 0)
		child_fails(c->sock, "setgroups");
	if (syscall(CALL_SETRESGID, c->gid, c->gid, c->gid) != 0)
		child_fails(c->sock, "setresgid");
	if (syscall(CALL_SETRESUID, c->uid, c->uid, c->uid) != 0)
		child_fails(c->sock, "setresuid");
	/* Until execve this is the host's memory under the user's id; fs.suid_dumpable may say that he can trace it. */
	if (syscall(SYS_prctl, PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) != 0)
		child_fails(c->sock, "prctl(PR_SET_DUMPABLE)");
	if (syscall(SYS_capset, &head, none) != 0)
		child_fails(c->sock, "capset");

	errno = 0;
	if (getresuid(&ruid, &euid, &suid) != 0 || ruid != c->uid || euid != c->uid || suid != c->uid)
		child_fails(c->sock, "check of user ids");
	if (getresgid(&rgid, &egid, &sgid) != 0 || rgid != c->gid || egid != c->gid || sgid != c->gid)
		child_fails(c->sock, "check of group ids");
	if (c->uid != 0 && syscall(CALL_SETUID, 0) == 0)
		child_fails(c->sock, "check that root is gone");
}

_Noreturn static void child_main(struct child *c)
{
	static const char *const argv[] = {"pam_otpw-worker", NULL};
	/* All of the worker's environment. Settings for the Go runtime, if measurement asks for any, belong here. */
	static const char *const envp[] = {"GOTRACEBACK=none", NULL};

	child_signals();
	child_limits(c->root); /* before the descriptors: NOFILE may be 3 */
	child_descriptors(c);
	syscall(SYS_umask, 0077);
	if (syscall(SYS_chdir, "/") != 0)
		child_fails(c->sock, "chdir /");
	if (syscall(SYS_setsid) < 0) /* the terminal's signals are for the host */
		child_fails(c->sock, "setsid");
	child_ids(c);
	syscall(SYS_execve, c->path, argv, envp);
	child_fails(c->sock, "execve");
}

/* ---- starting and ending the worker ---- */

/*
 * A host that closed 0 to 2 may still write to them, which must not reach the worker. Returns the descriptor to use;
 * -1: errno is set and fd is closed.
 */
static int above_stdio(int fd)
{
	int moved, err;

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	err = errno;
	close(fd);
	errno = err;
	return moved;
}

/*
 * clone and not fork: handlers that others registered with pthread_atfork have no business here, and the pidfd comes
 * without a race. No signal is delivered around it, lest the child run a handler of the host's; the mask is set by
 * system call, as the C library's functions leave out two signals. Returns -1 with errno; the child does not return.
 */
static int clone_child(struct child *c, int *pidfd)
{
	unsigned long all[SIGSET_LONGS], old[SIGSET_LONGS] = {0};
	unsigned long flags = CLONE_PIDFD | SIGCHLD;
	long pid;
	int err;

	memset(all, 0xff, sizeof all);
	if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, all, old, SIGSET_BYTES) != 0)
		return -1;
#if defined(__s390__) || defined(__CRIS__)
	pid = syscall(SYS_clone, 0UL, flags, pidfd, 0UL, 0UL);
#elif defined(__sparc__)
#error "clone returns otherwise here: not supported"
#else
	pid = syscall(SYS_clone, flags, 0UL, pidfd, 0UL, 0UL);
#endif
	if (pid == 0)
		child_main(c);
	err = errno;
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, old, NULL, SIGSET_BYTES);
	if (pid > 0 && *pidfd < 0) { /* Linux before 5.2 ignores the flag */
		kill((pid_t)pid, SIGKILL);
		waitpid((pid_t)pid, NULL, __WALL);
		err = ENOSYS;
	}
	errno = err;
	return *pidfd < 0 ? -1 : 0;
}

static bool start(struct login *l, struct child *c)
{
	int sv[2], err = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) != 0) {
		log_error(l, "make socket: %s", strerror(errno));
		return false;
	}
	l->sock = above_stdio(sv[0]);
	c->sock = l->sock < 0 ? sv[1] : above_stdio(sv[1]);
	if (l->sock < 0 || c->sock < 0 || clone_child(c, &l->pidfd) != 0)
		err = errno;
	if (c->sock >= 0)
		close(c->sock);
	if (err == 0) {
		l->pidfd = above_stdio(l->pidfd);
		if (l->pidfd < 0)
			err = errno; /* the worker has no request yet: it ends with the socket; see finish */
	}
	if (err != 0)
		log_error(l, "start worker: %s", strerror(err));
	return err == 0;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* poll until something happens or the deadline: 0 then, and never for an interrupting signal. */
static int poll_until(struct pollfd *fds, nfds_t n, int64_t deadline)
{
	for (;;) {
		int64_t left = deadline - now_ms();
		int ready = poll(fds, n, left > 0 ? (int)left : 0);
		if (ready >= 0 || (errno != EINTR && errno != EAGAIN))
			return ready;
	}
}

static bool wait_end(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll_until(&p, 1, now_ms() + OTPW_END_TIMEOUT * 1000) != 0;
}

/*
 * Ends the worker and takes its zombie away. shutdown as well as close, since another thread's child may hold a copy of
 * our socket. The host may have reaped already (a handler, SIGCHLD ignored): waitid then finds nothing, and that is
 * fine. A worker that not even SIGKILL ends, stuck in the kernel, is left behind rather than waited for.
 */
static void finish(struct login *l)
{
	siginfo_t how = {0};

	if (l->sock >= 0) {
		shutdown(l->sock, SHUT_RDWR);
		close(l->sock);
	}
	if (l->pidfd >= 0) {
		if (!wait_end(l->pidfd)) {
			syscall(SYS_pidfd_send_signal, l->pidfd, SIGKILL, NULL, 0U);
			if (!wait_end(l->pidfd))
				log_text(l, LOG_WARNING, "worker cannot be ended", 22);
		}
		if (waitid(WAIT_PIDFD, (id_t)l->pidfd, &how, WEXITED | WNOHANG | __WALL) != 0)
			how.si_pid = 0;
		close(l->pidfd);
	}
	if (l->why[0] == '\0')
		return;
	if (how.si_pid == 0)
		log_error(l, "%s", l->why);
	else
		log_error(l, "%s (%s %d)", l->why, how.si_code == CLD_EXITED ? "exit status" : "signal", how.si_status);
}

/* ---- the conversation ---- */

/* The login fails, and finish says why. */
__attribute__((format(printf, 2, 3)))
static int disbelieve(struct login *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(l->why, sizeof l->why, fmt, ap) < 0)
		strcpy(l->why, "worker failed");
	va_end(ap);
	return PAM_SYSTEM_ERR;
}

/* Waits for the socket or for the worker's end, which sets l->ended. False: neither came in time. */
static bool wait_socket(struct login *l, short events)
{
	struct pollfd p[] = {{.fd = l->sock, .events = events}, {.fd = l->pidfd, .events = POLLIN}};

	if (poll_until(p, 2, l->deadline) <= 0) {
		disbelieve(l, "worker said nothing for %d s", OTPW_WORKER_TIMEOUT);
		return false;
	}
	if (p[1].revents != 0)
		l->ended = true;
	return true;
}

/*
 * Exactly n bytes. End of file is also that the process is gone and the socket empty: another thread's child may hold
 * a copy of the worker's end.
 */
static bool receive(struct login *l, void *data, size_t n)
{
	char *at = data;

	while (n > 0) {
		bool ended = l->ended; /* seen before the socket was found empty: nothing can follow */
		ssize_t got = recv(l->sock, at, n, MSG_DONTWAIT);
		if (got > 0) {
			at += got;
			n -= (size_t)got;
		} else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) && !ended) {
			if (!wait_socket(l, POLLIN))
				return false;
		} else if (got == 0 || errno != EINTR) {
			disbelieve(l, "worker ended without a result");
			return false;
		}
	}
	return true;
}

/* False: the worker does not read any more. It may have said why, so the caller goes on receiving. */
static bool send_bytes(struct login *l, const void *data, size_t n)
{
	const char *at = data;

	while (n > 0) {
		ssize_t put = send(l->sock, at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (put > 0) {
			at += put;
			n -= (size_t)put;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			if (l->ended || !wait_socket(l, POLLOUT))
				return false;
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

static bool send_frame(struct login *l, int type, const void *data, size_t n)
{
	unsigned char head[OTPW_HEAD];

	otpw_head(head, type, n);
	return send_bytes(l, head, sizeof head) && send_bytes(l, data, n);
}

/* The host allocated the response; no copy but libpam's own (PAM_AUTHTOK, for modules after this one) is left. */
static bool answer(struct login *l, const char *response)
{
	size_t n = strlen(response);
	int ret;

	if (n > OTPW_RESPONSE_MAX) {
		log_text(l, LOG_WARNING, "response too long", 17);
		return false;
	}
	ret = pam_set_item(l->pamh, PAM_AUTHTOK, response);
	if (ret != PAM_SUCCESS) {
		log_text(l, LOG_ERR, "response cannot be stored", 25);
		return false;
	}
	return send_frame(l, OTPW_RESPONSE, response, n);
}

/* An unanswered prompt is not the end: the worker reads end of file, has its say, and gives the result. */
static void prompt(struct login *l, const char *text)
{
	char *response = NULL;
	int ret = pam_prompt(l->pamh, PAM_PROMPT_ECHO_OFF, &response, "%s", text);

	l->deadline = now_ms() + OTPW_WORKER_TIMEOUT * 1000;
	l->answered = ret == PAM_SUCCESS && response != NULL && answer(l, response);
	if (response != NULL) {
		explicit_bzero(response, strlen(response));
		free(response);
	}
	if (!l->answered) {
		l->hung_up = true;
		shutdown(l->sock, SHUT_WR);
	}
}

static bool log_frame(struct login *l, const char *text, size_t n)
{
	static const char letters[] = "ewnid";
	static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG};
	const char *at = n == 0 || text[0] == '\0' ? NULL : strchr(letters, text[0]);

	if (at == NULL)
		return false;
	log_text(l, priorities[at - letters], text + 1, n - 1);
	return true;
}

/* A notice that cannot be shown is not worth the login: by now the password is used up. */
static void keep_notice(struct login *l, const char *text, size_t n)
{
	if (!is_printable(text, n)) {
		log_text(l, LOG_WARNING, "notice has control characters, not shown", 40);
		return;
	}
	memcpy(l->notice, text, n);
	l->notice[n] = '\0';
}

static int result(struct login *l, unsigned char code)
{
	switch (code) {
	case PAM_SUCCESS:
		if (!l->answered)
			return disbelieve(l, "worker reported success without an answered prompt");
		return PAM_SUCCESS;
	case PAM_AUTH_ERR:
	case PAM_AUTHINFO_UNAVAIL:
	case PAM_SYSTEM_ERR:
		return code;
	default:
		return disbelieve(l, "worker sent the unknown result %d", code);
	}
}

/* The bound for a frame of the worker's, in bytes; -1: no such frame. */
static int frame_max(unsigned char type)
{
	switch (type) {
	case OTPW_PROMPT:
		return OTPW_PROMPT_MAX;
	case OTPW_LOG:
		return OTPW_LOG_MAX;
	case OTPW_NOTICE:
		return OTPW_NOTICE_MAX;
	case OTPW_RESULT:
		return OTPW_RESULT_MAX;
	default:
		return -1;
	}
}

/* Sends the request and serves the worker until its result. */
static int relay(struct login *l, const struct request *r)
{
	unsigned char head[OTPW_HEAD];
	char text[OTPW_LOG_MAX + 1];

	l->deadline = now_ms() + OTPW_WORKER_TIMEOUT * 1000;
	(void)send_frame(l, OTPW_REQUEST, r->buf, r->len);
	for (int frames = 0; frames < OTPW_FRAMES_MAX; frames++) {
		if (!receive(l, head, sizeof head))
			return PAM_SYSTEM_ERR;
		int n = head[1] << 8 | head[2];
		if (n > frame_max(head[0]))
			return disbelieve(l, "worker sent a frame of type 0x%02x with %d bytes", head[0], n);
		if (!receive(l, text, (size_t)n))
			return PAM_SYSTEM_ERR;
		text[n] = '\0';
		switch (head[0]) {
		case OTPW_PROMPT:
			if (l->hung_up || n == 0 || !is_printable(text, (size_t)n))
				return disbelieve(l, "worker sent a prompt that cannot be asked");
			prompt(l, text);
			break;
		case OTPW_LOG:
			if (!log_frame(l, text, (size_t)n))
				return disbelieve(l, "worker sent a log line without priority");
			break;
		case OTPW_NOTICE:
			keep_notice(l, text, (size_t)n);
			break;
		case OTPW_RESULT:
			if (n != OTPW_RESULT_MAX)
				return disbelieve(l, "worker sent an empty result");
			return result(l, (unsigned char)text[0]);
		}
	}
	return disbelieve(l, "worker sent more than %d frames", OTPW_FRAMES_MAX);
}

static int serve(struct login *l, const struct account *a, const struct request *r, const char *worker)
{
	bool root = geteuid() == 0;
	struct child c = {
		.path = worker,
		.sock = -1,
		.root = root,
		.uid = a->pw.pw_uid,
		.gid = root ? a->pw.pw_gid : getgid(),
		.groups = a->groups,
		.ngroups = a->ngroups,
	};
	int ret = PAM_SYSTEM_ERR;

	if (start(l, &c))
		ret = relay(l, r);
	finish(l);
	return ret;
}

/* ---- what PAM calls ---- */

/* To delete what is not there makes libpam complain in the log. */
static void forget_notice(pam_handle_t *pamh)
{
	if (pam_getenv(pamh, NOTICE_ENV) != NULL)
		(void)pam_putenv(pamh, NOTICE_ENV);
}

/* By environment, since that is what sshd carries from the process that authenticates to the one with the session. */
static void leave_notice(struct login *l)
{
	char env[sizeof NOTICE_ENV + 1 + sizeof l->notice];

	if (l->notice[0] == '\0')
		return;
	snprintf(env, sizeof env, NOTICE_ENV "=%s", l->notice);
	if (pam_putenv(l->pamh, env) != PAM_SUCCESS)
		log_text(l, LOG_WARNING, "notice cannot be stored", 23);
}

EXPORT int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct login l = {.pamh = pamh, .user = "-", .rhost = "-", .sock = -1, .pidfd = -1};
	struct account a = {0};
	struct request r = {0};
	const char *user = NULL;
	char *worker = NULL;
	int ret;

	(void)flags;
	forget_notice(pamh);
	(void)pam_fail_delay(pamh, OTPW_FAIL_DELAY);
	ret = pam_get_user(pamh, &user, NULL);
	if (ret != PAM_SUCCESS)
		return ret == PAM_CONV_AGAIN ? PAM_INCOMPLETE : ret;
	if (user == NULL)
		return PAM_USER_UNKNOWN;
	name_parties(&l, user);

	ret = find_account(&l, user, &a);
	if (ret == PAM_SUCCESS) {
		ret = PAM_SYSTEM_ERR;
		worker = find_worker(&l);
		if (worker != NULL && make_request(&l, &a.pw, argc, argv, &r))
			ret = serve(&l, &a, &r, worker);
	}
	if (ret == PAM_SUCCESS)
		leave_notice(&l);
	free(worker);
	free(r.buf);
	free(a.groups);
	free(a.buf);
	return ret;
}

/* Success: a module that ignores here makes libpam deny a stack in which it stands alone, after the login succeeded. */
EXPORT int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh, (void)flags, (void)argc, (void)argv;
	return PAM_SUCCESS;
}

/*
 * Ignore: whether an account may log in is for other modules to say. Success would let `account sufficient` skip them,
 * an expired account with it; ignored, libpam denies only where no other module says anything, which is a mistake that
 * shows at the first login.
 */
EXPORT int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh, (void)flags, (void)argc, (void)argv;
	return PAM_IGNORE;
}

/* Silent success without a notice: a login by key has none, and must not fail for it. */
EXPORT int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	const char *notice = pam_getenv(pamh, NOTICE_ENV);

	(void)argc, (void)argv;
	if (notice == NULL)
		return PAM_SUCCESS;
	if (((unsigned)flags & PAM_SILENT) == 0 && strlen(notice) <= OTPW_NOTICE_MAX && is_printable(notice, strlen(notice)))
		(void)pam_prompt(pamh, PAM_TEXT_INFO, NULL, "%s", notice);
	forget_notice(pamh);
	return PAM_SUCCESS;
}

EXPORT int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh, (void)flags, (void)argc, (void)argv;
	return PAM_SUCCESS;
}
