//! Plots as plain SVG: horizontal bars, and lines on logarithmic axes.
//!
//! A plot has a background and colors of its own, light or dark as the reader prefers, so that it is
//! readable on every page.

pub(crate) mod bars;
pub(crate) mod lines;

use std::fmt::Write as _;

const STYLE: &str = "\
text { font: 13px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.group { font-weight: 600 }
.note { font-size: 12px; fill: #59636e }
.background { fill: #ffffff; stroke: #d1d9e0 }
.grid { stroke: #e4e8ec }
.axis { stroke: #818b98 }
.whisker { stroke: #1f2328; stroke-width: 1.5 }
.floor { fill: #afb8c1; stroke: #afb8c1 }
.bare { fill: #818b98; stroke: #818b98 }
.tower-sessions { fill: #d29922; stroke: #d29922 }
.ours { fill: #0969da; stroke: #0969da }
.flask { fill: #8250df; stroke: #8250df }
.curve { fill: none; stroke-width: 2.5 }
.second { fill-opacity: 0.65; stroke: none }
.third { fill-opacity: 0.35; stroke: none }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.note { fill: #9198a1 }
.background { fill: #0d1117; stroke: #3d444d }
.grid { stroke: #262c36 }
.axis { stroke: #656c76 }
.whisker { stroke: #f0f6fc }
.floor { fill: #59636e; stroke: #59636e }
.bare { fill: #9198a1; stroke: #9198a1 }
.tower-sessions { fill: #bb8009; stroke: #bb8009 }
.ours { fill: #4493f8; stroke: #4493f8 }
.flask { fill: #ab7df8; stroke: #ab7df8 }
.curve { fill: none }
.second, .third { stroke: none }
}";

/// The side of its position on which a text is.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing that grows downwards.
pub(crate) struct Svg {
    width: f64,
    body: String,
}

impl Svg {
    pub(crate) fn new(width: f64) -> Self {
        Self {
            width,
            body: String::new(),
        }
    }

    pub(crate) fn text(&mut self, x: f64, y: f64, class: &str, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escape(text);
        self.add(format_args!(
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#
        ));
    }

    pub(crate) fn rectangle(&mut self, x: f64, y: f64, width: f64, height: f64, class: &str) {
        self.add(format_args!(
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"/>"#
        ));
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.add(format_args!(
            r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
        ));
    }

    pub(crate) fn curve(&mut self, points: &[(f64, f64)], class: &str) {
        let text: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        self.add(format_args!(
            r#"<polyline class="{class} curve" points="{}"/>"#,
            text.join(" ")
        ));
        for (x, y) in points {
            self.add(format_args!(
                r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="3.5"/>"#
            ));
        }
    }

    /// Returns the file. The description is for those who do not see the plot.
    pub(crate) fn finish(self, height: f64, description: &str) -> String {
        let Self { width, body } = self;
        let description = escape(description);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\">\n<title>{description}</title>\n<style>\n{STYLE}\n</style>\n\
             <rect class=\"background\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\"/>\n{body}</svg>\n",
            width - 1.0,
            height - 1.0,
        )
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.body, "{element}");
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Returns round steps from 0 to at least the maximum, at most six of them.
fn steps(maximum: f64) -> Vec<f64> {
    if maximum <= 0.0 || !maximum.is_finite() {
        return vec![0.0, 1.0];
    }
    let power = 10_f64.powf((maximum / 5.0).log10().floor());
    let factors = [1.0, 2.0, 2.5, 5.0, 10.0];
    let step = factors
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| step * 5.0 >= maximum);
    let step = step.unwrap_or(10.0 * power);
    let number = (maximum / step).ceil() as usize;
    (0..=number.max(1))
        .map(|index| index as f64 * step)
        .collect()
}

/// Returns a number of an axis or a bar as short as it can be.
pub(crate) fn short(value: f64) -> String {
    let digits = match value {
        _ if value >= 100.0 || value.fract() == 0.0 => 0,
        _ if value >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_reach_the_maximum() {
        assert_eq!(steps(5.0), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(steps(1430.0), [0.0, 500.0, 1000.0, 1500.0]);
        assert_eq!(steps(23.9), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0]);
        assert_eq!(steps(0.0), [0.0, 1.0]);
    }

    #[test]
    fn short_numbers_have_no_needless_digits() {
        assert_eq!(short(1430.4), "1430");
        assert_eq!(short(12.04), "12");
        assert_eq!(short(0.3), "0.3");
        assert_eq!(short(0.0), "0");
    }

    #[test]
    fn texts_are_escaped() {
        let mut svg = Svg::new(10.0);
        svg.text(0.0, 0.0, "note", Anchor::Start, "a < b & c");
        assert!(svg.finish(10.0, "<").contains("a &lt; b &amp; c"));
    }
}
