# fish completion for rini. src/cli/documentation.rs checks the options.

# Prints the words from PROGRAM on; fails if PROGRAM has not been typed yet.
function __fish_rini_program
    set -l tokens (commandline -opc) (commandline -ct)
    set -e tokens[1]
    set -l options g/process-group e/remap-exit= t/grace-period= stop-signals= stop-delay= stop-on-stdin-close after-exit= r/rewrite= \
        p/parent-death-signal= s/subreaper w/warn-on-reap v/verbose P/pause \
        install= \
        u/user= \
        l/license h/help V/version
    argparse -s $options -- $tokens 2>/dev/null
    and test -n "$argv[1]"
    and not string match -qr '^-' -- $argv[1]
    and string join0 -- $argv
end

function __fish_rini_no_program
    not __fish_rini_program >/dev/null
end

function __fish_rini_complete_program
    __fish_complete_subcommand --commandline (__fish_rini_program | string split0)
end

function __fish_rini_signals
    string split ' ' 'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT'
    string split ' ' 'CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS RTMIN RTMAX'
end

# Prints what has been typed of a value that begins in the same word as its option, or in a word of its own.
function __fish_rini_typed
    string replace -r -- '^(--[^=]*=|-[ru])' '' (commandline -ct)
end

# Prints signals, each after what has been typed up to the last separator.
function __fish_rini_more_signals --argument-names separator
    set -l typed (__fish_rini_typed | string match -r -- ".*$separator")
    printf '%s\n' "$typed"(__fish_rini_signals)
end

function __fish_rini_files
    complete -C "'' "(__fish_rini_typed)
end

# Prints users, or behind a colon groups, each with the user before it.
function __fish_rini_users
    set -l typed (__fish_rini_typed)
    if string match -q -- '*:*' $typed
        printf '%s\n' (string replace -r -- ':.*' ':' $typed)(__fish_complete_groups)
    else
        __fish_complete_users
    end
end

set -l before __fish_rini_no_program
complete -c rini -n $before -s g -l process-group -d 'Forward signals to the process group of PROGRAM'
complete -c rini -n $before -s e -l remap-exit -x -d 'Exit with TO instead of CODE'
complete -c rini -n $before -s t -l grace-period -x -d 'Send SIGKILL this long after a stop signal'
complete -c rini -n $before -l stop-signals -x -a '(__fish_rini_more_signals ,)' -d 'The signals that start a stop'
complete -c rini -n $before -l stop-delay -x -d 'Hold a stop signal back for this long'
complete -c rini -n $before -l stop-on-stdin-close -d 'Stop when standard input is closed'
complete -c rini -n $before -l after-exit -x -a 'kill terminate wait' -d 'What to do with leftover processes'
complete -c rini -n $before -s r -l rewrite -x -a '(__fish_rini_more_signals :)' -d 'Send TO instead of FROM; 0 drops it'
complete -c rini -n $before -s p -l parent-death-signal -x -a '(__fish_rini_signals)' \
    -d 'Send SIG to PROGRAM when the parent of rini dies'
complete -c rini -n $before -s s -l subreaper -d 'Adopt orphans or fail'
complete -c rini -n $before -s w -l warn-on-reap -d 'Log a warning for each orphan reaped'
complete -c rini -n $before -s v -l verbose -d 'Log more'
complete -c rini -n $before -s P -l pause -d 'No PROGRAM: reap until a stop signal, exit 0'
complete -c rini -n $before -l install -x -a '(__fish_rini_files)' -d 'Copy rini to PATH, or into it, and exit'
complete -c rini -n $before -s u -l user -x -a '(__fish_rini_users)' -d 'Run as this user, by names or numbers'
complete -c rini -n $before -s l -l license -d 'Print the license and exit'
complete -c rini -n $before -s h -l help -d 'Print the help and exit'
complete -c rini -n $before -s V -l version -d 'Print the version and exit'
complete -c rini -x -a '(__fish_rini_complete_program)'
