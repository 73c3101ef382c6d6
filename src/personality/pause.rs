//! Kubernetes' pause, the first container of a pod, by the source of 3.10.
#![forbid(unsafe_code)]

use super::{Grammar, Personality, RINI, Stream};
use crate::signal::Signal;
use crate::supervisor::AfterExit;
use crate::voice::{Complaint, Voice};

/// pause.
pub static PAUSE: Personality = Personality {
    names: &["pause"],
    options: &[],
    cuts_words: false,
    help: "",
    help_to: Stream::Out,
    usage: "",
    version: concat!("pause.c ", env!("CARGO_PKG_VERSION"), "_rini\n"),
    version_to: Stream::Out,
    license: RINI.license,
    grammar: Grammar::Pause,
    switches: &[],
    verbosity: None,
    refuses: None,
    adopts: true,
    session: false,
    after_exit: AfterExit::Kill,
    stops_itself: false,
    exec_codes: RINI.exec_codes,
    voice: &Pause,
};

/// pause's voice.
struct Pause;

impl Voice for Pause {
    fn not_pid1(&self) -> Complaint {
        Complaint::Line("Warning: pause should be the first process".to_owned())
    }

    /// psignal(3).
    fn pause_ended(&self, signal: Signal) -> Complaint {
        let name = match signal {
            Signal::TERM => "Terminated".to_owned(),
            Signal::INT => "Interrupt".to_owned(),
            other => other.to_string(),
        };
        Complaint::Line(format!("Shutting down, got signal: {name}"))
    }
}
