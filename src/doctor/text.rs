//! How is a report shown to a person? A line for each step, no longer than a terminal is wide; below it what is wrong and
//! what mends it.

use super::report::{Cause, Mark, Report, Section, Step};
use crate::log;

/// The longest line, in characters. What can be pasted is never cut.
const WIDTH: usize = 100;

/// The column of the fact, and of what stands below a step.
const FACT: usize = 18;
const BELOW: &str = "        ";

/// The most steps that a line names.
const MOST_NAMES: usize = 9;

/// How a report is shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// With colours.
    pub colour: bool,
    /// Only what warns or fails.
    pub quiet: bool,
}

impl Report {
    /// The report as lines of text, without a line end behind the last.
    pub fn text(&self, style: Style) -> String {
        let mut lines = Vec::new();
        for section in &self.sections {
            add_section(&mut lines, section, style);
        }
        let number = |mark, word: &str| {
            let count = self.count(mark).count();
            format!("{count} {word}{}", if count == 1 { "" } else { "s" })
        };
        let numbers = format!("{}, {}", number(Mark::Failed, "failure"), number(Mark::Warning, "warning"));
        match self.cause() {
            Some(cause) => {
                let text = format!("cause: {} [{}]", safe(&cause.sentence), cause.code.as_str());
                lines.extend(wrapped(&text, WIDTH));
                lines.push(numbers);
            }
            None if style.quiet && self.count(Mark::Warning).next().is_none() => {}
            None => lines.push(format!("no failure found; {}", number(Mark::Warning, "warning"))),
        }
        lines.join("\n")
    }
}

fn add_section(lines: &mut Vec<String>, section: &Section, style: Style) {
    let steps = joined(&section.steps);
    let mut shown: Vec<_> = steps
        .iter()
        .filter(|step| !style.quiet || matches!(step.mark, Mark::Warning | Mark::Failed))
        .flat_map(|step| step_lines(step, style.colour))
        .collect();
    if !shown.is_empty() {
        lines.push(cut(&safe(&section.title), WIDTH));
        lines.append(&mut shown);
    }
}

/// Steps that were skipped for the same reason one after the other, as one.
fn joined(steps: &[Step]) -> Vec<Step> {
    let is_same =
        |one: &Step, other: &Step| one.mark == Mark::Skipped && other.mark == Mark::Skipped && one.fact == other.fact;
    let groups = steps.chunk_by(is_same);
    groups
        .filter_map(|group| {
            let (first, others) = group.split_first()?;
            let others: Vec<_> = others.iter().map(|step| step.name.as_str()).collect();
            let and = match others.len() {
                0 => String::new(),
                1..=MOST_NAMES => format!("and {}: ", others.join(", ")),
                _ => "and all that follow: ".to_owned(),
            };
            Some(Step { fact: format!("{and}{}", first.fact), ..first.clone() })
        })
        .collect()
}

fn step_lines(step: &Step, colour: bool) -> Vec<String> {
    let code = step.cause.as_ref().map(|cause| format!("  [{}]", cause.code.as_str())).unwrap_or_default();
    let time = step.time.map(|time| time.as_millis()).filter(|time| *time > 0);
    let time = time.map(|time| format!("  {time} ms")).unwrap_or_default();
    let head = format!("  {:<4}  {:<10}", step.mark.as_str(), step.name);
    let room = WIDTH.saturating_sub(FACT + time.len() + code.len());
    let fact = cut(&safe(&step.fact), room);
    let line = format!("{head}{fact}{time}{code}");
    let mut lines = vec![if colour { coloured(&line, step.mark) } else { line }];
    if let Some(cause) = &step.cause {
        lines.extend(cause_lines(cause));
    }
    lines
}

fn cause_lines(cause: &Cause) -> Vec<String> {
    let mut lines: Vec<_> = wrapped(&safe(&cause.sentence), WIDTH - BELOW.len()).collect();
    lines.extend(cause.fix.as_ref().map(|fix| format!("fix: {}", safe(fix))));
    lines.into_iter().map(|line| format!("{BELOW}{line}")).collect()
}

/// The mark at the beginning of a line in its colour.
fn coloured(line: &str, mark: Mark) -> String {
    let colour = match mark {
        Mark::Ok => "32",
        Mark::Warning => "33",
        Mark::Failed => "31",
        Mark::Skipped => "2",
    };
    let word = mark.as_str();
    line.replacen(word, &format!("\u{1b}[{colour}m{word}\u{1b}[0m"), 1)
}

/// One line, without secrets and without characters that act on a terminal.
fn safe(text: &str) -> String {
    log::neutral(&log::redact(text)).replace(['\n', '\r'], " ")
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn wrapped(text: &str, width: usize) -> impl Iterator<Item = String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let word = cut(word, width);
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines.into_iter()
}

#[cfg(test)]
mod tests {
    use super::super::Code;
    use super::*;

    #[test]
    fn a_line_has_a_hundred_columns_at_most_and_acts_on_no_terminal() {
        let long = "word ".repeat(60) + "\u{1b}[31m" + &"x".repeat(200) + "\u{202e}\nend";
        let cause = Cause::new(Code::Refused, long.clone(), "mcp-ferry doctor");
        let step = Step::new("tcp", Mark::Failed, long.clone()).because(cause);
        let report = Report { sections: vec![Section { title: long, steps: vec![step] }], ..Report::default() };
        let text = report.text(Style::default());
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        assert!(text.contains("[net.refused]") && text.contains("fix: mcp-ferry doctor"), "{text}");
    }

    #[test]
    fn steps_that_were_skipped_together_share_a_line() {
        let skipped = |name: &str| Step::new(name, Mark::Skipped, "not tried");
        let steps = vec![skipped("tools"), skipped("prompts"), skipped("stream")];
        let report = Report { sections: vec![Section { title: "server".to_owned(), steps }], ..Report::default() };
        assert!(report.text(Style::default()).contains("skip  tools     and prompts, stream: not tried"));
        assert!(!report.text(Style { quiet: true, ..Style::default() }).contains("tools"));
    }
}
