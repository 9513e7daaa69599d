//! How do the figures look as a chart? One group of bars for each row of the table, as SVG. The longest bar of a group is
//! that of its largest figure, because the rows have different units.

use std::fmt::Write;

const WIDTH: f64 = 860.0;
const LABEL: f64 = 190.0;
const BAR: f64 = 14.0;
const GAP: f64 = 5.0;
const COLOURS: [&str; 6] = ["#8b949e", "#2f81f7", "#79c0ff", "#d29922", "#bc8cff", "#3fb950"];

/// A row of the table: its name, and the figure of each subject, if it has one.
pub type Row = (String, Vec<Option<f64>>);

/// The chart of these rows. Shorter bars are better, unless the row's name says otherwise.
pub fn svg(title: &str, subjects: &[String], rows: &[Row]) -> String {
    let rows: Vec<&Row> = rows.iter().filter(|(_, figures)| figures.iter().flatten().count() > 1).collect();
    #[allow(clippy::cast_precision_loss)]
    let group = |row: &Row| 30.0 + row.1.iter().flatten().count() as f64 * (BAR + GAP) + 8.0;
    let height = 50.0 + rows.iter().map(|row| group(row)).sum::<f64>();
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         role=\"img\" font-family=\"sans-serif\">\n<title>{title}</title>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" rx=\"8\" fill=\"#0d1117\"/>\n\
         <text x=\"16\" y=\"30\" font-size=\"17\" fill=\"#e6edf3\">{title}</text>\n",
        title = escaped(title),
    );
    let mut y = 50.0;
    for row in rows {
        let (name, figures) = row;
        let _ = writeln!(
            out,
            "<text x=\"16\" y=\"{:.0}\" font-size=\"14\" font-weight=\"bold\" fill=\"#e6edf3\">{}</text>",
            y + 18.0,
            escaped(name)
        );
        let largest = figures.iter().flatten().copied().fold(f64::MIN_POSITIVE, f64::max);
        let mut top = y + 28.0;
        for (index, figure) in figures.iter().enumerate() {
            let Some(figure) = figure else { continue };
            let length = ((WIDTH - LABEL - 110.0) * figure / largest).max(2.0);
            let _ = writeln!(
                out,
                "<text x=\"{:.0}\" y=\"{:.0}\" font-size=\"12\" text-anchor=\"end\" fill=\"#8b949e\">{}</text>\
                 <rect x=\"{LABEL}\" y=\"{top:.0}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\" fill=\"{}\"/>\
                 <text x=\"{:.1}\" y=\"{:.0}\" font-size=\"12\" fill=\"#e6edf3\">{}</text>",
                LABEL - 8.0,
                top + 11.5,
                escaped(&subjects[index]),
                COLOURS[index % COLOURS.len()],
                LABEL + length + 6.0,
                top + 11.5,
                short(*figure),
            );
            top += BAR + GAP;
        }
        y += group(row);
    }
    out.push_str("</svg>\n");
    out
}

/// Three digits are enough for a bar.
fn short(figure: f64) -> String {
    match figure {
        figure if figure >= 100.0 => format!("{figure:.0}"),
        figure if figure >= 10.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
