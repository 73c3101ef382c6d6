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
//! | any other | rini itself |
//!
//! A [`Personality`] is data: options, variables, exit codes, and a [`Catalog`](crate::messages::catalog::Catalog) with the messages
//! that users may look for. rini's code is the same under every name. The `RINI_*` variables work under every name too, because
//! `docker run --init` gives its init nothing else.
#![forbid(unsafe_code)]

use crate::cli::table::Personality;
use crate::ground::bytes::Parts;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::ptr;

mod catatonit;
mod dumb_init;
mod pause;
mod rini;
mod tini;

pub use rini::RINI;

/// All personalities except rini's own.
const OTHERS: &[&Personality] = &[&tini::TINI, &dumb_init::DUMB_INIT, &catatonit::CATATONIT, &pause::PAUSE];

impl Personality {
    /// The personality that this `argv[0]` selects.
    pub fn of_name(argv0: &OsStr) -> &'static Personality {
        let name = base_name(argv0).as_bytes();
        for other in OTHERS {
            if Parts::of(other.names.as_bytes(), b' ').any(|known| known == name) {
                return other;
            }
        }
        &RINI
    }

    /// Whether rini runs under its own name. Only then it does what no other init does.
    pub fn is_rini(&self) -> bool {
        ptr::eq(self, &RINI)
    }
}

/// The last component of a path.
pub fn base_name(path: &OsStr) -> &OsStr {
    OsStr::from_bytes(path.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_component_of_argv0_is_the_name() {
        for (argv0, name) in [
            ("tini", "tini"),
            ("/sbin/docker-init", "tini"),
            ("./tini-static", "tini"),
            ("/catatonit", "catatonit"),
            ("/run/podman-init", "catatonit"),
            ("/pause", "pause"),
            ("/usr/bin/dumb-init", "dumb-init"),
            ("rini", "rini"),
            ("/sbin/init", "rini"),
            ("tini/", "rini"),
            ("Tini", "rini"),
            ("tini2", "rini"),
            ("", "rini"),
        ] {
            assert_eq!(
                Parts::of(Personality::of_name(OsStr::new(argv0)).names.as_bytes(), b' ').next(),
                Some(name.as_bytes()),
                "{argv0}"
            );
        }
    }
}
