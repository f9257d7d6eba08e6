/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "site.h"

/* Somebody else who can write the file would decide for the administrator. */
static bool check(int fd, char why[SITE_WHY_MAX])
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		snprintf(why, SITE_WHY_MAX, "%s", strerror(errno));
	else if (!S_ISREG(st.st_mode))
		snprintf(why, SITE_WHY_MAX, "not a regular file");
	else if (st.st_uid != 0)
		snprintf(why, SITE_WHY_MAX, "owner is uid %lu, want root", (unsigned long)st.st_uid);
	else if ((st.st_mode & 0022) != 0)
		snprintf(why, SITE_WHY_MAX, "mode is %04o, want 0644", st.st_mode & 07777U);
	else if (st.st_size > SITE_MAX)
		snprintf(why, SITE_WHY_MAX, "more than %d bytes", SITE_MAX);
	else
		return true;
	return false;
}

/* Reads what there is into s->buf, and returns the number of bytes; -1: why says what is wrong. */
static ssize_t load(struct site *s, int fd, char why[SITE_WHY_MAX])
{
	size_t used = 0;
	ssize_t got;

	if (!check(fd, why))
		return -1;
	s->buf = malloc(SITE_MAX + 1);
	if (s->buf == NULL) {
		snprintf(why, SITE_WHY_MAX, "out of memory");
		return -1;
	}
	while (used < SITE_MAX && (got = read(fd, s->buf + used, SITE_MAX - used)) != 0) {
		if (got > 0) {
			used += (size_t)got;
		} else if (errno != EINTR) {
			snprintf(why, SITE_WHY_MAX, "%s", strerror(errno));
			return -1;
		}
	}
	s->buf[used] = '\0';
	return (ssize_t)used;
}

/* The text of a line without the blanks around it, ended by NUL; NULL: there is a control character. */
static char *trim(char *line, char *end)
{
	for (char *at = line; at < end; at++)
		if (((unsigned char)*at < 0x20 && *at != '\t') || *at == 0x7f)
			return NULL;
	while (line < end && (*line == ' ' || *line == '\t'))
		line++;
	while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	return line;
}

/* Lines are told apart as in otp/site.go. What [generator] may say is not our business. */
static bool parse(struct site *s, char *at, char *end, char why[SITE_WHY_MAX])
{
	enum { NONE, MODULE, GENERATOR } section = NONE;

	for (int line = 1; at <= end; line++) {
		char *eol = memchr(at, '\n', (size_t)(end - at));
		char *text = trim(at, eol == NULL ? end : eol);
		const char *wrong = NULL;
		at = eol == NULL ? end + 1 : eol + 1;
		if (text == NULL)
			wrong = "a control character";
		else if (*text == '\0' || *text == '#')
			continue;
		else if (strcmp(text, "[module]") == 0)
			section = MODULE;
		else if (strcmp(text, "[generator]") == 0)
			section = GENERATOR;
		else if (*text == '[')
			wrong = "unknown section, want [module] or [generator]";
		else if (section == NONE)
			wrong = "before the first section: want [module] or [generator] above it";
		else if (section == MODULE && s->n == SITE_ARGS_MAX)
			wrong = "more than 64 arguments";
		else if (section == MODULE && strlen(text) > SITE_LINE_MAX)
			wrong = "more than 1024 bytes";
		else if (section == MODULE) {
			s->args[s->n].line = line;
			s->args[s->n++].text = text;
		}
		if (wrong != NULL) {
			snprintf(why, SITE_WHY_MAX, "line %d: %s", line, wrong);
			return false;
		}
	}
	return true;
}

bool site_read(struct site *s, char why[SITE_WHY_MAX])
{
	int fd = open(OTPW_SITE, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n;

	s->n = 0;
	s->buf = NULL;
	if (fd < 0) {
		snprintf(why, SITE_WHY_MAX, "%s", strerror(errno));
		return errno == ENOENT;
	}
	n = load(s, fd, why);
	close(fd);
	return n >= 0 && parse(s, s->buf, s->buf + n, why);
}

void site_free(struct site *s)
{
	free(s->buf);
	s->buf = NULL;
}
