//! The results: rows with one figure for each init, and curves with one figure for each init and number of containers.

use crate::figures::Figure;
use crate::inits::Init;
use std::collections::BTreeMap;

/// Whether a lower or a higher figure is better.
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
    /// Whether the plot shows it.
    pub plotted: bool,
    /// The figure of each init, by its name.
    pub figures: BTreeMap<String, Figure>,
}

impl Row {
    /// Whether this init is the best that a user can choose, or within 3 % of the best. The floor and `none` do not count.
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

/// A measure that was taken with several numbers of containers. Lower is better.
pub struct Curve {
    pub name: String,
    pub unit: &'static str,
    /// Whether the plot shows it.
    pub plotted: bool,
    pub points: Vec<Point>,
}

/// The figures for one number of containers.
pub struct Point {
    pub containers: usize,
    /// The figure of each init, by its name.
    pub figures: BTreeMap<String, Figure>,
}

/// All rows and curves, and the notes below the table.
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

    /// Makes the figures of the inits. The samples are in the order of the inits, and empty if an init was not measured.
    fn make_figures(&self, samples: &[Vec<f64>]) -> BTreeMap<String, Figure> {
        let figures = self.names.iter().zip(samples);
        figures.filter_map(|(init, samples)| Some((init.clone(), Figure::from_samples(samples)?))).collect()
    }

    /// Adds a row. The samples are in the order of the inits, and empty if an init was not measured.
    pub fn add_row(&mut self, name: &str, unit: &'static str, better: Better, samples: &[Vec<f64>]) {
        let figures = self.make_figures(samples);
        self.rows.push(Row { name: name.to_owned(), unit, better, plotted: false, figures });
    }

    /// Adds a row that the plot shows.
    pub fn add_plotted_row(&mut self, name: &str, unit: &'static str, better: Better, samples: &[Vec<f64>]) {
        self.add_row(name, unit, better, samples);
        if let Some(row) = self.rows.last_mut() {
            row.plotted = true;
        }
    }

    /// Adds a curve. Each point has its number of containers, and samples like those of a row.
    pub fn add_curve(&mut self, name: &str, unit: &'static str, plotted: bool, points: &[(usize, Vec<Vec<f64>>)]) {
        let point = |(containers, samples): &(usize, Vec<Vec<f64>>)| {
            let figures = self.make_figures(samples);
            Point { containers: *containers, figures }
        };
        let points = points.iter().map(point).collect();
        self.curves.push(Curve { name: name.to_owned(), unit, plotted, points });
    }

    /// Prints a note to standard error, and puts it below the table.
    pub fn add_note(&mut self, text: String) {
        eprintln!("{text}");
        self.notes.push(text);
    }
}
