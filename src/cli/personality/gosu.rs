//! gosu 1.14 and su-exec 0.3, after their sources and Debian's package of gosu.
//!
//! They change the user and become the program, so rini does not stay: `exec gosu app "$@"` is the last line of an entrypoint
//! script. Their init is the rini that runs the script.
#![forbid(unsafe_code)]

use super::rini::RINI;
use crate::cli::options::OptionKind;
use crate::cli::table::{Grammar, OptionTable, Personality, options};
use crate::ground::exit::{CANNOT_START, ExecCodes};
use crate::messages::catalog::Catalog;
use crate::observe::accounts::AccountRules;

/// gosu.
pub static GOSU: Personality = Personality {
    options: options! {
        Help { letter: b'h', word: "--help", }
        Help { letter: b'?', }
        Version { letter: b'v', word: "--version", }
    },
    grammar: Grammar::UserThenProgram,
    variables: &[],
    has_tini_verbosity: false,
    account_rules: AccountRules { own_by_default: true, lists_group: false },
    exec_codes: ExecCodes { not_found: CANNOT_START, not_permitted: CANNOT_START, other: CANNOT_START },
    catalog: Catalog::GOSU,
    ..RINI
};

/// su-exec. Without a program it prints its usage, and exits with 0.
pub static SU_EXEC: Personality = Personality {
    options: options! {},
    account_rules: AccountRules { own_by_default: true, lists_group: true },
    catalog: Catalog::SU_EXEC,
    ..GOSU
};
