#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# sandbox.sh RUN HOSTNAME TREE... - first process of a test's private machine
#
# Started by sandbox.py under unshare(1) in new mount, pid and uts namespaces. Gives them an /etc, a
# /usr and a /var of their own: what the host has, with each TREE (a "meson install" with DESTDIR,
# an unpacked package) laid on top, the first one topmost, all changes going to memory. The rest of
# the host's files cannot be written. /dev has a syslog of its own, which writes /var/log/syslog.
# Then it waits until its standard input ends, which happens when the test closes it and also when
# the test is killed. With this process, the first of its pid namespace, everything started in there
# ends.
set -eu
here=$(dirname "$0") run=$1 hostname=$2
shift 2

mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs "$run"

# A copy, not an overlay: the host's /etc may change below us while packages are installed, and an
# overlay does not take that well.
mkdir "$run/etc"
cp -a /etc/. "$run/etc"
for ((i = $#; i > 0; i--)); do
	[ ! -d "${!i}/etc" ] || cp -a "${!i}/etc/." "$run/etc"
done
mount --bind "$run/etc" /etc

overlay() { # DIRECTORY TREE...
	local lower='' tree
	for tree in "${@:2}"; do
		[ ! -d "$tree$1" ] || lower+=$tree$1:
	done
	mkdir -p "$run/upper$1" "$run/work$1"
	mount -t overlay overlay \
		-o "lowerdir=$lower$1,upperdir=$run/upper$1,workdir=$run/work$1" "$1"
}
overlay /usr "$@"
overlay /var "$@"
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -m 1777 /run/lock /run/shm

# A /dev of its own, for the syslog socket.
mkdir "$run/dev"
mount -t tmpfs -o mode=0755 tmpfs "$run/dev"
for name in null zero full random urandom tty; do
	: >"$run/dev/$name"
	mount --bind "/dev/$name" "$run/dev/$name"
done
mkdir -m 1777 "$run/dev/shm"
ln -s /proc/self/fd "$run/dev/fd"
ln -s fd/0 "$run/dev/stdin"
ln -s fd/1 "$run/dev/stdout"
ln -s fd/2 "$run/dev/stderr"
mount --move "$run/dev" /dev

# Whatever else a test may write to would be the host's.
mount -o remount,bind,ro /

hostname "$hostname"
printf '127.0.0.1 localhost\n127.0.0.1 %s %s\n' "$hostname" "${hostname%%.*}" >/etc/hosts
# Nor is a name server asked, which may be there or not.
sed -i 's/^hosts:.*/hosts: files/' /etc/nsswitch.conf
ldconfig
rm -f /var/log/syslog
exec 3< <(exec /usr/bin/python3 -B "$here/syslogd.py" /dev/log /var/log/syslog)
read -r _ <&3

echo ready
cat >/dev/null
