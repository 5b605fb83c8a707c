//! Lines in panels side by side, on logarithmic axes.

use crate::bench::svg::{Anchor, Svg};

const PANEL: f64 = 380.0;
const TOP: f64 = 76.0;
const HEIGHT: f64 = 230.0;
/// The margins of a panel, for the numbers of its axis.
const LEFT: f64 = 66.0;
const RIGHT: f64 = 24.0;

pub(crate) struct Lines {
    pub(crate) title: String,
    pub(crate) x_axis: String,
    /// The values of the horizontal axis.
    pub(crate) x: Vec<f64>,
    pub(crate) panels: Vec<Panel>,
}

pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) curves: Vec<Curve>,
}

pub(crate) struct Curve {
    pub(crate) label: &'static str,
    pub(crate) class: &'static str,
    pub(crate) values: Vec<f64>,
}

impl Lines {
    pub(crate) fn draw(&self) -> String {
        let mut svg = Svg::new(PANEL * self.panels.len() as f64);
        svg.text(20.0, 30.0, "title", Anchor::Start, &self.title);
        for (index, panel) in self.panels.iter().enumerate() {
            self.panel(&mut svg, panel, PANEL * index as f64);
        }
        let mut x = LEFT;
        let legend = TOP + HEIGHT + 62.0;
        let longest = self.panels.iter().max_by_key(|panel| panel.curves.len());
        for curve in longest.map_or(&[][..], |panel| &panel.curves) {
            svg.rectangle(x, legend - 10.0, 14.0, 12.0, curve.class);
            svg.text(x + 20.0, legend, "note", Anchor::Start, curve.label);
            x += 50.0 + 6.6 * curve.label.len() as f64;
        }
        svg.finish(legend + 18.0, &self.title)
    }

    fn panel(&self, svg: &mut Svg, panel: &Panel, offset: f64) {
        let values = || panel.curves.iter().flat_map(|curve| &curve.values).copied();
        let (low, high) = decades(values());
        let bottom = TOP + HEIGHT;
        let (left, right) = (offset + LEFT, offset + PANEL - RIGHT);
        let (first, last) = range(self.x.iter().copied());
        let x =
            |value: f64| left + (right - left) * (value / first).log10() / (last / first).log10();
        let y =
            |value: f64| bottom - HEIGHT * (value.log10() - f64::from(low)) / f64::from(high - low);

        svg.text(offset + 20.0, 56.0, "group", Anchor::Start, &panel.title);
        for power in low..=high {
            let value = 10_f64.powi(power);
            svg.line(
                (left, y(value)),
                (right, y(value)),
                if power == low { "axis" } else { "grid" },
            );
            svg.text(
                left - 8.0,
                y(value) + 4.0,
                "note",
                Anchor::End,
                &with_prefix(value),
            );
        }
        for value in &self.x {
            svg.line((x(*value), TOP), (x(*value), bottom), "grid");
            svg.text(
                x(*value),
                bottom + 17.0,
                "note",
                Anchor::Middle,
                &value.to_string(),
            );
        }
        svg.text(
            f64::midpoint(left, right),
            bottom + 37.0,
            "note",
            Anchor::Middle,
            &self.x_axis,
        );
        for curve in &panel.curves {
            let points = self.x.iter().zip(&curve.values);
            let points: Vec<_> = points.map(|(at, value)| (x(*at), y(*value))).collect();
            svg.curve(&points, curve.class);
        }
    }
}

/// Returns the powers of ten below and above the values.
fn decades(values: impl Iterator<Item = f64>) -> (i32, i32) {
    let (low, high) = range(values.filter(|value| *value > 0.0));
    if !low.is_finite() {
        return (0, 1);
    }
    let (low, high) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    (low, high.max(low + 1))
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), value| {
        (low.min(value), high.max(value))
    })
}

fn with_prefix(value: f64) -> String {
    match value {
        1e6.. => format!("{} M", value / 1e6),
        1e3.. => format!("{} k", value / 1e3),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decades_enclose_the_values() {
        assert_eq!(decades([166.0, 470_428.0].into_iter()), (2, 6));
        assert_eq!(decades([100.0].into_iter()), (2, 3));
        assert_eq!(decades(std::iter::empty()), (0, 1));
    }

    #[test]
    fn powers_of_ten_have_prefixes() {
        let labels = [100.0, 1e4, 1e7].map(with_prefix);
        assert_eq!(labels, ["100", "10 k", "10 M"]);
    }
}
