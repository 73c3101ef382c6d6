//! Statistics: the figure of many samples, and how a number is written.

/// The median and the quartiles of many samples.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    pub median: f64,
    pub lower_quartile: f64,
    pub upper_quartile: f64,
    pub samples: usize,
}

impl Figure {
    pub fn from_samples(samples: &[f64]) -> Option<Figure> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Figure {
            median: quantile(&sorted, 0.5)?,
            lower_quartile: quantile(&sorted, 0.25)?,
            upper_quartile: quantile(&sorted, 0.75)?,
            samples: sorted.len(),
        })
    }
}

/// A quantile of sorted samples. Between two samples it is interpolated.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Small numbers.
pub fn quantile(sorted: &[f64], fraction: f64) -> Option<f64> {
    let position = sorted.len().checked_sub(1)? as f64 * fraction;
    let (below, above) = (sorted[position.floor() as usize], sorted[position.ceil() as usize]);
    Some(below + (above - below) * position.fract())
}

/// The median of samples in any order.
pub fn median(samples: &[f64]) -> f64 {
    Figure::from_samples(samples).expect("samples").median
}

/// Writes a number with at least three digits if it has a fraction, and separates the thousands.
pub fn format_number(value: f64) -> String {
    let digits = if value == value.round() || value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        // A narrow space at which no line is broken.
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

/// A count as a number to calculate with.
#[allow(clippy::cast_precision_loss)] // The counts are small.
pub fn to_f64(count: usize) -> f64 {
    count as f64
}
