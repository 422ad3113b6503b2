#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# check-man.sh - does each manual page describe the options that --help prints, and no others?
#
# Compares, for mailuser and for each of its commands, the options with the names of their
# arguments in `mailuser COMMAND --help` with the `.It Fl` lines of mailuser-COMMAND.8, and the
# list of commands with that of mailuser.8. Prints each difference and exits 1 if there is one.
#
# usage: check-man.sh MAILUSER FOLDER
#   MAILUSER  the program
#   FOLDER    where the manual pages are
set -eu

if [ $# -ne 2 ]; then
	echo "usage: check-man.sh MAILUSER FOLDER" >&2
	exit 2
fi
program=$1
folder=$2
failed=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# Options in --help, one a line: "-c --comment COMMENT".
options_of_help() {
	sed -nE 's/^ +(-[A-Za-z]), (--[a-z0-9-]+)( [A-Z_.]+)? .*/\1 \2\3/p
		s/^ +(--[a-z0-9-]+)( [A-Z_.]+)? .*/\1\2/p' | sort
}

# The same from the source of a manual page: ".It Fl c , Fl -comment Ar COMMENT".
options_of_man() {
	sed -nE 's/^\.It Fl ([A-Za-z]) , Fl (-[a-z0-9-]+)( Ar ([A-Z_.]+))?$/-\1 -\2 \4/p
		s/^\.It Fl (-[a-z0-9-]+)( Ar ([A-Z_.]+))?$/-\1 \3/p' "$1" | sed 's/ $//' | sort
}

compare() { # compare WHAT PAGE: differences between $tmp/help and $tmp/man
	if ! [ -s "$tmp/help" ]; then
		echo "$1: nothing found in --help" >&2
		failed=1
	elif ! diff "$tmp/help" "$tmp/man" >"$tmp/diff"; then
		echo "$1: --help (<) and $2 (>) differ:" >&2
		grep '^[<>]' "$tmp/diff" >&2
		failed=1
	fi
}

check_page() { # check_page PAGE COMMAND...: options of one page
	page=$1
	shift
	if ! [ -f "$folder/$page" ]; then
		echo "$page is missing" >&2
		failed=1
		return
	fi
	"$program" "$@" --help | options_of_help >"$tmp/help"
	options_of_man "$folder/$page" >"$tmp/man"
	compare "mailuser $*" "$page"
}

commands=$("$program" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')

echo "$commands" | sort >"$tmp/help"
sed -n 's/^\.It Cm \([a-z]*\)$/\1/p' "$folder/mailuser.8" | sort >"$tmp/man"
compare "commands" "mailuser.8"

check_page mailuser.8
for command in $commands; do
	check_page "mailuser-$command.8" "$command"
done
exit "$failed"
