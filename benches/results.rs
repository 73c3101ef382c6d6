//! What was measured: rows of one figure for each init.

use crate::inits::Init;
use std::collections::BTreeMap;

/// A figure, from many samples.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    pub median: f64,
    pub lower_quartile: f64,
    pub upper_quartile: f64,
    pub samples: usize,
}

impl Figure {
    fn of(samples: &[f64]) -> Option<Figure> {
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

/// A quantile of what is sorted, between two samples in proportion.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Small numbers.
pub fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let place = sorted.len().checked_sub(1)? as f64 * part;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

/// The median of what need not be sorted.
pub fn median(samples: &[f64]) -> f64 {
    Figure::of(samples).expect("samples").median
}

/// Which way is better.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Lower,
    Higher,
}

/// One measure.
pub struct Row {
    pub name: String,
    pub unit: &'static str,
    pub better: Better,
    /// Whether it is one of those that the plot shows.
    pub plotted: bool,
    /// By the name of the init.
    pub figures: BTreeMap<String, Figure>,
}

impl Row {
    /// Whether it is the best that can be used (the floor and `none` cannot), or within 3 % of that.
    pub fn is_first(&self, init: &Init, inits: &[Init]) -> bool {
        let rivals = inits.iter().filter(|rival| rival.is_contender());
        let figures = rivals.filter_map(|rival| Some(self.figures.get(&rival.name)?.median));
        let Some(own) = self.figures.get(&init.name).map(|figure| figure.median) else { return false };
        init.is_contender()
            && match self.better {
                Better::Lower => own <= figures.fold(f64::INFINITY, f64::min) * 1.03,
                Better::Higher => own >= figures.fold(0.0, f64::max) * 0.97,
            }
    }
}

/// A measure that was taken with several numbers of containers; less of it is better.
pub struct Curve {
    pub name: String,
    pub unit: &'static str,
    /// Whether it is one of those that the plot shows.
    pub plotted: bool,
    pub points: Vec<Point>,
}

/// What was measured with so many containers.
pub struct Point {
    pub containers: usize,
    /// By the name of the init.
    pub figures: BTreeMap<String, Figure>,
}

/// All rows and curves, and what is to be said beside them.
pub struct Results {
    names: Vec<String>,
    pub rows: Vec<Row>,
    pub curves: Vec<Curve>,
    pub notes: Vec<String>,
}

impl Results {
    pub fn new(inits: &[Init]) -> Results {
        let names = inits.iter().map(|init| init.name.clone()).collect();
        Results { names, rows: Vec::new(), curves: Vec::new(), notes: Vec::new() }
    }

    /// The figures of the samples of each init, in the order of the inits; none where it was not measured.
    fn figures(&self, samples: &[Vec<f64>]) -> BTreeMap<String, Figure> {
        let figures = self.names.iter().zip(samples);
        figures.filter_map(|(init, samples)| Some((init.clone(), Figure::of(samples)?))).collect()
    }

    /// Adds a row: the samples of each init, in the order of the inits; none where it was not measured.
    pub fn add(&mut self, name: &str, unit: &'static str, better: Better, samples: &[Vec<f64>]) {
        let figures = self.figures(samples);
        self.rows.push(Row { name: name.to_owned(), unit, better, plotted: false, figures });
    }

    /// The same, and the plot shows it.
    pub fn add_plotted(&mut self, name: &str, unit: &'static str, better: Better, samples: &[Vec<f64>]) {
        self.add(name, unit, better, samples);
        if let Some(row) = self.rows.last_mut() {
            row.plotted = true;
        }
    }

    /// Adds a curve: the number of containers of each point, and its samples as those of a row.
    pub fn add_curve(&mut self, name: &str, unit: &'static str, plotted: bool, points: &[(usize, Vec<Vec<f64>>)]) {
        let point = |(containers, samples): &(usize, Vec<Vec<f64>>)| {
            let figures = self.figures(samples);
            Point { containers: *containers, figures }
        };
        let points = points.iter().map(point).collect();
        self.curves.push(Curve { name: name.to_owned(), unit, plotted, points });
    }

    /// Says something on standard error, and beside the table.
    pub fn note(&mut self, text: String) {
        eprintln!("{text}");
        self.notes.push(text);
    }
}
