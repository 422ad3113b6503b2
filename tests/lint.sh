#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# lint.sh - checks that no compiler makes
#
# Looks at the files git knows and at new ones it does not ignore. Prints each finding as
# "file:line: what to do" and exits 1 if there is one, 2 if a tool is missing.
#
# A line may keep what a rule forbids by saying so in a comment on the same line:
#   /* lint: memcmp ok: both sides are public */
# Only banned calls and comparisons can be excused that way.
set -euo pipefail
export LC_ALL=C
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"

for tool in git gcc clang-format awk; do
	command -v "$tool" >/dev/null || { echo "lint.sh: $tool is not installed" >&2; exit 2; }
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
findings=$tmp/findings
: >"$findings"

find_line() { # find_line FILE LINE TEXT: record one finding
	printf '%s:%s: %s\n' "$1" "$2" "$3" >>"$findings"
}

# ---- which files -------------------------------------------------------------------------

all=() c_files=() headers=() scripts=() shells=()
while IFS= read -r -d '' f; do
	if [ ! -f "$f" ] || [ -L "$f" ]; then continue; fi
	all+=("$f")
	case $f in
	*.c) c_files+=("$f") ;;
	*.h) c_files+=("$f") headers+=("$f") ;;
	*)
		first=$(head -c 64 "$f" | tr -d '\0' | head -n 1)
		case $first in
		'#!'*sh) scripts+=("$f") shells+=("$f") ;;
		'#!'*) scripts+=("$f") ;;
		*) case $f in *.sh) shells+=("$f") ;; esac ;;
		esac
		;;
	esac
done < <(git -c safe.directory="$top" ls-files -coz --exclude-standard)
[ ${#all[@]} -gt 0 ] || { echo "lint.sh: git lists no files here" >&2; exit 2; }

# Code with comments and the insides of strings blanked; lines stay where they are.
code_only() {
	awk '
	{
		out = ""; n = length($0)
		for (i = 1; i <= n; i++) {
			c = substr($0, i, 1); two = substr($0, i, 2)
			if (state == "comment") {
				if (two == "*/") { state = ""; i++ }
			} else if (state == "\"" || state == "\047") {
				if (c == "\\") i++
				else if (c == state) { out = out c; state = "" }
			} else if (two == "/*") { state = "comment"; i++; out = out " "
			} else if (two == "//") { break
			} else {
				if (c == "\"" || c == "\047") state = c
				out = out c
			}
		}
		if (state != "comment") state = ""
		print out
	}' "$1"
}

for f in ${c_files[@]+"${c_files[@]}"}; do
	mkdir -p "$tmp/code/$(dirname "$f")"
	code_only "$f" >"$tmp/code/$f"
done

# ---- formatting --------------------------------------------------------------------------

for f in ${c_files[@]+"${c_files[@]}"}; do
	line=$(clang-format --dry-run -Werror "$f" 2>&1 | sed -n 's/^[^:]*:\([0-9]*\):.*error.*/\1/p' |
		head -n 1) || :
	[ -z "$line" ] || find_line "$f" "$line" "run clang-format -i $f"
done

# ---- include direction (CONTRIBUTING.md, "Layers") ---------------------------------------

# may_include FILE HEADER: may FILE, by its place in the tree, include "HEADER"?
may_include() {
	local f=$1 h=$2
	case $h in
	../* | */../*) return 1 ;;
	esac
	case $f:$h in # formats are mailuser's alone
	tools/mailuser/*:import/import.h) return 0 ;;
	esac
	case $f in # a unit test may use what its neighbour may use, and the test support
	lib/*test_*.c) case $h in support.h | tests/support.h) return 0 ;; esac ;;
	tools/*test_*.c) case $h in support.h | test_calls.h) return 0 ;; esac ;;
	esac
	case $f in
	include/*) return 1 ;;
	lib/util/*) case $h in util/*) return 0 ;; esac ;;
	lib/account/*) case $h in util/* | account/*) return 0 ;; esac ;;
	lib/mech/*) case $h in util/* | account/* | mech/*) return 0 ;; esac ;;
	lib/store/*) case $h in util/* | store/*) return 0 ;; esac ;;
	lib/import/*) case $h in util/* | import/*) return 0 ;; esac ;;
	lib/*) return 0 ;;
	tools/* | plugins/* | pam/*) [ ! -f "${f%/*}/$h" ] || return 0 ;;
	tests/api/*) [ "$h" != support.h ] && [ ! -f "${f%/*}/$h" ] || return 0 ;;
	tests/consumer/*) ;;
	*) return 0 ;;
	esac
	return 1
}

for f in ${c_files[@]+"${c_files[@]}"}; do
	while IFS=: read -r line kind h; do
		case $kind in
		'<')
			case $f:$h in
			lib/util/*:mailauth/mailauth.h) ;; # the status codes
			lib/util/*:mailauth/*)
				find_line "$f" "$line" "util includes mailauth/mailauth.h at most, not $h" ;;
			lib/import/*:mailauth/admin.h) ;;
			lib/import/*:mailauth/*)
				find_line "$f" "$line" "import uses the public API alone: mailauth/admin.h, not $h" ;;
			lib/*:mailauth/* | include/*:mailauth/* | tests/*:mailauth/*) ;;
			esac
			;;
		'"')
			may_include "$f" "$h" || case $f in
			include/* | tools/* | plugins/* | pam/* | tests/*)
				find_line "$f" "$line" "include public headers only, as <mailauth/...>, not \"$h\"" ;;
			*) find_line "$f" "$line" "${f%/*} must not include \"$h\": wrong direction" ;;
			esac
			;;
		esac
	done < <(sed -nE '/^[ \t]*#[ \t]*include/{=;p;}' "$f" | paste -d: - - |
		sed -nE 's/^([0-9]+):[ \t]*#[ \t]*include[ \t]*(["<])([^">]*)[">].*/\1:\2:\3/p')
done

# ---- each header compiles alone ----------------------------------------------------------

for f in ${headers[@]+"${headers[@]}"}; do
	case $f in
	include/*) flags=(-std=c11 -pedantic -Iinclude) ;; # a caller need not define _GNU_SOURCE
	lib/*) flags=(-std=c11 -D_GNU_SOURCE -Iinclude -Ilib) ;;
	*) continue ;;
	esac
	out=$(gcc -fsyntax-only -Wall -Wextra -Werror "${flags[@]}" -include "$f" -x c /dev/null 2>&1) ||
		find_line "$f" 1 "make it compile alone: $(printf '%s\n' "$out" | grep -m 1 'error')"
done

# ---- banned calls ------------------------------------------------------------------------

# ban WHY NAMES FILE...: no call of one of NAMES (a|b), unless excused on the line
ban() {
	local why=$1 names=$2 f line text name; shift 2
	for f in "$@"; do
		while IFS=: read -r line text; do
			name=$(printf '%s' "$text" |
				sed -nE "s/.*(^|[^A-Za-z0-9_.>])($names)[ \t]*\(.*/\2/p")
			sed -n "${line}p" "$f" | grep -qE "lint: $name ok: [^ ]" ||
				find_line "$f" "$line" "$name(): $why"
		done < <(grep -nE "(^|[^A-Za-z0-9_.>])($names)[ \t]*\(" "$tmp/code/$f" || :)
	done
}

lib_c=() secret_c=() proof_c=()
for f in ${c_files[@]+"${c_files[@]}"}; do
	case $f in
	lib/util/mem.[ch]) ;;
	lib/*) lib_c+=("$f") ;;
	esac
	case $f in
	*/test_*.c) ;;
	lib/mech/* | lib/account/seal.* | lib/util/hash.* | lib/login.c | lib/session.c | \
		lib/verifier.c)
		secret_c+=("$f") proof_c+=("$f") ;;
	lib/account/* | plugins/*) secret_c+=("$f") ;;
	esac
done
ban 'banned, use the bounded calls of lib/util (CONTRIBUTING.md, "Rules")' \
	'strcpy|strcat|sprintf|vsprintf|strncpy|strncat|strtok|strtok_r|atoi|atol|gets|alloca|rand|srand|system' \
	${c_files[@]+"${c_files[@]}"}
ban 'allocate and free through lib/util/mem.h' \
	'malloc|calloc|realloc|reallocarray|free|strdup|strndup|asprintf|vasprintf' \
	${lib_c[@]+"${lib_c[@]}"}
ban 'compare with ma_equal_ct(), or excuse it: /* lint: memcmp ok: REASON */' \
	'memcmp|bcmp' ${secret_c[@]+"${secret_c[@]}"}
ban 'compare with ma_equal_ct(), or excuse it: /* lint: strcmp ok: REASON */' \
	'strcmp|strncmp' ${proof_c[@]+"${proof_c[@]}"}
for f in ${lib_c[@]+"${lib_c[@]}"}; do
	while IFS=: read -r line _; do
		find_line "$f" "$line" "return early and let MA_CLEANUP clean up, no goto"
	done < <(grep -nE '(^|[^A-Za-z0-9_])goto[ \t]+[a-z]' "$tmp/code/$f" || :)
done

# A suppression names the tool, the rule and the reason on its line.
for f in ${c_files[@]+"${c_files[@]}"}; do
	while IFS=: read -r line text; do
		printf '%s\n' "$text" | grep -qE \
			'NOLINT(NEXTLINE)?\([a-zA-Z0-9.*,-]+\): [^ ]|cppcheck-suppress [A-Za-z]+ ?; [^ ]|pragma GCC diagnostic (push|pop|ignored .*/\* [^ ])' ||
			find_line "$f" "$line" "name the rule and the reason on this line"
	done < <(grep -nE 'NOLINT|cppcheck-suppress|pragma GCC diagnostic' "$f" || :)
done

# ---- exports = header = docs -------------------------------------------------------------

# Public functions as "file:line:name". A type (typedef) is not one.
: >"$tmp/public"
for f in ${headers[@]+"${headers[@]}"}; do
	case $f in include/*) ;; *) continue ;; esac
	awk -v file="$f" '
	/^[ \t]*#/ { cont = ($0 ~ /\\$/); next }
	cont { cont = ($0 ~ /\\$/); next }
	{
		rest = $0
		while (match(rest, /[;{}]|mailauth_[a-z0-9_]+[ \t]*\(|[A-Za-z_][A-Za-z0-9_]*/)) {
			token = substr(rest, RSTART, RLENGTH)
			rest = substr(rest, RSTART + RLENGTH)
			if (token ~ /^[;{}]$/) { is_type = 0; done = 0 }
			else if (token == "typedef") is_type = 1
			else if (token ~ /\($/ && !is_type && !done) {
				sub(/[ \t]*\($/, "", token)
				print file ":" NR ":" token
				done = 1
			}
		}
	}' "$tmp/code/$f" >>"$tmp/public"
done
map=lib/libmailauth.map
if [ -s "$tmp/public" ]; then
	if [ -f "$map" ]; then
		sed -E 's|/\*.*\*/||; s/#.*//' "$map" | grep -noE '\bmailauth_[a-z0-9_]+[ \t]*;' |
			sed -E 's/[ \t]*;$//' >"$tmp/exported" || :
	else
		find_line "$map" 1 "name the exported symbols here"
		: >"$tmp/exported"
	fi
	while IFS=: read -r f line name; do
		grep -qE "^ \* $name\(\) - [^ ]" "$f" ||
			find_line "$f" "$line" "write a docstring that begins \" * $name() - \""
		grep -qE "^[0-9]+:$name\$" "$tmp/exported" ||
			find_line "$f" "$line" "$name() is not in $map"
		grep -rqwE --include='*.c' "$name" tests/api 2>/dev/null ||
			find_line "$f" "$line" "test $name() in tests/api/"
		grep -qwE "$name" NEWS.md 2>/dev/null ||
			find_line "$f" "$line" "list $name in NEWS.md"
	done <"$tmp/public"
	while IFS=: read -r line name; do
		grep -qE ":$name\$" "$tmp/public" ||
			find_line "$map" "$line" "$name is exported and in no header of include/"
	done <"$tmp/exported"
	for f in ${headers[@]+"${headers[@]}"}; do
		case $f in include/*) ;; *) continue ;; esac
		while IFS=: read -r line name; do
			grep -qE ":$name\$" "$tmp/public" ||
				find_line "$f" "$line" "$name() is described and not declared"
		done < <(sed -nE '/^ \* mailauth_[a-z0-9_]+\(\) - /{=;s/^ \* ([a-z0-9_]+).*/\1/p;}' "$f" |
			paste -d: - -)
	done
fi

# ---- text --------------------------------------------------------------------------------

spdx='SPDX-License-Identifier: BSD-2-Clause'
for f in "${all[@]}"; do
	case $f in
	*.c | *.h) first=1 ;;
	*.py | *.sh | meson.build | */meson.build) first=1 ;;
	*) first=0 ;;
	esac
	case " ${scripts[*]-} " in *" $f "*) first=2 ;; esac # after the #! line
	[ "$first" = 0 ] || [ ! -s "$f" ] || sed -n "${first}p" "$f" | grep -q "$spdx" ||
		find_line "$f" "$first" "write \"$spdx\" in this line"
done

grep_all() { # grep_all TEXT GREP-ARGUMENTS: each match in a text file is a finding
	local text=$1 f line; shift
	while IFS=: read -r f line _; do
		find_line "$f" "$line" "$text"
	done < <(grep -nHI "$@" -- "${all[@]}" || :)
}
# The words are split here so that this file does not find itself.
grep_all 'finish it or file it; no such marks in the tree' -wE 'TO''DO|FIX''ME|X''XX'
grep_all 'remove the trailing white space' -E '[[:blank:]]+$'
grep_all 'remove the conflict mark' -E '^(<<<<<<<|>>>>>>>) '
grep_all 'no paths of one machine' -E '(^|[^[:alnum:]_.~-])/(work|farm|Users)''/|/home/[a-z]+/(src|work|git)''/'
case $top in
/*/*) grep_all 'no paths of one machine' -F "$top" ;;
esac

if [ -f README.md ]; then
	for command in scripts/demo scripts/test; do
		head -n 12 README.md | grep -q "$command" ||
			find_line README.md 1 "name $command in the first lines"
	done
else
	find_line README.md 1 "write it"
fi

# ---- promises ----------------------------------------------------------------------------

# What SECURITY.md names in `...` is there: tests/ and lib/ paths, and in the parentheses behind a
# test's file the names of its tests, "..." standing for the rest of a name.
if [ -f SECURITY.md ]; then
	# shellcheck disable=SC2016 # Markdown's quotes, not the shell's
	tr '\n' ' ' <SECURITY.md |
		grep -oE '`(tests|lib)/[^` ]+`( \((`[A-Za-z0-9_.]+`(, )?)+\))?' >"$tmp/promises" || :
	[ -s "$tmp/promises" ] || find_line SECURITY.md 1 "name the tests"
	while read -r f names; do
		f=${f//\`/}
		line=$(grep -nF "$f" SECURITY.md | head -n 1 | cut -d: -f1)
		if [ ! -e "$f" ]; then
			find_line SECURITY.md "$line" "there is no $f"
			continue
		fi
		for name in $(printf '%s\n' "$names" | grep -oE '[A-Za-z0-9_]+'); do
			grep -qE "(START_TEST\(|def )$name" "$f" ||
				find_line SECURITY.md "$line" "$f has no test $name"
		done
	done <"$tmp/promises"
else
	find_line SECURITY.md 1 "write it"
fi

# ---- shell -------------------------------------------------------------------------------

for f in ${shells[@]+"${shells[@]}"}; do
	out=$(bash -n "$f" 2>&1) ||
		find_line "$f" "$(printf '%s\n' "$out" | sed -nE '1s/.*line ([0-9]+):.*/\1/p')" \
			"bash -n: $(printf '%s\n' "$out" | head -n 1)"
done
if command -v shellcheck >/dev/null && [ ${#shells[@]} -gt 0 ]; then
	shellcheck -x -S info -f gcc "${shells[@]}" >"$tmp/shellcheck" 2>&1 || :
	sed -E 's/^([^:]+:[0-9]+):[0-9]+:/\1:/' "$tmp/shellcheck" >>"$findings"
fi

# ------------------------------------------------------------------------------------------

if [ -s "$findings" ]; then
	sort -u "$findings" | sort -s -t: -k1,1 -k2,2n
	printf 'lint.sh: %s findings\n' "$(sort -u "$findings" | wc -l)" >&2
	exit 1
fi
