#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# sandbox.sh RUN TREE HOSTNAME - first process of a test's private machine
#
# Started by sandbox.py under unshare(1) in new mount, pid and uts namespaces. Gives them an /etc, a
# /usr and a /var of their own: what the host has, with TREE (a "meson install" with DESTDIR) laid
# on top, all changes going to memory. The rest of the host's files cannot be written. Then it waits
# until its standard input ends, which happens when the test closes it and also when the test is
# killed. With this process, the first of its pid namespace, everything started in there ends.
set -eu
run=$1 tree=$2 hostname=$3

mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs "$run"

# A copy, not an overlay: the host's /etc may change below us while packages are installed, and an
# overlay does not take that well.
mkdir "$run/etc"
cp -a /etc/. "$run/etc"
if [ -d "$tree/etc" ]; then
	cp -a "$tree/etc/." "$run/etc"
fi
mount --bind "$run/etc" /etc

overlay() { # DIRECTORY
	local lower=$1
	if [ -d "$tree$1" ]; then
		lower=$tree$1:$1
	fi
	mkdir -p "$run/upper$1" "$run/work$1"
	mount -t overlay overlay \
		-o "lowerdir=$lower,upperdir=$run/upper$1,workdir=$run/work$1" "$1"
}
overlay /usr
overlay /var
mount -t tmpfs -o mode=0755 tmpfs /run

# Whatever else a test may write to would be the host's.
mount -o remount,bind,ro /

hostname "$hostname"
printf '127.0.0.1 localhost\n127.0.0.1 %s %s\n' "$hostname" "${hostname%%.*}" >/etc/hosts
ldconfig

echo ready
cat >/dev/null
