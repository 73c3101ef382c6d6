//! The plot of the main measures: a panel of bars for each, with the quartiles as a line.

use crate::drawing::{Drawn, INK, MARGIN, Panel, REFERENCE, RINI};
use crate::figures::format_number;
use crate::inits::{Init, Kind};
use crate::results::{Better, Results, Row};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

const COLUMNS: usize = 2;
/// Sizes in pixels: the width of a panel, the height of a bar with its distance to the next, the width of the names, and
/// the height of a title.
const WIDTH: i32 = 560;
const BAR: i32 = 20;
const NAMES: i32 = 110;
const TITLE: i32 = 30;

const PEER: RGBColor = RGBColor(96, 125, 152);

/// Draws the plot. Returns false if no measure of the plot was taken; then there is no file.
pub fn draw(inits: &[Init], results: &Results, path: &Path) -> bool {
    let rows: Vec<&Row> = results.rows.iter().filter(|row| row.plotted).collect();
    let bars = rows.iter().map(|row| row.figures.len()).max().unwrap_or(0);
    let height = TITLE + 2 * MARGIN + BAR * i32::try_from(bars).expect("few");
    let lines = rows.len().div_ceil(COLUMNS);
    if lines == 0 {
        return false;
    }
    let pixels = |number: usize, each: i32| u32::try_from(number).expect("few") * each.unsigned_abs();
    let area = SVGBackend::new(path, (pixels(COLUMNS, WIDTH), pixels(lines, height))).into_drawing_area();
    area.fill(&WHITE).expect("target/bench");
    for (panel, row) in area.split_evenly((lines, COLUMNS)).iter().zip(rows) {
        draw_panel(panel, inits, row).expect("target/bench");
    }
    area.present().expect("target/bench");
    true
}

#[allow(clippy::cast_possible_truncation)] // Numbers of pixels are small.
fn draw_panel(panel: &Panel<'_>, inits: &[Init], row: &Row) -> Drawn {
    let style = |size: i32, side: HPos| ("sans-serif", size).into_font().color(&INK).pos(Pos::new(side, VPos::Center));
    let unit = if row.unit.is_empty() { String::new() } else { format!(", {}", row.unit) };
    let better = if row.better == Better::Higher { " (more is better)" } else { "" };
    panel.draw(&Text::new(format!("{}{unit}{better}", row.name), (MARGIN, MARGIN + 4), style(15, HPos::Left)))?;

    // The longest bar leaves room for the figure beside it.
    let most = row.figures.values().map(|figure| figure.median).fold(f64::MIN_POSITIVE, f64::max);
    let (left, room) = (MARGIN + NAMES, f64::from(WIDTH - 2 * MARGIN - NAMES - 70));
    let pixel = |value: f64| left + (value / most * room).min(room + 10.0) as i32;
    let measured = inits.iter().filter_map(|init| Some((init, row.figures.get(&init.name)?)));
    for (position, (init, figure)) in (0..).zip(measured) {
        let middle = MARGIN + TITLE + BAR * position + BAR / 2;
        panel.draw(&Text::new(init.name.clone(), (left - 8, middle), style(13, HPos::Right)))?;
        let color = match init.kind {
            Kind::Rini => RINI,
            Kind::Peer => PEER,
            Kind::Floor | Kind::None => REFERENCE,
        };
        let end = pixel(figure.median);
        panel.draw(&Rectangle::new([(left, middle - 7), (end, middle + 7)], color.filled()))?;
        let (from, to) = (pixel(figure.lower_quartile), pixel(figure.upper_quartile));
        if from < to {
            panel.draw(&PathElement::new([(from, middle), (to, middle)], INK.stroke_width(1)))?;
            for end in [from, to] {
                panel.draw(&PathElement::new([(end, middle - 3), (end, middle + 3)], INK.stroke_width(1)))?;
            }
        }
        panel.draw(&Text::new(format_number(figure.median), (end.max(to) + 6, middle), style(13, HPos::Left)))?;
    }
    Ok(())
}
