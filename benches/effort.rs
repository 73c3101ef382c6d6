//! How often a measure is repeated.

/// The length of a run.
#[derive(Clone, Copy)]
pub struct Effort {
    /// Whether this is a short run, for a first look.
    pub quick: bool,
}

impl Effort {
    /// Chooses between the two numbers that a measure has for a full run and for a short one.
    pub fn pick(self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }
}
