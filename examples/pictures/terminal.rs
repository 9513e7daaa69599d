//! How does a terminal look as SVG? Lines of text with the colours of their escape sequences.

use std::fmt::Write;

const FONT: f64 = 14.0;
/// The width of a letter and the height of a line, as multiples of the font's size.
const LETTER: f64 = 0.602;
const LINE: f64 = 1.4;
const MARGIN: f64 = 16.0;
/// The bar with the title.
const BAR: f64 = 30.0;
/// Longer lines are broken, as in a terminal of this width.
const COLUMNS: usize = 104;
const LEAST_COLUMNS: usize = 60;

/// A window with this text in it.
pub fn svg(title: &str, text: &str) -> String {
    let lines = lines(text);
    let columns = lines.iter().map(|line| line.iter().map(|run| run.text.chars().count()).sum()).max();
    let columns = columns.unwrap_or(0).clamp(LEAST_COLUMNS, COLUMNS);
    #[allow(clippy::cast_precision_loss)]
    let (width, height) = (
        (columns as f64 * LETTER * FONT + 2.0 * MARGIN).ceil(),
        (lines.len() as f64 * LINE * FONT + 2.0 * MARGIN + BAR).ceil(),
    );
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\">\n<title>{title}</title>\n<rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#0d1117\"/>\n\
         <g fill=\"#484f58\"><circle cx=\"18\" cy=\"16\" r=\"5\"/><circle cx=\"36\" cy=\"16\" r=\"5\"/>\
         <circle cx=\"54\" cy=\"16\" r=\"5\"/></g>\n\
         <text x=\"{}\" y=\"20\" text-anchor=\"middle\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#8b949e\">{title}</text>\n\
         <g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"{FONT}\" \
         fill=\"#e6edf3\" xml:space=\"preserve\">\n",
        width / 2.0,
        title = escaped(title),
    );
    let mut y = BAR + MARGIN + FONT;
    for line in &lines {
        if !line.is_empty() {
            let runs: String = line.iter().map(Run::tspan).collect();
            // The length is stated because each machine has another font.
            let letters: usize = line.iter().map(|run| run.text.chars().count()).sum();
            #[allow(clippy::cast_precision_loss)]
            let length = letters as f64 * LETTER * FONT;
            let _ = writeln!(
                out,
                "<text x=\"{MARGIN}\" y=\"{y:.1}\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\">{runs}</text>"
            );
        }
        y += LINE * FONT;
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// Letters in the same style.
#[derive(Clone, Default)]
struct Run {
    text: String,
    colour: Option<&'static str>,
    is_bold: bool,
    is_faint: bool,
    is_underlined: bool,
}

impl Run {
    fn tspan(&self) -> String {
        let mut style = String::new();
        if let Some(colour) = self.colour {
            let _ = write!(style, " fill=\"{colour}\"");
        }
        if self.is_bold {
            style.push_str(" font-weight=\"bold\"");
        }
        if self.is_faint {
            style.push_str(" opacity=\"0.65\"");
        }
        if self.is_underlined {
            style.push_str(" text-decoration=\"underline\"");
        }
        // Several blanks in a row are one in SVG, whatever `xml:space` says in some programs.
        let text = escaped(&self.text).replace(' ', "\u{a0}");
        if style.is_empty() { text } else { format!("<tspan{style}>{text}</tspan>") }
    }

    /// What an escape sequence of colours does: the parameters between `ESC [` and `m`.
    fn apply(&mut self, parameters: &str) {
        for parameter in parameters.split(';') {
            match parameter {
                "" | "0" => *self = Self::default(),
                "1" => self.is_bold = true,
                "2" => self.is_faint = true,
                "4" => self.is_underlined = true,
                "22" => (self.is_bold, self.is_faint) = (false, false),
                "24" => self.is_underlined = false,
                "31" | "91" => self.colour = Some("#ff7b72"),
                "32" | "92" => self.colour = Some("#3fb950"),
                "33" | "93" => self.colour = Some("#d29922"),
                "34" | "94" => self.colour = Some("#58a6ff"),
                "35" | "95" => self.colour = Some("#bc8cff"),
                "36" | "96" => self.colour = Some("#39c5cf"),
                "39" => self.colour = None,
                _ => {}
            }
        }
    }
}

fn lines(text: &str) -> Vec<Vec<Run>> {
    let mut style = Run::default();
    let mut lines = Vec::new();
    for line in text.trim_end().lines() {
        let (mut runs, mut run, mut column) = (Vec::new(), style.clone(), 0);
        let mut letters = line.chars();
        while let Some(letter) = letters.next() {
            if letter == '\u{1b}' {
                let sequence: String = letters.by_ref().take_while(|letter| *letter != 'm').collect();
                style.apply(sequence.trim_start_matches('['));
                runs.push(std::mem::replace(&mut run, style.clone()));
                continue;
            }
            if column == COLUMNS {
                runs.push(std::mem::replace(&mut run, style.clone()));
                lines.push(std::mem::take(&mut runs));
                column = 0;
            }
            run.text.push(letter);
            column += 1;
        }
        runs.push(run);
        runs.retain(|run| !run.text.is_empty());
        lines.push(runs);
    }
    lines
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
