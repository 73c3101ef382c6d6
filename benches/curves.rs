//! The plot of the measures that grow with the number of containers: a panel for each curve, with a line of medians for
//! each init.

use crate::drawing::{Drawn, INK, MARGIN, Panel, REFERENCE, RINI};
use crate::figures::{format_number, to_f64};
use crate::inits::{Init, Kind};
use crate::results::{Curve, Point, Results};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

/// Sizes in pixels, width and height: a panel, the labels of the axes, and a name with its line in the legend.
const PANEL: (i32, i32) = (372, 300);
const LABELS: (i32, i32) = (52, 40);
const NAME: (i32, i32) = (122, 22);

/// The colours of the peers, in their order. They are easy to tell from each other and from rini's.
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

/// Draws the plot. Returns false if no curve was measured; then there is no file.
pub fn draw(inits: &[Init], results: &Results, path: &Path) -> bool {
    let curves: Vec<&Curve> = results.curves.iter().filter(|curve| curve.plotted).collect();
    let lines = choose_lines(inits, &curves);
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
    for (position, line) in (0..).zip(&lines) {
        let corner = (MARGIN + position % columns * NAME.0, position / columns * NAME.1);
        draw_legend_entry(&legend, line, corner).expect("target/bench");
    }
    area.present().expect("target/bench");
    true
}

/// The name and the look of the line of an init.
struct Line<'a> {
    name: &'a str,
    style: ShapeStyle,
}

/// Chooses a line for each init that was measured.
fn choose_lines<'a>(inits: &'a [Init], curves: &[&Curve]) -> Vec<Line<'a>> {
    let measured = |init: &&Init| {
        curves.iter().flat_map(|curve| &curve.points).any(|point| point.figures.contains_key(&init.name))
    };
    let mut peers = PEERS.iter().cycle();
    let mut line = |init: &'a Init| {
        let (color, width) = match init.kind {
            Kind::Rini => (RINI, 3),
            Kind::Peer => (*peers.next().expect("an endless cycle"), 2),
            Kind::Floor | Kind::None => (REFERENCE, 2),
        };
        Line { name: &init.name, style: color.stroke_width(width) }
    };
    inits.iter().filter(measured).map(&mut line).collect()
}

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
        .build_cartesian_2d(0.0..to_f64(most) * 1.03, 0.0..highest * 1.05)?;
    let label = |value: &f64| format_number(*value);
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
    // rini is the first init. Its line is drawn last, over the others.
    for line in lines.iter().rev() {
        let point = |point: &Point| Some((to_f64(point.containers), point.figures.get(line.name)?.median));
        let points: Vec<(f64, f64)> = curve.points.iter().filter_map(point).collect();
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, line.style.filled())))?;
        chart.draw_series([PathElement::new(points, line.style)])?;
    }
    Ok(())
}

const LEFT: Pos = Pos { h_pos: HPos::Left, v_pos: VPos::Center };

/// Draws an entry of the legend: a line and its name.
fn draw_legend_entry(legend: &Panel<'_>, line: &Line<'_>, (x, y): (i32, i32)) -> Drawn {
    let middle = y + NAME.1 / 2;
    legend.draw(&PathElement::new([(x, middle), (x + 20, middle)], line.style))?;
    legend.draw(&Circle::new((x + 10, middle), 3, line.style.filled()))?;
    let style = ("sans-serif", 13).into_font().color(&INK).pos(LEFT);
    legend.draw(&Text::new(line.name.to_owned(), (x + 26, middle), style))
}
