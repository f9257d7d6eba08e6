/* SPDX-License-Identifier: MIT */

/*
 * Decoys: who cannot log in is asked for a number, too, always the same for the same name. What is needed for that and
 * must not be the worker's, who has only a user's rights: a secret, and a byte of memory for each name.
 */
#ifndef OTPW_DECOY_H
#define OTPW_DECOY_H

#include <stdbool.h>
#include <stdint.h>

enum {
	DECOY_FILE_MAX = 32 << 20, /* bytes: no file that decoys need is larger, here or in the worker */
};

struct decoy {
	int fd;              /* of OTPW_STATE; -1: no decoys */
	uint64_t token;      /* of the name; says nothing about the secret or another name */
	unsigned char state; /* what the worker wanted to be kept, 0 at first */
	bool busy;           /* another login with this name is at work right now */
};

/*
 * Takes the place of a name; on failure says why in *why. A place is shared by one in 16 million other
 * names: their prompts then look like each other's. Never waits.
 */
bool decoy_open(struct decoy *d, const char *name, const char **why);

/* Keeps a byte for the name. What cannot be kept is lost: the number will be asked for again. */
void decoy_keep(const struct decoy *d, unsigned char state);

/* Gives the place back. */
void decoy_close(struct decoy *d);

#endif
