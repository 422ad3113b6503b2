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
		libssl-dev libcrypt-dev libidn-dev liblmdb-dev libinih-dev libjansson-dev libsasl2-dev
		libdb5.3-dev
		libpam0g-dev
	)
	packages_unit=(check)
	packages_demo=( # a Postfix with its libsasl2, and clients
		postfix libsasl2-modules openssl util-linux mount procps passwd
		swaks libnet-ssleay-perl libauthen-sasl-perl libdigest-hmac-perl msmtp
	)
	packages_mail=( # the same, and what else the end-to-end tests need
		"${packages_demo[@]}" sasl2-bin libsasl2-modules-db python3-pytest python3-pytest-xdist
		python3-pytest-timeout python3-lmdb
		pamtester libpam-runtime strace gdb iproute2
		curl ca-certificates libio-socket-ssl-perl gsasl mpop fetchmail isync
		ruby php-cli php-net-smtp php-auth-sasl fail2ban
	)
	# Mail servers that conflict with Postfix as packages: unpacked, never installed. The libraries
	# are unpacked beside them where they are not installed.
	packages_sendmail=(sendmail-bin sendmail-base sendmail-cf)
	packages_sendmail_needs=(m4 libdb5.3 libldap-2.5-0 libnsl2 libtirpc3 libwrap0)
	packages_exim=(exim4-daemon-heavy exim4-base exim4-config)
	packages_exim_needs=(
		libdb5.3 libevent-2.1-7 libgnutls-dane0 libidn12 libldap-2.5-0 libmariadb3 libnsl2
		libpcre2-8-0 libperl5.36 libpq5 libspf2-2 libsqlite3-0 libtirpc3 libunbound8
	)
	packages_cyrus=(cyrus-common cyrus-imapd cyrus-pop3d)
	packages_cyrus_needs=(
		libical3 libicu72 libjansson4 libldap-2.5-0 libnsl2 libpcre3 libpq5 libsqlite3-0
		libtirpc3 libwrap0 libxapian30 libxml2
	)
	packages_dovecot=(dovecot-core dovecot-imapd dovecot-pop3d)
	packages_dovecot_needs=(
		libapparmor1 libexttextcat-2.0-0 libicu72 liblua5.4-0 libsodium23 libstemmer0d libtirpc3
		libunwind8 libwrap0
	)
	packages_sql=(libsasl2-modules-sql) # a peer of tests/bench: unpacked, never installed
	packages_sql_needs=(libmariadb3 libpq5)
	packages_check=( # sanitizers, valgrind, static analysis
		clang clang-format clang-tidy libclang-rt-dev llvm cppcheck valgrind libc6-dbg shellcheck
		mandoc gcovr
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

# The functions below are called as "packages_servers FOLDER || ...", where "set -e" is without
# effect.

packages_unpack() ( # packages_unpack FOLDER PACKAGE...: unpack them there; installs nothing
	folder=$1; shift
	[ ! -d "$folder" ] || exit 0
	mkdir -p "$(dirname "$folder")" && work=$(mktemp -d "$folder.XXXXXX") || exit 1
	trap 'rm -rf "$work"' EXIT
	mkdir "$work/deb" "$work/tree" && cd "$work/deb" || exit 1
	# As root: apt's own user may not be allowed to write here.
	apt=(apt-get -qq -o APT::Sandbox::User=root -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3)
	"${apt[@]}" download "$@" || { # the list of packages is missing or too old
		"${apt[@]}" update && "${apt[@]}" download "$@"
	} || exit 1
	for deb in *.deb; do
		dpkg-deb -x "$deb" "$work/tree" || exit 1
	done
	cd "$work/tree" || exit 1
	for dir in bin sbin lib; do # links to /usr on a real machine
		[ -d "$dir" ] || continue
		mkdir -p usr && cp -a "$dir" usr && rm -r "$dir" || exit 1
	done
	chmod 755 . && mv "$work/tree" "$folder"
)

packages_complete() ( # packages_complete FOLDER PROGRAM...: do they find all their libraries?
	cd "$1" && shift || exit 1
	libs=$(find "$PWD/usr/lib" -name '*.so.*' -printf '%h\n' 2>/dev/null | sort -u | paste -sd:)
	found=$(LD_LIBRARY_PATH=$libs ldd "$@") || exit 1
	lacking=$(grep 'not found' <<<"$found") || exit 0
	printf '%s: libraries are missing, see scripts/packages.sh:\n%s\n' "$PWD" "$lacking" >&2
	exit 1
)

packages_servers() ( # packages_servers FOLDER: what is unpacked, each server in a folder below
	unpack() { # unpack NAME PACKAGE... -- NEED...
		local name=$1 packages=(); shift
		while [ "$1" != -- ]; do packages+=("$1"); shift; done
		shift
		mapfile -t needs < <(packages_missing "$@")
		packages_unpack "$servers/$name" "${packages[@]}" "${needs[@]}"
	}
	servers=$1
	unpack sendmail "${packages_sendmail[@]}" -- "${packages_sendmail_needs[@]}" &&
		unpack exim "${packages_exim[@]}" -- "${packages_exim_needs[@]}" &&
		unpack cyrus "${packages_cyrus[@]}" -- "${packages_cyrus_needs[@]}" &&
		unpack dovecot "${packages_dovecot[@]}" -- "${packages_dovecot_needs[@]}" &&
		packages_complete "$servers/sendmail" usr/libexec/sendmail/sendmail &&
		packages_complete "$servers/exim" usr/sbin/exim4 &&
		packages_complete "$servers/cyrus" usr/sbin/cyrmaster usr/lib/cyrus/bin/{imapd,pop3d} &&
		packages_complete "$servers/dovecot" usr/sbin/dovecot usr/lib/dovecot/{imap,pop3}
)
