divert(-1)
# SPDX-License-Identifier: MIT
#
# The few macros of a reference policy that ours uses, for building it where
# there is none:
#
#   mkdir raw
#   m4 raw.m4 otpw.if otpw.te >raw/otpw.te
#   m4 raw.m4 otpw.fc >raw/otpw.fc
#   checkmodule -M -m -o raw/otpw.mod raw/otpw.te
#   semodule_package -o otpw.pp -m raw/otpw.mod -f raw/otpw.fc
#
# For Fedora: m4 -D distro_redhat
changecom()
define(`policy_module', `module $1 $2;')
define(`gen_require', `require {
$1
}')
define(`optional_policy', `optional {
$1
}')
define(`interface', `define(`$1', `$2')')
define(`gen_context', `$1:$2')
divert(0)dnl
