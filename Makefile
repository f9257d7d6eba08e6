# SPDX-License-Identifier: MIT
#
# make          builds everything into build/
# make demo     the main job, for real: a list, its sheet, a login, and the same password refused
# make test     all tests; what needs root and has none is skipped, and says so
# make help     the rest

B      ?= build
GO     ?= go
CC     ?= cc
PREFIX ?= /usr/local
# where PAM looks for modules: where its own are
PAMDIR ?= $(patsubst %/,%,$(dir $(firstword $(wildcard /lib/*/security/pam_unix.so /lib64/security/pam_unix.so \
            /usr/lib*/security/pam_unix.so /lib/security/pam_unix.so) $(PREFIX)/lib/security/none)))
# where the module keeps the secret of its decoys
STATEDIR ?= /var/lib/pam_otpw
# budget of the long tests: 1 is for every day, 10 takes about ten times as long. OTPW_SEED=N plays one game of TestModel again
OTPW_BUDGET ?= 1
# seconds for each fuzz target
FUZZTIME    ?= 10s
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2

VERSION := $(shell scripts/version)

export B OTPW_BUDGET
export OTPW_BUILD := $(abspath $(B))
export OTPW_ORIGINAL := $(abspath $(B)/original)

CFLAGS   ?= -O2 -g
# Who builds packages sets these two to nothing: a distribution has flags of its own, and other compilers.
WERROR   ?= -Werror
WARN     := -std=c11 -Wall -Wextra $(WERROR) -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wconversion
HARDEN   ?= -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection
HARDENLD := -Wl,-z,relro,-z,now -Wl,-z,noexecstack
DEFS     := -D_GNU_SOURCE -DOTPW_VERSION='"$(VERSION)"' -DOTPW_STATE='"$(STATEDIR)/decoy"' -DOTPW_SITE='"/etc/otpw.conf"' -Ipam
HOSTS    := $(patsubst e2e/hosts/%.c,$(B)/hosts/%,$(wildcard e2e/hosts/*.c))
GOFILES  := $(shell find otp printsheet cmd pam -name '*.go') go.mod go.sum otp/words.txt $(wildcard printsheet/fonts/*)

build: $(B)/otpw-gen $(B)/otpw-gen-as-keeper $(B)/otpw-check $(B)/pam_otpw.so $(B)/pam_otpw/worker $(B)/pam_otpw/core.so man completions

help:
	@sed -n '3,6s/^# //p' Makefile
	@echo 'make build    the same as make'
	@echo 'make man      the manual pages, into $(B)/man'
	@echo 'make unit     the part of make test that is quick and mostly needs no root'
	@echo 'make e2e      the part of make test with real sshd, PAM and the original; needs root'
	@echo 'make race     unit tests under the race detector'
	@echo 'make fuzz     each fuzz target for FUZZTIME ($(FUZZTIME))'
	@echo 'make bench    side by side with the original; needs root'
	@echo 'make pictures the pictures of the sheets in docs/'
	@echo 'make lint     gofmt, go vet, staticcheck, shellcheck, C compiler and analyzer'
	@echo 'make package-test  the packages, in Debian 12 and 13; needs root'
	@echo 'make deb      Debian packages, into $(B)/deb'
	@echo 'make rpm      RPM packages, into $(B)/rpm'
	@echo 'make policy   the SELinux policy module'
	@echo 'make selinux-test  the policy, and logins in a virtual machine with SELinux enforcing; needs root'
	@echo 'make dist     the source archive, with all it is built from'
	@echo 'make install  into PREFIX ($(PREFIX)) and PAMDIR ($(PAMDIR)), below DESTDIR; never touches /etc'
	@echo 'make uninstall, make clean'

# ---- what has to be there ----

tools:
	@test -e VERSION || command -v git >/dev/null || { echo 'make: git is missing: install it, then try again' >&2; exit 1; }
	@command -v $(GO) >/dev/null || { echo 'make: there is no $(GO) in PATH: install Go 1.24 or newer (https://go.dev/dl/), or put it there (sudo drops /usr/local/go/bin)' >&2; exit 1; }
	@$(GO) version | awk '{ split(substr($$3, 3), v, "."); exit !(v[1] > 1 || v[2] >= 24) }' || \
	  { echo "make: $$($(GO) version) is too old: install Go 1.24 or newer (https://go.dev/dl/), then try again" >&2; exit 1; }

COMPILER := $(CC):gcc /usr/include/stdio.h:libc6-dev /usr/include/security/pam_modules.h:libpam0g-dev

compiler: tools
	@scripts/need 'building' $(COMPILER)

# ---- build ----

# Worker and core refuse each other when their versions differ: a new version builds all of them. So do other paths.
BUILT := $(VERSION) $(PREFIX) $(STATEDIR)
$(B)/version: FORCE
	@mkdir -p $(@D)
	@echo '$(BUILT)' | cmp -s - $@ || echo '$(BUILT)' >$@

$(B)/otpw-gen: $(GOFILES) $(B)/version | tools
	CGO_ENABLED=0 $(GO) build -buildvcs=false -trimpath -ldflags '-s -w -buildid= -X main.version=$(VERSION)' -o $@ ./cmd/otpw-gen

# with cgo: --login needs libpam
$(B)/otpw-check: $(GOFILES) $(B)/version | compiler
	CGO_ENABLED=1 $(GO) build -buildvcs=false -trimpath -buildmode=pie \
	  -ldflags '-s -w -buildid= -X main.version=$(VERSION) -X main.decoyState=$(STATEDIR)/decoy' -o $@ ./cmd/otpw-check

ENTRY := pam/entry/pam_otpw.c pam/entry/child.c pam/entry/decoy.c pam/entry/site.c

# -z now is needed: nothing may be looked up in the child. -z nodelete: see docs/architecture.md
$(B)/pam_otpw.so: $(ENTRY) pam/entry/child.h pam/entry/decoy.h pam/entry/site.h pam/entry/exports.map pam/protocol.h $(B)/version | compiler
	$(CC) $(CFLAGS) $(WARN) $(HARDEN) $(DEFS) -fPIC -fvisibility=hidden -shared -o $@ $(ENTRY) \
	  $(HARDENLD) -Wl,-z,nodelete -Wl,-z,defs -Wl,--version-script=pam/entry/exports.map -lpam
	chmod 0644 $@

# whom it starts is compiled in: its caller must not choose
$(B)/otpw-gen-as-keeper: cmd/otpw-gen-as-keeper/main.c $(B)/version | compiler
	$(CC) $(CFLAGS) $(WARN) $(HARDEN) -D_GNU_SOURCE -DOTPW_GEN='"$(PREFIX)/bin/otpw-gen"' -fPIE -pie -o $@ $< $(HARDENLD)

$(B)/pam_otpw/worker: pam/worker/worker.c pam/protocol.h $(B)/version | compiler
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARN) $(HARDEN) $(DEFS) -fPIE -pie -o $@ $< $(HARDENLD) -ldl
	chmod 0711 $@

$(B)/pam_otpw/core.so: $(GOFILES) $(B)/version | compiler
	@mkdir -p $(@D)
	CGO_ENABLED=1 $(GO) build -buildvcs=false -trimpath -buildmode=c-shared \
	  -ldflags '-s -w -buildid= -X "github.com/otpw-go/otpw/pam/module.mark=otpw-version:$(VERSION);"' -o $@ ./pam/core
	@rm -f $(@:.so=.h)
	chmod 0644 $@

# ---- manual pages and completions ----

# The date in the pages' footers, and of what is in archives: that of the commit, or of the archive this is built from.
SOURCE_DATE_EPOCH ?= $(shell stat -c %Y VERSION 2>/dev/null || git -c safe.directory='$(CURDIR)' log -1 --format=%ct 2>/dev/null)
export SOURCE_DATE_EPOCH

MANRUN := CGO_ENABLED=0 $(GO) run -buildvcs=false -tags man -ldflags '-X main.version=$(VERSION)'
MAN1   := $(addprefix otpw-gen,.1 $(patsubst %,-%.1,completion revoke status suggest unlock))
MAN5   := otpw.5 otpw.conf.5
MAN8   := pam_otpw.8 otpw-check.8 otpw-check-findings.8 otpw-pseudo-user.8
PAGES  := $(MAN1) $(MAN5) $(MAN8)

man: $(B)/man/made

$(B)/man/made: $(GOFILES) $(wildcard docs/man/*.md docs/man/*.go) $(B)/version | tools
	@rm -rf $(@D)
	$(MANRUN) ./docs/man/write $(@D)
	$(MANRUN) ./cmd/otpw-gen $(@D)
	$(MANRUN) ./cmd/otpw-check $(@D)
	@touch $@

SHELLS := bash zsh fish

completions: $(patsubst %,$(B)/completions/%,$(SHELLS))

$(B)/completions/%: $(B)/otpw-gen
	@mkdir -p $(@D)
	$(B)/otpw-gen completion $* >$@.new
	@mv $@.new $@

# ---- source archive ----

DIST := otpw-$(VERSION)

# All that git knows, as it is here, with the modules it is built from: it builds without a network. The same tree makes the same archive.
dist: $(B)/$(DIST).tar.gz

$(B)/$(DIST).tar.gz: FORCE | tools
	@test -e .git || { echo 'make: this is not a git repository. Of a source archive, packaging/deb and packaging/rpm/build make packages: packaging/README.md' >&2; exit 1; }
	@rm -rf $(B)/dist
	@mkdir -p $(B)/dist/$(DIST)
	git -c safe.directory='$(CURDIR)' ls-files -z >$(B)/dist/files
	tar -c --null -T $(B)/dist/files | tar -x -C $(B)/dist/$(DIST)
	$(GO) mod vendor -o $(B)/dist/$(DIST)/vendor
	@echo '$(VERSION)' >$(B)/dist/$(DIST)/VERSION
	tar -c -C $(B)/dist --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX --mtime=@$(SOURCE_DATE_EPOCH) $(DIST) | gzip -9n >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
	@rm -rf $(B)/dist
	@echo 'the source archive: $@'

# ---- SELinux policy ----

policy: $(B)/selinux/otpw.pp

$(B)/selinux/otpw.pp: $(wildcard selinux/otpw.*)
	@scripts/need 'building the SELinux policy' /usr/share/selinux/devel/Makefile:selinux-policy-dev
	@mkdir -p $(@D)
	cp selinux/otpw.* $(@D)
	$(MAKE) -C $(@D) -f /usr/share/selinux/devel/Makefile NAME= otpw.pp

SELINUXTOOLS = sesearch:setools secilc:secilc checkmodule:checkpolicy semodule_package:semodule-utils semodule:policycoreutils \
  matchpathcon:selinux-utils m4:m4 mmdebstrap:mmdebstrap mkfs.ext4:e2fsprogs qemu-system-x86_64:qemu-system-x86

selinux-tools: tools
	@scripts/need 'testing the SELinux policy' $(DEBTOOLS) $(SELINUXTOOLS)

# The packages, in a machine that is emulated: no KVM is needed.
selinux-test: selinux-tools deb policy $(B)/selinux/tree.tar
	scripts/gotest --root ./selinux/...

$(B)/selinux/tree.tar: selinux/test/tree | selinux-tools
	$< $@

# ---- packages ----

# dpkg-buildpackage builds below a folder of its own, of what make dist packs. -d: the Go in Debian 12 is too old, so it is not a package.
DEBTOOLS := dh:debhelper dpkg-buildpackage:dpkg-dev fakeroot:fakeroot /usr/include/security/pam_modules.h:libpam0g-dev \
  /usr/share/selinux/devel/Makefile:selinux-policy-dev

deb: dist
	@scripts/need 'building the packages' $(DEBTOOLS)
	@test $(B)/deb/built -nt $(B)/$(DIST).tar.gz -a "$$(cat $(B)/deb/built 2>/dev/null)" = '$(DIST)' || \
	  { GO=$(GO) packaging/deb $(B)/$(DIST).tar.gz $(B)/deb && echo '$(DIST)' >$(B)/deb/built; }
	@ls -- $(B)/deb/*.deb

# --nodeps: Fedora's names of packages mean nothing to Debian
rpm: dist
	@scripts/need 'building the packages' rpmbuild:rpm /usr/include/security/pam_modules.h:libpam0g-dev \
	  /usr/share/selinux/devel/Makefile:selinux-policy-dev bzip2:bzip2
	GO=$(GO) packaging/rpm/build $(B)/$(DIST).tar.gz $(B)/rpm

# A second build, elsewhere, must be the same bit for bit. The older version is this one under another number.
package-test: deb
	@scripts/need 'testing the packages' lintian:lintian piuparts:piuparts rpmlint:rpmlint mmdebstrap:mmdebstrap ip:iproute2
	DEB_BUILD_OPTIONS=nocheck GO=$(GO) packaging/deb $(B)/$(DIST).tar.gz $(B)/deb-again/elsewhere
	OTPW_NOCHECK=1 $(MAKE) --no-print-directory rpm
	OTPW_NOCHECK=1 GO=$(GO) packaging/rpm/build $(B)/$(DIST).tar.gz $(B)/rpm-again/elsewhere
	packaging/test/older $(B)/$(DIST).tar.gz $(B)/otpw-2.0.0~alpha.tar.gz
	DEB_BUILD_OPTIONS=nocheck GO=$(GO) packaging/deb $(B)/otpw-2.0.0~alpha.tar.gz $(B)/deb-older
	OTPW_NOCHECK=1 GO=$(GO) packaging/rpm/build $(B)/otpw-2.0.0~alpha.tar.gz $(B)/rpm-older
	$(MAKE) --no-print-directory $(B)/roots/bookworm.tar.gz $(B)/roots/trixie.tar.gz
	scripts/gotest --root ./packaging/...

$(B)/roots/%.tar.gz: packaging/test/roots
	$< $* $@

# ---- tests ----

$(B)/hosts/%: e2e/hosts/%.c | compiler
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(filter-out -Wconversion,$(WARN)) -D_GNU_SOURCE -o $@ $< -lpam -lpthread -ldl

SSH := ssh:openssh-client sshd

demo-tools: tools
	@scripts/need 'the demonstration' $(COMPILER) $(SSH)

# Unpacked, not installed: that would start a daemon, which bans. With what reads and makes a journal.
FAIL2BAN := fail2ban python3-systemd systemd-journal-remote libsystemd-shared libmicrohttpd12

# all that make test needs in one go, with what a build needs
test-tools: tools
	@scripts/need 'testing' $(COMPILER) $(SSH) su:util-linux login:login sudo:sudo strace:strace valgrind:valgrind pdftotext:poppler-utils \
	  /usr/bin/python3:python3 man:man-db groff:groff-base mandoc:mandoc \
	  systemd-sysusers:systemd-standalone-sysusers systemd-tmpfiles:systemd-standalone-tmpfiles
	@scripts/original
	@scripts/need --unpack $(B)/fail2ban $(FAIL2BAN)

test: test-tools unit e2e

# what a package build runs: formats and passwords, without root, network or other programs
check: tools
	OTPW_ORIGINAL= $(GO) test -skip '^(TestFaults|TestModel)$$' ./otp

unit: test-tools build
	scripts/gotest ./otp/... ./printsheet/... ./cmd/... ./pam/... ./docs/...

e2e: test-tools build $(HOSTS)
	scripts/gotest --root ./e2e/...

race: test-tools
	CGO_ENABLED=1 $(GO) test -race -p 2 -skip '^TestFaults$$' -timeout $$((30 * $(OTPW_BUDGET)))m ./otp/... ./printsheet/... ./cmd/... ./pam/module/...

# The corpora are kept: in testdata/fuzz beside each Go target, which go test always runs, and in $(CORPUS), which
# TestCorpus runs. What a long run finds is in $(B)/corpus, and in $(go env GOCACHE)/fuzz. To keep it:
# for C, `build/fuzz-entry -merge=1 pam/entry/test/testdata/corpus build/corpus`, and for Go copy the files that are
# worth it. What makes a target fail, go test puts into testdata/fuzz by itself; C's are $(B)/crash-*.
CORPUS := pam/entry/test/testdata/corpus
FUZZGO := ./otp ./pam/module ./printsheet ./cmd/otpw-check

$(B)/fuzz-entry: pam/entry/test/testdata/fuzz.c pam/entry/pam_otpw.c $(wildcard pam/entry/*.h) pam/protocol.h $(B)/version | compiler
	@scripts/need 'make fuzz' clang:clang '/usr/lib/llvm-*/lib/clang/*/lib/*/libclang_rt.fuzzer*.a:libclang-rt-dev'
	clang -O1 -g $(WARN) $(DEFS) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -o $@ $<

fuzz: $(B)/fuzz-entry
	@mkdir -p $(B)/corpus
	$(B)/fuzz-entry -verbosity=0 -print_final_stats=1 -max_total_time=$(FUZZTIME:s=) -timeout=30 -max_len=4096 \
	  -artifact_prefix=$(B)/ $(B)/corpus $(CORPUS)
	GO=$(GO) scripts/fuzz $(FUZZTIME) $(FUZZGO)

demo: demo-tools build
	$(GO) build -buildvcs=false -o $(B)/demo ./e2e/demo
	@scripts/asroot 'make demo' $(B)/demo

bench: test-tools build $(HOSTS)
	$(GO) build -buildvcs=false -o $(B)/bench ./e2e/bench
	@scripts/asroot 'make bench' $(B)/bench

# the pictures in the README, of fixed passwords
pictures: tools
	@scripts/need 'make pictures' pdftoppm:poppler-utils
	$(GO) run ./printsheet/internal/pictures docs

lint: compiler
	@scripts/need 'make lint' shellcheck:shellcheck
	@test -z "$$(gofmt -l .)" || { echo 'gofmt wants to change:'; gofmt -l .; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) vet -tags man ./cmd/...
	$(GO) run $(STATICCHECK) ./...
	$(GO) run $(STATICCHECK) -tags man ./cmd/...
	shellcheck $$(git grep -lE '^#!/bin/(ba)?sh' -- ':!*.txtar')
	for f in $(ENTRY) pam/worker/worker.c cmd/otpw-gen-as-keeper/main.c; do \
	  $(CC) -O2 $(WARN) $(DEFS) -DOTPW_GEN='""' -fanalyzer -fsyntax-only $$f || exit 1; \
	  ! command -v clang >/dev/null || clang -O2 $(WARN) $(DEFS) -DOTPW_GEN='""' -fsyntax-only $$f || exit 1; done

# ---- install ----

MODULE    := pam_otpw/worker pam_otpw/core.so pam_otpw.so
INSTALLED := otpw-gen otpw-gen-as-keeper otpw-check $(MODULE) $(addprefix man/,$(PAGES)) $(addprefix completions/,$(SHELLS))
SHARE     := $(DESTDIR)$(PREFIX)/share
KEEPER    := $(DESTDIR)$(PREFIX)/libexec/otpw/otpw-gen-as-keeper
BASHCOMP  := $(SHARE)/bash-completion/completions/otpw-gen
ZSHCOMP   := $(SHARE)/zsh/site-functions/_otpw-gen
FISHCOMP  := $(SHARE)/fish/vendor_completions.d/otpw-gen.fish

# with the paths that links in README.md have
DOCDIR    ?= $(PREFIX)/share/doc/otpw
DOCS      := README.md NEWS.md SECURITY.md $(wildcard docs/*.md docs/*.png) selinux/README.md packaging/README.md packaging/otpw.conf \
  packaging/fail2ban/filter.d/otpw.conf packaging/fail2ban/jail.d/otpw.conf packaging/grok/otpw

# A file that a package manager looks after is not ours to replace, or to remove. Below DESTDIR nobody looks after files.
# dpkg has it by the name that the package gave, with /usr before it or without.
NOTPACKAGED = test -n '$(DESTDIR)' || ! owner=$$(dpkg-query -S '*$(PAMDIR:/usr/%=/%)/pam_otpw.so' 2>/dev/null || rpm -qf $(PAMDIR)/pam_otpw.so 2>/dev/null) || \
  { echo "make: $(PAMDIR)/pam_otpw.so is of the package $${owner%%:*}: remove that first, with apt or dnf; or set PAMDIR" >&2; exit 1; }

# Copies only, so that root needs no Go. The module's files, without which nobody may be able to log in, stay what they
# were until all of the new ones are on the disk.
install:
	@for f in $(INSTALLED); do test -e $(B)/$$f || { echo "make: there is no $(B)/$$f: run make first" >&2; exit 1; }; done
	@read -r _ built <$(B)/version; test "$$built" = '$(PREFIX) $(STATEDIR)' || \
	  { echo "make: $(B) was made for PREFIX and STATEDIR $$built: run make again, with the same settings as make install" >&2; exit 1; }
	@$(NOTPACKAGED)
	@mkdir -p $(DESTDIR)$(PAMDIR)/pam_otpw && test -w $(DESTDIR)$(PAMDIR)/pam_otpw || { echo 'make: run this as root, or with DESTDIR=' >&2; exit 1; }
	install -D -m 0755 $(B)/otpw-gen $(DESTDIR)$(PREFIX)/bin/otpw-gen
	install -D -m 0755 $(B)/otpw-gen-as-keeper $(KEEPER)
	install -m 0755 scripts/decoy-secret $(dir $(KEEPER))decoy-secret
	install -D -m 0755 packaging/pseudo-user/otpw-pseudo-user $(DESTDIR)$(PREFIX)/sbin/otpw-pseudo-user
	install -D -m 0755 $(B)/otpw-check $(DESTDIR)$(PREFIX)/sbin/otpw-check
	install -d -m 0755 $(DESTDIR)$(PAMDIR)/pam_otpw
	for f in $(MODULE); do install -m 0644 $(B)/$$f $(DESTDIR)$(PAMDIR)/$$f.new || exit 1; done
	chmod 0711 $(DESTDIR)$(PAMDIR)/pam_otpw/worker.new
	sync $(MODULE:%=$(DESTDIR)$(PAMDIR)/%.new)
	for f in $(MODULE); do mv -f $(DESTDIR)$(PAMDIR)/$$f.new $(DESTDIR)$(PAMDIR)/$$f || exit 1; done
	install -d -m 0755 $(SHARE)/man/man1 $(SHARE)/man/man5 $(SHARE)/man/man8
	install -m 0644 $(addprefix $(B)/man/,$(MAN1)) $(SHARE)/man/man1
	install -m 0644 $(addprefix $(B)/man/,$(MAN5)) $(SHARE)/man/man5
	install -m 0644 $(addprefix $(B)/man/,$(MAN8)) $(SHARE)/man/man8
	install -D -m 0644 $(B)/completions/bash $(BASHCOMP)
	install -D -m 0644 $(B)/completions/zsh $(ZSHCOMP)
	install -D -m 0644 $(B)/completions/fish $(FISHCOMP)
	install -D -m 0644 packaging/pseudo-user/sysusers.conf $(SHARE)/otpw/sysusers.conf
	test -z '$(DOCDIR)' || for f in $(DOCS); do install -D -m 0644 $$f $(DESTDIR)$(DOCDIR)/$$f || exit; done
	install -d -m 0700 $(DESTDIR)$(STATEDIR)
	test -n '$(DESTDIR)' || scripts/decoy-secret $(STATEDIR)/decoy
	test -n '$(DESTDIR)' || ! test -e /etc/tmpfiles.d/otpw.conf || systemd-tmpfiles --create /etc/tmpfiles.d/otpw.conf # of otpw-pseudo-user

uninstall:
	@! grep -rl '^[^#]*pam_otpw' $(DESTDIR)/etc/pam.d 2>/dev/null || \
	  { echo 'make: the files above still name pam_otpw: take it out of them first, or logins through them fail' >&2; exit 1; }
	@$(NOTPACKAGED)
	@test -n '$(DESTDIR)' || ! test -e /etc/tmpfiles.d/otpw.conf || \
	  { echo 'make: one account keeps all lists: otpw-pseudo-user off first, which this removes' >&2; exit 1; }
	rm -f $(DESTDIR)$(PREFIX)/bin/otpw-gen $(KEEPER) $(dir $(KEEPER))decoy-secret $(addprefix $(DESTDIR)$(PREFIX)/sbin/,otpw-check otpw-pseudo-user) $(SHARE)/otpw/sysusers.conf \
	  $(MODULE:%=$(DESTDIR)$(PAMDIR)/%) $(MODULE:%=$(DESTDIR)$(PAMDIR)/%.new)
	rm -f $(addprefix $(SHARE)/man/man1/,$(MAN1)) $(addprefix $(SHARE)/man/man5/,$(MAN5)) $(addprefix $(SHARE)/man/man8/,$(MAN8)) \
	  $(BASHCOMP) $(ZSHCOMP) $(FISHCOMP)
	test -z '$(DOCDIR)' || rm -f $(addprefix $(DESTDIR)$(DOCDIR)/,$(DOCS))
	rm -f $(DESTDIR)$(STATEDIR)/decoy
	@rmdir $(DESTDIR)$(PAMDIR)/pam_otpw $(DESTDIR)$(STATEDIR) $(dir $(KEEPER)) $(SHARE)/otpw 2>/dev/null || :
	@test -z '$(DOCDIR)' || rmdir $(addprefix $(DESTDIR)$(DOCDIR)/,docs selinux packaging/fail2ban/filter.d packaging/fail2ban/jail.d packaging/fail2ban packaging/grok packaging) $(DESTDIR)$(DOCDIR) 2>/dev/null || :

clean:
	rm -rf $(B)

.PHONY: FORCE build policy selinux-test selinux-tools package-test check dist deb rpm man completions help tools compiler demo-tools test-tools test unit e2e race fuzz demo bench pictures lint install uninstall clean
