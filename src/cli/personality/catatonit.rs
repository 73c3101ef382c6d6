//! catatonit, after its source and Debian's package of 0.1.7. podman calls it podman-init.
#![forbid(unsafe_code)]

use super::rini::RINI;
use crate::cli::options::OptionKind;
use crate::cli::table::{Grammar, OptionTable, Personality, Variable, options};
use crate::ground::exit::ExecCodes;
use crate::messages::catalog::Catalog;

/// catatonit.
pub static CATATONIT: Personality = Personality {
    options: options! {
        ProcessGroup { letter: b'g', value: OnOrOff, }
        Help { letter: b'h', }
        License { letter: b'L', }
        Pause { letter: b'P', }
        Version { letter: b'V', word: "--version", }
    },
    grammar: Grammar::PauseIgnoresProgram,
    variables: &[
        Variable::if_set("CATATONIT_DEBUG", OptionKind::Debug, None),
        Variable::if_set("CATATONIT_LOG", OptionKind::Reserved, None),
    ],
    has_tini_verbosity: false,
    exec_codes: ExecCodes { not_found: 1, not_permitted: 1, other: 1 },
    catalog: Catalog::CATATONIT,
    ..RINI
};
