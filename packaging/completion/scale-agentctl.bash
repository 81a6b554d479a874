# SPDX-License-Identifier: Apache-2.0
# bash completion of scale-agentctl. Commands and options are what its help says, so nothing is repeated here.

_scale_agentctl_words() { # commands | options | formats | accounts
    case $1 in
    commands) scale-agentctl --help 2>/dev/null | awk '/^  [a-z]/ { print $1 }' | sort -u ;;
    options) scale-agentctl --help 2>/dev/null | awk '/^Options/ { on = 1 } /^Exit/ { on = 0 } on' | grep -oE -- '--[a-z-]+' | sort -u ;;
    accounts) scale-agentctl accounts -o name 2>/dev/null ;;
    esac
}

_scale_agentctl() {
    local cur prev command='' i
    cur=${COMP_WORDS[COMP_CWORD]}
    prev=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -s | --socket | --database | -n | --namespace | --count | -o | --output | --account) ((i++)) ;;
        -*) ;;
        *) command=${COMP_WORDS[i]}; break ;;
        esac
    done
    case $prev in
    -s | --socket | --database) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    -o | --output) mapfile -t COMPREPLY < <(compgen -W 'table wide json yaml name' -- "$cur"); return ;;
    --account) mapfile -t COMPREPLY < <(compgen -W "$(_scale_agentctl_words accounts)" -- "$cur"); return ;;
    -n | --namespace | --count) return ;;
    esac
    case $cur in
    -*) mapfile -t COMPREPLY < <(compgen -W "$(_scale_agentctl_words options) -s -n -o -h" -- "$cur"); return ;;
    esac
    case $command in
    '') mapfile -t COMPREPLY < <(compgen -W "$(_scale_agentctl_words commands)" -- "$cur") ;;
    restart | pause | resume) mapfile -t COMPREPLY < <(compgen -W "$(_scale_agentctl_words accounts)" -- "$cur") ;;
    log-level) mapfile -t COMPREPLY < <(compgen -W 'fatal error warn info debug trace' -- "$cur") ;;
    config) mapfile -t COMPREPLY < <(compgen -W diff -- "$cur"; compgen -f -- "$cur") ;;
    *) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    esac
}
complete -F _scale_agentctl scale-agentctl
