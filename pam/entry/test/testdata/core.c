/* SPDX-License-Identifier: MIT */

/*
 * A core that does what the module's first argument says, to see what the entry makes of it. Built with
 * -DNO_VERSION or -DNO_SERVE it lacks that function.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "protocol.h"

const char *otpw_core_version(void);
char *otpw_serve(int fd);

extern char **environ;

#ifndef NO_VERSION
const char *otpw_core_version(void)
{
	return OTPW_VERSION;
}
#endif

#ifndef NO_SERVE
static void put(int type, const void *data, size_t n)
{
	unsigned char head[OTPW_HEAD];

	otpw_head(head, type, n);
	if (otpw_send_all(OTPW_FD, head, sizeof head) != 0 || otpw_send_all(OTPW_FD, data, n) != 0)
		_exit(3);
}

static void puts_frame(int type, const char *text)
{
	put(type, text, strlen(text));
}

__attribute__((format(printf, 1, 2)))
static void say(const char *fmt, ...)
{
	char text[1000] = "d";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + 1, sizeof text - 1, fmt, ap);
	va_end(ap);
	puts_frame(OTPW_LOG, text);
}

/* n bytes of the same kind, whatever the bound */
static void put_many(int type, char byte, size_t n)
{
	char *data = malloc(n);

	memset(data, byte, n);
	put(type, data, n);
	free(data);
}

_Noreturn static void end(int result)
{
	unsigned char code = (unsigned char)result;

	put(OTPW_RESULT, &code, 1);
	_exit(0);
}

_Noreturn static void sleep_on(void)
{
	for (;;)
		pause();
}

static bool take(void *data, size_t n)
{
	char *at = data;

	while (n > 0) {
		ssize_t got = read(OTPW_FD, at, n);
		if (got <= 0)
			return false;
		at += got;
		n -= (size_t)got;
	}
	return true;
}

/* The payload of the next frame, terminated; NULL: end of file. */
static char *get(int type)
{
	unsigned char head[OTPW_HEAD];
	char *text;
	size_t n;

	if (!take(head, sizeof head))
		return NULL;
	n = (size_t)(head[1] << 8 | head[2]);
	text = calloc(1, n + 1);
	if (head[0] != type || !take(text, n))
		_exit(4);
	if (type == OTPW_REQUEST)
		for (size_t i = 0; i < n; i++)
			text[i] = text[i] == '\0' ? '\n' : text[i];
	return text;
}

/* The value of the first key in the request, or "". */
static const char *value(const char *request, const char *key)
{
	static char found[70000];
	size_t k = strlen(key);

	for (const char *line = request; *line != '\0'; line = strchr(line, '\n') + 1)
		if (strncmp(line, key, k) == 0 && line[k] == '=') {
			size_t n = strcspn(line + k + 1, "\n");
			memcpy(found, line + k + 1, n);
			found[n] = '\0';
			return found;
		}
	return "";
}

/* Asks, and ends as the module would. */
_Noreturn static void ask(const char *prompt, int tries)
{
	char *response;

	while (tries-- > 0) {
		puts_frame(OTPW_PROMPT, prompt);
		response = get(OTPW_RESPONSE);
		if (response == NULL) {
			puts_frame(OTPW_LOG, "nresult=abandoned");
			end(PAM_AUTHINFO_UNAVAIL);
		}
		if (strcmp(response, "right") == 0) {
			puts_frame(OTPW_LOG, "iresult=accepted");
			puts_frame(OTPW_NOTICE, "Remaining: 7");
			end(PAM_SUCCESS);
		}
		say("response of %zu bytes", strlen(response));
	}
	puts_frame(OTPW_LOG, "nresult=refused");
	end(PAM_AUTH_ERR);
}

/* Everything about this process that the entry is to have seen to. */
static void report(const char *request)
{
	static const char *const wanted[] = {"Uid", "Gid", "Groups", "NoNewPrivs", "Cap", "SigBlk", "SigIgn", "SigCgt"};
	char line[1024];
	FILE *f = fopen("/proc/self/status", "r");
	char *copy = strdup(request);
	struct rlimit rl;
	cpu_set_t cpus;
	DIR *d;

	for (char *s = strtok(copy, "\n"); s != NULL; s = strtok(NULL, "\n"))
		say("request %s", s);
	for (char **e = environ; *e != NULL; e++)
		say("environment %s", *e);
	sched_getaffinity(0, sizeof cpus, &cpus);
	say("schedule %d, nice %d, %d processors", sched_getscheduler(0), getpriority(PRIO_PROCESS, 0), CPU_COUNT(&cpus));
	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
			if (strncmp(line, wanted[i], strlen(wanted[i])) == 0) {
				line[strcspn(line, "\n")] = '\0';
				for (char *c = line; *c != '\0'; c++)
					*c = *c == '\t' ? ' ' : *c;
				say("status %s", line);
			}
	if (f != NULL)
		fclose(f);
	d = opendir("/proc/self/fd");
	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		char path[300];
		ssize_t n;
		if (*e->d_name == '.' || atoi(e->d_name) == dirfd(d))
			continue;
		snprintf(path, sizeof path, "/proc/self/fd/%s", e->d_name);
		n = readlink(path, line, sizeof line - 1);
		line[n < 0 ? 0 : n] = '\0';
		line[strcspn(line, "[")] = '\0';
		say("descriptor %s %s", e->d_name, line);
	}
	if (d != NULL)
		closedir(d);
	say("groups %d", getgroups(0, NULL));
	say("dumpable %d", prctl(PR_GET_DUMPABLE));
	say("keepcaps %d", prctl(PR_GET_KEEPCAPS));
	say("umask %03o", umask(0));
	say("folder %s", getcwd(line, sizeof line));
	say("leader %d", getsid(0) == getpid() && getpgrp() == getpid());
	getrlimit(RLIMIT_CORE, &rl);
	say("limit CORE %lu %lu", rl.rlim_cur, rl.rlim_max);
	getrlimit(RLIMIT_NOFILE, &rl);
	say("limit NOFILE %lu", rl.rlim_cur);
	getrlimit(RLIMIT_STACK, &rl);
	say("limit STACK %lu", rl.rlim_cur);
	getrlimit(RLIMIT_FSIZE, &rl);
	say("limit FSIZE %ld", (long)rl.rlim_cur);
	getrlimit(RLIMIT_AS, &rl);
	say("limit AS %ld", (long)rl.rlim_cur);
	getrlimit(RLIMIT_CPU, &rl);
	say("limit CPU %ld", (long)rl.rlim_cur);
	getrlimit(RLIMIT_NPROC, &rl);
	say("limit NPROC lifted %d", rl.rlim_cur == rl.rlim_max);
}

/* A process that outlives this one, with the socket open, for as long as the test's patience. */
static void leave_child(void)
{
	if (fork() == 0) {
		sleep(20);
		_exit(0);
	}
}

static void misbehave(const char *what, const char *request)
{
	int code;

	if (strcmp(what, "report") == 0) {
		report(request);
		end(PAM_AUTH_ERR);
	}
	if (strcmp(what, "size") == 0) {
		say("request of %zu bytes", strlen(request));
		end(PAM_AUTH_ERR);
	}
	if (strcmp(what, "abort") == 0)
		abort();
	if (strcmp(what, "segv") == 0)
		raise(SIGSEGV);
	if (strcmp(what, "exit") == 0)
		_exit(0);
	if (strcmp(what, "return") == 0)
		return;
	if (strcmp(what, "garbage") == 0)
		otpw_send_all(OTPW_FD, "HTTP/1.1 200 OK\r\n\r\n", 19);
	if (strcmp(what, "unknown-empty") == 0)
		put('X', "", 0);
	if (strcmp(what, "long-prompt") == 0)
		put_many(OTPW_PROMPT, 'a', OTPW_PROMPT_MAX + 1);
	if (strcmp(what, "full-prompt") == 0) {
		char text[OTPW_PROMPT_MAX + 1];
		memset(text, 'a', sizeof text - 1);
		text[sizeof text - 1] = '\0';
		ask(text, 1);
	}
	if (strcmp(what, "long-log") == 0)
		put_many(OTPW_LOG, 'e', OTPW_LOG_MAX + 1);
	if (strcmp(what, "full-log") == 0)
		put_many(OTPW_LOG, 'e', OTPW_LOG_MAX);
	if (strcmp(what, "long-notice") == 0)
		put_many(OTPW_NOTICE, 'e', OTPW_NOTICE_MAX + 1);
	if (strcmp(what, "full-notice") == 0)
		put_many(OTPW_NOTICE, 'e', OTPW_NOTICE_MAX);
	if (strcmp(what, "huge") == 0)
		put_many(OTPW_LOG, 'e', 65535);
	if (strcmp(what, "long-result") == 0)
		put(OTPW_RESULT, "\0\0", 2);
	if (strcmp(what, "empty-result") == 0)
		put(OTPW_RESULT, "", 0);
	if (strcmp(what, "empty-prompt") == 0)
		put(OTPW_PROMPT, "", 0);
	if (strcmp(what, "half-head") == 0) {
		otpw_send_all(OTPW_FD, "L", 1);
		sleep_on();
	}
	if (strcmp(what, "half-frame") == 0) {
		otpw_send_all(OTPW_FD, "L\0\12eab", 6);
		sleep_on();
	}
	if (strcmp(what, "half-then-end") == 0) {
		otpw_send_all(OTPW_FD, "F\0\1", 3);
		_exit(0);
	}
	if (strcmp(what, "silent") == 0)
		sleep_on();
	if (strcmp(what, "trickle") == 0)
		for (;;) {
			say("still here");
			usleep(100000);
		}
	if (strcmp(what, "bytes") == 0) /* a correct conversation, one byte at a time */
		for (const char *at = "L\0\3eab" "F\0\1\7", *stop = at + 10; at < stop; at++) {
			otpw_send_all(OTPW_FD, at, 1);
			usleep(10000);
		}
	if (strcmp(what, "flood") == 0)
		for (int i = 0; i < 100000; i++)
			say("line %d", i);
	if (strcmp(what, "notices") == 0)
		for (;;)
			puts_frame(OTPW_NOTICE, "again");
	if (strcmp(what, "prompts") == 0)
		ask("Again: ", 1 << 30);
	if (strcmp(what, "success") == 0)
		end(PAM_SUCCESS);
	if (sscanf(what, "result=%d", &code) == 1)
		end(code);
	if (sscanf(what, "prompt-then-result=%d", &code) == 1) {
		puts_frame(OTPW_PROMPT, "Password 1: ");
		free(get(OTPW_RESPONSE));
		end(code);
	}
	if (strcmp(what, "hang-up-then-success") == 0) { /* answered before, but not the latest */
		puts_frame(OTPW_PROMPT, "Password 1: ");
		free(get(OTPW_RESPONSE));
		puts_frame(OTPW_PROMPT, "Password 2: ");
		free(get(OTPW_RESPONSE));
		end(PAM_SUCCESS);
	}
	if (strcmp(what, "prompt-after-hang-up") == 0) {
		puts_frame(OTPW_PROMPT, "Password 1: ");
		free(get(OTPW_RESPONSE));
		puts_frame(OTPW_PROMPT, "Password 2: ");
		sleep_on();
	}
	if (strcmp(what, "die-at-prompt") == 0) {
		puts_frame(OTPW_PROMPT, "Password 1: ");
		_exit(0);
	}
	if (strcmp(what, "deny-at-prompt") == 0) {
		puts_frame(OTPW_PROMPT, "Password 1: ");
		end(PAM_AUTH_ERR);
	}
	if (strcmp(what, "control-log") == 0) {
		put(OTPW_LOG, "ea\nuser=root rhost=- \x1b[31m\x7f\xc3\xa4\0b%s%n", 37);
		end(PAM_AUTH_ERR);
	}
	if (strcmp(what, "no-priority") == 0)
		puts_frame(OTPW_LOG, "zresult=accepted");
	if (strcmp(what, "nul-priority") == 0)
		put(OTPW_LOG, "\0result", 7);
	if (strcmp(what, "control-prompt") == 0)
		ask("Pass\x1b[2Jword: ", 1);
	if (strcmp(what, "c1-prompt") == 0)
		ask("Pass\xc2\x9b" "2Jword: ", 1);
	if (strcmp(what, "utf8-prompt") == 0)
		ask("Mot de passe n\xc2\xba 7: ", 1);
	if (strcmp(what, "format-prompt") == 0)
		ask("%s%n%s%n: ", 1);
	if (strcmp(what, "control-notice") == 0) {
		puts_frame(OTPW_PROMPT, "Password 1: ");
		free(get(OTPW_RESPONSE));
		puts_frame(OTPW_NOTICE, "Remaining: \x1b[31m 7");
		end(PAM_SUCCESS);
	}
	if (strcmp(what, "notice-without-success") == 0) {
		puts_frame(OTPW_NOTICE, "Remaining: 7");
		end(PAM_AUTH_ERR);
	}
	if (strcmp(what, "ignore-end") == 0) {
		unsigned char ok = PAM_SUCCESS;
		sigset_t all;
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		puts_frame(OTPW_PROMPT, "Password 1: ");
		free(get(OTPW_RESPONSE));
		put(OTPW_RESULT, &ok, 1);
		sleep_on();
	}
	if (strcmp(what, "wait-for-end") == 0) {
		unsigned char ok = PAM_SUCCESS;
		puts_frame(OTPW_PROMPT, "Password 1: ");
		free(get(OTPW_RESPONSE));
		put(OTPW_RESULT, &ok, 1);
		free(get(OTPW_RESPONSE));
		_exit(0);
	}
	if (strcmp(what, "stop") == 0)
		raise(SIGSTOP);
	if (strcmp(what, "child") == 0) {
		leave_child();
		_exit(0);
	}
	if (strcmp(what, "child-then-ask") == 0) {
		leave_child();
		ask("Password 1: ", 1);
	}
	if (sscanf(what, "keep=%d", &code) == 1) {
		unsigned char byte = (unsigned char)code;
		put(OTPW_DECOY, &byte, 1);
		ask("Password 044: ", 1);
	}
	if (strcmp(what, "take") == 0) {
		char *before;
		puts_frame(OTPW_TAKE, "1");
		before = get(OTPW_RESPONSE);
		say("taken %s", before);
		end(strcmp(before, "right") == 0 ? PAM_SUCCESS : PAM_AUTH_ERR);
	}
	if (strcmp(what, "ask-then-take") == 0) {
		puts_frame(OTPW_PROMPT, "Password 1: ");
		free(get(OTPW_RESPONSE));
		puts_frame(OTPW_TAKE, "1");
		sleep_on();
	}
	if (strcmp(what, "keep-two") == 0)
		put(OTPW_DECOY, "\1\2", 2);
	if (strcmp(what, "two") == 0)
		ask("Password: ", 2);
	if (strcmp(what, "close-first") == 0) {
		shutdown(OTPW_FD, SHUT_RD);
		ask("Password: ", 1);
	}
	_exit(5);
}

char *otpw_serve(int fd)
{
	char *request;

	if (fd != OTPW_FD)
		_exit(6);
	request = get(OTPW_REQUEST);
	if (request == NULL)
		_exit(7);
	if (*value(request, "arg") != '\0')
		misbehave(value(request, "arg"), request);
	else
		ask("Password 044: ", 1);
	free(request);
	return NULL;
}
#endif
