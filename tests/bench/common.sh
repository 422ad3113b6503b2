# SPDX-License-Identifier: BSD-2-Clause
# common.sh - what the benchmarks that call other programs share
# shellcheck shell=bash
#
# Sourced, never run. bench_begin takes the caller's arguments, BUILD [--quick], and goes on where
# nothing of the machine can be written but $dir, with a copy of /etc in the place of the machine's;
# all that is started ends with the script. Figures go to standard output, a JSON object a line;
# what is being done goes to standard error.

# shellcheck source=scripts/packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/packages.sh"

bench=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
bench_password='correct horse battery staple'

bench_begin() { # bench_begin BUILD [--quick]: sets $build, $quick, $dir
	if [ $# = 0 ] || [ ! -d "$1" ] || [ "${2---quick}" != --quick ]; then
		echo "usage: $0 BUILD [--quick]" >&2
		exit 2
	fi
	if [ "$(id -u)" != 0 ]; then
		echo "$0: the benchmarks need root" >&2
		exit 2
	fi
	if [ -z "${BENCH_DIR-}" ]; then
		# On a disk: what memory keeps is another matter.
		BENCH_DIR=$(mktemp -d /var/tmp/mailauth-bench.XXXXXX)
		trap 'rm -rf "$BENCH_DIR"' EXIT
		[ -z "${bench_needs_sql-}" ] || sql_unpack
		export BENCH_DIR
		unshare --mount --propagation private --pid --fork --kill-child --mount-proc "$0" "$@"
		exit
	fi
	trap 'exit 130' INT TERM HUP # the first process of a namespace ignores them otherwise
	# shellcheck disable=SC2034 # used by the scripts that source this file
	quick=$(($# - 1)) build=$(realpath "$1") dir=$BENCH_DIR
	export LD_LIBRARY_PATH=$build/lib TMPDIR=$dir/tmp
	chmod 755 "$dir"
	mkdir "$TMPDIR"
	cp -a /etc "$dir/etc"
	mount --bind "$dir/etc" /etc
	mount --bind "$dir" "$dir"
	mount -o remount,bind,ro /
}

say() { # what is being done
	printf '%s\n' "$*" >&2
}

mailuser() {
	"$build/tools/mailuser/mailuser" --config "$dir/$store/mailauth.conf" "$@"
}

new_store() { # new_store NAME [LINE...]: an empty one in $dir/NAME, used from now on
	store=$1; shift
	mkdir "$dir/$store"
	mailuser init >"$dir/init.log" || { cat "$dir/init.log" >&2; exit 1; }
	printf '%s\n' 'default_realm = example.org' "$@" >>"$dir/$store/mailauth.conf"
}

fill_store() { # fill_store COUNT: the accounts of accounts.py
	mailuser newusers --no-create-home <<<"user000000:$bench_password:::::" >&2
	mailuser export json >"$dir/template.json"
	"$bench/accounts.py" json "$1" <"$dir/template.json" >"$dir/accounts.json"
	mailuser import --update json "$dir/accounts.json" >"$dir/import.log" || {
		tail "$dir/import.log" >&2
		exit 1
	}
	rm "$dir/accounts.json"
}

# row GROUP CASE ACCOUNTS WHAT UNIT OURS PEER PEER_NAME ["KEY":VALUE...]: prints one figure
row() {
	printf '{"group":"%s","case":"%s","accounts":%s,"what":"%s","unit":"%s","ours":%s,"peer":%s,"peer_name":"%s"' \
		"${@:1:8}"
	[ $# -lt 9 ] || printf ',%s' "${@:9}"
	printf '}\n'
}

# ---- servers that use libsasl2, as tests/bench/sasl_side.h describes them --------------------

sasl_folder=$(pkg-config --variable=libdir libsasl2)/sasl2
sasl_stock=(libcrammd5 libplain libdigestmd5 libscram liblogin)

sasl_server() { # sasl_server NAME "PLUGIN..." LINE...: with these files and options
	local name=$1 plugin; shift
	mkdir -p "$dir/$name/plugins"
	for plugin in $1; do
		case $plugin in
		/*) ln -s "$plugin" "$dir/$name/plugins/" ;;
		*) ln -s "$sasl_folder/$plugin.so" "$dir/$name/plugins/" ;;
		esac
	done
	shift
	printf '%s\n' "$@" 'mech_list: PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256' \
		>"$dir/$name/server.conf"
}

sasl_clients() {
	mkdir -p "$dir/clients"
	for plugin in "${sasl_stock[@]}"; do
		ln -sf "$sasl_folder/$plugin.so" "$dir/clients/"
	done
}

# Ours: libsasl2's mechanisms on our verifiers, set up as docs/postfix/smtpd.conf says, and our own.
sasl_ours() {
	sasl_server stock "${sasl_stock[*]} $build/plugins/libsasl_mailauth.so" \
		'pwcheck_method: auxprop' 'auxprop_plugin: mailauth' 'canon_user_plugin: mailauth' \
		"mailauth_config: $dir/$store/mailauth.conf"
	sasl_server 'own' "$build/plugins/libsasl_mailauth.so" \
		'pwcheck_method: auxprop' 'auxprop_plugin: mailauth' \
		"mailauth_config: $dir/$store/mailauth.conf" \
		'mailauth_mechs: PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256'
}

fill_sasldb() { # fill_sasldb COUNT: as saslpasswd2 leaves it, in $dir/sasldb2
	rm -f "$dir/sasldb2"
	mkdir -p "$dir/db"
	echo 'set_cachesize 0 268435456 1' >"$dir/db/DB_CONFIG" # else it takes minutes
	"$bench/accounts.py" sasldb "$1" | db_load -h "$dir/db" -T -t hash "$dir/sasldb2"
}

# The peers: libsasl2's mechanisms on its own auxprop plugins.
fill_peers() { # fill_peers COUNT: the same accounts in sasldb and SQLite
	rm -f "$dir/sqlite"
	fill_sasldb "$1"
	"$bench/accounts.py" sqlite "$1" "$dir/sqlite"
}

# Not installed: every program that serves SASL would load it, and three database clients with it.
sql_unpack() {
	local needs
	[ ! -e "$sasl_folder/libsql.so" ] || return 0
	mapfile -t needs < <(packages_missing "${packages_sql_needs[@]}")
	export BENCH_SQL=${MAILAUTH_SERVERS:-$BENCH_DIR}/sql
	packages_unpack "$BENCH_SQL" "${packages_sql[@]}" "${needs[@]}" >&2
}

sasl_peers() {
	local sql=${BENCH_SQL-}$sasl_folder/libsql.so
	[ -z "${BENCH_SQL-}" ] || LD_LIBRARY_PATH=$build/lib:$BENCH_SQL${sasl_folder%/sasl2}
	sasl_server sasldb "${sasl_stock[*]} libsasldb" \
		'pwcheck_method: auxprop' 'auxprop_plugin: sasldb' "sasldb_path: $dir/sasldb2"
	sasl_server sql-sqlite "${sasl_stock[*]} $sql" \
		'pwcheck_method: auxprop' 'auxprop_plugin: sql' 'sql_engine: sqlite3' \
		"sql_database: $dir/sqlite" \
		"sql_select: SELECT value FROM properties WHERE name = '%u' AND realm = '%r' AND property = '%p'"
}
