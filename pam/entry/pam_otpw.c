/* SPDX-License-Identifier: MIT */

/*
 * pam_otpw.so, the entry: what PAM loads into sshd, login or sudo. It holds no OTPW rules. For each authentication it
 * starts pam_otpw/worker with the account's ids and relays its conversation: prompts to the application, log lines to
 * syslog. All that comes from the worker is bounded and checked, because the worker has only the rights, and deserves
 * only the trust, of the user it works for.
 *
 * Nothing written here outlives a call, so threads may call it at the same time. The host's signal handlers, signal
 * masks, limits, working directory and ids are as they were when a call returns.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>

#include <security/pam_ext.h>
#include <security/pam_modules.h>

#include "child.h"
#include "decoy.h"
#include "protocol.h"
#include "site.h"

#ifndef OTPW_WORKER_TIMEOUT
#define OTPW_WORKER_TIMEOUT 30 /* seconds that the worker has to start, and between prompts */
#endif
#define OTPW_END_TIMEOUT 2 /* seconds that it has to end: after end of file, and again after SIGKILL */
#define OTPW_FRAMES_MAX 200 /* frames from the worker in one login; an ordinary one takes about five */
#define OTPW_FAIL_DELAY 2000000 /* microseconds, as pam_unix; libpam sleeps only if the whole stack fails */

OTPW_MARK_VERSION;

#define NOTICE_ENV "OTPW_NOTICE"
#define EXPORT __attribute__((visibility("default")))

#define PSEUDO_USER "otpw" /* who keeps all lists, if there is such a system user: as in OTPW 1.5 */
#define SYSTEM_UIDS 1000   /* uids of system users are below */

#define NOBODY 65534 /* whose ids the worker gets when there is no such user */

#define WAIT_PIDFD ((idtype_t)3) /* P_PIDFD, which C libraries before 2.36 do not name */

/* One authentication. */
struct login {
	pam_handle_t *pamh;
	char who[1100];             /* `user=NAME rhost=HOST`, escaped: the head of log lines */
	int sock, pidfd;            /* -1: none */
	int64_t deadline;           /* monotonic milliseconds; moves on only with a prompt */
	bool ended;                 /* the worker's process is gone: nothing can be added to what the socket holds */
	bool answered;              /* the latest prompt was answered, or the password typed before it taken for one */
	bool nullok;                /* who has no list may do without */
	char why[160];              /* why the worker is not believed; empty: it is */
	char notice[OTPW_NOTICE_MAX + 1];
	struct decoy decoy;
};

/* The module's arguments: those of the site, then those of the line in PAM's configuration. */
struct args {
	struct site site;
	int argc;
	const char **argv;
};

/* An entry of the account database. */
struct entry {
	struct passwd pw;
	char *buf; /* holds the strings of pw */
};

struct account {
	struct entry user;
	struct entry keeper;     /* of the lists, if they are not their users' own */
	bool unknown;            /* there is no such user */
	bool kept;               /* there is a keeper */
	const struct passwd *pw; /* whose ids the worker gets */
	gid_t *groups;
	int ngroups;
};

/* ---- log lines ---- */

static bool is_name(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("._:@%/+-", c) != NULL);
}

static bool is_ascii(unsigned char c)
{
	return c >= 0x20 && c < 0x7f;
}

/* Writes in[0..n) to out, bytes that are not to keep as \xHH; cut, between bytes of in, to what fits. */
static void escape(char *out, size_t size, const char *in, size_t n, bool (*keep)(unsigned char))
{
	size_t used = 0;

	for (size_t i = 0; i < n && used + 4 < size; i++) {
		unsigned char c = (unsigned char)in[i];
		if (keep(c))
			out[used++] = (char)c;
		else
			used += (size_t)snprintf(out + used, 5, "\\x%02x", c);
	}
	out[used] = '\0';
}

/* The only way into syslog: no worker can forge the head of a line, or begin another line. */
static void log_bytes(const struct login *l, int priority, const char *text, size_t n)
{
	char clean[4 * OTPW_LOG_MAX + 1];

	escape(clean, sizeof clean, text, n, is_ascii);
	pam_syslog(l->pamh, LOG_AUTHPRIV | priority, "%s %s", l->who, clean);
}

__attribute__((format(printf, 3, 4)))
static void log_line(const struct login *l, int priority, const char *fmt, ...)
{
	char text[OTPW_LOG_MAX];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof text, fmt, ap) >= 0)
		log_bytes(l, priority, text, strlen(text));
	va_end(ap);
}

#define log_error(l, fmt, ...) log_line((l), LOG_ERR, "result=error reason=\"" fmt "\"" __VA_OPT__(,) __VA_ARGS__)

static void name_parties(struct login *l, const char *user)
{
	const void *rhost = NULL;
	char name[512], from[512];

	escape(name, sizeof name, user, strlen(user), is_name);
	if (pam_get_item(l->pamh, PAM_RHOST, &rhost) != PAM_SUCCESS || rhost == NULL || *(const char *)rhost == '\0')
		rhost = "-";
	escape(from, sizeof from, rhost, strlen(rhost), is_name);
	snprintf(l->who, sizeof l->who, "user=%s rhost=%s", name, from);
}

/* For a user's terminal: UTF-8 may pass, control characters may not, also not those from U+0080 to U+009F. */
static bool is_printable(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i], next = i + 1 < n ? (unsigned char)text[i + 1] : 0;
		if (c < 0x20 || c == 0x7f || (c == 0xc2 && next < 0xa0))
			return false;
	}
	return true;
}

/* ---- arguments ---- */

/* The next argument; of the line in PAM's configuration after those of the site. */
static const char *argument(const struct args *a, int i)
{
	return i < a->site.n ? a->site.args[i].text : a->argv[i - a->site.n];
}

static bool has_flag(const struct args *a, const char *name)
{
	for (int i = 0; i < a->site.n + a->argc; i++)
		if (strcmp(argument(a, i), name) == 0)
			return true;
	return false;
}

/* The value of the last NAME=VALUE; NULL: there is none. */
static const char *value_of(const struct args *a, const char *name)
{
	const char *value = NULL;
	size_t n = strlen(name);

	for (int i = 0; i < a->site.n + a->argc; i++) {
		const char *arg = argument(a, i);
		if (strncmp(arg, name, n) == 0 && arg[n] == '=')
			value = arg + n + 1;
	}
	return value;
}

/* ---- before the worker starts ---- */

/* The buffer grows until the account fits; 1 MiB is far more than any needs. */
static bool find_passwd(const struct login *l, const char *name, struct entry *e, bool *found)
{
	struct passwd *pw = NULL;
	int err = ERANGE;

	for (size_t size = 4096; err == ERANGE && size <= 1 << 20; size *= 2) {
		free(e->buf);
		e->buf = malloc(size);
		do
			err = e->buf == NULL ? ENOMEM : getpwnam_r(name, &e->pw, e->buf, size, &pw);
		while (err == EINTR);
	}
	if (err != 0)
		log_error(l, "look up user: %s", strerror(err));
	*found = pw != NULL;
	return err == 0;
}

/* getgrouplist says how many there are when they do not fit; there may be more a moment later, so a few tries. */
static int find_groups(const struct login *l, struct account *a)
{
	int size = 64;

	for (int tries = 0; tries < 4 && size <= NGROUPS_MAX; tries++) {
		free(a->groups);
		a->groups = calloc((size_t)size, sizeof *a->groups);
		if (a->groups == NULL)
			break;
		a->ngroups = size;
		if (getgrouplist(a->pw->pw_name, a->pw->pw_gid, a->groups, &a->ngroups) >= 0)
			return PAM_SUCCESS;
		size = a->ngroups > size ? a->ngroups : 2 * size;
	}
	log_error(l, "look up the user's groups: too many, or out of memory");
	return PAM_SYSTEM_ERR;
}

/* Nobody gets a worker, too, that asks for a number: with decoys it shall look and take as long as with anybody else. */
static int make_nobody(struct login *l, const char *user, struct account *a)
{
	if (l->decoy.fd < 0) {
		log_line(l, LOG_NOTICE, "result=refused reason=\"unknown user\"");
		return PAM_USER_UNKNOWN;
	}
	a->user.pw.pw_name = (char *)user;
	a->user.pw.pw_uid = a->user.pw.pw_gid = NOBODY;
	a->user.pw.pw_dir = (char *)"/nonexistent";
	if (find_groups(l, a) != PAM_SUCCESS)
		return PAM_SYSTEM_ERR;
	if (!a->kept) {
		a->groups[0] = NOBODY; /* the lookup took its time; who is no user is in no group */
		a->ngroups = 1;
	}
	return PAM_SUCCESS;
}

/* Who keeps the lists: whom an argument names, or the pseudo-user where nothing says where lists are. As otp.Keeper. */
static bool find_keeper(const struct login *l, const struct args *args, struct account *a)
{
	const char *name = value_of(args, "user");
	bool found;

	if (name == NULL && value_of(args, "file") != NULL)
		return true;
	if (!find_passwd(l, name != NULL ? name : PSEUDO_USER, &a->keeper, &found))
		return false;
	if (name != NULL) {
		if (!found)
			log_error(l, "argument user=: there is no such user");
		a->kept = found;
		return found;
	}
	a->kept = found && a->keeper.pw.pw_uid > 0 && a->keeper.pw.pw_uid < SYSTEM_UIDS;
	return true;
}

/* -1 tells setresuid to leave an id as it is: root's. */
static bool check_ids(const struct login *l, const struct passwd *pw)
{
	if (pw->pw_uid != (uid_t)-1 && pw->pw_gid != (gid_t)-1)
		return true;
	log_error(l, "look up user: uid or gid is -1");
	return false;
}

static int find_account(struct login *l, const char *user, const struct args *args, struct account *a)
{
	bool found;

	if (!find_passwd(l, user, &a->user, &found))
		return PAM_SYSTEM_ERR;
	a->unknown = !found;
	if (found)
		name_parties(l, user);
	if (!find_keeper(l, args, a))
		return PAM_SYSTEM_ERR;
	a->pw = a->kept ? &a->keeper.pw : &a->user.pw;
	if (a->unknown)
		return make_nobody(l, user, a);
	if (!check_ids(l, &a->user.pw) || !check_ids(l, a->pw))
		return PAM_SYSTEM_ERR;
	if (geteuid() == 0)
		return find_groups(l, a);
	if (a->pw->pw_uid == geteuid() && a->user.pw.pw_uid == geteuid())
		return PAM_SUCCESS;
	log_error(l, "the program that asks runs as uid %lu, neither as root nor as %s", (unsigned long)geteuid(),
		  a->kept ? "who keeps the lists" : "this user");
	return PAM_AUTHINFO_UNAVAIL;
}

/* A host that closed 0 to 2 may still print, or open files there. What cannot be moved stays. */
static int above_stdio(int fd)
{
	int moved = fd >= 0 && fd < OTPW_FD ? fcntl(fd, F_DUPFD_CLOEXEC, OTPW_FD) : -1;

	if (moved < 0)
		return fd;
	close(fd);
	return moved;
}

/*
 * A host that is not root serves only its own account: it has nothing to hide, and could not read the secret. False:
 * nobody can be served without giving something away.
 */
static bool find_decoy(struct login *l, const char *user, const struct args *args)
{
	struct rlimit size;
	const char *why;

	if (!has_flag(args, "decoy") || geteuid() != 0)
		return true;
	/* The caller of a set-user-id host would see who has a list by what he lets fail. */
	if (getrlimit(RLIMIT_FSIZE, &size) == 0 && size.rlim_cur < DECOY_FILE_MAX) {
		log_error(l, "the caller's limit on the size of files is below %d bytes", DECOY_FILE_MAX);
		return false;
	}
	if (decoy_open(&l->decoy, user, &why))
		l->decoy.fd = above_stdio(l->decoy.fd);
	else
		log_line(l, LOG_ERR, "no decoys: %s: %s (the installation makes it, and libexec/otpw/decoy-secret)", OTPW_STATE, why);
	return true;
}

/*
 * Folder and worker are checked at every login: a worker that a user can write runs with other users' rights, and one
 * that he can read he can trace. The folders above are not: who can write those has replaced this library already.
 * A link is refused, so that what was checked is what runs, and a set-user-id bit, which would undo the change of ids.
 */
static bool check_file(const struct login *l, const char *path, mode_t type, mode_t bad, const char *want)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		log_error(l, "%s: %s", path, strerror(errno));
	else if ((st.st_mode & S_IFMT) != type)
		log_error(l, "%s: not a %s", path, type == S_IFDIR ? "folder" : "regular file");
	else if (st.st_uid != 0 && st.st_uid != geteuid())
		log_error(l, "%s: owner is uid %lu, want root", path, (unsigned long)st.st_uid);
	else if ((st.st_mode & bad) != 0 || (st.st_mode & 0111) != 0111)
		log_error(l, "%s: mode is %04o, want %s", path, st.st_mode & 07777U, want);
	else
		return true;
	return false;
}

/* The worker beside this library, wherever that is. realpath, as the checks are worth nothing behind links. */
static bool find_worker(const struct login *l, char path[PATH_MAX])
{
	static const char folder[] = "/pam_otpw", worker[] = "/worker";
	Dl_info self;
	char *slash;

	/* PAM loads by absolute path; a relative one would be looked for in a working directory that the caller chose. */
	if (dladdr((const void *)find_worker, &self) == 0 || self.dli_fname == NULL || self.dli_fname[0] != '/') {
		log_error(l, "find worker: the path of pam_otpw.so is not known");
		return false;
	}
	if (realpath(self.dli_fname, path) == NULL) {
		log_error(l, "find worker: %s: %s", self.dli_fname, strerror(errno));
		return false;
	}
	slash = strrchr(path, '/');
	if (slash == NULL || (size_t)(slash - path) + sizeof folder + sizeof worker > PATH_MAX) {
		log_error(l, "find worker: %s: %s", path, strerror(ENAMETOOLONG));
		return false;
	}
	strcpy(slash, folder);
	if (!check_file(l, path, S_IFDIR, 0022, "0755"))
		return false;
	strcat(slash, worker);
	return check_file(l, path, S_IFREG, 07066, "0711");
}

/* Adds `key=value` and a NUL; a value that is NULL or empty is not sent. Returns the new length, 0: too long. */
static size_t add(char *request, size_t used, const char *key, const char *value)
{
	size_t room = OTPW_REQUEST_MAX - used;
	int n;

	if (value == NULL || *value == '\0' || used == 0)
		return used;
	n = snprintf(request + used, room, "%s=%s", key, value);
	return n < 0 || (size_t)n >= room ? 0 : used + (size_t)n + 1;
}

static size_t add_site(char *request, size_t used, int line, const char *text)
{
	char site[SITE_LINE_MAX + 16];

	snprintf(site, sizeof site, "%d %s", line, text);
	return add(request, used, "site", site);
}

/* The password that was typed before, for another module; NULL: none was. */
static const char *authtok(const struct login *l)
{
	const void *response = NULL;

	if (pam_get_item(l->pamh, PAM_AUTHTOK, &response) != PAM_SUCCESS)
		return NULL;
	return response;
}

/* Returns the length of the request, 0: too long. */
static size_t make_request(const struct login *l, const struct account *a, const struct args *args, char *request)
{
	static const char head[] = "protocol=" OTPW_PROTOCOL "\0version=" OTPW_VERSION;
	const void *service = NULL;
	char name[128], line[sizeof name + sizeof l->who + 32];
	size_t used = sizeof head;

	if (pam_get_item(l->pamh, PAM_SERVICE, &service) != PAM_SUCCESS || service == NULL)
		service = "-";
	escape(name, sizeof name, service, strlen(service), is_name);
	snprintf(line, sizeof line, "pam_otpw(%s:auth): %s", name, l->who);
	memcpy(request, head, used);
	used = add(request, used, "log", line);
	used = add(request, used, "user", a->user.pw.pw_name);
	snprintf(line, sizeof line, "%lu", (unsigned long)a->user.pw.pw_uid);
	used = add(request, used, "uid", line);
	used = add(request, used, "home", a->user.pw.pw_dir);
	if (a->kept)
		used = add(request, used, "lists", a->keeper.pw.pw_dir);
	if (a->unknown)
		used = add(request, used, "account", "none");
	if (authtok(l) != NULL)
		used = add(request, used, "authtok", "yes");
	if (l->decoy.fd >= 0) {
		snprintf(line, sizeof line, "%016" PRIx64 " %d %d", l->decoy.token, l->decoy.state, l->decoy.busy);
		used = add(request, used, "decoy", line);
	}
	for (int i = 0; i < args->site.n; i++)
		used = add_site(request, used, args->site.args[i].line, args->site.args[i].text);
	for (int i = 0; i < args->argc; i++)
		used = add(request, used, "arg", args->argv[i]);
	if (used == 0)
		log_error(l, "make request: more than %d bytes", OTPW_REQUEST_MAX);
	return used;
}

/* ---- starting and ending the worker ---- */

static bool start(struct login *l, struct child *c)
{
	int sv[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) != 0) {
		log_error(l, "make socket: %s", strerror(errno));
		return false;
	}
	c->sock = sv[1];
	l->sock = above_stdio(sv[0]);
	err = clone_child(c, &l->pidfd) ? 0 : errno;
	close(sv[1]);
	l->pidfd = above_stdio(l->pidfd);
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

/* False: nothing happened before the deadline. Signals do not matter. */
static bool poll_until(struct pollfd *fds, nfds_t n, int64_t deadline)
{
	for (;;) {
		int64_t left = deadline - now_ms();
		int ready = poll(fds, n, left > 0 ? (int)left : 0);
		if (ready >= 0 || (errno != EINTR && errno != EAGAIN))
			return ready > 0;
	}
}

static bool wait_end(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll_until(&p, 1, now_ms() + OTPW_END_TIMEOUT * 1000);
}

/*
 * Ends the worker and reaps it. shutdown as well as close, since a child of another thread may hold a copy of our end.
 * If the host has reaped it (a handler, SIGCHLD ignored) waitid finds nothing, and that is fine. A worker that not even
 * SIGKILL ends, stuck in the kernel, is left rather than waited for.
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
			syscall(__NR_pidfd_send_signal, l->pidfd, SIGKILL, NULL, 0U);
			if (!wait_end(l->pidfd))
				log_line(l, LOG_WARNING, "worker cannot be ended");
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

/* The login fails whatever else happens, and finish says why. */
__attribute__((format(printf, 2, 3)))
static int disbelieve(struct login *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(l->why, sizeof l->why, fmt, ap) <= 0)
		strcpy(l->why, "worker failed");
	va_end(ap);
	return PAM_SYSTEM_ERR;
}

/* Waits for the socket or for the worker's end, which sets l->ended. */
static bool wait_socket(struct login *l, short events)
{
	struct pollfd p[] = {{.fd = l->sock, .events = events}, {.fd = l->pidfd, .events = POLLIN}};

	if (!poll_until(p, 2, l->deadline)) {
		disbelieve(l, "worker took more than %d s", OTPW_WORKER_TIMEOUT);
		return false;
	}
	if (p[1].revents != 0)
		l->ended = true;
	return true;
}

/*
 * Exactly n bytes. A child of another thread may hold a copy of the worker's end, so end of file is also: the process
 * is gone, and after that was seen the socket is empty.
 */
static bool receive(struct login *l, void *data, size_t n)
{
	char *at = data;

	while (n > 0) {
		ssize_t got = recv(l->sock, at, n, MSG_DONTWAIT);
		if (got > 0) {
			at += got;
			n -= (size_t)got;
		} else if (got < 0 && errno == EAGAIN && !l->ended) {
			if (!wait_socket(l, POLLIN))
				return false;
		} else if (got == 0 || errno != EINTR) {
			disbelieve(l, "worker ended without a result");
			return false;
		}
	}
	return true;
}

static bool send_bytes(struct login *l, const void *data, size_t n)
{
	const char *at = data;

	while (n > 0) {
		ssize_t put = send(l->sock, at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (put > 0) {
			at += put;
			n -= (size_t)put;
		} else if (errno == EAGAIN) {
			if (l->ended || !wait_socket(l, POLLOUT))
				return false;
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

/* False: the worker does not read. It may have said why, so the caller goes on receiving. */
static bool send_frame(struct login *l, int type, const void *data, size_t n)
{
	unsigned char head[OTPW_HEAD];

	otpw_head(head, type, n);
	return send_bytes(l, head, sizeof head) && send_bytes(l, data, n);
}

/*
 * The response does not become PAM_AUTHTOK: a module behind this one would try it as the ordinary password, instead of
 * asking for that. What a module before this one has left there stays.
 */
static bool answer(struct login *l, const char *response)
{
	size_t n = strlen(response);

	if (n > OTPW_RESPONSE_MAX) {
		log_line(l, LOG_WARNING, "response longer than %d bytes", OTPW_RESPONSE_MAX);
		return false;
	}
	return send_frame(l, OTPW_RESPONSE, response, n);
}

/*
 * No copy of the response is left. Without one our side is shut, but the worker still has its say and
 * gives the result.
 */
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
	if (!l->answered)
		shutdown(l->sock, SHUT_WR);
}

/* Gives the worker what was typed before; it is another module's, and stays. */
static bool take_typed(struct login *l)
{
	const char *response = authtok(l);

	if (l->answered || response == NULL || strlen(response) > OTPW_RESPONSE_MAX)
		return false;
	l->answered = true;
	return send_frame(l, OTPW_RESPONSE, response, strlen(response));
}

/* A notice that cannot be shown is not worth the login: the password is used up by now. */
static void keep_notice(struct login *l, const char *text, size_t n)
{
	if (is_printable(text, n))
		memcpy(l->notice, text, n + 1);
	else
		log_line(l, LOG_WARNING, "notice with control characters dropped");
}

static int result(struct login *l, unsigned char code)
{
	switch (code) {
	case PAM_SUCCESS:
		if (!l->answered)
			return disbelieve(l, "worker reported success without a response");
		return PAM_SUCCESS;
	case PAM_IGNORE:
		if (!l->nullok || l->answered)
			return disbelieve(l, "worker wants to be ignored");
		return PAM_IGNORE;
	case PAM_AUTH_ERR:
	case PAM_AUTHINFO_UNAVAIL:
	case PAM_SYSTEM_ERR:
		return code;
	default:
		return disbelieve(l, "worker sent the unknown result %d", code);
	}
}

/* Sends the request and serves the worker until its result. */
static int relay(struct login *l, const char *request, size_t length)
{
	static const int bounds[256] = {
		[OTPW_PROMPT] = OTPW_PROMPT_MAX,
		[OTPW_TAKE] = OTPW_TAKE_MAX,
		[OTPW_LOG] = OTPW_LOG_MAX,
		[OTPW_NOTICE] = OTPW_NOTICE_MAX,
		[OTPW_DECOY] = OTPW_DECOY_MAX,
		[OTPW_RESULT] = OTPW_RESULT_MAX,
	};
	static const char letters[] = "ewnid";
	static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG};
	unsigned char head[OTPW_HEAD];
	char text[OTPW_LOG_MAX + 1];
	const char *letter;
	bool deaf; /* the worker does not get what we send: asking would be in vain */

	l->deadline = now_ms() + OTPW_WORKER_TIMEOUT * 1000;
	deaf = !send_frame(l, OTPW_REQUEST, request, length);
	for (int frames = 0; frames < OTPW_FRAMES_MAX; frames++) {
		if (!receive(l, head, sizeof head))
			return PAM_SYSTEM_ERR;
		int n = head[1] << 8 | head[2];
		if (n == 0 || n > bounds[head[0]])
			return disbelieve(l, "worker sent a frame of type 0x%02x with %d bytes", head[0], n);
		if (!receive(l, text, (size_t)n))
			return PAM_SYSTEM_ERR;
		text[n] = '\0';
		switch (head[0]) {
		case OTPW_PROMPT:
			if (deaf || !is_printable(text, (size_t)n))
				return disbelieve(l, "worker sent a prompt that cannot be asked");
			prompt(l, text);
			deaf = !l->answered;
			break;
		case OTPW_TAKE:
			if (deaf || !take_typed(l))
				return disbelieve(l, "worker wants a password that was not typed");
			break;
		case OTPW_LOG:
			letter = memchr(letters, text[0], sizeof letters - 1);
			if (letter == NULL)
				return disbelieve(l, "worker sent a log line without a priority");
			log_bytes(l, priorities[letter - letters], text + 1, (size_t)n - 1);
			break;
		case OTPW_NOTICE:
			keep_notice(l, text, (size_t)n);
			break;
		case OTPW_DECOY:
			decoy_keep(&l->decoy, (unsigned char)text[0]);
			break;
		case OTPW_RESULT:
			return result(l, (unsigned char)text[0]);
		default:
			return disbelieve(l, "worker sent a frame of type 0x%02x with %d bytes", head[0], n);
		}
	}
	return disbelieve(l, "worker sent more than %d frames", OTPW_FRAMES_MAX);
}

static int serve(struct login *l, const struct account *a, const struct args *args)
{
	char path[PATH_MAX];
	bool root = geteuid() == 0;
	struct child c = {
		.path = path,
		.sock = -1,
		.root = root,
		.uid = a->pw->pw_uid,
		.gid = root ? a->pw->pw_gid : getgid(),
		.groups = a->groups,
		.ngroups = a->ngroups,
	};
	char *request;
	size_t length;
	int ret = PAM_SYSTEM_ERR;

	if (!find_worker(l, path))
		return PAM_SYSTEM_ERR;
	request = malloc(OTPW_REQUEST_MAX);
	if (request == NULL) {
		log_error(l, "out of memory");
		return PAM_SYSTEM_ERR;
	}
	length = make_request(l, a, args, request);
	if (length > 0) {
		if (start(l, &c))
			ret = relay(l, request, length);
		if ((ret == PAM_SUCCESS || ret == PAM_IGNORE) && a->unknown)
			disbelieve(l, "worker reported success for a user that does not exist");
		finish(l);
	}
	free(request);
	return l->why[0] == '\0' ? ret : PAM_SYSTEM_ERR;
}

/* ---- what PAM calls ---- */

/* libpam logs an error when asked to delete what is not there. */
static void forget_notice(pam_handle_t *pamh)
{
	if (pam_getenv(pamh, NOTICE_ENV) != NULL)
		(void)pam_putenv(pamh, NOTICE_ENV);
}

/* In the environment because that is what sshd carries from the process that authenticates to that of the session. */
static void leave_notice(const struct login *l)
{
	char env[sizeof NOTICE_ENV + 1 + sizeof l->notice];

	snprintf(env, sizeof env, NOTICE_ENV "=%s", l->notice);
	if (l->notice[0] != '\0' && pam_putenv(l->pamh, env) != PAM_SUCCESS)
		log_line(l, LOG_WARNING, "notice cannot be stored");
}

EXPORT int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct login l = {.pamh = pamh, .sock = -1, .pidfd = -1, .decoy.fd = -1};
	struct account a = {.unknown = false};
	struct args args = {.argc = argc, .argv = argv};
	const char *user = NULL;
	char why[SITE_WHY_MAX];
	int ret;

	(void)flags;
	forget_notice(pamh);
	(void)pam_fail_delay(pamh, OTPW_FAIL_DELAY);
	ret = pam_get_user(pamh, &user, NULL);
	if (ret != PAM_SUCCESS || user == NULL)
		return ret == PAM_SUCCESS ? PAM_USER_UNKNOWN : ret == PAM_CONV_AGAIN ? PAM_INCOMPLETE : ret;
	ret = PAM_SYSTEM_ERR;

	/* What stands where a name should, but is none, may be a password typed too early: it is not logged. */
	name_parties(&l, "-");
	if (!site_read(&args.site, why))
		log_error(&l, "%s: %s", OTPW_SITE, why);
	else if (find_decoy(&l, user, &args))
		ret = find_account(&l, user, &args, &a);
	l.nullok = has_flag(&args, "nullok");
	if (ret == PAM_SUCCESS)
		ret = serve(&l, &a, &args);
	if (ret == PAM_SUCCESS)
		leave_notice(&l);
	decoy_close(&l.decoy);
	free(a.groups);
	free(a.keeper.buf);
	free(a.user.buf);
	site_free(&args.site);
	return ret;
}

/* Not ignore, for which libpam would fail a stack that has no other module, after the login succeeded. */
EXPORT int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh, (void)flags, (void)argc, (void)argv;
	return PAM_SUCCESS;
}

/*
 * Whether an account may log in is not ours to say. Success would let `account sufficient` skip those who do say, and
 * let an expired account in. Ignored, we count for nothing: libpam denies where nobody else says anything, a mistake
 * that the first login shows.
 */
EXPORT int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh, (void)flags, (void)argc, (void)argv;
	return PAM_IGNORE;
}

/* A login by key has no notice, and must not fail for it. */
EXPORT int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	const char *notice = pam_getenv(pamh, NOTICE_ENV);

	(void)argc, (void)argv;
	if (notice != NULL && ((unsigned)flags & PAM_SILENT) == 0 && is_printable(notice, strnlen(notice, OTPW_NOTICE_MAX)))
		(void)pam_prompt(pamh, PAM_TEXT_INFO, NULL, "%.*s", OTPW_NOTICE_MAX, notice);
	forget_notice(pamh);
	return PAM_SUCCESS;
}

EXPORT int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh, (void)flags, (void)argc, (void)argv;
	return PAM_SUCCESS;
}
