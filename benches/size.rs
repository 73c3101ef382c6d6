//! The size of the file of each init.

use crate::effort::Effort;
use crate::inits::Init;
use crate::results::{Better, Results};
use std::fs;

pub fn measure(inits: &[Init], _: Effort, results: &mut Results) {
    #[allow(clippy::cast_precision_loss)] // Only a file of petabytes loses precision.
    let size = |init: &Init| Some(fs::metadata(init.command.first()?).ok()?.len() as f64);
    let samples: Vec<_> = inits.iter().map(|init| size(init).into_iter().collect()).collect();
    results.add_plotted_row("file", "B", Better::Lower, &samples);
}
