//! rini itself.
#![forbid(unsafe_code)]

use crate::cli::options::OptionKind;
use crate::cli::table::{Grammar, OptionTable, Personality, Variable, options};
use crate::ground::exit::{self, ExecCodes};
use crate::ground::policy::AfterExit;
use crate::messages::catalog::Catalog;
use crate::messages::message::Notice;
use crate::observe::accounts::AccountRules;

/// rini.
///
/// src/cli/documentation.rs checks the help, the documentation and the completions against these rows. The `RINI_*`
/// variables are read in the order of the rows, under every name.
pub static RINI: Personality = Personality {
    options: options! {
        ProcessGroup {
            letter: b'g', word: "--process-group", value: OnOrOff, variable: "RINI_PROCESS_GROUP",
            default: "off", help: "forward signals to PROGRAM's process group",
        }
        Subreaper {
            letter: b's', word: "--subreaper", value: OnOrOff, variable: "RINI_SUBREAPER",
            default: "off", help: "adopt orphans or fail [adopt them if possible]",
        }
        RemapExit {
            letter: b'e', word: "--remap-exit", value: Codes, variable: "RINI_REMAP_EXIT",
            shown: "CODE[:TO],...", default: "none", help: "exit with TO [0] instead of CODE; repeatable",
        }
        Verbose {
            letter: b'v', word: "--verbose",
            default: "warn", help: "log more: -v info, -vv debug, -vvv trace [warn]",
        }
        Log { value: Level, variable: "RINI_LOG", }
        StopSignals {
            word: "--stop-signals", value: List, variable: "RINI_STOP_SIGNALS",
            shown: "LIST", default: "TERM,INT", help: "the signals that start a stop [TERM,INT]",
        }
        GracePeriod {
            letter: b't', word: "--grace-period", value: Grace, variable: "RINI_GRACE_PERIOD",
            shown: "DURATION", default: "off", help: "SIGKILL this long after a stop signal [off]",
        }
        StopDelay {
            word: "--stop-delay", value: Delay, variable: "RINI_STOP_DELAY",
            shown: "DURATION", default: "0", help: "hold a stop signal back for this long [0]",
        }
        StopOnStdinClose {
            word: "--stop-on-stdin-close", value: OnOrOff, variable: "RINI_STOP_ON_STDIN_CLOSE",
            default: "off", help: "stop when standard input is closed [off]",
        }
        AfterExit {
            word: "--after-exit", value: AfterExit, variable: "RINI_AFTER_EXIT",
            shown: "ACTION", default: "kill", help: "leftover processes: kill|terminate|wait [kill]",
        }
        Rewrite {
            letter: b'r', word: "--rewrite", value: Rules, variable: "RINI_REWRITE",
            shown: "FROM:TO,...", default: "none", help: "send TO instead of FROM; 0 drops it; repeatable",
        }
        ParentDeathSignal {
            letter: b'p', word: "--parent-death-signal", value: Signals,
            shown: "SIG", default: "off", help: "send SIG to PROGRAM when rini's parent dies",
        }
        WarnOnReap {
            letter: b'w', word: "--warn-on-reap", value: OnOrOff,
            default: "off", help: "log a warning for each orphan reaped",
        }
        User {
            letter: b'u', word: "--user", value: User, variable: "RINI_USER",
            shown: "USER[:GROUP]", default: "off", help: "run as this user, by names or numbers",
        }
        Pause {
            letter: b'P', word: "--pause",
            default: "off", help: "no PROGRAM: reap until a stop signal, exit 0",
        }
        Install {
            word: "--install", value: Path,
            shown: "PATH", help: "copy rini to PATH, or into it, and exit",
        }
        License { letter: b'l', word: "--license", help: "print the license and exit", }
        Help { letter: b'h', word: "--help", help: "print the help and exit", }
        Version { letter: b'V', word: "--version", help: "print the version and exit", }
    },
    may_abbreviate: false,
    grammar: Grammar::OptionsThenProgram,
    variables: &[
        Variable::if_set("TINI_SUBREAPER", OptionKind::Subreaper, Some(Notice::TiniSubreaper)),
        Variable::if_set("TINI_KILL_PROCESS_GROUP", OptionKind::ProcessGroup, Some(Notice::TiniProcessGroup)),
    ],
    has_tini_verbosity: true,
    adopts: true,
    session: false,
    after_exit: AfterExit::Kill,
    stops_itself: false,
    account_rules: AccountRules { own_by_default: false, lists_group: true },
    exec_codes: ExecCodes {
        not_found: exit::NOT_FOUND,
        not_permitted: exit::NOT_EXECUTABLE,
        other: exit::NOT_EXECUTABLE,
    },
    catalog: Catalog::RINI,
};
