//! catatonit, by its source and by Debian's package of 0.1.7. podman calls it podman-init.
#![forbid(unsafe_code)]

use super::{Grammar, Means, OptionTable, Personality, RINI, Switch, options, present};
use crate::exit::ExecCodes;
use crate::voice::Voice;

/// catatonit.
pub static CATATONIT: Personality = Personality {
    names: "catatonit podman-init",
    options: options! {
        b'g' "" ProcessGroup,
        b'h' "" Help,
        b'L' "" License,
        b'P' "" Pause,
        b'V' "--version" Version,
    },
    grammar: Grammar::PauseIgnoresWords,
    switches: &[present("CATATONIT_DEBUG", Switch::Debug), present("CATATONIT_LOG", Switch::Reserved)],
    tini_verbosity: false,
    exec_codes: ExecCodes { not_found: 1, not_permitted: 1, other: 1 },
    voice: Voice::CATATONIT,
    ..RINI
};
