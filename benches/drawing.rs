//! What the two plots share: the colours, the margin, and the types of a panel and of its drawing.

use plotters::prelude::*;

/// The distance between the edge of a panel and its content, in pixels.
pub const MARGIN: i32 = 16;

pub const RINI: RGBColor = RGBColor(196, 78, 28);
pub const REFERENCE: RGBColor = RGBColor(196, 200, 204);
pub const INK: RGBColor = RGBColor(40, 44, 48);

/// A part of a plot that one measure is drawn into.
pub type Panel<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// The result of a drawing.
pub type Drawn = Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>>;
