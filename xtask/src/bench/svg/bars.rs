//! Horizontal bars in groups.

use crate::bench::svg::{Anchor, Svg, short, steps};

const WIDTH: f64 = 760.0;
/// The horizontal positions at which the bars begin and the axis ends.
const LEFT: f64 = 190.0;
const RIGHT: f64 = 670.0;
const ROW: f64 = 24.0;
const BAR: f64 = 17.0;

pub(crate) struct Bars {
    pub(crate) title: String,
    /// The label of the axis, with the unit.
    pub(crate) axis: String,
    pub(crate) groups: Vec<Group>,
    /// The names of the segments of a bar, if it has several.
    pub(crate) segments: Vec<String>,
    pub(crate) note: String,
}

pub(crate) struct Group {
    pub(crate) label: String,
    pub(crate) bars: Vec<Bar>,
}

pub(crate) struct Bar {
    pub(crate) label: String,
    /// The color of the program.
    pub(crate) class: &'static str,
    pub(crate) segments: Vec<f64>,
    /// The end of a thin line, for the slowest requests.
    pub(crate) whisker: Option<f64>,
}

impl Bar {
    fn length(&self) -> f64 {
        self.segments.iter().sum()
    }
}

impl Bars {
    pub(crate) fn draw(&self) -> String {
        let mut svg = Svg::new(WIDTH);
        let all = self.groups.iter().flat_map(|group| &group.bars);
        let longest = all.map(|bar| bar.whisker.unwrap_or(0.0).max(bar.length()));
        let steps = steps(longest.fold(0.0, f64::max));
        let end = steps.last().copied().unwrap_or(1.0);
        let x = |value: f64| LEFT + (RIGHT - LEFT) * value / end;

        svg.text(20.0, 30.0, "title", Anchor::Start, &self.title);
        let mut top = 46.0;
        if !self.segments.is_empty() {
            self.legend(&mut svg, top + 6.0);
            top += 26.0;
        }
        let rows: usize = self.groups.iter().map(|group| group.bars.len()).sum();
        let bottom = top + rows as f64 * ROW + self.groups.len() as f64 * (ROW + 8.0);
        for step in &steps {
            svg.line(
                (x(*step), top),
                (x(*step), bottom),
                if *step == 0.0 { "axis" } else { "grid" },
            );
            svg.text(
                x(*step),
                bottom + 17.0,
                "note",
                Anchor::Middle,
                &short(*step),
            );
        }
        svg.text(
            f64::midpoint(LEFT, RIGHT),
            bottom + 37.0,
            "note",
            Anchor::Middle,
            &self.axis,
        );

        let mut y = top;
        for group in &self.groups {
            y += ROW;
            svg.text(20.0, y - 7.0, "group", Anchor::Start, &group.label);
            for bar in &group.bars {
                bar_row(&mut svg, bar, y, x);
                y += ROW;
            }
            y += 8.0;
        }
        let mut height = bottom + 50.0;
        if !self.note.is_empty() {
            svg.text(20.0, height + 8.0, "note", Anchor::Start, &self.note);
            height += 24.0;
        }
        svg.finish(height, &self.title)
    }

    fn legend(&self, svg: &mut Svg, y: f64) {
        let mut x = 20.0;
        for (segment, shade) in self.segments.iter().zip(SHADES) {
            svg.rectangle(x, y, 14.0, 12.0, &format!("ours{shade}"));
            svg.text(x + 20.0, y + 11.0, "note", Anchor::Start, segment);
            x += 44.0 + 6.6 * segment.len() as f64;
        }
    }
}

const SHADES: [&str; 3] = ["", " second", " third"];

fn bar_row(svg: &mut Svg, bar: &Bar, y: f64, x: impl Fn(f64) -> f64) {
    svg.text(LEFT - 8.0, y + 14.0, "", Anchor::End, &bar.label);
    let mut from = 0.0;
    for (segment, shade) in bar.segments.iter().zip(SHADES) {
        let class = format!("{}{shade}", bar.class);
        svg.rectangle(x(from), y + 1.0, x(from + segment) - x(from), BAR, &class);
        from += segment;
    }
    let mut end = from;
    if let Some(whisker) = bar.whisker {
        let middle = y + 1.0 + BAR / 2.0;
        svg.line((x(from), middle), (x(whisker), middle), "whisker");
        svg.line(
            (x(whisker), middle - 4.0),
            (x(whisker), middle + 4.0),
            "whisker",
        );
        end = end.max(whisker);
    }
    svg.text(
        x(end) + 6.0,
        y + 14.0,
        "",
        Anchor::Start,
        &short(bar.length()),
    );
}
