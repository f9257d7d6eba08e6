/* SPDX-License-Identifier: MIT */

/*
 * pam_otpw/worker: one login's process. The entry (pam_otpw.so) starts it with the account's ids, one socket and an
 * environment of its own; it shuts the last doors, loads core.so beside it and lets that serve the socket.
 * Installed with mode 0711: a file that cannot be read makes a process that its user can neither trace nor dump.
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <unistd.h>

#include "protocol.h"

typedef const char *(*version_func)(void);
typedef char *(*serve_func)(int fd);

OTPW_MARK_VERSION;

#define LAST_SECONDS 10 /* that a worker may go on after its host has died */

/* Not exit(): nothing that the core registered may run once the result is out. */
_Noreturn static void give_up(const char *what, const char *why)
{
	otpw_give_up(OTPW_FD, what, why);
	_exit(1);
}

static void host_died(int sig)
{
	(void)sig;
	alarm(LAST_SECONDS); /* whose signal ends the process */
}

/*
 * Root's worker got all capabilities back from execve, and needs none of them: root's list is a file of root's.
 * Dumpable comes after that, because a change of credentials can set it again.
 */
static void shut_doors(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0, 0, 0}};
	const struct sigaction soon = {.sa_handler = host_died, .sa_flags = SA_ONSTACK | SA_RESTART};

	if (syscall(SYS_capset, &head, none) != 0)
		give_up("drop capabilities", strerror(errno));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) != 0)
		give_up("set no_new_privs", strerror(errno));
	if (prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) != 0)
		give_up("set not dumpable", strerror(errno));
	/* A backstop only: end of file on the socket says the same, also of a host that died before this line. */
	if (sigaction(SIGUSR1, &soon, NULL) != 0 || prctl(PR_SET_PDEATHSIG, (long)SIGUSR1, 0L, 0L, 0L) != 0)
		give_up("set parent death signal", strerror(errno));
}

/*
 * core.so beside this program, as /proc/self/exe names it. AT_EXECFN would do without /proc, but whoever starts the
 * worker by hand chooses it (a link to the worker, beside a core.so of his own): that gives no rights, but code of his
 * own under the worker's name, and in whatever domain a security policy has for it.
 */
static void find_core(char *path, size_t size)
{
	static const char name[] = "core.so";
	struct stat self, core;
	ssize_t n = readlink("/proc/self/exe", path, size);
	char *slash;

	if (n < 0)
		give_up("read /proc/self/exe", strerror(errno));
	if ((size_t)n >= size)
		give_up("read /proc/self/exe", strerror(ENAMETOOLONG));
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL || (size_t)(slash + 1 - path) + sizeof name > size)
		give_up(path, "no usable path");
	if (stat("/proc/self/exe", &self) != 0)
		give_up("stat /proc/self/exe", strerror(errno));
	memcpy(slash + 1, name, sizeof name);

	if (lstat(path, &core) != 0)
		give_up(path, strerror(errno));
	if (!S_ISREG(core.st_mode))
		give_up(path, "not a regular file");
	if (core.st_uid != 0 && core.st_uid != self.st_uid)
		give_up(path, "wrong owner, want root");
	if ((core.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		give_up(path, "writable for group or others, want mode 0644");
}

static void *symbol(void *core, const char *path, const char *name)
{
	void *found = dlsym(core, name);

	if (found == NULL)
		give_up(path, dlerror());
	return found;
}

/*
 * What the host cannot log any more because it died at the prompt: sshd ends the process that authenticates when the
 * client cuts the connection. The line is the same, under the name of this program.
 */
static void log_unsaid(const char *line)
{
	openlog("pam_otpw", LOG_PID, LOG_AUTHPRIV);
	syslog(LOG_NOTICE, "%s", line);
}

int main(void)
{
	char path[PATH_MAX], other[64];
	const char *unsaid;
	int type;
	socklen_t len = sizeof type;
	void *core;
	const char *version;

	if (getsockopt(OTPW_FD, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_STREAM) {
		fputs("otpw worker " OTPW_VERSION ": pam_otpw.so starts this program; it is of no use by hand\n", stderr);
		return 2;
	}
	shut_doors();
	find_core(path, sizeof path);
	core = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (core == NULL)
		give_up("load core", dlerror()); /* which names the file */

	/* An unfinished upgrade is better named than run. */
	version = ((version_func)symbol(core, path, "otpw_core_version"))();
	if (version == NULL || strcmp(version, OTPW_VERSION) != 0) {
		snprintf(other, sizeof other, "version %s, want %s", version == NULL ? "(none)" : version, OTPW_VERSION);
		give_up(path, other);
	}
	unsaid = ((serve_func)symbol(core, path, "otpw_serve"))(OTPW_FD);
	if (unsaid != NULL)
		log_unsaid(unsaid);
	_exit(0);
}
