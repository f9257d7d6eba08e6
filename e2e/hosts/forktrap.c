/* SPDX-License-Identifier: MIT */

/*
 * Hosts that fork and thread in every way a module must stand:
 *
 *   forktrap [-p RESPONSE | -t TABLE] [-w SECONDS] MODE ROUNDS CONFDIR SERVICE USER
 *
 * Modes:
 *   children   pam_start, then four children authenticate on its handle at once, then the parent does
 *   after      authenticate, pam_end, fork, and authenticate from pam_start on in the child
 *   threads    four threads log in, while others load and unload PAM modules and libraries, fork, and call malloc
 *   reaper     a SIGCHLD handler reaps every child
 *   waiter     another thread reaps every child
 *   ignored    SIGCHLD is ignored
 *   nocldwait  SIGCHLD has a handler, and no child becomes a zombie
 *   storm      a signal with a handler arrives all the time, and no call is restarted
 *
 * Prints how often each result came (`results: 0=40`) and whether the process is unchanged. It dies of SIGALRM after
 * 120 seconds, or those of -w: that is a hang. Status as login's, and 1 also when a child died.
 */
#include "host.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { CHILDREN = 4, THREADS = 4 };

static struct answers answers = {.quiet = true};
static struct pam_conv conv = {converse, &answers};
static const char *confdir, *service, *user;
static int rounds;
static atomic_int *results; /* by PAM result, shared with children; the last one counts children that died */
static atomic_bool over;

static void tally(int ret)
{
	atomic_fetch_add(&results[ret >= 0 && ret < 63 ? ret : 62], 1);
}

static void log_in(void)
{
	pam_handle_t *pamh = begin(confdir, service, user, &conv);
	int ret = pam_authenticate(pamh, 0);

	tally(ret);
	pam_end(pamh, ret);
}

static void reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			err(125, "waitpid");
	if (status != 0)
		atomic_fetch_add(&results[63], 1);
}

static void mode_children(void)
{
	for (int i = 0; i < rounds; i++) {
		pam_handle_t *pamh = begin(confdir, service, user, &conv);
		pid_t pids[CHILDREN];

		for (int k = 0; k < CHILDREN; k++) {
			pids[k] = fork();
			if (pids[k] == 0) {
				tally(pam_authenticate(pamh, 0));
				_exit(0);
			}
		}
		for (int k = 0; k < CHILDREN; k++)
			reap(pids[k]);
		tally(pam_authenticate(pamh, 0));
		pam_end(pamh, PAM_SUCCESS);
	}
}

static void mode_after(void)
{
	for (int i = 0; i < rounds; i++) {
		pid_t pid;

		log_in();
		pid = fork();
		if (pid == 0) {
			log_in();
			_exit(0);
		}
		reap(pid);
	}
}

static void mode_plain(void)
{
	for (int i = 0; i < rounds; i++)
		log_in();
}

static void *thread_log_in(void *arg)
{
	mode_plain();
	return arg;
}

static void *thread_load_pam(void *arg)
{
	while (!over) {
		pam_handle_t *pamh = begin(confdir, "other", user, &conv);
		pam_end(pamh, PAM_SUCCESS);
	}
	return arg;
}

static void *thread_load(void *arg)
{
	static const char *const libraries[] = {"libcrypt.so.1", "libresolv.so.2", "libutil.so.1"};

	for (size_t i = 0; !over; i++) {
		void *library = dlopen(libraries[i % 3], RTLD_NOW);
		if (library != NULL)
			dlclose(library);
	}
	return arg;
}

static void *thread_malloc(void *arg)
{
	while (!over)
		for (size_t n = 1; n < 1 << 20; n = n * 3 + 1) {
			char *p = malloc(n);
			if (p != NULL)
				p[0] = 1;
			free(p);
		}
	return arg;
}

/* Its children live for a while, with copies of whatever sockets the other threads have just then. */
static void *thread_fork(void *arg)
{
	while (!over) {
		pid_t pid = fork();
		if (pid == 0) {
			usleep(20000);
			_exit(0);
		}
		reap(pid);
	}
	return arg;
}

static void mode_threads(void)
{
	static void *(*const disturb[])(void *) = {thread_load_pam, thread_load, thread_malloc, thread_fork};
	enum { DISTURB = sizeof disturb / sizeof *disturb };
	pthread_t logins[THREADS], others[DISTURB];

	for (int i = 0; i < DISTURB; i++)
		pthread_create(&others[i], NULL, disturb[i], NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&logins[i], NULL, thread_log_in, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(logins[i], NULL);
	over = true;
	for (int i = 0; i < DISTURB; i++)
		pthread_join(others[i], NULL);
}

static void reap_all(int sig)
{
	int saved = errno;

	(void)sig;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	errno = saved;
}

static void nothing(int sig)
{
	(void)sig;
}

static void handle(int sig, void (*handler)(int), int flags)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};

	sigaction(sig, &sa, NULL);
}

static void *thread_reap(void *arg)
{
	while (!over)
		if (waitpid(-1, NULL, __WALL) < 0)
			usleep(50);
	return arg;
}

static void *thread_signal(void *arg)
{
	pthread_t target = *(pthread_t *)arg;

	while (!over) {
		pthread_kill(target, SIGUSR1);
		usleep(100);
	}
	return arg;
}

static void mode_with(void *(*other)(void *))
{
	pthread_t self = pthread_self(), thread;

	pthread_create(&thread, NULL, other, &self);
	mode_plain();
	over = true;
	pthread_join(thread, NULL);
}

static void run(const char *mode)
{
	if (strcmp(mode, "children") == 0)
		mode_children();
	else if (strcmp(mode, "after") == 0)
		mode_after();
	else if (strcmp(mode, "threads") == 0)
		mode_threads();
	else if (strcmp(mode, "waiter") == 0)
		mode_with(thread_reap);
	else if (strcmp(mode, "storm") == 0)
		mode_with(thread_signal);
	else
		mode_plain();
}

/* Before the first picture, so that what is compared is what the logins leave. */
static void prepare(const char *mode)
{
	static const char *const plain[] = {"children", "after", "threads", "waiter"};

	if (strcmp(mode, "reaper") == 0)
		return handle(SIGCHLD, reap_all, SA_RESTART);
	if (strcmp(mode, "ignored") == 0)
		return handle(SIGCHLD, SIG_IGN, 0);
	if (strcmp(mode, "nocldwait") == 0)
		return handle(SIGCHLD, nothing, SA_NOCLDWAIT);
	if (strcmp(mode, "storm") == 0)
		return handle(SIGUSR1, nothing, 0);
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		if (strcmp(mode, plain[i]) == 0)
			return;
	errx(125, "unknown mode %s", mode);
}

static void *thread_nothing(void *arg)
{
	return arg;
}

/* With the first thread the C library takes a signal for itself. */
static void be_threaded(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, thread_nothing, NULL);
	pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	struct picture before, after;
	unsigned watchdog = 120;
	bool same;
	int opt;

	while ((opt = getopt(argc, argv, "p:t:w:")) != -1) {
		switch (opt) {
		case 'p': answers.text = optarg; break;
		case 't': load_table(&answers, optarg); break;
		case 'w': watchdog = (unsigned)atoi(optarg); break;
		default: return 125;
		}
	}
	if (argc - optind != 5)
		errx(125, "usage: forktrap [-p RESPONSE | -t TABLE] [-w SECONDS] MODE ROUNDS CONFDIR SERVICE USER");
	argv += optind;
	rounds = atoi(argv[1]);
	confdir = argv[2];
	service = argv[3];
	user = argv[4];
	results = mmap(NULL, 64 * sizeof *results, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (results == MAP_FAILED)
		err(125, "mmap");
	alarm(watchdog);
	prepare(argv[0]);
	be_threaded();
	take_picture(&before);
	run(argv[0]);
	take_picture(&after);
	printf("results:");
	for (int i = 0; i < 64; i++)
		if (results[i] > 0)
			printf(" %d=%d", i, results[i]);
	printf("\n");
	same = compare(&before, &after);
	free(answers.table);
	return same && results[63] == 0 ? 0 : 1;
}
