/* SPDX-License-Identifier: MIT */

/*
 * A host like login or su, driven over pipes:
 *
 *   login [-n ROUNDS] [-s] [-a] [-k] [-c] [-f] [-m] [-t TABLE] [-r RHOST] [-e NAME=VALUE] [-L RESOURCE=SOFT]...
 *         CONFDIR SERVICE USER
 *
 * -n ROUNDS logs in that often, -s is silent (PAM_SILENT), -a only authenticates, -k does all but that (a login by
 * key), -c authenticates with 0 to 2 closed, and writes to them nevertheless, -f forks a process in the
 * conversation that keeps all descriptors for a while, -m measures how long the module takes, -t takes the responses from a table, -r sets the remote
 * host, -e a variable of PAM's environment. -L lowers a soft limit of this process after PAM has started. Responses
 * are otherwise lines of standard input; its end fails the conversation. A login that fails to authenticate goes no
 * further.
 *
 * Prints what PAM says (`prompt:`, `info:`, `error:`, `log:`), the result of each call, microseconds to the prompt and from
 * the response to the result (`times:`), PAM's environment before and
 * after the session (`env:`), and at the end what became of the process. Status: 0 unchanged, 1 changed, 125 trouble.
 */
#include "host.h"

#include <fcntl.h>

/* Lowers, and says how to undo. */
static struct limit lower(struct limit want)
{
	struct rlimit rl;
	struct limit old = want;

	getrlimit(want.resource, &rl);
	old.soft = rl.rlim_cur;
	rl.rlim_cur = want.soft;
	if (setrlimit(want.resource, &rl) != 0)
		err(125, "setrlimit");
	return old;
}

static int report(const char *call, int ret)
{
	printf("%s: %d\n", call, ret);
	fflush(stdout);
	return ret;
}

static void print_env(pam_handle_t *pamh)
{
	char **env = pam_getenvlist(pamh);

	for (char **e = env; e != NULL && *e != NULL; e++) {
		printf("env: %s\n", *e);
		free(*e);
	}
	free(env);
}

/* What a daemon without standard descriptors does when it prints nevertheless. */
static int converse_noisily(int n, const struct pam_message **msg, struct pam_response **resp, void *data)
{
	for (int fd = 0; fd < 3; fd++)
		if (write(fd, "noise", 5) > 0)
			syslog(LOG_ERR, "descriptor %d is somebody's", fd);
	return converse(n, msg, resp, data);
}

/* Another thread's child, as it were: not ours, without standard descriptors, and gone after 4 s. */
static int converse_forking(int n, const struct pam_message **msg, struct pam_response **resp, void *data)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (int fd = 0; fd < 3; fd++)
			close(fd);
		if (fork() == 0)
			sleep(4);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	return converse(n, msg, resp, data);
}

static struct timespec prompted, responded;

static int converse_timed(int n, const struct pam_message **msg, struct pam_response **resp, void *data)
{
	int ret;

	clock_gettime(CLOCK_MONOTONIC, &prompted);
	ret = converse(n, msg, resp, data);
	clock_gettime(CLOCK_MONOTONIC, &responded);
	return ret;
}

static long microseconds(struct timespec from, struct timespec to)
{
	return (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000;
}

static int authenticate_timed(pam_handle_t *pamh, int flags)
{
	struct timespec start, end;
	int ret;

	clock_gettime(CLOCK_MONOTONIC, &start);
	ret = pam_authenticate(pamh, flags);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("times: %ld %ld\n", microseconds(start, prompted), microseconds(responded, end));
	return ret;
}

/* A host has secrets open, and not all of them close-on-exec. */
static void open_secrets(void)
{
	int fd = open("/dev/zero", O_RDONLY);

	dup2(fd, 100);
	dup2(fd, 900);
	close(fd); /* which may have been closed 0 to 2 */
}

/* The response has to be read before. */
static int authenticate_closed(pam_handle_t *pamh, int flags, struct pam_conv *conv)
{
	struct pam_conv noisy = {converse_noisily, conv->appdata_ptr};
	struct answers *answers = conv->appdata_ptr;
	char *line = respond(answers, "");
	int ret, saved[3];

	answers->text = line == NULL ? "" : line;
	answers->quiet = true;
	pam_set_item(pamh, PAM_CONV, &noisy);
	fflush(stdout);
	for (int fd = 0; fd < 3; fd++) {
		saved[fd] = fcntl(fd, F_DUPFD, 100);
		close(fd);
	}
	log_fd = saved[1];
	ret = pam_authenticate(pamh, flags);
	log_fd = STDOUT_FILENO;
	for (int fd = 0; fd < 3; fd++) {
		dup2(saved[fd], fd);
		close(saved[fd]);
	}
	pam_set_item(pamh, PAM_CONV, conv);
	answers->text = NULL;
	answers->quiet = false;
	free(line);
	return ret;
}

int main(int argc, char **argv)
{
	struct answers answers = {.text = NULL};
	struct pam_conv conv = {converse, &answers};
	struct picture before, after;
	struct limit limits[16];
	const char *rhost = NULL, *env = NULL;
	bool only_auth = false, by_key = false, closed = false;
	int rounds = 1, silent = 0, nlimits = 0, opt;

	while ((opt = getopt(argc, argv, "n:sakcfmt:r:e:L:")) != -1) {
		switch (opt) {
		case 'n': rounds = atoi(optarg); break;
		case 's': silent = (int)PAM_SILENT; break;
		case 'a': only_auth = true; break;
		case 'k': by_key = true; break;
		case 'c': closed = true; break;
		case 'f': conv.conv = converse_forking; break;
		case 'm': conv.conv = converse_timed; break;
		case 't': load_table(&answers, optarg); break;
		case 'r': rhost = optarg; break;
		case 'e': env = optarg; break;
		case 'L':
			if (nlimits < 16)
				limits[nlimits++] = parse_limit(optarg);
			break;
		default: return 125;
		}
	}
	if (argc - optind != 3)
		errx(125, "usage: login [-n ROUNDS] [-sakcfm] [-t TABLE] [-r RHOST] [-e NAME=VALUE] [-L RESOURCE=SOFT] "
			  "CONFDIR SERVICE USER");

	setvbuf(stdout, NULL, _IOLBF, 8192);
	open_secrets();
	take_picture(&before);
	for (int i = 0; i < rounds; i++) {
		pam_handle_t *pamh = begin(argv[optind], argv[optind + 1], argv[optind + 2], &conv);
		int ret;

		if (rhost != NULL)
			pam_set_item(pamh, PAM_RHOST, rhost);
		if (env != NULL)
			pam_putenv(pamh, env);
		for (int k = 0; k < nlimits; k++)
			limits[k] = lower(limits[k]);
		if (by_key)
			ret = PAM_SUCCESS;
		else if (closed)
			ret = report("authenticate", authenticate_closed(pamh, silent, &conv));
		else if (conv.conv == converse_timed)
			ret = report("authenticate", authenticate_timed(pamh, silent));
		else
			ret = report("authenticate", pam_authenticate(pamh, silent));
		for (int k = 0; k < nlimits; k++)
			limits[k] = lower(limits[k]);
		print_env(pamh);
		if (ret == PAM_SUCCESS && !only_auth) {
			report("acct_mgmt", pam_acct_mgmt(pamh, silent));
			report("setcred", pam_setcred(pamh, silent | PAM_ESTABLISH_CRED));
			report("open_session", pam_open_session(pamh, silent));
			print_env(pamh);
			report("close_session", pam_close_session(pamh, silent));
			report("setcred", pam_setcred(pamh, silent | PAM_DELETE_CRED));
		}
		pam_end(pamh, ret);
	}
	take_picture(&after);
	free(answers.table);
	return compare(&before, &after) ? 0 : 1;
}
