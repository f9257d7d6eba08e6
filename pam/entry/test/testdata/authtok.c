/* SPDX-License-Identifier: MIT */

/* A PAM module that logs whether PAM_AUTHTOK is what its argument says; for nothing but tests. */
#include <string.h>
#include <syslog.h>

#include <security/pam_ext.h>
#include <security/pam_modules.h>

int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	const void *token = NULL;

	(void)flags;
	pam_get_item(pamh, PAM_AUTHTOK, &token);
	pam_syslog(pamh, LOG_AUTHPRIV | LOG_INFO, "authtok %s",
		   token == NULL ? "none" : argc == 1 && strcmp(token, argv[0]) == 0 ? "same" : "other");
	return PAM_IGNORE;
}

int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh, (void)flags, (void)argc, (void)argv;
	return PAM_IGNORE;
}
