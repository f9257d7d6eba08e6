# SPDX-License-Identifier: MIT
SHELL := /bin/sh
B := build

GO      ?= go
CC      ?= cc
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

CFLAGS   ?= -O2 -g
WARN     := -std=c11 -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wconversion
HARDEN   := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection
HARDENLD := -Wl,-z,relro,-z,now -Wl,-z,noexecstack
DEFS     := -D_GNU_SOURCE -DOTPW_VERSION='"$(VERSION)"'
GOLD     := -s -w -X github.com/otpw-go/otpw/pam/module.Version=$(VERSION)

all: build
build: $(B)/otpw-gen $(B)/pam_otpw.so $(B)/pam_otpw/worker $(B)/pam_otpw/core.so

GOFILES := $(shell find otp cmd printsheet pam -name '*.go') go.mod go.sum otp/words.txt

$(B)/otpw-gen: $(GOFILES)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o $@ ./cmd/otpw-gen

$(B)/pam_otpw.so: pam/entry/pam_otpw.c pam/entry/exports.map pam/protocol.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARN) $(HARDEN) $(DEFS) -fPIC -fvisibility=hidden -shared -Ipam -o $@ $< \
	  $(HARDENLD) -Wl,-z,nodelete -Wl,-z,defs -Wl,--version-script=pam/entry/exports.map -lpam

$(B)/pam_otpw/worker: pam/worker/worker.c pam/protocol.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARN) $(HARDEN) $(DEFS) -fPIE -pie -Ipam -o $@ $< $(HARDENLD) -ldl
	chmod 0711 $@

$(B)/pam_otpw/core.so: $(GOFILES)
	@mkdir -p $(@D)
	CGO_ENABLED=1 $(GO) build -trimpath -buildmode=c-shared -ldflags "$(GOLD)" -o $@ ./pam/core
	@rm -f $(@:.so=.h)
	chmod 0644 $@

clean:
	rm -rf $(B)

.PHONY: all build clean
