//! Kubernetes' pause, the first container of a pod, by the source of 3.10.
#![forbid(unsafe_code)]

use super::{Grammar, OptionTable, Personality, RINI, options};
use crate::voice::Voice;

/// pause.
pub static PAUSE: Personality = Personality {
    names: "pause",
    options: options! {},
    grammar: Grammar::Pause,
    switches: &[],
    tini_verbosity: false,
    voice: Voice::PAUSE,
    ..RINI
};
