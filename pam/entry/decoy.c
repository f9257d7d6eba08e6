/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "decoy.h"

/*
 * OTPW_STATE: a secret of 16 random bytes, made at installation, then a byte for each place: 16 MiB, of which only
 * those blocks lie on the disk where something was kept. What is behind the end of the file is 0.
 */
enum {
	SECRET = 16,
	PLACES = 1 << 24, /* so many that nobody fills them, or finds two names with one place, soon */
};

static uint64_t little64(const unsigned char *p)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static uint64_t rotate(uint64_t v, int bits)
{
	return v << bits | v >> (64 - bits);
}

static void rounds(uint64_t v[4], int n)
{
	while (n-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32) + v[3];
		v[2] += v[1];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[2] = rotate(v[2], 32);
	}
}

/* SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash that is meant for short strings and needs no library. */
static uint64_t siphash(const unsigned char key[SECRET], const char *name)
{
	const uint64_t k0 = little64(key), k1 = little64(key + 8);
	uint64_t v[4] = {
		k0 ^ UINT64_C(0x736f6d6570736575),
		k1 ^ UINT64_C(0x646f72616e646f6d),
		k0 ^ UINT64_C(0x6c7967656e657261),
		k1 ^ UINT64_C(0x7465646279746573),
	};
	size_t left = strlen(name);
	const uint64_t length = (uint64_t)left << 56;

	for (;; left -= 8, name += 8) {
		unsigned char block[8] = {0};
		memcpy(block, name, left < 8 ? left : 8);
		const uint64_t m = little64(block) | (left < 8 ? length : 0);
		v[3] ^= m;
		rounds(v, 2);
		v[0] ^= m;
		if (left < 8)
			break;
	}
	v[2] ^= 0xff;
	rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static off_t place(const struct decoy *d)
{
	return SECRET + (off_t)(d->token % PLACES);
}

/* Only root knows the secret, else there is none. Returns what is wrong with the file, or NULL. */
static const char *check(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	if (st.st_uid != 0)
		return "wrong owner, want root";
	if ((st.st_mode & 0077) != 0)
		return "open to others, want mode 0600";
	return NULL;
}

bool decoy_open(struct decoy *d, const char *name, const char **why)
{
	unsigned char secret[SECRET];
	ssize_t got;

	d->fd = open(OTPW_STATE, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (d->fd < 0) {
		*why = strerror(errno);
		return false;
	}
	*why = check(d->fd);
	if (*why == NULL) {
		got = pread(d->fd, secret, sizeof secret, 0);
		if (got < 0)
			*why = strerror(errno);
		else if (got < SECRET)
			*why = "shorter than 16 bytes";
	}
	if (*why != NULL) {
		decoy_close(d);
		return false;
	}
	d->token = siphash(secret, name);
	explicit_bzero(secret, sizeof secret);

	/* The lock belongs to the descriptor, as the locks of lists do, and so ends with this login whatever happens. */
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = place(d), .l_len = 1};
	d->busy = fcntl(d->fd, F_OFD_SETLK, &lock) != 0;
	if (pread(d->fd, &d->state, 1, place(d)) != 1)
		d->state = 0;
	return true;
}

void decoy_keep(const struct decoy *d, unsigned char state)
{
	if (d->fd >= 0 && !d->busy)
		(void)!pwrite(d->fd, &state, 1, place(d));
}

void decoy_close(struct decoy *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}
