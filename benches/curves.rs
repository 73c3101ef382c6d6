//! The plot of what grows with the number of containers: a panel for each curve, in it a line of medians for each init.

use crate::inits::{Init, Kind};
use crate::plot::{Drawn, INK, MARGIN, REFERENCE, RINI};
use crate::report::number;
use crate::results::{Curve, Point, Results};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

/// Pixels: of a panel, of the axes' labels, of a name with its line in the legend.
const PANEL: (i32, i32) = (372, 300);
const LABELS: (i32, i32) = (52, 40);
const NAME: (i32, i32) = (122, 22);

/// Of the peers, in their order: far from each other, and from rini's.
const PEERS: [RGBColor; 8] = [
    RGBColor(31, 119, 180),
    RGBColor(44, 140, 60),
    RGBColor(148, 103, 189),
    RGBColor(210, 170, 20),
    RGBColor(23, 180, 200),
    RGBColor(227, 119, 194),
    RGBColor(120, 86, 75),
    RGBColor(70, 70, 140),
];

/// Draws it, if there is anything to draw; returns whether there was.
pub fn draw(inits: &[Init], results: &Results, path: &Path) -> bool {
    let curves: Vec<&Curve> = results.curves.iter().filter(|curve| curve.plotted).collect();
    let lines = lines(inits, &curves);
    if lines.is_empty() {
        return false;
    }
    let few = |number: usize| i32::try_from(number).expect("few");
    let width = PANEL.0 * few(curves.len());
    let columns = (width - MARGIN) / NAME.0;
    let height = PANEL.1 + MARGIN + NAME.1 * ((few(lines.len()) - 1) / columns + 1);
    let area = SVGBackend::new(path, (width.unsigned_abs(), height.unsigned_abs())).into_drawing_area();
    area.fill(&WHITE).expect("target/bench");
    let (panels, legend) = area.split_vertically(PANEL.1);
    let legend = legend.margin(MARGIN / 2, 0, 0, 0);
    for (panel, curve) in panels.split_evenly((1, curves.len())).iter().zip(curves) {
        draw_panel(panel, &lines, curve).expect("target/bench");
    }
    for (place, line) in (0..).zip(&lines) {
        let corner = (MARGIN + place % columns * NAME.0, place / columns * NAME.1);
        draw_name(&legend, line, corner).expect("target/bench");
    }
    area.present().expect("target/bench");
    true
}

/// What the line of an init looks like.
struct Line<'a> {
    name: &'a str,
    style: ShapeStyle,
}

/// Those of the inits that were measured.
fn lines<'a>(inits: &'a [Init], curves: &[&Curve]) -> Vec<Line<'a>> {
    let measured = |init: &&Init| {
        curves.iter().flat_map(|curve| &curve.points).any(|point| point.figures.contains_key(&init.name))
    };
    let mut peers = PEERS.iter().cycle();
    let mut line = |init: &'a Init| {
        let (color, width) = match init.kind {
            Kind::Rini => (RINI, 3),
            Kind::Peer => (*peers.next().expect("a circle"), 2),
            Kind::Floor | Kind::None => (REFERENCE, 2),
        };
        Line { name: &init.name, style: color.stroke_width(width) }
    };
    inits.iter().filter(measured).map(&mut line).collect()
}

type Panel<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw_panel(panel: &Panel<'_>, lines: &[Line<'_>], curve: &Curve) -> Drawn {
    let text = |size: i32| ("sans-serif", size).into_font().color(&INK);
    let title = Text::new(format!("{}, {}", curve.name, curve.unit), (MARGIN, MARGIN + 4), text(15).pos(LEFT));
    panel.draw(&title)?;
    let figures = curve.points.iter().flat_map(|point| point.figures.values());
    let highest = figures.map(|figure| figure.median).fold(f64::MIN_POSITIVE, f64::max);
    let most = curve.points.iter().map(|point| point.containers).max().unwrap_or(1);
    let mut chart = ChartBuilder::on(panel)
        .margin_top(2 * MARGIN)
        .margin_right(MARGIN)
        .x_label_area_size(LABELS.1)
        .y_label_area_size(LABELS.0)
        .build_cartesian_2d(0.0..count(most) * 1.03, 0.0..highest * 1.05)?;
    let label = |value: &f64| number(*value);
    chart
        .configure_mesh()
        .x_desc("containers")
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&label)
        .y_label_formatter(&label)
        .label_style(text(13))
        .axis_style(REFERENCE)
        .bold_line_style(REFERENCE.mix(0.5))
        .light_line_style(TRANSPARENT)
        .draw()?;
    // rini's is the first, and drawn over the others.
    for line in lines.iter().rev() {
        let point = |point: &Point| Some((count(point.containers), point.figures.get(line.name)?.median));
        let points: Vec<(f64, f64)> = curve.points.iter().filter_map(point).collect();
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, line.style.filled())))?;
        chart.draw_series([PathElement::new(points, line.style)])?;
    }
    Ok(())
}

const LEFT: Pos = Pos { h_pos: HPos::Left, v_pos: VPos::Center };

/// A line and what it is called.
fn draw_name(legend: &Panel<'_>, line: &Line<'_>, (x, y): (i32, i32)) -> Drawn {
    let middle = y + NAME.1 / 2;
    legend.draw(&PathElement::new([(x, middle), (x + 20, middle)], line.style))?;
    legend.draw(&Circle::new((x + 10, middle), 3, line.style.filled()))?;
    let style = ("sans-serif", 13).into_font().color(&INK).pos(LEFT);
    legend.draw(&Text::new(line.name.to_owned(), (x + 26, middle), style))
}

#[allow(clippy::cast_precision_loss)] // Small numbers.
fn count(number: usize) -> f64 {
    number as f64
}
