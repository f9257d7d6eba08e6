/* SPDX-License-Identifier: MIT */

/*
 * Between clone and exec: the process that becomes the worker.
 *
 * Here is a copy of one thread of the host: locks may be held, memory half written, a cancellation pending. So there
 * are only system calls, made directly where the C library's function does more: setresuid and its kin signal threads
 * that are not here, open and close could act on the cancellation. Linked with -z now, as finding a symbol takes locks.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "child.h"
#include "protocol.h"

/* Where these have a name with 32, the one without takes ids of 16 bits. */
#ifdef SYS_setresuid32
#define CALL_SETUID SYS_setuid32
#define CALL_SETRESUID SYS_setresuid32
#define CALL_SETRESGID SYS_setresgid32
#define CALL_SETGROUPS SYS_setgroups32
#else
#define CALL_SETUID SYS_setuid
#define CALL_SETRESUID SYS_setresuid
#define CALL_SETRESGID SYS_setresgid
#define CALL_SETGROUPS SYS_setgroups
#endif
#define SIGSET_BYTES (_NSIG / 8) /* of the kernel; _NSIG is one more than the signals there are, or as many (MIPS) */

/* What an administrator meets, in words; else NULL. strerror would need the locale. */
static const char *words(int err)
{
	switch (err) {
	case EACCES: return "Permission denied";
	case EAGAIN: return "Resource temporarily unavailable";
	case ENOMEM: return "Cannot allocate memory";
	case EPERM: return "Operation not permitted";
	default: return NULL;
	}
}

/* Names the step and errno, the latter as a number if there are no words for it. */
_Noreturn static void child_fails(int sock, const char *step)
{
	char number[16], why[80] = "";
	char *at = number + sizeof number - 1;
	unsigned err = (unsigned)errno;
	size_t used;

	*at = '\0';
	do
		*--at = (char)('0' + err % 10);
	while ((err /= 10) != 0);
	used = otpw_append(why, 0, sizeof why - 1, step);
	if (words(errno) != NULL) {
		used = otpw_append(why, used, sizeof why - 1, ": ");
		used = otpw_append(why, used, sizeof why - 1, words(errno));
	} else {
		used = otpw_append(why, used, sizeof why - 1, ": errno ");
		used = otpw_append(why, used, sizeof why - 1, at);
	}
	why[used] = '\0';
	otpw_give_up(sock, "start worker", why);
	for (;;)
		syscall(SYS_exit_group, 1);
}

/*
 * Every signal to its default, with the two that the C library keeps to itself; then none is blocked. Zeros mean both,
 * and no kernel's struct sigaction or signal set is larger than these.
 */
static void child_signals(void)
{
	const unsigned long zero[32] = {0};

	for (int sig = 1; sig < _NSIG; sig++)
		(void)syscall(SYS_rt_sigaction, sig, zero, NULL, SIGSET_BYTES); /* EINVAL for KILL and STOP */
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, zero, NULL, SIGSET_BYTES);
}

/*
 * The caller of a set-user-id host chose its limits; the worker has others. Where hard limits cannot be lifted (a host
 * that is not root, a container) the soft ones go as far as they can, and what that breaks is one worker. NPROC counts
 * all processes of the user: one with many must still be able to log in. CPU: the deadline on the socket limits it.
 */
static void child_limits(void)
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
		{RLIMIT_FSIZE, RLIM64_INFINITY},
		{RLIMIT_CPU, RLIM64_INFINITY},
		{RLIMIT_RTTIME, RLIM64_INFINITY},
		{RLIMIT_SIGPENDING, RLIM64_INFINITY},
	};

	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		struct rlimit64 new = {limits[i].want, limits[i].want}, old;
		if (syscall(SYS_prlimit64, 0, limits[i].resource, &new, NULL) == 0 ||
		    syscall(SYS_prlimit64, 0, limits[i].resource, NULL, &old) != 0)
			continue;
		new.rlim_cur = new.rlim_max = old.rlim_max; /* less than we want, or it would not have failed */
		(void)syscall(SYS_prlimit64, 0, limits[i].resource, &new, NULL);
	}
}

/*
 * Nor shall the worker, which may hold locks of the account's, run as slowly as the caller of a set-user-id host likes.
 * What cannot be undone from here is his control group: he may freeze one that was delegated to him.
 */
static void child_schedule(void)
{
	const int priority = 0; /* struct sched_param */
	unsigned long cpus[16];

	memset(cpus, 0xff, sizeof cpus);
	(void)syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &priority);
	(void)syscall(SYS_setpriority, PRIO_PROCESS, 0, 0);
	(void)syscall(SYS_sched_setaffinity, 0, sizeof cpus, cpus);
	(void)syscall(SYS_ioprio_set, 1, 0, 0); /* IOPRIO_WHO_PROCESS: this one, no class of its own */
}

/*
 * The socket becomes OTPW_FD, 0 to 2 are /dev/null, and nothing else stays open. A kernel without close_range (before
 * 5.9) is refused: guessing which descriptors there are could leave one of the host's keys or sockets open.
 */
static void child_descriptors(struct child *c)
{
	if (c->sock != OTPW_FD && syscall(SYS_dup3, c->sock, OTPW_FD, 0) < 0)
		child_fails(c->sock, "dup3");
	c->sock = OTPW_FD;
	if (syscall(SYS_fcntl, OTPW_FD, F_SETFD, 0) != 0) /* it may have been OTPW_FD, and close-on-exec, from the start */
		child_fails(c->sock, "fcntl");
	if (syscall(__NR_close_range, OTPW_FD + 1U, ~0U, 0U) != 0)
		child_fails(c->sock, "close_range (needs Linux 5.9)");
	for (int fd = 0; fd < OTPW_FD; fd++) {
		(void)syscall(SYS_close, fd);
		if (syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR) != fd) /* the lowest free one */
			child_fails(c->sock, "open /dev/null");
	}
}

/*
 * The account's ids, for good. A host that is not root keeps its user, who is the account, and its groups; of the group
 * ids only the real one, so that the group of a set-group-id host is lent to nobody.
 */
static void child_ids(const struct child *c)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0, 0, 0}};
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	/* May fail: locked, or unknown to the kernel. Whatever survives setresuid for that, capset takes. */
	(void)syscall(SYS_prctl, PR_SET_KEEPCAPS, 0L, 0L, 0L, 0L);
	(void)syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L);

	if (c->root && syscall(CALL_SETGROUPS, c->ngroups, c->groups) != 0)
		child_fails(c->sock, "setgroups");
	if (syscall(CALL_SETRESGID, c->gid, c->gid, c->gid) != 0)
		child_fails(c->sock, "setresgid");
	if (syscall(CALL_SETRESUID, c->uid, c->uid, c->uid) != 0)
		child_fails(c->sock, "setresuid");
	/* Until execve this is the host's memory with the user's id, and fs.suid_dumpable may let him trace it. */
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
	/* All of the worker's environment. The latter two start fewer threads and heaps: less time, a few per cent. */
	static const char *const envp[] = {"GOTRACEBACK=none", "GOMAXPROCS=1", "MALLOC_ARENA_MAX=1", NULL};

	child_signals();
	if (c->root)
		child_schedule();
	child_limits(); /* before the descriptors: NOFILE may be 3 */
	child_descriptors(c);
	(void)syscall(SYS_umask, 0077);
	if (syscall(SYS_chdir, "/") != 0)
		child_fails(c->sock, "chdir");
	if (syscall(SYS_setsid) < 0) /* the keys of a terminal signal the host, not the worker */
		child_fails(c->sock, "setsid");
	child_ids(c);
	syscall(SYS_execve, c->path, argv, envp);
	child_fails(c->sock, "execve");
}

/*
 * clone and not fork: what others registered with pthread_atfork has no business here, and the pidfd comes without a
 * race. All signals wait meanwhile, lest the child run a handler of the host's: by system call, since the C library
 * leaves two of them out. False: errno says why. The child does not return.
 */
bool clone_child(struct child *c, int *pidfd)
{
	unsigned long all[16], old[16] = {0}; /* SIGSET_BYTES and more */
	unsigned long flags = CLONE_PIDFD | SIGCHLD;
	long pid;
	int err;

	memset(all, 0xff, sizeof all);
	if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, all, old, SIGSET_BYTES) != 0)
		return false;
#ifdef __s390__
	pid = syscall(SYS_clone, 0UL, flags, pidfd, 0UL, 0UL);
#elif defined(__sparc__)
#error "clone returns something else here"
#else
	pid = syscall(SYS_clone, flags, 0UL, pidfd, 0UL, 0UL);
#endif
	if (pid == 0)
		child_main(c);
	err = errno;
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, old, NULL, SIGSET_BYTES);
	if (pid > 0 && *pidfd < 0) { /* before Linux 5.2 the flag is ignored */
		kill((pid_t)pid, SIGKILL);
		waitpid((pid_t)pid, NULL, __WALL);
		err = ENOSYS;
	}
	errno = err;
	return *pidfd >= 0;
}
