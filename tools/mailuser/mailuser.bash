# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# mailuser.bash - bash completion of mailuser, and of the links that have shadow's names
#
# Commands, options, and what an operand is are read from --help of the program itself when TAB is
# pressed, so there is no list in here to keep up to date. Names of accounts come from `mailuser
# list`, which says nothing to who may not read the store. Needs bash alone, no other completions.
#
# Readline begins a new word at '@' and '=', and names have an '@'. So the words are split anew from
# the line, and what stands before readline's word is taken off the answers. The functions below
# share the variables of _mailuser.
# shellcheck disable=SC2154 # they are assigned there

_mailuser_read() { # [COMMAND]: --help, and from it the options with their arguments
	local option='^ +((-[[:alpha:]]), )?(--[[:lower:][:digit:]-]+)( ([[:upper:]_]+)(\.\.\.)?)? '
	local line

	help=$("$program" "$@" --help 2>/dev/null)
	takes=()
	while IFS= read -r line; do
		[[ $line =~ $option ]] || continue
		takes[${BASH_REMATCH[3]}]=${BASH_REMATCH[5]}
		[ -z "${BASH_REMATCH[2]}" ] || takes[${BASH_REMATCH[2]}]=${BASH_REMATCH[5]}
	done <<<"$help"
}

_mailuser_names() { # the accounts that begin with $cur
	timeout 3 "$main" "${config[@]}" list 2>/dev/null |
		awk -v cur="$cur" 'index($1, cur) == 1 { print $1 }'
}

_mailuser_offer() { # WHAT: answers for an operand or an argument, by what --help calls it
	case $1 in
	NAME*) mapfile -t COMPREPLY < <(_mailuser_names) ;;
	FORMAT) # the line below the usage: "Take over accounts: shadow, sasldb."
		mapfile -t COMPREPLY < <(compgen -W "$(sed -n '2s/[.,]//g; 2s/.*: //p' <<<"$help")" \
			-- "$cur")
		;;
	GROUP) mapfile -t COMPREPLY < <(compgen -g -- "$cur") ;;
	FILE* | PATH | URL | SHELL | *DIR) compopt -o default ;;
	'' | [[:upper:]]*) ;;
	*) mapfile -t COMPREPLY < <(compgen -W "${1//|/ }" -- "$cur") ;; # check|copy|stat
	esac
}

# What the next operand is called: "NAME", "FILE", "check|copy|stat". The first line of --help ends
# in all of them: "check | copy URL | stat", "NAME", "[FILE]".
_mailuser_operand() {
	local usage=${help%%$'\n'*} choice words

	usage=${usage#*\[options\]}
	if [[ $usage == *'|'* ]]; then # words to choose from, with operands of their own
		mapfile -t words < <(tr '|' '\n' <<<"$usage" | sed 's/^ *//')
		if [ ${#operands[@]} = 0 ]; then
			(IFS='|' && printf '%s' "${words[*]%% *}")
			return
		fi
		usage=
		for choice in "${words[@]}"; do
			[ "${choice%% *}" != "${operands[0]}" ] || usage=$choice
		done
	fi
	read -ra words <<<"${usage//[][]/}"
	# A name that is not there yet cannot be completed.
	[[ $help != 'Usage: mailuser add '* ]] || words=()
	printf '%s' "${words[${#operands[@]}]-}"
}

_mailuser_words() { # all words before the one at the cursor
	local i word

	for ((i = 1; i < ${#words[@]} - 1; i++)); do
		word=${words[i]}
		if [ -n "$argument" ]; then
			argument=
		elif [ -z "$is_over" ] && [ "$word" = -- ]; then
			is_over=1
		elif [ -z "$is_over" ] && [[ $word == -* ]]; then
			argument=${takes[$word]-}
			[[ $word != --config=* ]] || config=("$word")
			[[ $word != --config ]] || config=("--config=${words[i + 1]}")
		elif [ -z "$command" ]; then
			command=$word
			_mailuser_read "$command"
		else
			operands+=("$word")
		fi
	done
}

_mailuser() {
	local program=$1 main=$1 help='' command='' argument='' is_over='' cur words
	local config=() operands=()
	local -A takes=()

	COMPREPLY=()
	read -ra words <<<"${COMP_LINE:0:COMP_POINT}"
	[[ ${COMP_LINE:0:COMP_POINT} != *[[:blank:]] ]] || words+=('')
	cur=${words[-1]}

	_mailuser_read
	# A link is that command from the start; `list` is asked of the program beside it.
	if [[ $help != 'Usage: mailuser [options] COMMAND'* ]]; then
		command=${program##*/}
		main=${program%"$command"}mailuser
	fi
	_mailuser_words

	if [[ $cur == --*=* ]]; then
		argument=${takes[${cur%%=*}]-}
		cur=${cur#*=}
		_mailuser_offer "$argument"
	elif [ -n "$argument" ]; then
		_mailuser_offer "$argument"
	elif [[ $cur == -* && -z $is_over ]]; then
		mapfile -t COMPREPLY < <(compgen -W "${!takes[*]}" -- "$cur")
	elif [ -z "$command" ]; then
		mapfile -t COMPREPLY < <(sed -nE '/^Commands:/,/^$/s/^  ([a-z]+) .*/\1/p' <<<"$help" |
			awk -v cur="$cur" 'index($1, cur) == 1')
	else
		_mailuser_offer "$(_mailuser_operand)"
	fi

	COMPREPLY=("${COMPREPLY[@]#"${cur%"$2"}"}")
}

complete -F _mailuser mailuser @LINKS@
