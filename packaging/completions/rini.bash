# bash completion for rini. It works without bash-completion; PROGRAM's own arguments need bash-completion.
# shellcheck shell=bash

_rini() {
    # Letter and word, and "=" if a value follows. src/cli/documentation.rs checks the options.
    local options='
        g/process-group e/remap-exit= t/grace-period= stop-signals= stop-delay= stop-on-stdin-close after-exit= r/rewrite=
        p/parent-death-signal= s/subreaper w/warn-on-reap v/verbose P/pause
        install=
        u/user=
        l/license h/help V/version
    '
    local signals='HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN
        TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS RTMIN RTMAX'
    local option word names=() i
    local -A value_of=()
    for option in $options; do
        word=${option#?/}
        names+=("--${word%=}")
        [[ $word == *= ]] && value_of[--${word%=}]=${word%=}
        [[ $option == ?/* ]] || continue
        names+=("-${option%%/*}")
        [[ $word == *= ]] && value_of[-${option%%/*}]=${word%=}
    done

    # Readline cuts --word=VALUE and FROM:TO into pieces. Join them again; `starts` has the index of each word's first piece.
    local words=() starts=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        if ((i > 1)) && [[ ${COMP_WORDS[i]} == [=:] || ${COMP_WORDS[i - 1]} == [=:] ]]; then
            words[-1]+=${COMP_WORDS[i]}
        else
            words+=("${COMP_WORDS[i]}")
            starts+=("$i")
        fi
    done

    # PROGRAM is the first word that is neither an option nor the value of one.
    local at=1 last=$((${#words[@]} - 1)) takes='' behind=''
    while ((at < last)); do
        word=${words[at]}
        takes=''
        case $word in
            --) behind=1 ;;
            --*) takes=${value_of[$word]-} ;;
            -?*)
                for ((i = 1; i < ${#word}; i++)); do
                    takes=${value_of[-${word:i:1}]-}
                    [ -z "$takes" ] && continue
                    # The remaining characters of the word are the letter's value.
                    ((i + 1 < ${#word})) && takes=''
                    break
                done
                ;;
            *) break ;;
        esac
        at=$((at + 1))
        [ -n "$behind" ] && break
        if [ -n "$takes" ] && ((at < last)); then
            at=$((at + 1))
            takes=''
        fi
    done

    local full=${words[last]} text=${words[last]} base='' list='' end='' from=()
    if [[ -z $takes$behind && $full == --*=* ]] && ((at == last)); then
        takes=${value_of[${full%%=*}]-none}
        base=${full%%=*}=
        text=${full#*=}
    fi
    COMPREPLY=()
    if [ -n "$takes" ]; then
        case $takes in
            after-exit) list='kill terminate wait' ;;
            parent-death-signal) list=$signals ;;
            stop-signals)
                base+=${text%"${text##*,}"}
                text=${text##*,}
                list=$signals
                ;;
            rewrite)
                list=$signals
                [[ $text == *:* ]] || end=:
                base+=${text%"${text##*:}"}
                text=${text##*:}
                ;;
            install)
                from=(-f)
                compopt -o filenames
                ;;
            user)
                from=(-u)
                [[ $text == *:* ]] && from=(-g)
                base+=${text%"${text##*:}"}
                text=${text##*:}
                ;;
        esac
        [ ${#from[@]} = 0 ] && from=(-W "$list")
        mapfile -t COMPREPLY < <(compgen -P "$base" -S "$end" "${from[@]}" -- "$text")
        [ -n "$end" ] && compopt -o nospace
        # Leave out what readline already has.
        word=${COMP_WORDS[COMP_CWORD]#[=:]}
        COMPREPLY=("${COMPREPLY[@]#"${full%"$word"}"}")
    elif ((at < last)); then
        if declare -F _comp_command_offset >/dev/null; then
            _comp_command_offset "${starts[at]}"
        elif declare -F _command_offset >/dev/null; then
            _command_offset "${starts[at]}"
        else
            compopt -o default
        fi
    elif [[ -z $behind && $full == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${names[*]}" -- "$full")
    else
        mapfile -t COMPREPLY < <(compgen -A command -- "$full")
        compopt -o default
    fi
}

complete -F _rini rini
