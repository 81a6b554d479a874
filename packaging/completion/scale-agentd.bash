# SPDX-License-Identifier: Apache-2.0
# bash completion of scale-agentd: its options are what its help says.

_scale_agentd() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    case $prev in
    -c | --config) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    --drop-ins | --accounts | --runtime-dir | --state-dir) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    --log-level) mapfile -t COMPREPLY < <(compgen -W 'fatal error warn info debug trace' -- "$cur") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$(scale-agentd --help 2>/dev/null | grep -oE -- '--[a-z-]+' | sort -u)" -- "$cur") ;;
    esac
}
complete -F _scale_agentd scale-agentd
