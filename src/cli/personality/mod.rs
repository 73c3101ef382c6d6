//! The names that rini answers to, and the personality that each selects.
//!
//! The last component of `argv[0]` is the name, so a link is enough to put rini in another init's place:
//!
//! | name | personality |
//! | --- | --- |
//! | `tini`, `tini-static`, `docker-init` | [tini 0.19](tini) |
//! | `dumb-init` | [dumb-init 1.2](dumb_init) |
//! | `catatonit`, `podman-init` | [catatonit 0.2](catatonit) |
//! | `pause` | [Kubernetes' pause 3](pause) |
//! | `gosu`, `su-exec` | [gosu 1.14 and su-exec 0.3](gosu) |
//! | any other | rini itself |
//!
//! A [`Personality`] is data: options, variables, exit codes, and a [`Catalog`](crate::messages::catalog::Catalog) with the messages
//! that users may look for. rini's code is the same under every name. The `RINI_*` variables work under every name too, because
//! `docker run --init` gives its init nothing else.
#![forbid(unsafe_code)]

use crate::cli::table::Personality;
use crate::ground::bytes::{self, Parts};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::ptr;

mod catatonit;
mod dumb_init;
mod gosu;
mod pause;
mod rini;
mod tini;

pub use rini::RINI;

/// The names that select another personality than rini's own.
const NAMES: &[u8] = b"tini tini-static docker-init dumb-init catatonit podman-init pause gosu su-exec";

/// The personality of each name.
static OF_NAMES: [&Personality; 9] = [
    &tini::TINI,
    &tini::TINI,
    &tini::TINI,
    &dumb_init::DUMB_INIT,
    &catatonit::CATATONIT,
    &catatonit::CATATONIT,
    &pause::PAUSE,
    &gosu::GOSU,
    &gosu::SU_EXEC,
];

impl Personality {
    /// The personality that this `argv[0]` selects.
    pub fn of_name(argv0: &OsStr) -> &'static Personality {
        let name = bytes::base_name(argv0.as_bytes());
        Parts::of(NAMES, b' ').zip(&OF_NAMES).find(|(known, _)| *known == name).map_or(&RINI, |(_, other)| other)
    }

    /// Whether rini runs under its own name. Only then it does what no other init does.
    pub fn is_rini(&self) -> bool {
        ptr::eq(self, &RINI)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_component_of_argv0_is_the_name() {
        assert_eq!(Parts::of(NAMES, b' ').count(), OF_NAMES.len());
        for (argv0, wanted) in [
            ("tini", &tini::TINI),
            ("/sbin/docker-init", &tini::TINI),
            ("./tini-static", &tini::TINI),
            ("/catatonit", &catatonit::CATATONIT),
            ("/run/podman-init", &catatonit::CATATONIT),
            ("/pause", &pause::PAUSE),
            ("/usr/bin/dumb-init", &dumb_init::DUMB_INIT),
            ("/usr/sbin/gosu", &gosu::GOSU),
            ("su-exec", &gosu::SU_EXEC),
            ("rini", &RINI),
            ("/sbin/init", &RINI),
            ("tini/", &RINI),
            ("Tini", &RINI),
            ("tini2", &RINI),
            ("", &RINI),
        ] {
            assert!(ptr::eq(Personality::of_name(OsStr::new(argv0)), wanted), "{argv0}");
        }
    }
}
