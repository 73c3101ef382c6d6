//! tini 0.19, after its source and Debian's package.
#![forbid(unsafe_code)]

use super::rini::RINI;
use crate::cli::options::OptionKind;
use crate::cli::table::{Grammar, OptionTable, Personality, options};
use crate::ground::exit::{self, ExecCodes};
use crate::messages::catalog::Catalog;

/// tini.
pub static TINI: Personality = Personality {
    options: options! {
        ParentDeathSignalOfTini { letter: b'p', value: Signals, }
        Help { letter: b'h', }
        Verbose { letter: b'v', }
        WarnOnReap { letter: b'w', value: OnOrOff, }
        ProcessGroup { letter: b'g', value: OnOrOff, }
        License { letter: b'l', }
        RemapExitOfTini { letter: b'e', value: Codes, }
        Subreaper { letter: b's', value: OnOrOff, }
    },
    grammar: Grammar::VersionAlone,
    adopts: false,
    exec_codes: ExecCodes { not_found: exit::NOT_FOUND, not_permitted: exit::NOT_EXECUTABLE, other: 1 },
    catalog: Catalog::TINI,
    ..RINI
};
