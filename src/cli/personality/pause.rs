//! Kubernetes' pause, the first container of a pod, after the source of 3.10.
#![forbid(unsafe_code)]

use super::rini::RINI;
use crate::cli::table::{Grammar, OptionTable, Personality, options};
use crate::messages::catalog::Catalog;

/// pause.
pub static PAUSE: Personality = Personality {
    options: options! {},
    grammar: Grammar::PauseOnly,
    variables: &[],
    has_tini_verbosity: false,
    catalog: Catalog::PAUSE,
    ..RINI
};
