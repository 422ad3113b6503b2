# SPDX-License-Identifier: BSD-2-Clause
# packages.sh - the Debian packages that scripts/test and scripts/demo need
# shellcheck shell=bash
#
# Sourced, never run. packages_need installs what is missing, starts no service and leaves the
# machine's mail system unconfigured. With nothing missing it changes nothing and needs no root.

# shellcheck disable=SC2034 # used by the scripts that source this file
{
	packages_build=( # dpkg-dev tells meson where Debian keeps libraries
		git dpkg-dev gcc libc6-dev binutils meson ninja-build pkg-config python3
		libssl-dev libcrypt-dev liblmdb-dev libinih-dev libjansson-dev libsasl2-dev
	)
	packages_unit=(check)
	packages_mail=( # a Postfix, its libsasl2, and a client
		postfix sasl2-bin libsasl2-modules libsasl2-modules-db
		swaks libnet-ssleay-perl libio-socket-ssl-perl libauthen-sasl-perl libdigest-hmac-perl
		curl openssl ca-certificates python3-pytest python3-lmdb util-linux mount procps passwd
	)
	packages_check=( # sanitizers, valgrind, static analysis
		clang clang-format clang-tidy libclang-rt-dev llvm cppcheck valgrind libc6-dbg shellcheck
		mandoc
	)
}

packages_missing() { # packages_missing PACKAGE...: print those that are not installed
	local p
	for p in "$@"; do
		dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null | grep -q '^.i' || printf '%s\n' "$p"
	done
}

packages_need() ( # packages_need PACKAGE...: install those that are missing
	mapfile -t missing < <(packages_missing "$@")
	[ ${#missing[@]} -gt 0 ] || exit 0
	if [ "$(id -u)" != 0 ]; then
		echo "not installed: ${missing[*]}" >&2
		echo "run this as root: apt-get install --no-install-recommends ${missing[*]}" >&2
		exit 1
	fi
	set -e
	export DEBIAN_FRONTEND=noninteractive
	apt=(apt-get -qq -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3)
	"${apt[@]}" update
	if ! command -v debconf-set-selections >/dev/null; then
		"${apt[@]}" install -y --no-install-recommends debconf
	fi
	echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
	if [ ! -e /usr/sbin/policy-rc.d ]; then # installing a package starts no service
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
		chmod 755 /usr/sbin/policy-rc.d
	fi
	"${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null
)
