/* SPDX-License-Identifier: MIT */

/*
 * What the test hosts share: a conversation that answers from a table or from standard input, syslog on standard
 * output, and a picture of the process that can be compared before and after. Every host prints lines `word: text`.
 */
#ifndef OTPW_TEST_HOST_H
#define OTPW_TEST_HOST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

/* ---- syslog: libpam finds these in the program before those of the C library ---- */

void __syslog_chk(int priority, int flag, const char *fmt, ...);
void __vsyslog_chk(int priority, int flag, const char *fmt, va_list ap);

static int log_fd = STDOUT_FILENO;

/* One write a line, so that threads and forked children do not mix theirs. */
static void print_log(int priority, const char *fmt, va_list ap)
{
	static const char *const names[] = {"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"};
	char text[8192], line[sizeof text + 64];
	int n;

	vsnprintf(text, sizeof text, fmt, ap);
	n = snprintf(line, sizeof line, "log: %s%s %s\n", names[LOG_PRI(priority)],
		     (priority & LOG_FACMASK) == LOG_AUTHPRIV ? "" : " (facility is not authpriv)", text);
	fflush(stdout);
	if (write(log_fd, line, (size_t)n) < 0)
		_exit(125);
}

void vsyslog(int priority, const char *fmt, va_list ap)
{
	print_log(priority, fmt, ap);
}

void __vsyslog_chk(int priority, int flag, const char *fmt, va_list ap)
{
	(void)flag;
	print_log(priority, fmt, ap);
}

void syslog(int priority, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print_log(priority, fmt, ap);
	va_end(ap);
}

void __syslog_chk(int priority, int flag, const char *fmt, ...)
{
	va_list ap;

	(void)flag;
	va_start(ap, fmt);
	print_log(priority, fmt, ap);
	va_end(ap);
}

void openlog(const char *ident, int option, int facility)
{
	(void)ident, (void)option, (void)facility;
}

void closelog(void)
{
}

/* ---- conversation ---- */

/*
 * Where responses come from. With a table: its first line is the prefix password, the others `NUMBER PASSWORD`; the
 * response to a prompt is the prefix and the password of each number in the prompt. With text: that. Else: a line of
 * standard input, and end of file fails the conversation.
 */
struct answers {
	const char *text;
	char prefix[128];
	char (*table)[128]; /* by number; empty: none */
	bool quiet;
};

UNUSED static void load_table(struct answers *a, const char *file)
{
	FILE *f = fopen(file, "r");
	char line[256], password[128];
	unsigned number;

	a->table = calloc(10000, sizeof *a->table);
	if (f == NULL || a->table == NULL || fgets(a->prefix, sizeof a->prefix, f) == NULL)
		err(125, "%s", file);
	a->prefix[strcspn(a->prefix, "\n")] = '\0';
	while (fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "%4u %127[^\n]", &number, password) == 2 && number < 10000)
			strcpy(a->table[number], password);
	fclose(f);
}

static char *respond(const struct answers *a, const char *prompt)
{
	char *line = NULL;
	size_t size = 0, n;
	ssize_t got;

	if (a->text != NULL)
		return strdup(a->text);
	if (a->table == NULL) {
		got = getline(&line, &size, stdin);
		if (got <= 0) {
			free(line);
			return NULL;
		}
		line[strcspn(line, "\n")] = '\0';
		return line;
	}
	line = calloc(1, 4096);
	if (line == NULL)
		return NULL;
	strcpy(line, a->prefix);
	for (const char *at = prompt; *at != '\0'; at += n > 0 ? n : 1) {
		n = strspn(at, "0123456789");
		if (n > 0 && n < 5)
			strcat(line, a->table[atoi(at)]);
	}
	return line;
}

UNUSED static int converse(int n, const struct pam_message **msg, struct pam_response **resp, void *data)
{
	static const char *const words[] = {"", "prompt", "echoed prompt", "error", "info"};
	const struct answers *a = data;
	struct pam_response *r = calloc((size_t)n, sizeof *r);

	if (r == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < n; i++) {
		int style = msg[i]->msg_style;
		if (!a->quiet)
			printf("%s: %s\n", style >= 1 && style <= 4 ? words[style] : "?", msg[i]->msg);
		fflush(stdout);
		if (style != PAM_PROMPT_ECHO_OFF && style != PAM_PROMPT_ECHO_ON)
			continue;
		r[i].resp = respond(a, msg[i]->msg);
		if (r[i].resp == NULL) {
			free(r); /* every caller asks for one message at a time */
			return PAM_CONV_ERR;
		}
	}
	*resp = r;
	return PAM_SUCCESS;
}

static void no_delay(int status, unsigned microseconds, void *data)
{
	(void)status, (void)microseconds, (void)data;
}

/* pam_start with our configuration, and no waiting after failures. A set-user-id host takes only root's. */
UNUSED static pam_handle_t *begin(const char *confdir, const char *service, const char *user, struct pam_conv *conv)
{
	union {
		void (*func)(int, unsigned, void *);
		const void *item;
	} delay = {.func = no_delay};
	pam_handle_t *pamh = NULL;
	struct stat st;
	int ret;

	if (geteuid() != getuid() && (stat(confdir, &st) != 0 || st.st_uid != 0 || (st.st_mode & 022) != 0))
		errx(125, "%s: not root's", confdir);
	ret = pam_start_confdir(service, user, conv, confdir, &pamh);
	if (ret != PAM_SUCCESS)
		errx(125, "pam_start: %s", pam_strerror(pamh, ret));
	pam_set_item(pamh, PAM_FAIL_DELAY, delay.item);
	return pamh;
}

/* ---- limits ---- */

UNUSED static const struct {
	const char *name;
	__rlimit_resource_t resource;
} resources[] = {
	{"AS", RLIMIT_AS},     {"CORE", RLIMIT_CORE},       {"CPU", RLIMIT_CPU},     {"DATA", RLIMIT_DATA},
	{"FSIZE", RLIMIT_FSIZE}, {"MEMLOCK", RLIMIT_MEMLOCK}, {"NOFILE", RLIMIT_NOFILE}, {"NPROC", RLIMIT_NPROC},
	{"STACK", RLIMIT_STACK}, {"SIGPENDING", RLIMIT_SIGPENDING},
};

struct limit {
	__rlimit_resource_t resource;
	rlim_t soft, hard; /* hard is the highest number unless told */
};

/* RESOURCE=SOFT, or RESOURCE=SOFT:HARD */
UNUSED static struct limit parse_limit(const char *arg)
{
	const char *value = strchr(arg, '=');
	struct limit l = {.hard = RLIM_INFINITY};
	char *end;

	for (size_t i = 0; value != NULL && i < sizeof resources / sizeof *resources; i++)
		if (strncmp(resources[i].name, arg, (size_t)(value - arg)) == 0 &&
		    resources[i].name[value - arg] == '\0') {
			l.resource = resources[i].resource;
			l.soft = strtoul(value + 1, &end, 10);
			if (*end == ':')
				l.hard = strtoul(end + 1, NULL, 10);
			return l;
		}
	errx(125, "-L %s: want RESOURCE=SOFT", arg);
}

/* ---- the process, before and after ---- */

struct picture {
	int fds, threads;
	const char *children;
	char signals[256]; /* blocked, ignored and caught, of this thread */
	unsigned long actions[64][20]; /* as the kernel has them, all 64: the C library shows neither all nor only them */
	struct rlimit limits[RLIM_NLIMITS];
	mode_t mask;
	char cwd[256];
	uid_t ids[6];
};

static int count(const char *folder)
{
	DIR *d = opendir(folder);
	int n = 0;

	if (d == NULL)
		return -1;
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2; /* . and .. */
}

static void read_signals(char *out, size_t size)
{
	FILE *f = fopen("/proc/thread-self/status", "r");
	char line[256];
	size_t used = 0;

	*out = '\0';
	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		if (strncmp(line, "SigBlk:", 7) != 0 && strncmp(line, "SigIgn:", 7) != 0 && strncmp(line, "SigCgt:", 7) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		line[7] = '=';
		used += (size_t)snprintf(out + used, size - used, " %s", line);
	}
	if (f != NULL)
		fclose(f);
}

UNUSED static void take_picture(struct picture *p)
{
	siginfo_t info = {0};

	memset(p, 0, sizeof *p);
	p->fds = count("/proc/self/fd") - 1; /* that of the folder itself */
	p->threads = count("/proc/self/task");
	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) != 0)
		p->children = errno == ECHILD ? "none" : "?";
	else
		p->children = info.si_pid == 0 ? "running" : "zombie";
	read_signals(p->signals, sizeof p->signals);
	for (int i = 0; i < 64; i++)
		syscall(SYS_rt_sigaction, i + 1, NULL, p->actions[i], 8);
	for (int i = 0; i < (int)RLIM_NLIMITS; i++)
		getrlimit((__rlimit_resource_t)i, &p->limits[i]);
	p->mask = umask(0);
	umask(p->mask);
	if (getcwd(p->cwd, sizeof p->cwd) == NULL)
		strcpy(p->cwd, "?");
	getresuid(&p->ids[0], &p->ids[1], &p->ids[2]);
	getresgid(&p->ids[3], &p->ids[4], &p->ids[5]);
}

/* Prints both, and `unchanged: yes` or `unchanged: NO`. */
UNUSED static bool compare(struct picture *before, struct picture *after)
{
	bool same = before->fds == after->fds && before->threads == after->threads &&
		    strcmp(after->children, "none") == 0 && strcmp(before->signals, after->signals) == 0 &&
		    memcmp(before->actions, after->actions, sizeof before->actions) == 0 &&
		    memcmp(before->limits, after->limits, sizeof before->limits) == 0 && before->mask == after->mask &&
		    strcmp(before->cwd, after->cwd) == 0 && memcmp(before->ids, after->ids, sizeof before->ids) == 0;

	printf("before: fds=%d threads=%d children=%s%s\n", before->fds, before->threads, before->children, before->signals);
	printf("after: fds=%d threads=%d children=%s%s\n", after->fds, after->threads, after->children, after->signals);
	printf("unchanged: %s\n", same ? "yes" : "NO");
	fflush(stdout);
	return same;
}

#endif
