//! dumb-init 1.2.5, after its source and Debian's package.
//!
//! Its child leads a session of its own, which takes the terminal over, and signals go to the child's process group. With `-c`
//! there is neither. When the child has exited, its process group gets a last SIGTERM.
//! SIGTSTP, SIGTTIN and SIGTTOU stop dumb-init too. A child with a session gets SIGSTOP instead, because the kernel does not let
//! the other three stop an orphaned process group.
#![forbid(unsafe_code)]

use super::rini::RINI;
use crate::cli::options::OptionKind;
use crate::cli::table::{OptionTable, Personality, Variable, options};
use crate::ground::exit::ExecCodes;
use crate::ground::policy::AfterExit;
use crate::messages::catalog::Catalog;
use crate::messages::message::Notice;

/// dumb-init.
pub static DUMB_INIT: Personality = Personality {
    options: options! {
        Help { letter: b'h', word: "--help", }
        SingleChild { letter: b'c', word: "--single-child", }
        RewriteOfDumbInit { letter: b'r', word: "--rewrite", value: Rules, }
        Debug { letter: b'v', word: "--verbose", }
        Version { letter: b'V', word: "--version", }
    },
    may_abbreviate: true,
    variables: &[
        Variable { name: "DUMB_INIT_DEBUG", value: b'1', kind: OptionKind::Debug, notice: Some(Notice::DebugIsOn) },
        Variable {
            name: "DUMB_INIT_SETSID",
            value: b'0',
            kind: OptionKind::SingleChild,
            notice: Some(Notice::NoSession),
        },
    ],
    has_tini_verbosity: false,
    session: true,
    after_exit: AfterExit::TerminateGroup,
    stops_itself: true,
    exec_codes: ExecCodes { not_found: 2, not_permitted: 2, other: 2 },
    catalog: Catalog::DUMB_INIT,
    ..RINI
};
