# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Completion of netictl for bash. Commands and options are those that --help tells, so that they
# cannot be others; ids are not asked for: the registry may be far.

_netictl_options() {
	"$1" "${@:2}" --help 2>/dev/null | grep -oE '^  (-[a-z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+'
}

_netictl_commands() {
	"$1" --help 2>/dev/null | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

_netictl() {
	local program=$1 word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local keys='overlay_subnet shards max_removals max_removals_percent removal_delay peered'
	local command='' verbs='' verb='' values=0 i
	COMPREPLY=()
	case $before in
	-c | --config | --inventory)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	--field)
		mapfile -t COMPREPLY < <(compgen -W \
			'id network overlay private public live version since' -- "$word")
		return
		;;
	--registry | --id | --below | --confirm | --listen | --to | --older-than) return ;;
	esac
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-c | --config | --registry) i=$((i + 1)) ;;
		-*) ;;
		*)
			if [ -z "$command" ]; then
				command=${COMP_WORDS[i]}
			elif [ -z "$verb" ]; then
				verb=${COMP_WORDS[i]}
			else
				values=$((values + 1))
			fi
			;;
		esac
	done
	case $command in
	fleet) verbs='init show set accept' ;;
	proxy) verbs='apply flush status' ;;
	esac
	if [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W \
			"$(_netictl_options "$program" ${command:+"$command"}) --help" -- "$word")
	elif [ -z "$command" ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_netictl_commands "$program")" -- "$word")
	elif [ -n "$verbs" ] && [ "$before" = "$command" ]; then
		mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$word")
	elif [[ "$command $verb $values" =~ ^fleet\ (set\ 0|init\ [0-9]*[02468])$ ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$keys" -- "$word")
	fi
}

complete -F _netictl netictl
